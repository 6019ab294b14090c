"""Reference values of the Q-network from PyTorch in double precision.

Writes crates/rlad/tests/reference/qnet.json: Q-values, losses, gradients and the weights after three optimiser steps, for
several shapes, with one bias (PyTorch's second one is held at 0), and one case in which both of PyTorch's biases train.

Run from the repository root: python bench/reference/qnet.py    (torch, CPU)
"""

import json
import math

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class QNetwork(nn.Module):
    def __init__(self, n_features, n_units, skip, head_units):
        super().__init__()
        self.skip = skip
        self.lstm = nn.LSTM(n_features, n_units, batch_first=True)
        width = n_units + (n_features if skip else 0)
        self.hidden = nn.Linear(width, head_units) if head_units else None
        self.out = nn.Linear(head_units or width, 2)

    def forward(self, states):
        last = self.lstm(states)[0][:, -1]
        if self.skip:
            last = torch.cat([last, states[:, -1]], 1)
        return self.out(torch.relu(self.hidden(last)) if self.hidden else last)


def waves(count, scale, start):
    return torch.tensor([scale * math.sin(start + k) for k in range(count)])


def fill(network):
    """Weight k, counted over all parameters in order, is 0.3 sin(1 + k)."""
    k = 0
    for parameter in network.parameters():
        parameter.data = waves(parameter.numel(), 0.3, 1 + k).reshape(parameter.shape)
        k += parameter.numel()


def one_bias(network, n_units):
    network.lstm.bias_hh_l0.data.zero_()
    network.lstm.bias_ih_l0.data.zero_()
    network.lstm.bias_ih_l0.data[n_units : 2 * n_units] = 1.0


def numbers(tensor):
    return [float(f"{value:.10g}") for value in tensor.flatten().tolist()]


def named(network, what):
    names = {"lstm.bias_ih_l0": "lstm.bias_l0"}
    return {
        names.get(name, name): numbers(what(parameter))
        for name, parameter in network.named_parameters()
        if name != "lstm.bias_hh_l0"
    }


def case(n_features, n_units, skip, head_units, n_steps, batch, weight_decay, clip_norm, taken):
    network = QNetwork(n_features, n_units, skip, head_units)
    fill(network)
    one_bias(network, n_units)
    network.lstm.bias_hh_l0.requires_grad = False
    weights_before = named(network, lambda p: p.data)
    states = waves(batch * n_steps * n_features, 1.5, 0.5).reshape(batch, n_steps, n_features)
    targets = waves(batch * 2, 5.0, 2.0).reshape(batch, 2)
    weights = torch.ones(batch, 2)
    if taken:
        # One action of each row counts, every fifth one for less.
        for row in range(batch):
            weights[row, row % 3 % 2] = 0.0
            if row % 5 == 0:
                weights[row] *= 0.3
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in trained if "weight" in name], "weight_decay": weight_decay},
        {"params": [p for name, p in trained if "bias" in name], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=0.01, eps=1e-8)
    losses, gradients, q = [], None, network(states).detach()
    for _ in range(3):
        optimiser.zero_grad()
        loss = (weights * (network(states) - targets) ** 2).sum() / weights.sum()
        loss.backward()
        gradients = gradients or named(network, lambda p: p.grad if p.grad is not None else torch.zeros_like(p))
        if clip_norm:
            nn.utils.clip_grad_norm_([p for _, p in trained], clip_norm)
        optimiser.step()
        losses.append(float(loss.detach()))
    return {
        "shape": {"n_features": n_features, "n_units": n_units, "skip": skip, "head_units": head_units},
        "n_steps": n_steps,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
        "weights_before": weights_before,
        "states": numbers(states),
        "targets": numbers(targets),
        "weights": numbers(weights),
        "q": numbers(q),
        "losses": losses,
        "gradients": gradients,
        "weights_after": named(network, lambda p: p.data),
    }


def uniform(count, seed):
    """An integer generator that any language reproduces."""
    values = []
    for _ in range(count):
        seed = (1664525 * seed + 1013904223) & 0xFFFFFFFF
        values.append(seed / 4294967296.0)
    return values


def released_case():
    """Windows of 25 of a seasonal series, and a second channel that holds the last action; both biases train."""
    u = uniform(9000, 12345)
    noise = [u[3 * i] + u[3 * i + 1] + u[3 * i + 2] - 1.5 for i in range(3000)]
    x = [math.sin(math.tau * i / 24) + 0.5 * math.sin(math.tau * i / 168) + 0.4 * noise[i] for i in range(3000)]
    x[1700] += 3.0
    x[2100] -= 3.0
    for i in range(2500, 2506):
        x[i] += 2.0
    low, high = min(x), max(x)
    x = [(value - low) / (high - low) for value in x]
    network = QNetwork(2, 8, False, 0)
    fill(network)
    one_bias(network, 8)
    weights_before = named(network, lambda p: p.data)
    windows = torch.tensor([x[i : i + 25] for i in range(1660, 1724)])
    normal = torch.stack([windows, torch.zeros_like(windows)], -1)
    anomaly = normal.clone()
    anomaly[:, -1, 1] = 1.0
    rewards = torch.tensor([[1.0, -1.0]] * 64)
    rewards[16] = torch.tensor([-5.0, 5.0])
    with torch.no_grad():
        q, q_anomaly = network(normal), network(anomaly)
        best_next = [network(states.roll(-1, 0)).max(1)[0] for states in (normal, anomaly)]
        targets = rewards + 0.8 * torch.stack(best_next, -1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01, eps=1e-8)
    losses, norms = [], None
    for _ in range(3):
        optimiser.zero_grad()
        loss = ((network(normal) - targets) ** 2).mean()
        loss.backward()
        norms = norms or {
            name.replace("bias_ih", "bias"): float(p.grad.norm())
            for name, p in network.named_parameters()
            if name != "lstm.bias_hh_l0"
        }
        optimiser.step()
        losses.append(float(loss.detach()))
    return {
        "values": [float(f"{value:.10g}") for value in x[1660 : 1660 + 88]],
        "weights_before": weights_before,
        "q_row_0": q[0].tolist(),
        "q_row_16": q[16].tolist(),
        "q_row_16_after_anomaly": q_anomaly[16].tolist(),
        "target_row_16": targets[16].tolist(),
        "targets": numbers(targets),
        "losses": losses,
        "gradient_norms": norms,
        "q_row_16_after": network(normal)[16].tolist(),
    }


def main():
    cases = [
        case(1, 4, False, 0, 1, 3, 0.0, None, False),
        case(3, 5, True, 6, 25, 11, 0.0, None, False),
        case(2, 16, True, 0, 7, 19, 0.0, None, True),
        case(1, 12, False, 8, 25, 33, 0.1, 0.5, True),
    ]
    values = {"torch": torch.__version__, "dtype": "float64", "cases": cases, "released": released_case()}
    with open("crates/rlad/tests/reference/qnet.json", "w") as file:
        json.dump(values, file, separators=(",", ":"))
        file.write("\n")


main()
