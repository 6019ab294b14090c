"""A detector of PyOD on windows of 25 standardised values, one a series, fitted on a sample of its training windows.

`--detector` names it; the README tells which two are best on the training part of the KPI data, and how they were found.
`--threshold contamination` is PyOD's own for a contamination of .01 and reads no label; `--threshold labels` takes the one with
the best strict F1 on the labels of a second sample of training windows.
"""

import importlib
import importlib.metadata
import time

import numpy as np
import pyarrow

import protocol
import thresholds

MODULES = {
    "CBLOF": "cblof",
    "COPOD": "copod",
    "ECOD": "ecod",
    "GMM": "gmm",
    "HBOS": "hbos",
    "IForest": "iforest",
    "KNN": "knn",
    "LODA": "loda",
    "LOF": "lof",
    "MCD": "mcd",
    "OCSVM": "ocsvm",
    "PCA": "pca",
}
TAKES_SEED = {"CBLOF", "GMM", "IForest", "MCD"}
N_STEPS = 25
CONTAMINATION = 0.01
# Training windows of each series: as many to fit on, and as many others to read labels of.
SAMPLE = 2_000
CHUNK = 20_000


def main():
    parser = protocol.arguments(__doc__)
    parser.add_argument("--detector", choices=MODULES, required=True)
    parser.add_argument("--threshold", choices=["labels", "contamination"], required=True)
    args = parser.parse_args()
    series = protocol.read(args, with_views=False)
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    scorers, own, held_out, labels = [], [], [], []
    for one in series:
        windows = Windows(one)
        points = rng.permutation(one.present(one.train))
        detector = fit(args.detector, windows.at(np.sort(points[:SAMPLE])), args.seed)
        scorers.append((windows, detector))
        own.append(np.inf if detector is None else detector.threshold_)
        if args.threshold == "labels":
            others = one.learnable(np.sort(points[SAMPLE : 2 * SAMPLE]))
            held_out.append(score(detector, windows, others))
            labels.append(one.labels[others])
    if args.threshold == "labels":
        labels = np.concatenate(labels)
        threshold, f1 = thresholds.best_f1(np.concatenate(held_out), labels)
        rule, n_labelled = f"best strict F1 ({f1:.3f}) on a random sample of training labels", len(labels)
    else:
        threshold, rule, n_labelled = own, f"PyOD's own, of each series, contamination {CONTAMINATION}", 0
    fitted = time.perf_counter()
    scores = [score(detector, windows, np.array(one.test)) for one, (windows, detector) in zip(series, scorers)]
    versions = {name: importlib.metadata.version(name) for name in ("pyod", "scikit-learn", "numpy")}
    results = protocol.Results(args.out, series, **versions, pyarrow=pyarrow.__version__)
    results.add(
        scores,
        threshold,
        f"pyod-{args.detector.lower()}-{args.threshold}",
        questions=0,
        labelled_points=n_labelled,
        fit_seconds=fitted - start,
        score_seconds=time.perf_counter() - fitted,
        threshold_rule=rule,
    )
    results.finish()


class Windows:
    """The windows of one series, in units of the mean and deviation of its training part; a missing value is the last one."""

    def __init__(self, one):
        training = one.values[one.train.start : one.train.stop]
        training = training[~one.is_missing[one.train.start : one.train.stop]]
        mean, deviation = np.zeros(one.values.shape[1]), np.ones(one.values.shape[1])
        for channel, values in enumerate(training.T):
            values = values[~np.isnan(values)]
            if len(values):
                mean[channel], deviation[channel] = values.mean(), values.std() or 1.0
        scaled = (one.values - mean) / deviation
        last = np.where(np.isnan(scaled), -1, np.arange(len(scaled))[:, None])
        last = np.maximum.accumulate(last, axis=0)
        self.values = np.where(last < 0, 0.0, np.take_along_axis(scaled, np.maximum(last, 0), axis=0))

    def at(self, points):
        """The windows that end at some points; before the series its first point is repeated."""
        index = np.maximum(points[:, None] - np.arange(N_STEPS - 1, -1, -1), 0)
        return self.values[index].reshape(len(points), -1)


def fit(name, windows, seed):
    """A fitted detector; none where a series has nothing to learn from."""
    if len(windows) < N_STEPS or (windows == windows[0]).all():
        return None
    settings = {"random_state": seed} if name in TAKES_SEED else {}
    detector = getattr(importlib.import_module(f"pyod.models.{MODULES[name]}"), name)
    return detector(contamination=CONTAMINATION, **settings).fit(windows)


def score(detector, windows, points):
    if detector is None:
        return np.zeros(len(points))
    parts = [points[first : first + CHUNK] for first in range(0, len(points), CHUNK)]
    return np.concatenate([detector.decision_function(windows.at(part)) for part in parts] or [np.zeros(0)])


if __name__ == "__main__":
    main()
