"""How well LightGBM tells anomalies by the features of a point, all labels used: the measure that chose the default features.

The first 80 % of each series train (one normal point in four, with weight four), the last 20 % test, pooled. Prints, at the
thresholds that are best on the test part, F1 point by point and F1 with delay 7: a labelled segment counts as found, whole,
if an alarm falls in its first eight points, else as missed, whole.

    python bench/reference/features_lightgbm.py rows.f32 lengths.i64 labels.i8 NAMES [SET ...]

rows.f32: the rows of `rlad::encode` of all series in turn, little-endian. lengths.i64: the points of each series. labels.i8: 0
or 1 for each point. NAMES: the features of a row, separated by commas. SET: some of those, each set is scored; all without one.
"""

import sys
import time

import lightgbm
import numpy as np

SETTINGS = dict(objective="binary", learning_rate=0.05, num_leaves=63, min_data_in_leaf=50, feature_fraction=0.8)
SETTINGS |= dict(bagging_fraction=0.9, bagging_freq=1, verbosity=-1, num_threads=2, seed=0)


def best_f1(anomalous, weights, normal):
    """The best F1 over thresholds; `weights`: the points that each anomalous score stands for."""
    order = np.argsort(anomalous)
    anomalous, weights = anomalous[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    thresholds = np.unique(anomalous)
    found = weights[-1] - weights[np.searchsorted(anomalous, thresholds)]
    false = len(normal) - np.searchsorted(np.sort(normal), thresholds)
    return (2 * found / (found + false + weights[-1])).max()


def main():
    rows, lengths, labels, names, *sets = sys.argv[1:]
    names = names.split(",")
    rows = np.fromfile(rows, "<f4").reshape(-1, len(names))
    lengths, labels = np.fromfile(lengths, "<i8"), np.fromfile(labels, "i1")
    series = np.repeat(np.arange(len(lengths)), lengths)
    point = np.concatenate([np.arange(length) for length in lengths])
    test = point >= np.round(0.8 * lengths)[series]
    train = ~test & ((labels == 1) | (np.random.default_rng(0).random(len(labels)) < 0.25))
    truth, series = labels[test] == 1, series[test]
    borders = np.flatnonzero((np.diff(truth.astype(int)) != 0) | (np.diff(series) != 0)) + 1
    runs = np.split(np.arange(len(truth)), borders)
    segments = [run for run in runs if truth[run[0]]]
    for chosen in [one.split(",") for one in sets] or [names]:
        start = time.time()
        columns = [names.index(name) for name in chosen]
        data = lightgbm.Dataset(rows[train][:, columns], labels[train], weight=np.where(labels[train] == 1, 1.0, 4.0))
        score = lightgbm.train(SETTINGS, data, 400).predict(rows[test][:, columns])
        strict = best_f1(score[truth], np.ones(truth.sum()), score[~truth])
        starts = np.array([score[segment[:8]].max() for segment in segments])
        delay = best_f1(starts, np.array([float(len(segment)) for segment in segments]), score[~truth])
        print(f"strict {strict:.3f}  delay7 {delay:.3f}  {time.time() - start:.0f} s  {len(chosen)} features: {','.join(chosen)}", flush=True)


if __name__ == "__main__":
    main()
