"""Range-based, affiliation, ROC and volume metrics as TSB-AD computes them.

`python metrics_tsb_ad.py TSB-AD` (a checkout of github.com/TheDatumOrg/TSB-AD at the commit that the file records; its
`TSB_AD/evaluation` needs numpy and scikit-learn) writes `crates/rlad/tests/reference/metrics_tsb_ad.json`.

Truth is written as 0 and 1, one character a point. Every series is evaluated alone by TSB-AD's own functions; what is pooled
over the series of a case is the mean over all ranges (all segments, for affiliation), or over series for the volumes.
"""

import json
import math
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

checkout = Path(sys.argv[1])
sys.path.insert(0, str(checkout))
from TSB_AD.evaluation.affiliation.generics import convert_vector_to_events  # noqa: E402
from TSB_AD.evaluation.affiliation.metrics import pr_from_events  # noqa: E402
from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve  # noqa: E402


def f1(p, r):
    return 2 * p * r / (p + r) if p and r else 0.0


def quality(precisions, recalls):
    p = sum(precisions) / len(precisions) if precisions else None
    r = sum(recalls) / len(recalls) if recalls else None
    return {"precision": p, "recall": r, "f1": f1(p, r)}


def evaluate(truth, scores, threshold, buffer):
    """What TSB-AD says of one series, and what pooling needs: (range precision, recall), affiliation lists, volumes."""
    grader = basic_metricor()
    alarms = (scores > threshold).astype(int)
    runs, segments = grader.range_convers_new(alarms), grader.range_convers_new(truth)
    range_p = grader.range_recall_new(alarms, truth, 0)[0]
    range_r = grader.range_recall_new(truth, alarms, 0.2)[0]
    affiliated = pr_from_events(convert_vector_to_events(alarms), convert_vector_to_events(truth), (0, len(truth)))
    p, r = affiliated["Affiliation_Precision"], affiliated["Affiliation_Recall"]
    roc, pr = generate_curve(truth, scores, buffer, "opt", 250)[-2:]
    return {
        "n_runs": len(runs), "n_segments": len(segments),
        "range": {"precision": float(range_p) if runs else None, "recall": float(range_r), "f1": float(f1(range_p, range_r))},
        "affiliation": {"precision": None if math.isnan(p) else p, "recall": r, "f1": 0.0 if math.isnan(p) else f1(p, r)},
        "affiliation_parts": (
            [x for x in affiliated["individual_precision_probabilities"] if not math.isnan(x)],
            affiliated["individual_recall_probabilities"],
        ),
        "auc_roc": float(roc_auc_score(truth, scores)), "vus_roc": float(roc), "vus_pr": float(pr),
    }


def series(rng, n, longest_segment, longest_rest, decimals, shift, lag):
    """Alternating rests and segments; scores rise with the truth of `lag` points before."""
    truth = []
    label = int(rng.integers(0, 2))
    while len(truth) < n:
        truth += [label] * int(rng.integers(1, (longest_segment if label else longest_rest) + 1))
        label = 1 - label
    truth = np.array(truth[:n])
    if truth.min() == truth.max():
        truth[n // 2] = 1 - truth[0]
    shifted = np.concatenate([np.zeros(lag, int), truth])[:n]
    return truth, np.round(rng.normal(size=n) + shift * shifted, decimals)


rng = np.random.default_rng(2022)
cases = []
for buffer, sizes, longest_segment, longest_rest, decimals, shift, lag, threshold in [
    (100, [400], 20, 120, 3, 2.0, 0, 1.5), (100, [700, 300, 120], 40, 200, 2, 1.5, 3, 1.0), (100, [600], 1, 30, 2, 2.5, 0, 2.0),
    (0, [300], 15, 60, 2, 1.5, 0, 1.0), (1, [300, 251], 15, 60, 2, 1.5, 0, 1.0), (7, [250, 40, 9], 8, 20, 1, 1.0, 1, 0.5),
    (30, [500], 60, 10, 2, 1.0, 0, 0.0), (250, [200, 800], 10, 90, 0, 1.5, 0, 0.5), (20, [5, 4, 3], 2, 2, 1, 1.0, 0, 0.2),
    (100, [900], 5, 300, 2, 3.0, 40, 2.0), (10, [150], 10, 40, 2, 1.0, 0, 99.0), (12, [200], 10, 40, 2, 1.0, 0, -99.0),
]:
    one = []
    for n in sizes:
        truth, scores = series(rng, n, longest_segment, longest_rest, decimals, shift, lag)
        if scores.min() > threshold:  # TSB-AD takes a series of nothing but alarms as none: leave one point out
            scores[n // 3] = -100.0
        one.append((truth, scores, evaluate(truth, scores, threshold, buffer)))
    precisions, recalls = zip(*(evaluated.pop("affiliation_parts") for _, _, evaluated in one))
    evaluated = [evaluated for _, _, evaluated in one]
    n_runs, n_segments = sum(j["n_runs"] for j in evaluated), sum(j["n_segments"] for j in evaluated)
    range_p = sum((j["range"]["precision"] or 0) * j["n_runs"] for j in evaluated) / n_runs if n_runs else None
    range_r = sum(j["range"]["recall"] * j["n_segments"] for j in evaluated) / n_segments
    cases.append({
        "buffer": buffer, "threshold": threshold,
        "series": [
            {"truth": "".join(map(str, truth)), "scores": [float(x) for x in scores], "alone": j} for truth, scores, j in one
        ],
        "pooled": {
            "range": {"precision": range_p, "recall": range_r, "f1": f1(range_p, range_r)},
            "affiliation": quality(sum(precisions, []), sum(recalls, [])),
            "auc_roc": float(roc_auc_score(np.concatenate([s[0] for s in one]), np.concatenate([s[1] for s in one]))),
            "vus_pr": {"value": float(np.mean([j["vus_pr"] for j in evaluated])), "buffer": buffer},
            "vus_roc": {"value": float(np.mean([j["vus_roc"] for j in evaluated])), "buffer": buffer},
            "per_series_mean": {
                "series": len(evaluated),
                "range_f1": float(np.mean([j["range"]["f1"] for j in evaluated])),
                "affiliation_f1": float(np.mean([j["affiliation"]["f1"] for j in evaluated])),
            },
        },
    })

commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
out = {
    "versions": {
        "python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__,
        "TSB-AD": commit.stdout.strip(),
    },
    "cases": cases,
}
path = Path(__file__).parents[2] / "crates/rlad/tests/reference/metrics_tsb_ad.json"
path.write_text(json.dumps(out) + "\n")
for case in cases:
    pooled = case["pooled"]
    print(case["buffer"], *(f"{pooled[key]['f1']:.3f}" for key in ("range", "affiliation")), f"{pooled['vus_pr']['value']:.3f}")
