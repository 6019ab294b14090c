"""Values of scikit-learn's label propagation: `python propagate.py` writes `crates/rlad/tests/reference/propagate.json`.

`windows` are rounded to float32 first, so that both sides see the same numbers. The nearest-neighbour graph is built here
with numpy and handed to scikit-learn as a kernel.
"""

import json
import math
import platform
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import sparse, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

warnings.simplefilter("ignore", ConvergenceWarning)


def uniforms(n, seed):
    """A linear congruential generator, the same numbers in any language."""
    out = []
    for _ in range(n):
        seed = (1664525 * seed + 1013904223) & 0xFFFFFFFF
        out.append(seed / 2**32)
    return out


def series(n=3000):
    """Two sines, near-normal noise, two spikes and a step of six points."""
    u = uniforms(3 * n, 12345)
    x = [
        math.sin(2 * math.pi * i / 24) + 0.5 * math.sin(2 * math.pi * i / 168)
        + 0.4 * (u[3 * i] + u[3 * i + 1] + u[3 * i + 2] - 1.5)
        for i in range(n)
    ]
    x[1700] += 3.0
    x[2100] -= 3.0
    for i in range(2500, 2506):
        x[i] += 2.0
    return x


def squared_distances(windows):
    return ((windows[:, None, :] - windows[None, :, :]) ** 2).sum(axis=2)


def nearest_kernel(n_neighbors, gamma):
    def kernel(a, b):
        d2 = squared_distances(a)
        others = d2 + np.diag(np.full(len(a), np.inf))
        rows = np.repeat(np.arange(len(a)), n_neighbors)
        columns = np.argsort(others, axis=1, kind="stable")[:, :n_neighbors].ravel()
        edge = np.eye(len(a), dtype=bool)
        edge[rows, columns] = True
        edge |= edge.T
        return sparse.csr_matrix(np.where(edge, np.exp(-gamma * d2), 0.0))

    return kernel


x = series()
windows = np.array([x[i : i + 25] for i in range(1579, 1579 + 200)])
windows = (windows - windows.min()) / (windows.max() - windows.min())
exact = windows
windows = windows.astype(np.float32).astype(float)
labels = np.full(200, -1)
labels[[5, 40, 90, 150]] = 0
labels[[97, 98, 100, 104]] = 1
one_class = np.where(labels == 0, -1, labels)


def case(name, model, windows, labels, **settings):
    model.fit(windows, labels)
    f = model.label_distributions_
    p = f[:, 1] if f.shape[1] == 2 else f[:, 0]
    return {
        "name": name, "method": "spreading" if isinstance(model, LabelSpreading) else "propagation",
        "sigma": float(settings.pop("gamma", 20.0)) ** -0.5, "alpha": model.alpha or 0.2, "tolerance": model.tol,
        "max_iterations": model.max_iter, "n_neighbors": settings.pop("n_neighbors", 0),
        "labels": labels.tolist(), "n_iterations": int(model.n_iter_), "p_anomaly": p.tolist(),
        "reached": (f.sum(axis=1) > 0).tolist(), "entropy_sum": float(stats.entropy(f.T).sum()) if f.shape[1] == 2 else None,
    }


cases = [
    case("spreading", LabelSpreading(), windows, labels),
    case("spreading, other settings", LabelSpreading(gamma=5.0, alpha=0.7, tol=1e-6, max_iter=100), windows, labels, gamma=5.0),
    case("spreading, passes run out", LabelSpreading(gamma=3.0, alpha=0.95, max_iter=7), windows, labels, gamma=3.0),
    case("spreading, one class", LabelSpreading(), windows, one_class),
    case("propagation", LabelPropagation(max_iter=30), windows, labels),
    case("propagation, until settled", LabelPropagation(gamma=3.0, max_iter=3000), windows, labels, gamma=3.0),
    case("spreading, nearest", LabelSpreading(kernel=nearest_kernel(6, 5.0)), windows, labels, gamma=5.0, n_neighbors=6),
    case("propagation, nearest", LabelPropagation(kernel=nearest_kernel(6, 5.0), max_iter=50), windows, labels, gamma=5.0, n_neighbors=6),
]

double = LabelSpreading().fit(exact, labels)
p1 = double.label_distributions_[:, 1]
entropy = stats.entropy(double.label_distributions_.T)
out = {
    "versions": {
        "python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
    "windows": windows.ravel().tolist(),
    "cases": cases,
    "double_precision": {
        "p_anomaly": {str(i): float(p1[i]) for i in (0, 5, 50, 97, 99, 121, 199)},
        "n_iterations": int(double.n_iter_), "entropy_sum": float(entropy.sum()),
        "most_certain": [int(i) for i in np.argsort(entropy, kind="stable") if labels[i] == -1][:10],
    },
}
path = Path(__file__).parents[2] / "crates/rlad/tests/reference/propagate.json"
path.write_text(json.dumps(out) + "\n")
print(out["double_precision"], [(c["name"], c["n_iterations"]) for c in cases])
