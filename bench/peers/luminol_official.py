"""LinkedIn's Luminol by itself, with its own threshold: a bitmap detector, on short series its default detector.

Luminol scores a series as a whole: the levels of its values, its windows, which reach ahead, and its threshold, a fifth of the
highest score, are made of all values up to the end of the test part. It reads no label.
"""

import importlib.metadata
import time

import numpy as np
import pyarrow

import protocol

# Luminol 0.4 calls a function that numpy 1.23 took away.
np.asscalar = lambda array: np.asarray(array).item()

from luminol.anomaly_detector import AnomalyDetector  # noqa: E402


def main():
    args = protocol.arguments(__doc__).parse_args()
    series = protocol.read(args, with_features=False)
    start = time.perf_counter()
    evaluated = [evaluate(one) for one in series]
    versions = {"luminol": importlib.metadata.version("luminol"), "numpy": np.__version__, "pyarrow": pyarrow.__version__}
    results = protocol.Results(args.out, series, **versions)
    results.add(
        [scores for scores, _ in evaluated],
        [threshold for _, threshold in evaluated],
        "luminol",
        questions=0,
        labelled_points=0,
        fit_seconds=0.0,
        score_seconds=time.perf_counter() - start,
        threshold_rule=".2 of the largest score",
    )
    results.finish()


def evaluate(one):
    """The scores of the test points of a series, the highest of its channels, and Luminol's threshold, which is 1."""
    scores = np.full((len(one.values), one.values.shape[1]), np.nan)
    for channel, values in enumerate(one.values[: one.test.stop].T):
        present = np.flatnonzero(~np.isnan(values))
        if not len(present):
            continue
        # Luminol takes a timestamp of 0 for none.
        detector = AnomalyDetector({at + 1: float(values[point]) for at, point in enumerate(present)}, score_only=True)
        found = np.array(detector.get_all_scores().values, dtype=np.float64)
        threshold = detector.threshold or found.max() * detector.score_percent_threshold
        # In units of its threshold, so that channels compare.
        scores[present, channel] = found / threshold if threshold > 0 else 0.0
    with np.errstate(all="ignore"):
        return np.fmax.reduce(scores[one.test.start : one.test.stop], axis=1), 1.0


if __name__ == "__main__":
    main()
