"""Reference values of the baselines' networks from PyTorch in double precision.

Writes crates/rlad/tests/reference/baselines_networks.json: outputs, losses, gradients and optimiser steps of dense networks,
of the replicator network, DAGMM, Deep SAD and the network of SR-CNN, each written here from the equations with autograd for
the derivatives; saliency maps by numpy's Fourier transform; log densities by SciPy.

Run from the repository root: python bench/reference/baselines_networks.py    (torch, CPU; numpy; scipy)
"""

import json
import math

import numpy as np
import scipy
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def series(n=3000):
    """A bit-exact series: two sines, noise of a linear congruential generator, and anomalies at 1700, 2100 and 2500."""
    state, u = 12345, []
    for _ in range(3 * n):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        u.append(state / 4294967296.0)
    x = [
        math.sin(2 * math.pi * i / 24) + 0.5 * math.sin(2 * math.pi * i / 168) + 0.4 * (sum(u[3 * i : 3 * i + 3]) - 1.5)
        for i in range(n)
    ]
    x[1700] += 3.0
    x[2100] -= 3.0
    for i in range(2500, 2506):
        x[i] += 2.0
    return np.array(x)


X = series()
SCALED = (X - X.min()) / (X.max() - X.min())


def windows(start, count, length):
    return torch.tensor(np.stack([SCALED[i : i + length] for i in range(start, start + count)]))


def waves(count, scale, start):
    return torch.tensor([scale * math.sin(start + k) for k in range(count)])


def fill(*modules):
    """Weight k, counted over all parameters in order, is 0.3 sin(1 + k)."""
    k = 0
    for module in modules:
        for parameter in module.parameters():
            parameter.data = waves(parameter.numel(), 0.3, 1 + k).reshape(parameter.shape)
            k += parameter.numel()


def numbers(values):
    return [float(f"{value:.10g}") for value in torch.as_tensor(values).flatten().tolist()]


def gradient(*modules):
    return numbers(torch.cat([p.grad.flatten() for module in modules for p in module.parameters()]))


def weights(*modules):
    return numbers(torch.cat([p.data.flatten() for module in modules for p in module.parameters()]))


def staircase(x):
    return 0.5 + sum(torch.tanh(100 * (x - j / 4)) for j in range(1, 4)) / 6


class Staircase(nn.Module):
    def forward(self, x):
        return staircase(x)


ACTIVATIONS = {
    "linear": nn.Identity,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "staircase": Staircase,
}


def chain(sizes, activations, bias=True, normalised=()):
    modules = []
    for index, (a, b) in enumerate(zip(sizes, sizes[1:])):
        modules.append(nn.Linear(a, b, bias=bias))
        if index in normalised:
            modules.append(nn.BatchNorm1d(b, eps=1e-4, affine=False))
        modules.append(ACTIVATIONS[activations[index]]())
    return nn.Sequential(*modules)


def running(module):
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d)]
    return [value for m in norms for value in numbers(m.running_mean) + numbers(m.running_var)]


def networks():
    cases = []
    for sizes, activations, bias, normalised in [
        ([3, 2], ["linear"], True, []),
        ([5, 7, 2], ["tanh", "tanh"], True, []),
        ([4, 6, 5, 3], ["relu", "leaky-relu", "linear"], True, []),
        ([6, 4, 6], ["staircase", "linear"], True, []),
        ([5, 8, 4, 2], ["leaky-relu", "leaky-relu", "linear"], False, [0, 1]),
    ]:
        network = chain(sizes, activations, bias, normalised)
        fill(network)
        n = 9
        inputs = waves(n * sizes[0], 1.0, 0.5).reshape(n, -1).requires_grad_()
        targets = waves(n * sizes[-1], 1.0, 2.5).reshape(n, -1)
        network.train()
        outputs = network(inputs)
        ((outputs - targets) ** 2).sum().backward()
        case = {
            "sizes": sizes,
            "activations": activations,
            "bias": bias,
            "normalised": normalised,
            "inputs": numbers(inputs.detach()),
            "targets": numbers(targets),
            "outputs": numbers(outputs.detach()),
            "gradient": gradient(network),
            "d_inputs": numbers(inputs.grad),
            "running": running(network),
        }
        network.eval()
        case["outputs_after"] = numbers(network(inputs).detach())
        cases.append(case)
    return cases


def optimisers():
    cases = {}
    for name, make in {
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    }.items():
        parameter = nn.Parameter(waves(5, 1.0, 1.0))
        optimiser = make([parameter])
        steps = []
        for step in range(3):
            parameter.grad = waves(5, 2.0, 3.0 * step)
            optimiser.step()
            steps.append(numbers(parameter.data))
        cases[name] = steps
    return cases


def autoencoder():
    cases = {}
    for name, code in [("tanh", "linear"), ("staircase", "staircase")]:
        network = chain([30, 16, 5, 16, 30], ["tanh", code, "tanh", "linear"])
        fill(network)
        rows = windows(1660, 20, 30)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        losses, first = [], None
        for _ in range(3):
            optimiser.zero_grad()
            loss = ((network(rows) - rows) ** 2).sum()
            loss.backward()
            first = first or gradient(network)
            optimiser.step()
            losses.append(loss.item())
        errors = (network(rows) - rows).abs().detach()
        # The errors of two channels: even and odd steps.
        pairs = errors.reshape(-1, 2).numpy()
        cases[name] = {
            "losses": losses,
            "gradient": first,
            "errors": numbers(errors[0]),
            "mean_error": float(errors.mean()),
            "surprise": numbers(
                -multivariate_normal(pairs.mean(0), np.cov(pairs, rowvar=False) + 1e-6 * np.eye(2)).logpdf(pairs[:15])
            ),
        }
    cases["series"] = numbers(SCALED[1660:1709])
    levels = torch.tensor([0.0, 0.2, 0.25, 0.3, 0.5, 0.74, 0.76, 1.0], requires_grad=True)
    values = staircase(levels)
    values.sum().backward()
    cases["stairs"] = {
        "x": numbers(levels.detach()),
        "values": values.tolist(),
        "slopes": levels.grad.tolist(),
    }
    return cases


def mixture(z, gamma):
    weight = gamma.sum(0)
    mean = (gamma.T @ z) / weight[:, None]
    centred = z[:, None, :] - mean
    covariance = torch.einsum("nk,nki,nkj->kij", gamma, centred, centred) / weight[:, None, None]
    return weight / len(z), mean, covariance


def energy(z, shares, mean, covariance, jitter, floor, power):
    covariance = covariance + jitter * torch.eye(z.shape[1])
    centred = z[:, None, :] - mean
    exponent = -0.5 * torch.einsum("nki,kij,nkj->nk", centred, torch.linalg.inv(covariance), centred)
    density = (shares * torch.exp(exponent) / torch.linalg.det(2 * math.pi * covariance) ** power).sum(1)
    penalty = (1 / torch.diagonal(covariance, dim1=1, dim2=2)).sum()
    return -torch.log(density + floor), penalty


def energies():
    n, d, k = 64, 3, 2
    z = torch.tensor([[math.sin(1 + 3 * i + j) + (3.0 if i == 16 else 0.0) for j in range(d)] for i in range(n)])
    logits = torch.tensor([[math.cos(2 + 2 * i + j) for j in range(k)] for i in range(n)])
    cases = []
    for compat, jitter, floor in [(False, 1e-12, 1e-12), (True, 1e-12, 1e-12), (False, 1e-2, 0.0), (True, 1e-2, 1e-3)]:
        z_leaf = z.clone().requires_grad_()
        gamma = torch.softmax(logits, 1).requires_grad_()
        parameters = mixture(z_leaf, gamma)
        values, penalty = energy(z_leaf, *parameters, jitter, floor, 0.25 if compat else 0.5)
        (0.1 * values.mean() + 0.005 * penalty).backward()
        cases.append(
            {
                "compat_determinant": compat,
                "jitter": jitter,
                "floor": floor,
                "z": numbers(z),
                "memberships": numbers(gamma.detach()),
                "energies": values.tolist(),
                "mean_energy": float(values.detach().mean()),
                "penalty": float(penalty.detach()),
                "d_z": z_leaf.grad.flatten().tolist(),
                "d_memberships": gamma.grad.flatten().tolist(),
            }
        )
    return cases


def dagmm():
    """Covariances far from singular, whose inverse would make the rounding of single precision large."""
    cases, jitter = [], 1e-3
    for dropped, compat in [(False, False), (True, True)]:
        encoder = chain([30, 16, 5], ["tanh", "linear"])
        decoder = chain([5, 16, 30], ["tanh", "linear"])
        hidden, out = chain([7, 10], ["tanh"]), chain([10, 3], ["linear"])
        modules = (encoder, decoder, hidden, out)
        fill(*modules)
        # Standardised windows around the anomaly at 1700; the last is all 0.
        rows = torch.tensor(np.stack([(X[i : i + 30] - X.mean()) / X.std() for i in range(1660, 1699)] + [np.zeros(30)]))
        kept = torch.tensor([[2.0 if dropped and (i + j) % 3 else 1.0 - dropped for j in range(10)] for i in range(40)])
        parameters = [p for module in modules for p in module.parameters()]
        optimiser = torch.optim.Adam(parameters, lr=1e-3)
        losses, norms, first = [], [], None
        for _ in range(3):
            optimiser.zero_grad()
            code = encoder(rows)
            back = decoder(code)
            size = rows.norm(dim=1).clamp(min=0.01 * math.sqrt(30))
            distance = (rows - back).norm(dim=1) / size
            z = torch.cat([code, distance[:, None], F.cosine_similarity(rows, back, dim=1)[:, None]], 1)
            gamma = torch.softmax(out(hidden(z) * kept), 1)
            values, penalty = energy(z, *mixture(z, gamma), jitter, 1e-12, 0.25 if compat else 0.5)
            loss = ((rows - back) ** 2).mean() + 0.1 * values.mean() + 0.005 * penalty
            loss.backward()
            if first is None:
                first = gradient(*modules)
                first_z, first_gamma = numbers(z.detach()), numbers(gamma.detach())
            norms.append(float(nn.utils.clip_grad_norm_(parameters, 5.0)))
            optimiser.step()
            losses.append(loss.item())
        cases.append(
            {
                "compat_determinant": compat,
                "jitter": jitter,
                "rows": numbers(rows),
                "dropout": numbers(kept),
                "z": first_z,
                "memberships": first_gamma,
                "losses": losses,
                "norms": norms,
                "gradient": first,
            }
        )
    return cases


def deep_sad():
    rows = windows(1660, 64, 25)
    labels = torch.zeros(64)
    labels[16], labels[3], labels[40] = -1, 1, 1
    network = chain([25, 16, 8, 4], ["leaky-relu", "leaky-relu", "linear"], False, [0, 1])
    fill(network)
    network.eval()
    with torch.no_grad():
        mean = network(rows).mean(0)
    centre = torch.where(mean.abs() < 0.1, 0.1 * torch.sign(mean), mean)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-6)
    losses, first = [], None
    for _ in range(3):
        optimiser.zero_grad()
        distance = ((network(rows) - centre) ** 2).sum(1)
        loss = torch.where(labels == 0, distance, (distance + 1e-6) ** labels).mean()
        loss.backward()
        first = first or gradient(network)
        optimiser.step()
        losses.append(loss.item())
    network.eval()
    with torch.no_grad():
        scores = ((network(rows) - centre) ** 2).sum(1)
    return {
        "rows": numbers(rows),
        "labels": [int(label) for label in labels],
        "mean": numbers(mean),
        "centre": numbers(centre),
        "losses": losses,
        "gradient": first,
        "scores": numbers(scores),
    }


def trailing_mean(values, n=3):
    return np.array([values[max(0, end + 1 - n) : end + 1].mean() for end in range(len(values))])


def saliency(values):
    spectrum = np.fft.fft(values)
    amplitude = np.abs(spectrum)
    some = amplitude > 1e-8
    log = np.log(amplitude, where=some, out=np.zeros(len(values)))
    residual = np.exp(log - trailing_mean(log))
    scaled = np.where(some, spectrum * residual / np.where(some, amplitude, 1), 0)
    return np.abs(np.fft.ifft(scaled))


def extrapolated(values):
    known = values[-7:-1]
    slopes = [(known[-1] - x) / (5 - i) for i, x in enumerate(known[:-1])]
    return np.concatenate([values, [known[1] + sum(slopes)] * 5])


def sr_cnn():
    network = chain([16, 16, 32, 64, 16], ["relu", "relu", "relu", "linear"])
    fill(network)
    one = torch.tensor(SCALED[1690:1706])[None]
    rows = windows(1690, 12, 16)
    labels = torch.tensor([[float((3 * i + 5 * j) % 7 == 0) for j in range(16)] for i in range(12)])
    outputs = torch.sigmoid(network(one)).detach()
    loss = F.binary_cross_entropy(torch.sigmoid(network(rows)), labels, weight=1 + labels, reduction="sum")
    loss.backward()
    n_parameters = sum(p.numel() for p in network.parameters())
    first = gradient(network)
    window = X[1578:1701]
    normalised = 3 * (window - window.min()) / (window.max() - window.min() + 1e-5)
    whole = extrapolated(X[1579:2091])
    whole_map = saliency(whole)
    return {
        "n_parameters": n_parameters,
        "inputs": numbers(one),
        "outputs": numbers(outputs),
        "rows": numbers(rows),
        "labels": [int(label) for label in labels.flatten()],
        "positive_weight": 2,
        "loss": loss.item(),
        "gradient": first,
        "window": window.tolist(),
        "extrapolated": extrapolated(normalised).tolist(),
        "saliency": saliency(extrapolated(normalised)).tolist(),
        "long": {
            "values": X[1579:2091].tolist(),
            "next": float(whole[-1]),
            "sum": float(whole_map[:512].sum()),
            "at_121": float(whole_map[121]),
        },
    }


def main():
    values = {
        "source": "bench/reference/baselines_networks.py",
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
        "networks": networks(),
        "optimisers": optimisers(),
        "autoencoder": autoencoder(),
        "energies": energies(),
        "dagmm": dagmm(),
        "deep_sad": deep_sad(),
        "sr_cnn": sr_cnn(),
    }
    with open("crates/rlad/tests/reference/baselines_networks.json", "w") as file:
        json.dump(values, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
