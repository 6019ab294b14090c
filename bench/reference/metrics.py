"""Values of every metric: `python metrics.py` writes `crates/rlad/tests/reference/metrics.json`.

Strict counts and the two areas are scikit-learn's; the other metrics are computed here as directly as their
definitions read, the best thresholds by trying each. Truth is 0, 1 or null (unknown), a score is null where there is none.
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score


def quality(tp, fp, fn):
    return {
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn) if tp + fn else None,
        "f1": 2 * tp / (2 * tp + fp + fn) if tp else 0.0,
    }


def is_alarm(score, threshold):
    return score is not None and score > threshold


def runs(flags):
    """(first, last) of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, int), [0]])))
    return list(zip(edges[::2], edges[1::2] - 1))


def known_pairs(series, alarms):
    return [(t, a) for s, flags in zip(series, alarms) for t, a in zip(s["truth"], flags) if t is not None]


def strict(series, alarms):
    pairs = known_pairs(series, alarms)
    mine = quality(sum(t and a for t, a in pairs), sum(not t and a for t, a in pairs), sum(t and not a for t, a in pairs))
    truth, predicted = [t for t, _ in pairs], [int(a) for _, a in pairs]
    p, r, f, _ = precision_recall_fscore_support(truth, predicted, average="binary", zero_division=0)
    assert np.allclose([mine["precision"] or 0, mine["recall"] or 0, mine["f1"]], [p, r, f], atol=1e-14)
    return mine


def adjusted(series, alarms, k):
    """Rewrites the alarms of each segment to all or none, then counts points."""
    rewritten = []
    for s, flags in zip(series, alarms):
        flags = list(flags)
        for first, last in runs([t == 1 for t in s["truth"]]):
            found = any(flags[i] for i in range(first, last + 1) if i - first <= k)
            for i in range(first, last + 1):
                flags[i] = found
        rewritten.append(flags)
    return quality(
        sum(t == 1 and a for t, a in known_pairs(series, rewritten)),
        sum(t == 0 and a for t, a in known_pairs(series, rewritten)),
        sum(t == 1 and not a for t, a in known_pairs(series, rewritten)),
    )


def event(series, alarms):
    hit = missed = right = wrong = 0
    for s, flags in zip(series, alarms):
        segments = runs([t == 1 for t in s["truth"]])
        predicted = runs([a and t is not None for t, a in zip(s["truth"], flags)])
        overlap = lambda a, b: a[0] <= b[1] and b[0] <= a[1]
        for segment in segments:
            if any(overlap(segment, p) for p in predicted):
                hit += 1
            else:
                missed += 1
        for p in predicted:
            if any(overlap(segment, p) for segment in segments):
                right += 1
            else:
                wrong += 1
    p = right / (right + wrong) if right + wrong else None
    r = hit / (hit + missed) if hit + missed else None
    return {"precision": p, "recall": r, "f1": 2 * p * r / (p + r) if p and r else 0.0}


def official(series, alarms):
    """The released code's metric: repair in place from left to right, one hit added, mean over series."""
    rows = []
    for s, flags in zip(series, alarms):
        if all(t is None for t in s["truth"]):
            continue
        reward = {(1, True): 5, (1, False): -5, (0, True): -1, (0, False): 1}
        r = [0 if t is None else reward[t, bool(a)] for t, a in zip(s["truth"], flags)]
        for i in range(len(r)):
            if r[i] < 0 and 5 in r[max(0, i - 5) : i + 6]:
                r[i] = -r[i]
        tp, fp, fn = r.count(5), r.count(-1), r.count(-5)
        p, q = (tp + 1) / (tp + fp + 1), (tp + 1) / (tp + fn + 1)
        rows.append((p, q, 2 * p * q / (p + q)))
    if not rows:
        return {"precision": None, "recall": None, "f1": 0.0}
    p, q, f = np.mean(rows, axis=0)
    return {"precision": p, "recall": q, "f1": f}


def auc_pr(series):
    pairs = [(t, x) for s in series for t, x in zip(s["truth"], s["scores"]) if t is not None]
    n = sum(t for t, _ in pairs)
    if n == 0:
        return None
    area = recall = 0.0
    for threshold in sorted({x for _, x in pairs if x is not None}, reverse=True):
        tp = sum(t for t, x in pairs if x is not None and x >= threshold)
        fp = sum(1 - t for t, x in pairs if x is not None and x >= threshold)
        area += (tp / n - recall) * tp / (tp + fp)
        recall = tp / n
    if all(x is not None for _, x in pairs):
        assert math.isclose(area, average_precision_score([t for t, _ in pairs], [x for _, x in pairs]), rel_tol=1e-12)
    return area


def auc_roc(series):
    """scikit-learn's, with points without a score below all others."""
    pairs = [(t, x) for s in series for t, x in zip(s["truth"], s["scores"]) if t is not None]
    if len({t for t, _ in pairs}) < 2:
        return None
    lowest = min((x for _, x in pairs if x is not None), default=0.0) - 1.0
    return float(roc_auc_score([t for t, _ in pairs], [lowest if x is None else x for _, x in pairs]))


def ranges(series, alarms):
    """Tatbul et al. as they define it, point by point: flat bias, cardinality 1 / overlaps, alpha 0.2 for recall."""

    def worth(points, others, alpha):
        overlaps = [points & other for other in others if points & other]
        if not overlaps:
            return 0.0
        return alpha + (1 - alpha) * sum(map(len, overlaps)) / len(points) / len(overlaps)

    precisions, recalls = [], []
    for s, flags in zip(series, alarms):
        sets = lambda flags: [set(range(first, last + 1)) for first, last in runs(flags)]
        segments = sets([t == 1 for t in s["truth"]])
        predicted = sets([a and t is not None for t, a in zip(s["truth"], flags)])
        precisions += [worth(p, segments, 0.0) for p in predicted]
        recalls += [worth(segment, predicted, 0.2) for segment in segments]
    p = sum(precisions) / len(precisions) if precisions else None
    r = sum(recalls) / len(recalls) if recalls else None
    return {"precision": p, "recall": r, "f1": 2 * p * r / (p + r) if p and r else 0.0}


def per_series_mean(series, alarms, k):
    pairs = [([s], [a]) for s, a in zip(series, alarms) if 1 in s["truth"]]
    if not pairs:
        return None
    mean = lambda metric: float(np.mean([metric(s, a) for s, a in pairs]))
    return {
        "series": len(pairs),
        "strict_f1": mean(lambda s, a: strict(s, a)["f1"]),
        "delay_f1": mean(lambda s, a: adjusted(s, a, k)["f1"]),
        "event_f1": mean(lambda s, a: event(s, a)["f1"]),
        "range_f1": mean(lambda s, a: ranges(s, a)["f1"]),
        "auc_pr": mean(lambda s, _: auc_pr(s)),
    }


def at(series, threshold):
    return [[is_alarm(x, threshold) for x in s["scores"]] for s in series]


def best(series, metric):
    """Tries every score and -infinity as the threshold; the highest of the best."""
    scores = {x for s in series for t, x in zip(s["truth"], s["scores"]) if x is not None and t is not None}
    tried = [(metric(series, at(series, t)), t) for t in sorted(scores, reverse=True) + [-math.inf]]
    return max((q for q, _ in tried), key=lambda q: q["f1"])


def evaluate(series, k):
    alarms = [[is_alarm(x, s["threshold"]) for x in s["scores"]] for s in series]
    return {
        "points": sum(t is not None for s in series for t in s["truth"]),
        "anomalies": sum(t == 1 for s in series for t in s["truth"]),
        "strict": strict(series, alarms),
        "delay": {"k": k, **adjusted(series, alarms, k)},
        "point_adjusted": adjusted(series, alarms, math.inf),
        "event": event(series, alarms),
        "range": ranges(series, alarms),
        "official": official(series, alarms),
        "auc_pr": auc_pr(series),
        "auc_roc": auc_roc(series),
        "per_series_mean": per_series_mean(series, alarms, k),
        "best": {"strict": best(series, strict), "delay": best(series, lambda s, a: adjusted(s, a, k))},
    }


def random_series(rng, n, unknown, unscored):
    truth, label = [], 0
    while len(truth) < n:
        length = int(rng.integers(1, 15 if label else 40))
        truth += [label] * length
        label = 1 - label
    truth = truth[:n]
    scores = [round(float(rng.normal() + 1.2 * t), int(rng.integers(1, 3))) for t in truth]
    truth = [None if rng.random() < unknown else t for t in truth]
    scores = [None if rng.random() < unscored else x for x in scores]
    return {"truth": truth, "scores": scores, "threshold": round(float(rng.normal(0.8, 0.5)), 1)}


rng = np.random.default_rng(2021)
cases = []
for k, unknown, unscored, sizes in [
    (0, 0, 0, [60]), (3, 0, 0, [80, 50]), (7, 0, 0, [150, 90, 30]), (2, 0.1, 0, [90, 40]), (3, 0, 0.2, [100, 60]),
    (7, 0.05, 0.05, [120, 120, 5, 1]), (1000, 0.02, 0.3, [70]), (1, 0.5, 0.5, [60, 60]),
]:
    series = [random_series(rng, n, unknown, unscored) for n in sizes]
    cases.append({"series": series, "evaluation": evaluate(series, k)})
quiet = {"truth": [0] * 30, "scores": [0.1 * i for i in range(30)], "threshold": 2.45}
silent = {"truth": [0] * 5 + [1] * 5, "scores": [0.0] * 10, "threshold": 1.0}
for series in ([quiet], [silent], [quiet, silent]):
    cases.append({"series": series, "evaluation": evaluate(series, 3)})


def uniforms(n, seed):
    out = []
    for _ in range(n):
        seed = (1664525 * seed + 1013904223) & 0xFFFFFFFF
        out.append(seed / 2**32)
    return out


N = 1400
layouts = []
noise = uniforms(N, 999)
for name, segments in {
    "no anomaly": [], "1 point": [(700, 701)], "4 points": [(200, 201), (500, 501), (800, 801), (1200, 1201)],
    "a segment of 25": [(700, 725)], "a segment of 100": [(700, 800)],
}.items():
    truth = [int(any(a <= i < b for a, b in segments)) for i in range(N)]
    firsts, lasts = [a for a, _ in segments], [b - 1 for _, b in segments]
    for predictor, alarms in {
        "never": [], "first point of each": firsts, "last point of each": lasts,
        "random 2 %": [i for i, v in enumerate(noise) if v < 0.02],
        "first point and false alarms at -3 and +4": sorted(i for a in firsts for i in (a - 3, a, a + 4)),
    }.items():
        flags = [[i in set(alarms) for i in range(N)]]
        series = [{"truth": truth}]
        layouts.append({
            "name": f"{name}, {predictor}", "segments": segments, "alarms": alarms, "official": official(series, flags),
            "strict": strict(series, flags), "point_adjusted": adjusted(series, flags, math.inf),
        })

out = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    "cases": cases, "n_points_of_a_layout": N, "layouts": layouts,
}
path = Path(__file__).parents[2] / "crates/rlad/tests/reference/metrics.json"
path.write_text(json.dumps(out) + "\n")
for layout in layouts:
    print(f"{layout['name']:60} {layout['official']['f1']:.3f} {layout['strict']['f1']:.3f} {layout['point_adjusted']['f1']:.3f}")
