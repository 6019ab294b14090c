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
from windows import N_STEPS, Windows

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
CONTAMINATION = 0.01
# Training windows of each series: as many to fit on, and as many others to read labels of.
SAMPLE = 2_000
CHUNK = 20_000


def main():
    parser = protocol.arguments(__doc__)
    parser.add_argument("--detector", choices=MODULES, required=True)
    parser.add_argument("--threshold", choices=["contamination", "labels"], default="contamination")
    args = parser.parse_args()
    series = protocol.read(args, with_features=False)
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    scorers, held_out, labels = [], [], []
    for one in series:
        windows = Windows(one)
        points = rng.permutation(one.present(one.train))
        detector = fit(args.detector, windows.at(np.sort(points[:SAMPLE])), args.seed)
        scorers.append((windows, detector))
        if args.threshold == "labels":
            others = one.learnable(np.sort(points[SAMPLE : 2 * SAMPLE]))
            held_out.append(score(detector, windows, others))
            labels.append(one.labels[others])
    if args.threshold == "labels":
        labels = np.concatenate(labels)
        threshold, _ = thresholds.best_f1(np.concatenate(held_out), labels)
        rule, n_labelled = "best F1 on a sample of training labels", len(labels)
    else:
        threshold, rule, n_labelled = 1.0, "1 % of training points", 0
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


def fit(name, windows, seed):
    """A fitted detector; none where a series has nothing to learn from."""
    if len(windows) < N_STEPS or (windows == windows[0]).all():
        return None
    settings = {"random_state": seed} if name in TAKES_SEED else {}
    detector = getattr(importlib.import_module(f"pyod.models.{MODULES[name]}"), name)
    return detector(contamination=CONTAMINATION, **settings).fit(windows)


def score(detector, windows, points):
    """Scores that compare between series: 0 at the median of the fitted windows, 1 at PyOD's own threshold."""
    if detector is None:
        return np.zeros(len(points))
    parts = [points[first : first + CHUNK] for first in range(0, len(points), CHUNK)]
    scores = np.concatenate([detector.decision_function(windows.at(part)) for part in parts] or [np.zeros(0)])
    median = np.median(detector.decision_scores_)
    unit = detector.threshold_ - median
    # Where most windows are alike the unit may be 0: whatever is above it is then far above.
    return (scores - median) / (unit if unit > 0 else max(abs(median), 1.0) * 1e-6)


if __name__ == "__main__":
    main()
