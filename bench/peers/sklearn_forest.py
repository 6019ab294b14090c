"""scikit-learn's isolation forest, on windows of 25 standardised values or, with `--features`, on the features of the point itself.

One forest for all series. `--threshold contamination` takes the score that one training point in a hundred exceeds and reads
no label; `--threshold labels` takes the one with the best strict F1 on all labels of the training part.
"""

import time

import numpy as np
import pyarrow
import sklearn
from sklearn.ensemble import IsolationForest

import protocol
import thresholds
from windows import Windows

N_TREES = 100
SAMPLE_SIZE = 256
CONTAMINATION = 0.01
CHUNK = 20_000


def main():
    parser = protocol.arguments(__doc__)
    parser.add_argument("--threshold", choices=["contamination", "labels"], default="contamination")
    args = parser.parse_args()
    series = protocol.read(args, with_features=args.features is not None)
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    rows_of = [Windows(one).at if one.features is None else one.features.__getitem__ for one in series]
    training = [one.present(one.train) for one in series]
    # Trees of this many rows each need no more rows to draw from; each series gives its fraction.
    fraction = min(N_TREES * SAMPLE_SIZE / max(sum(map(len, training)), 1), 1.0)
    sample = [rows(points[rng.random(len(points)) < fraction]) for rows, points in zip(rows_of, training)]
    forest = IsolationForest(n_estimators=N_TREES, max_samples=SAMPLE_SIZE, random_state=args.seed, n_jobs=2)
    forest.fit(np.concatenate(sample))
    scores = np.concatenate([score(forest, rows, points) for rows, points in zip(rows_of, training)])
    labels = np.concatenate([one.labels[points] for one, points in zip(series, training)])
    if args.threshold == "labels":
        threshold, _ = thresholds.best_f1(scores[labels >= 0], labels[labels >= 0])
        n_labelled = int(np.count_nonzero(labels >= 0))
        rule = "best F1 on training labels"
    else:
        threshold, n_labelled = thresholds.contamination(scores, CONTAMINATION), 0
        rule = "1 % of training points"
    fitted = time.perf_counter()
    scores = [score(forest, rows, np.array(one.test)) for one, rows in zip(series, rows_of)]
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "pyarrow": pyarrow.__version__}
    results = protocol.Results(args.out, series, **versions)
    results.add(
        scores,
        threshold,
        f"sklearn-forest-{args.threshold}",
        questions=0,
        labelled_points=n_labelled,
        fit_seconds=fitted - start,
        score_seconds=time.perf_counter() - fitted,
        threshold_rule=rule,
    )
    results.finish()


def score(forest, rows, points):
    """The scores of some points of a series, in pieces, since windows take 25 times the memory of their series."""
    parts = [points[first : first + CHUNK] for first in range(0, len(points), CHUNK)]
    return np.concatenate([-forest.score_samples(rows(part)) for part in parts] or [np.zeros(0)])


if __name__ == "__main__":
    main()
