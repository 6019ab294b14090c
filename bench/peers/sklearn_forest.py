"""scikit-learn's isolation forest on the views that the agent sees, of the point itself.

`--threshold contamination` takes the score that one training point in a hundred exceeds and reads no label; `--threshold
labels` takes the one with the best strict F1 on all labels of the training part.
"""

import time

import numpy as np
import pyarrow
import sklearn
from sklearn.ensemble import IsolationForest

import protocol
import thresholds

CONTAMINATION = 0.01


def main():
    parser = protocol.arguments(__doc__)
    parser.add_argument("--threshold", choices=["labels", "contamination"], required=True)
    args = parser.parse_args()
    series = protocol.read(args, with_views=True)
    start = time.perf_counter()
    rows = np.concatenate([one.views[one.present(one.train)] for one in series])
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=args.seed, n_jobs=2).fit(rows)
    del rows
    training = np.concatenate([-forest.score_samples(one.views[one.present(one.train)]) for one in series])
    if args.threshold == "labels":
        labels = np.concatenate([one.labels[one.present(one.train)] for one in series])
        threshold, f1 = thresholds.best_f1(training[labels >= 0], labels[labels >= 0])
        n_labelled = int(np.count_nonzero(labels >= 0))
        rule = f"best strict F1 ({f1:.3f}) on all training labels"
    else:
        threshold, n_labelled = thresholds.contamination(training, CONTAMINATION), 0
        rule = f"the score that a share of {CONTAMINATION} of the training points exceeds"
    fitted = time.perf_counter()
    scores = [-forest.score_samples(one.views[one.test.start : one.test.stop]) for one in series]
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


if __name__ == "__main__":
    main()
