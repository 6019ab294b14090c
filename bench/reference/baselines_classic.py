"""Values of scikit-learn and numpy for the classic baselines: `python baselines_classic.py` writes
`crates/rlad/tests/reference/baselines_classic.json`.

A series of two channels, multiples of 1/256 and so exact in float32; the windows of 25 points that end in its first part are
fitted, and every point is scored. Before the start of the series stands its first point. Higher is more anomalous.
"""

import json
import platform
from pathlib import Path

import numpy as np
import sklearn
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

N_STEPS, N_POINTS, N_TRAINING = 25, 400, 260

rng = np.random.default_rng(2021)
t = np.arange(N_POINTS)
series = np.stack([np.sin(2 * np.pi * t / 24), 0.5 * np.cos(2 * np.pi * t / 24) + 0.002 * t], axis=1)
series += rng.normal(scale=0.2, size=series.shape)
series[150, 0] += 3
series[330, 1] -= 4
series[360:366] += 1.5
series = np.round(series * 256) / 256

padded = np.concatenate([np.repeat(series[:1], N_STEPS - 1, axis=0), series])
windows = np.stack([padded[point : point + N_STEPS].ravel() for point in range(N_POINTS)])
training = windows[:N_TRAINING]

distances = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(training).kneighbors(windows)[0]
# scikit-learn's matrix products lose digits of a distance of 0; the sums do not.
exact = np.sort(np.sqrt(((windows[:, None] - training[None]) ** 2).sum(axis=2)), axis=1)[:, :5]
assert np.abs(distances - exact).max() < 1e-6

scores = {
    "nearest_neighbors_mean": exact.mean(axis=1),
    "nearest_neighbors_largest": exact[:, -1],
    "local_outlier_factor": -LocalOutlierFactor(n_neighbors=20, novelty=True).fit(training).score_samples(windows),
}
for nu in (0.1, 0.5):
    # Divided by the sum of its weights; the tolerance is far below the usual one, so that the optimum is the reference.
    machine = OneClassSVM(nu=nu, gamma="scale", tol=1e-9).fit(training)
    scores[f"one_class_svm_{nu}"] = -machine.decision_function(windows) / (nu * N_TRAINING)

mean = training.mean(axis=0)
values, vectors = np.linalg.eigh(np.cov(training.T, bias=True))
values, vectors = values[::-1], vectors[:, ::-1]
assert values.min() > 1e-6 * values.max(), "no variance below the floor"
coordinates = (windows - mean) @ vectors
scores["pca_standardised"] = np.sqrt((coordinates**2 / values).mean(axis=1))
n_components = int(np.searchsorted(np.cumsum(values) / values.sum(), 0.9) + 1)
residual = windows - mean - coordinates[:, :n_components] @ vectors[:, :n_components].T
scores["pca_residual"] = np.sqrt((residual**2).mean(axis=1))

out = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    "n_training": N_TRAINING,
    "n_components": n_components,
    "series": series.ravel().tolist(),
    "scores": {name: [float(f"{score:.12g}") for score in values] for name, values in scores.items()},
}
path = Path(__file__).parents[2] / "crates/rlad/tests/reference/baselines_classic.json"
path.write_text(json.dumps(out) + "\n")
