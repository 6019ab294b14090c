"""The Q-network against PyTorch and ONNX Runtime: one DQN step, and the scores of 200,000 windows."""

import statistics
import time

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ours import Ours, interleaved, spread, timed

N_STEPS = 25
BATCH = 256
N_WINDOWS = 200_000
SIZES = [(units, features) for units in (64, 128) for features in (1, 10, 39)]


class QNetwork(nn.Module):
    def __init__(self, n_features, n_units):
        super().__init__()
        self.lstm = nn.LSTM(n_features, n_units, batch_first=True)
        self.out = nn.Linear(n_units, 2)
        # One bias, as ours: the second stays at 0.
        self.lstm.bias_hh_l0.data.zero_()
        self.lstm.bias_hh_l0.requires_grad = False

    def forward(self, states):
        return self.out(self.lstm(states)[0][:, -1])


def weights(network):
    lstm, out = network.lstm, network.out
    parts = [lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, out.weight, out.bias]
    return np.concatenate([part.detach().numpy().ravel() for part in parts])


def peak(threads):
    """The best rate of a large matrix product here, in operations a second (a multiplication and an addition are two)."""
    torch.set_num_threads(threads)
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = torch.randn(n, n), torch.randn(n, n)
        for _ in range(8):
            best = max(best, 2 * n**3 / timed(torch.mm, a, b)[1])
    return best


def operations(n_units, n_features, n_windows):
    """Those of the matrix products of a DQN step: forward twice; backward the derivatives by the outputs and by both weights."""
    inputs = n_windows * 2 * 4 * n_units * N_STEPS * n_features
    outputs = n_windows * 2 * 4 * n_units * (N_STEPS - 1) * n_units
    return 3 * inputs + 4 * outputs


def steps(files, threads, repeats, compiles=True):
    rows = []
    torch.set_num_threads(threads)
    ours = Ours(threads)
    rates = [peak(threads)]
    for n_units, n_features in SIZES:
        torch.manual_seed(0)
        online, target = QNetwork(n_features, n_units), QNetwork(n_features, n_units)
        target.load_state_dict(online.state_dict())
        states, following = torch.randn(BATCH, N_STEPS, n_features), torch.randn(BATCH, N_STEPS, n_features)
        rewards = torch.randn(BATCH, 2)
        ours("network", units=n_units, features=n_features, weights=files.put("weights", weights(online)))
        # What the program has read it keeps, so that each size has files of its own.
        of_size = {"states": states, "next": following, "rewards": rewards}
        task = {key: files.put(f"{key}-{n_units}-{n_features}", value) for key, value in of_size.items()}
        task["steps"] = N_STEPS
        optimiser = torch.optim.Adam([p for p in online.parameters() if p.requires_grad], lr=1e-3)

        def step(forward_online, forward_target):
            with torch.no_grad():
                targets = rewards + 0.8 * forward_target(following).max(1).values[:, None]
            optimiser.zero_grad()
            loss = ((forward_online(states) - targets) ** 2).mean()
            loss.backward()
            optimiser.step()
            return float(loss.detach())

        # The first five losses must agree: the same computation.
        theirs_losses = [step(online, target) for _ in range(5)]
        losses = ours("step", repeats=5, **task)["losses"]
        difference = max(abs(a - b) / abs(b) for a, b in zip(losses, theirs_losses))
        assert difference < 1e-3, f"{n_units} units, {n_features} features: losses differ by {difference}"

        def seconds_of(forwards, n):
            start = time.perf_counter()
            for _ in range(n):
                step(*forwards)
            return (time.perf_counter() - start) / n

        runs = {"ours": lambda: ours("step", repeats=10, **task)["seconds"], "eager": lambda: seconds_of((online, target), 5)}
        # Compiling takes a minute a size, and has not been faster for an LSTM on a CPU: it is tried on one size of either width.
        if compiles and n_features == 10:
            try:
                compiled = torch.compile(online), torch.compile(target)
                seconds_of(compiled, 2)
                runs["compiled"] = lambda: seconds_of(compiled, 5)
            except Exception as error:  # It needs a C++ compiler that works here.
                print("torch.compile:", str(error).splitlines()[0])
        runs["peak"] = lambda: peak_once(1024)
        medians, all_seconds = interleaved(runs, repeats)
        rates.append(2 * 1024**3 / min(all_seconds["peak"]))
        rate = operations(n_units, n_features, BATCH) / medians["ours"]
        best = min((name for name in medians if name in ("eager", "compiled")), key=medians.get)
        rows.append({
            "work": f"DQN step, {n_units} units, {n_features} features", "threads": threads, "ours": medians["ours"],
            "theirs": medians[best], "peer": f"PyTorch, {best}", "spread": spread(all_seconds["ours"]), "rate": rate,
            "checked": f"losses within {difference:.0e}"
            + (f"; compiled {medians['compiled'] * 1e3:.1f} ms" if "compiled" in medians else ""),
        })
    ours.close()
    for row in rows:
        row["peak"] = row.pop("rate") / max(rates)
    return rows


def peak_once(n):
    a, b = torch.randn(n, n), torch.randn(n, n)
    return min(timed(torch.mm, a, b)[1] for _ in range(4))


def onnx_session(network, n_features, n_units, threads):
    """The network in ONNX, whose gates stand in the order input, output, forget, cell."""
    def gates(tensor):
        i, f, g, o = np.split(tensor.detach().numpy(), 4)
        return np.concatenate([i, o, f, g])

    lstm, out = network.lstm, network.out
    bias = np.concatenate([gates(lstm.bias_ih_l0), np.zeros(4 * n_units, np.float32)])
    tensors = {
        "w": gates(lstm.weight_ih_l0)[None], "r": gates(lstm.weight_hh_l0)[None], "b": bias[None],
        "out_w": out.weight.detach().numpy(), "out_b": out.bias.detach().numpy(), "axis": np.array([0]),
    }
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["", "h"], hidden_size=n_units),
        helper.make_node("Squeeze", ["h", "axis"], ["last"]),
        helper.make_node("Gemm", ["last", "out_w", "out_b"], ["q"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "q", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [N_STEPS, None, n_features])],
        [helper.make_tensor_value_info("q", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def scores(files, threads, repeats):
    rows, rates = [], [peak(threads)]
    ours = Ours(threads)
    for n_units, n_features in SIZES:
        torch.manual_seed(0)
        network = QNetwork(n_features, n_units)
        series = torch.randn(N_WINDOWS, n_features)
        ours("network", units=n_units, features=n_features, weights=files.put("weights", weights(network)))
        task = {"rows": files.put(f"series-{n_units}-{n_features}", series), "steps": N_STEPS, "out": files.path("q")}
        padded = torch.cat([series[:1].expand(N_STEPS - 1, -1), series])
        windows = padded.unfold(0, N_STEPS, 1).transpose(1, 2)
        session = onnx_session(network, n_features, n_units, threads)

        def by_torch(size, n=N_WINDOWS):
            torch.set_num_threads(threads)
            with torch.no_grad():
                return torch.cat([network(windows[i : i + size]) for i in range(0, n, size)]).numpy()

        def by_onnx(size, n=N_WINDOWS):
            parts = [windows[i : i + size].transpose(0, 1).contiguous().numpy() for i in range(0, n, size)]
            return np.concatenate([session.run(None, {"x": part})[0] for part in parts])

        seconds = ours("score", **task)["seconds"]
        q = files.get("q").reshape(-1, 2)
        theirs = by_torch(4096)
        difference = float(np.abs(q - theirs).max())
        assert difference < 1e-4, f"Q-values differ by {difference}"
        assert float(np.abs(by_onnx(4096, 40_000) - theirs[: 4096 * 10]).max()) < 1e-4
        # Each peer at the batch size that is best for it.
        best_size = {
            function.__name__: min((256, 1024, 4096), key=lambda size: timed(function, size, 20_000)[1])
            for function in (by_torch, by_onnx)
        }
        runs = {
            "ours": lambda: ours("score", **{**task, "out": None})["seconds"],
            "PyTorch": lambda: timed(by_torch, best_size["by_torch"])[1],
            "ONNX Runtime": lambda: timed(by_onnx, best_size["by_onnx"])[1],
        }
        medians, all_seconds = interleaved(runs, repeats)
        best = min(("PyTorch", "ONNX Runtime"), key=medians.get)
        rates.append(2 * 1024**3 / peak_once(1024))
        # Ours makes the product of each row with the input weights once, not once a window.
        own = N_WINDOWS * 2 * 4 * n_units * (n_features + (N_STEPS - 1) * n_units)
        rows.append({
            "work": f"scores of 200,000 windows, {n_units} units, {n_features} features", "threads": threads,
            "ours": medians["ours"], "theirs": medians[best], "peer": best, "spread": spread(all_seconds["ours"]),
            "rate": own / medians["ours"], "checked": f"Q-values within {difference:.0e}",
        })
    ours.close()
    for row in rows:
        row["peak"] = row.pop("rate") / max(rates)
    return rows
