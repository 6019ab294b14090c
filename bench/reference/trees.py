"""Writes `crates/rlad/tests/reference/trees.json`: what LightGBM's trees say of small data whose every value is a bin of its own.

    pip install lightgbm==4.7.0 numpy==2.4.6
    python3 bench/reference/trees.py crates/rlad/tests/reference/trees.json
"""

import json
import sys

import lightgbm
import numpy as np

COMMON = dict(objective="binary", verbosity=-1, num_threads=1, deterministic=True, force_row_wise=True)
# No sampling, and no rule that ours has not. LightGBM guesses the rows of a leaf from its curvature, so no least number of them.
COMMON |= dict(min_data_in_bin=1, min_data_in_leaf=0, feature_pre_filter=False, min_sum_hessian_in_leaf=1e-3, boost_from_average=True)

CASES = [
    dict(n_trees=1, n_leaves=2, learning_rate=1.0, l2=0.0, weighted=False),
    dict(n_trees=20, n_leaves=8, learning_rate=0.1, l2=1.0, weighted=True),
    dict(n_trees=12, n_leaves=12, learning_rate=0.3, l2=0.5, weighted=True),
    dict(n_trees=20, n_leaves=8, learning_rate=0.2, l2=2.0, weighted=True),
]


def main():
    rng = np.random.default_rng(6)
    n, n_features = 500, 3
    rows = (rng.normal(size=(n, n_features)) * 16).round().clip(-48, 48) / 16
    signal = rows[:, 0] * rows[:, 1] + (rows[:, 2] > 0.8) * 2
    # LightGBM draws its thresholds beside 0 elsewhere.
    rows += 8
    labels = (signal + rng.normal(size=n) * 0.7 > 0.9).astype(int)
    # Weights that part gains which would else be equal.
    weights = rng.uniform(0.5, 2, n).astype(np.float32).astype(float)
    cases = []
    for case in CASES:
        settings = COMMON | dict(
            num_leaves=case["n_leaves"],
            learning_rate=case["learning_rate"],
            lambda_l2=case["l2"],
        )
        weight = weights if case["weighted"] else None
        model = lightgbm.train(settings, lightgbm.Dataset(rows, labels, weight=weight), case["n_trees"])
        # Of these rows only: where no row of a leaf has a value, thresholds that part the same rows may differ.
        cases.append(case | {"log_odds": model.predict(rows, raw_score=True).tolist()})
    out = {
        "versions": {"lightgbm": lightgbm.__version__, "numpy": np.__version__},
        "rows": rows.ravel().tolist(),
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "cases": cases,
    }
    with open(sys.argv[1], "w") as file:
        json.dump(out, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
