"""Our metrics beside TSB-AD's, scikit-learn's and NAB's own code: the largest difference and the ratio of times.

    cargo build --release -p rlad-bench
    python bench/speed/metrics.py --tsb-ad TSB-AD --kpi kpi.parquet [--series 29] [--nab NAB]

`TSB-AD` and `NAB` are checkouts of github.com/TheDatumOrg/TSB-AD and github.com/numenta/NAB. The input is the last fifth of
each series of the AIOps 2018 KPI data, scored by the distance from a trailing median in trailing median absolute deviations,
with one threshold at the top 2 %; and the published scores of NAB's `numenta` detector at its published thresholds.

Theirs and ours run in turn on the same arrays: for each series ours, theirs, ours again (the mean of the two counts). Both
take one thread. Affiliation is that function alone on both sides. Else ours computes more than it is compared with: the
time is that of a whole call of `evaluate` with the options that the row needs, strict counts, delay, events and both areas
included; nothing is subtracted. The time of reading files, and of the program's start, is in neither.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


class Ours:
    """The driver `rlad-bench-metrics` with its input, one evaluation a line."""

    def __init__(self, series, threads):
        self.file = tempfile.NamedTemporaryFile(suffix=".f64")
        for truth, scores, threshold in series:
            np.concatenate([[len(truth), threshold], truth, scores]).astype("<f8").tofile(self.file)
        self.file.flush()
        self.process = subprocess.Popen(
            [ROOT / "target/release/rlad-bench-metrics", self.file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
        )

    def __call__(self, which, buffer="-", nab="-"):
        self.process.stdin.write(f"{which} {buffer} {nab}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["evaluation"], answer["seconds"]


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


class Table:
    def __init__(self):
        self.rows = {}

    def add(self, name, differences, theirs, ours):
        row = self.rows.setdefault(name, [0.0, 0.0, 0.0, 0])
        row[0] = max([row[0], *differences])
        row[1] += theirs
        row[2] += ours
        row[3] += 1

    def show(self):
        print(f"{'metric':46}{'runs':>6}{'largest difference':>20}{'theirs, s':>12}{'ours, s':>12}{'ratio':>10}")
        for name, (difference, theirs, ours, runs) in self.rows.items():
            print(f"{name:46}{runs:>6}{difference:>20.1e}{theirs:>12.3f}{ours:>12.4f}{theirs / ours:>10.1f}")


def kpi(path, n_series):
    data = pd.read_parquet(path)
    parts = []
    for _, one in list(data.groupby("series", sort=True))[:n_series]:
        one = one.sort_values("timestamp")
        values = one["value"]
        median = values.rolling(200, min_periods=10).median().shift(1)
        spread = (values - median).abs().rolling(200, min_periods=10).median().shift(1)
        scores = ((values - median).abs() / (spread + 1e-9 * values.abs().max() + 1e-12)).fillna(0.0)
        first = round(0.8 * len(one))
        parts.append((one["label"].to_numpy()[first:].astype(int), np.minimum(scores.to_numpy()[first:], 1e6)))
    threshold = float(np.quantile(np.concatenate([scores for _, scores in parts]), 0.98))
    return [(truth, scores, threshold) for truth, scores in parts]


def against_tsb_ad(checkout, series, table):
    sys.path.insert(0, checkout)
    from sklearn.metrics import average_precision_score, roc_auc_score
    from TSB_AD.evaluation.affiliation.generics import convert_vector_to_events
    from TSB_AD.evaluation.affiliation.metrics import pr_from_events
    from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve

    def ranges(truth, alarms):
        grader = basic_metricor()
        return grader.range_recall_new(alarms, truth, 0)[0], grader.range_recall_new(truth, alarms, 0.2)[0]

    def affiliation(truth, alarms):
        found = pr_from_events(convert_vector_to_events(alarms), convert_vector_to_events(truth), (0, len(truth)))
        return found["Affiliation_Precision"], found["Affiliation_Recall"]

    def volumes(truth, scores):
        roc, pr = generate_curve(truth, scores, 100, "opt", 250)[-2:]
        return pr, roc

    def areas(truth, scores):
        return average_precision_score(truth, scores), roc_auc_score(truth, scores)

    ours = Ours(series, threads=1)
    apart = lambda got, want: [abs((g or 0.0) - (0.0 if w != w else w)) for g, w in zip(got, want)]
    for number, (truth, scores, threshold) in enumerate(series):
        if truth.min() == truth.max():
            continue
        alarms = (scores > threshold).astype(int)
        for name, theirs, arguments, buffer, of in [
            ("range precision, recall", ranges, (truth, alarms), "-", lambda e: (e["range"]["precision"], e["range"]["recall"])),
            (
                "affiliation precision, recall", affiliation, (truth, alarms), "affiliation",
                lambda e: (e["affiliation"]["precision"], e["affiliation"]["recall"]),
            ),
            ("areas under PR and ROC (scikit-learn)", areas, (truth, scores), "-", lambda e: (e["auc_pr"], e["auc_roc"])),
            ("VUS-PR, VUS-ROC, buffer 100", volumes, (truth, scores), 100, lambda e: (e["vus_pr"]["value"], e["vus_roc"]["value"])),
        ]:
            got, before = ours(number, buffer)
            want, seconds = timed(theirs, *arguments)
            _, after = ours(number, buffer)
            table.add(name, apart(of(got), want), seconds, (before + after) / 2)
        print(f"series {number}: {len(truth)} points", file=sys.stderr, flush=True)
    truth, scores = (np.concatenate([one[i] for one in series]) for i in (0, 1))
    got, before = ours("all")
    want, seconds = timed(areas, truth, scores)
    _, after = ours("all")
    table.add("areas under PR and ROC, pooled (scikit-learn)", apart((got["auc_pr"], got["auc_roc"]), want), seconds, (before + after) / 2)


def against_nab(checkout, table):
    sys.path.insert(0, checkout)
    from nab.optimizer import optimizeThreshold
    from nab.sweeper import Sweeper

    checkout = Path(checkout)
    windows = json.loads((checkout / "labels/combined_windows.json").read_text())
    profiles = json.loads((checkout / "config/profiles.json").read_text())
    thresholds = json.loads((checkout / "config/thresholds.json").read_text())["numenta"]
    published = json.loads((checkout / "results/final_results.json").read_text())["numenta"]
    files = {}
    for name, pairs in windows.items():
        folder, file = name.split("/")
        data = pd.read_csv(checkout / "results/numenta" / folder / f"numenta_{file}", parse_dates=["timestamp"])
        limits = [(pd.Timestamp(a), pd.Timestamp(b)) for a, b in pairs]
        files[name] = (list(data["timestamp"]), data["anomaly_score"].to_numpy(), limits)
    n_windows = sum(len(limits) for _, _, limits in files.values())
    paths = {f"{Path(name).parent}/d_{Path(name).name}": name for name in files}
    corpus = SimpleNamespace(
        dataFiles={path: SimpleNamespace(data={"anomaly_score": files[name][1]}) for path, name in paths.items()}
    )
    labels = SimpleNamespace(
        windows={name: limits for name, (_, _, limits) in files.items()},
        labels={name: {"timestamp": timestamps} for name, (timestamps, _, _) in files.items()},
    )
    for profile, costs in profiles.items():
        cost, threshold = costs["CostMatrix"], thresholds[profile]["threshold"]
        series = []
        for timestamps, scores, limits in files.values():
            truth = np.zeros(len(scores))
            for first, last in limits:
                truth[timestamps.index(first) : timestamps.index(last) + 1] = 1
            # An alarm of NAB is at or above its threshold, one of ours is above.
            series.append((truth, scores, np.nextafter(threshold, -np.inf)))
        ours = Ours(series, threads=1)
        normalised = lambda s: 100 * (s + cost["fnWeight"] * n_windows) / ((cost["tpWeight"] + cost["fnWeight"]) * n_windows)

        def theirs():
            best = optimizeThreshold(("d", cost, corpus, labels, 0.15))
            sweeper = Sweeper(probationPercent=0.15, costMatrix=cost)
            own = sum(sweeper.scoreDataSet(*file, name, threshold)[1].score for name, file in files.items())
            return normalised(own), normalised(best["score"])

        got, before = ours("all", "-", "nab-probation")
        want, seconds = timed(theirs)
        _, after = ours("all", "-", "nab-probation")
        got = got["nab"][profile]
        got = (got["score"], got["best"]["score"], got["score"])
        differences = [abs(g - w) for g, w in zip(got, (*want, published[profile]))]
        table.add(f"NAB {profile}, own, best, published", differences, seconds, (before + after) / 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tsb-ad")
    parser.add_argument("--kpi")
    parser.add_argument("--series", type=int, default=29)
    parser.add_argument("--nab")
    arguments = parser.parse_args()
    table = Table()
    if arguments.nab:
        against_nab(arguments.nab, table)
    if arguments.tsb_ad:
        series = kpi(arguments.kpi, arguments.series)
        against_tsb_ad(arguments.tsb_ad, series, table)
        print(f"{len(series)} series, {sum(len(one[0]) for one in series)} points, {sum(int(one[0].sum()) for one in series)} anomalous")
        for threads in (1, os.cpu_count()):
            ours = Ours(series, threads)
            seconds = [ours("all", 100, "nab")[1] for _ in range(3)]
            quick = [ours("all")[1] for _ in range(3)]
            print(f"every metric in one call, {threads} threads: {min(seconds):.3f} s; without volumes and NAB {min(quick):.3f} s")
    table.show()


if __name__ == "__main__":
    main()
