"""Values of scikit-learn's isolation forest: `python iforest.py` writes `crates/rlad/tests/reference/iforest.json`.

`rows` are multiples of 1/256, exact in float32, with repeated rows so that leaves hold more than one.
"""

import json
import platform
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length

rng = np.random.default_rng(20080)
rows = rng.normal(size=(403, 4)) @ np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0.3, 0.1]])
rows[:20] += rng.normal(scale=4, size=(20, 4))
rows[380:] = rows[340:363]
rows = (np.round(rows * 256) / 256).astype(np.float32)

n = [0, 1, 2, 3, 4, 5, 10, 64, 100, 256, 1000, 10**6, 10**9]
few = IsolationForest(n_estimators=8, max_samples=64, random_state=1).fit(rows)
many = IsolationForest(n_estimators=500, max_samples=256, random_state=2).fit(rows)
trees = [
    {
        "children_left": tree.children_left.tolist(),
        "children_right": tree.children_right.tolist(),
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "n_node_samples": tree.n_node_samples.tolist(),
    }
    for tree in (estimator.tree_ for estimator in few.estimators_)
]
out = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    "average_path_length": [{"n": a, "c": float(c)} for a, c in zip(n, _average_path_length(n))],
    "rows": rows.ravel().tolist(),
    "trees": {"trees": trees, "scores": (-few.score_samples(rows)).tolist()},
    "forest": {"scores": (-many.score_samples(rows)).tolist()},
}
path = Path(__file__).parents[2] / "crates/rlad/tests/reference/iforest.json"
path.write_text(json.dumps(out) + "\n")
