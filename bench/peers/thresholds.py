"""Thresholds that need nothing of the test part. A point is an anomaly if its score is above the threshold."""

import numpy as np
from sklearn.isotonic import IsotonicRegression


def best_f1(scores, labels):
    """The threshold with the best strict F1 on labelled points, and that F1: halfway to the next score below."""
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order] == 1
    f1 = 2 * np.cumsum(labels) / (np.arange(1, len(labels) + 1) + max(labels.sum(), 1))
    return _halfway(scores, f1)


def contamination(scores, fraction):
    """The score that this fraction of the points exceeds."""
    return float(np.quantile(scores, 1 - fraction))


def calibrated(scores, labels, pool, weights, least_probability=0.0):
    """The threshold with the best F1 to be expected over the training points, where labels are those of chosen questions.

    How a question was chosen bends the fraction of anomalies among the labels, but hardly the probability of an anomaly given the
    score. That probability is learned from labelled points (isotonic regression on `scores` by models that never saw the
    `labels`), the number of points with a score is counted over `pool`, each standing for `weights` points. No alarm is
    given where the probability is below `least_probability`. None where all labels are of one kind.
    """
    if len(np.unique(labels)) < 2:
        return None
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, labels)
    order = np.argsort(-pool, kind="stable")
    pool, weights = pool[order], weights[order]
    probability = isotonic.predict(pool)
    found = np.cumsum(weights * probability)
    f1 = 2 * found / (np.cumsum(weights) + found[-1])
    f1[probability < least_probability] = -1
    return _halfway(pool, f1)[0]


def _halfway(falling, f1):
    """Where F1 is best among thresholds that part two different scores."""
    below = np.append(falling[1:], falling[-1] - 1)
    best = np.argmax(np.where(below < falling, f1, -2))
    return float((falling[best] + below[best]) / 2), float(f1[best])
