"""NAB's scores of its own published results and of random ones, as NAB's optimiser and scorer compute them.

`python metrics_nab.py NAB` (a checkout of github.com/numenta/NAB at the commit that the file records; `nab.optimizer` and
`nab.sweeper` need pandas) writes `crates/rlad/tests/reference/metrics_nab.json`.

The detectors are those of the published ones whose scores are 0 nearly everywhere, so that the file stays small: `scores`
holds [point, score] for the others. `published` is what the benchmark's `results/final_results.json` says.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

checkout = Path(sys.argv[1])
sys.path.insert(0, str(checkout))
from nab.optimizer import optimizeThreshold  # noqa: E402
from nab.sweeper import Sweeper  # noqa: E402

PROFILES = json.loads((checkout / "config/profiles.json").read_text())


def corpus(files):
    """NAB's optimiser wants a corpus and its labels: files is {name: (timestamps, scores, windows)}."""
    paths = {f"{Path(name).parent}/d_{Path(name).name}": name for name in files}
    data = {path: SimpleNamespace(data={"anomaly_score": files[name][1]}) for path, name in paths.items()}
    labels = SimpleNamespace(
        windows={name: windows for name, (_, _, windows) in files.items()},
        labels={name: {"timestamp": timestamps} for name, (timestamps, _, _) in files.items()},
    )
    return SimpleNamespace(dataFiles=data), labels


def normalised(score, cost, n_windows):
    null, perfect = -cost["fnWeight"] * n_windows, cost["tpWeight"] * n_windows
    return 100 * (score - null) / (perfect - null)


def evaluate(files, thresholds, probation=0.15):
    """Under each profile: the optimiser's choice, and the score at each of the given thresholds (alarm where score >= it)."""
    n_windows = sum(len(windows) for _, _, windows in files.values())
    out = {}
    for profile, costs in PROFILES.items():
        cost = costs["CostMatrix"]
        results, labels = corpus(files)
        best = optimizeThreshold(("d", cost, results, labels, probation))
        at = []
        for threshold in thresholds:
            sweeper = Sweeper(probationPercent=probation, costMatrix=cost)
            # A file whose every score is at or above the threshold has its row after the last: take the lowest then.
            total = 0.0
            for name, (timestamps, scores, windows) in files.items():
                points = sweeper.calcSweepScore(timestamps, scores, windows, name)
                rows = sweeper.calcScoreByThreshold(points)
                total += [row for row in rows if row.threshold >= threshold][-1].score
            at.append({"threshold": threshold, "score": normalised(total, cost, n_windows)})
        out[profile] = {
            "best": {"threshold": best["threshold"], "score": normalised(best["score"], cost, n_windows)}, "at": at,
        }
    return out


def segments(timestamps, windows):
    places = {t: i for i, t in reversed(list(enumerate(timestamps)))}
    return [[places[first], places[last] + 1] for first, last in windows]


def published(detector):
    windows = json.loads((checkout / "labels/combined_windows.json").read_text())
    files = {}
    for name, pairs in windows.items():
        folder, file = name.split("/")
        data = pd.read_csv(checkout / "results" / detector / folder / f"{detector}_{file}", parse_dates=["timestamp"])
        files[name] = (
            list(data["timestamp"]), [float(x) for x in data["anomaly_score"]],
            [(pd.Timestamp(a), pd.Timestamp(b)) for a, b in pairs],
        )
    return files


def main():
    final = json.loads((checkout / "results/final_results.json").read_text())
    cases = []
    for detector in ["twitterADVec", "ARTime", "relativeEntropy"]:
        files = published(detector)
        thresholds = sorted({s for _, scores, _ in files.values() for s in scores if s > 0})
        evaluated = evaluate(files, [thresholds[0], thresholds[len(thresholds) // 2]])
        cases.append({
            "detector": detector, "profiles": evaluated, "published": final[detector],
            "files": [
                {
                    "points": len(scores), "windows": segments(timestamps, windows),
                    "scores": [[i, s] for i, s in enumerate(scores) if s != 0],
                }
                for timestamps, scores, windows in files.values()
            ],
        })
    rng = np.random.default_rng(2015)
    for n_files, length, probation in [(1, 200, 0.15), (3, 400, 0.15), (2, 6000, 0.15), (4, 150, 0.0), (1, 90, 0.0)]:
        files = {}
        for number in range(n_files):
            n = length + int(rng.integers(0, 50))
            scores = np.round(rng.random(n) ** 3, 2 if length < 1000 else 4)
            edges = np.sort(rng.choice(np.arange(n // 5 if probation else 0, n), size=6, replace=False)).tolist()
            # Windows of two points and more that do not touch: at a single point NAB divides by 0.
            windows = [(a, b) for a, b in zip(edges[::2], edges[1::2]) if b > a]
            windows = [w for i, w in enumerate(windows) if i == 0 or w[0] > windows[i - 1][1] + 1]
            for a, b in windows:
                scores[a : b + 1] = np.round(np.minimum(scores[a : b + 1] + 0.3 * rng.random(b + 1 - a) ** 2, 1.0), 4)
            scores[rng.random(n) < (0.97 if length > 1000 else 0)] = 0.0
            files[f"x/{number}.csv"] = (list(range(n)), scores.tolist(), windows)
        cases.append({
            "detector": f"random, {n_files} of {length}", "probation": probation > 0,
            "profiles": evaluate(files, [0.3, 0.9], probation),
            "files": [
                {"points": len(s), "windows": [[a, b + 1] for a, b in w], "scores": [[i, x] for i, x in enumerate(s) if x]}
                for _, s, w in files.values()
            ],
        })

    commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    out = {
        "versions": {"python": platform.python_version(), "pandas": pd.__version__, "NAB": commit.stdout.strip()},
        "cases": cases,
    }
    path = Path(__file__).parents[2] / "crates/rlad/tests/reference/metrics_nab.json"
    path.write_text(json.dumps(out) + "\n")
    for case in cases:
        best = {profile: evaluated["best"] for profile, evaluated in case["profiles"].items()}
        print(case["detector"], best, case.get("published"))


if __name__ == "__main__":
    main()
