"""Ranks PyOD's detectors on the training part alone: fitted on its first 80 %, measured on samples of its last 20 %.

    python bench/peers/choose_pyod.py --data kpi.parquet --train ..0.8 [--seed S]

Prints, for each detector, the area under precision and recall and the best strict F1, one threshold for all series.
"""

import argparse
import pathlib
import time

import numpy as np
from sklearn.metrics import average_precision_score

import protocol
import pyod_best
import thresholds
from windows import Windows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--train", type=protocol.part, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detectors", nargs="+", choices=pyod_best.MODULES, help="[default: all]")
    args = parser.parse_args()
    first, last = args.train
    border = first + 0.8 * (last - first)
    args.train, args.test, args.features = (first, border), (border, last), None
    series = protocol.read(args, with_features=False)
    rows = []
    for name in args.detectors or pyod_best.MODULES:
        start = time.perf_counter()
        rng = np.random.default_rng(args.seed)
        scores, labels = [], []
        for one in series:
            windows = Windows(one)
            points = np.sort(rng.permutation(one.present(one.train))[: pyod_best.SAMPLE])
            measured = np.sort(rng.permutation(one.learnable(one.test))[: pyod_best.SAMPLE])
            try:
                detector = pyod_best.fit(name, windows.at(points), args.seed)
            except ValueError as error:
                print(f"{name:8} fails: {error}", flush=True)
                break
            scores.append(pyod_best.score(detector, windows, measured))
            labels.append(one.labels[measured])
        if len(scores) < len(series):
            continue
        scores, labels = np.concatenate(scores), np.concatenate(labels)
        area, f1 = average_precision_score(labels, scores), thresholds.best_f1(scores, labels)[1]
        print(f"{name:8} area {area:.3f}  best F1 {f1:.3f}  {time.perf_counter() - start:.0f} s", flush=True)
        rows.append((area, name))
    print("best:", ", ".join(name for _, name in sorted(rows)[:-3:-1]))


if __name__ == "__main__":
    main()
