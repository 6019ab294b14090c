"""The parts around the network: isolation forest, label spreading, features."""

import statistics
from pathlib import Path

import bottleneck as bn
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.semi_supervised import LabelSpreading

from ours import Ours, interleaved, spread, timed

N_STEPS = 25


def series_of(kpi):
    """The series of the KPI file in the order of their names: timestamps in seconds, and values."""
    table = pq.read_table(kpi).to_pandas()
    columns = {"series": next(c for c in table if table[c].dtype == object or str(table[c].dtype).startswith(("str", "cat"))),
               "time": "timestamp", "value": "value"}
    for _, rows in table.groupby(columns["series"], sort=True, observed=True):
        rows = rows.sort_values(columns["time"], kind="stable")
        times = rows[columns["time"]]
        seconds = times.to_numpy() if times.dtype.kind == "i" else times.to_numpy().astype("datetime64[s]").astype(np.int64)
        yield seconds, rows[columns["value"]].to_numpy(float)


def windows(series):
    """Every window of 25 points, values of a series scaled to [0, 1]."""
    return np.concatenate([np.lib.stride_tricks.sliding_window_view(values, N_STEPS) for values in padded(series)])


def padded(series):
    """Series scaled to [0, 1], each with its first value as often before it as its first window needs."""
    for _, values in series:
        scaled = ((values - values.min()) / max(values.max() - values.min(), 1e-12)).astype(np.float32)
        yield np.concatenate([np.repeat(scaled[:1], N_STEPS - 1), scaled])


def forest(files, series, threads):
    rows = windows(series)
    ours = Ours(threads)
    values = list(padded(series))
    as_rows = {"rows": files.put("windows", rows), "features": N_STEPS}
    as_series = {
        "rows": files.put("values", np.concatenate(values)), "features": N_STEPS,
        "lengths": files.put("lengths", np.array([len(one) for one in values])),
    }

    def theirs():
        forest = IsolationForest(n_estimators=100, max_samples=256, n_jobs=-1, random_state=0).fit(rows)
        return -forest.score_samples(rows)

    tasks = {"as rows": as_rows, "of series": as_series}
    seconds = {name: [ours("forest", **task)["seconds"] for _ in range(2)] for name, task in tasks.items()}
    scores, peer = timed(theirs)
    lines = []
    for name, task in tasks.items():
        seconds[name].append(ours("forest", out=files.path("scores"), **task)["seconds"])
        correlation = spearmanr(files.get("scores")[::97], scores[::97]).statistic
        lines.append({
            "work": f"isolation forest, 100 trees, fit and score {len(rows):,} windows of 25, {name}", "threads": threads,
            "ours": statistics.median(seconds[name]), "theirs": peer, "peer": "scikit-learn, all cores",
            "spread": spread(seconds[name]), "checked": f"rank correlation {correlation:.3f}",
        })
    ours.close()
    return lines


def spreading(files, series, threads, repeats):
    values = series[0][1]
    rows = windows([(None, values[:1424])])[24:]
    rng = np.random.default_rng(0)
    labels = np.full(len(rows), -1)
    labels[rng.choice(len(rows), 60, replace=False)] = rng.integers(0, 2, 60)
    ours = Ours(threads)
    task = {"rows": files.put("few", rows), "labels": files.put("labels", labels), "features": N_STEPS, "passes": 30}
    double = rows.astype(float)

    def theirs():
        return LabelSpreading(gamma=20, alpha=0.2, max_iter=30, tol=1e-3).fit(double, labels).label_distributions_[:, 1]

    ours("spread", out=files.path("p"), **task)
    difference = np.abs(files.get("p") - theirs()).max()
    assert difference < 1e-6, f"probabilities differ by {difference}"
    runs = {"ours": lambda: ours("spread", **task)["seconds"], "theirs": lambda: timed(theirs)[1]}
    medians, seconds = interleaved(runs, repeats)
    ours.close()
    few = {
        "work": f"label spreading, {len(rows):,} windows", "threads": threads, "ours": medians["ours"],
        "theirs": medians["theirs"], "peer": "scikit-learn", "spread": spread(seconds["ours"]),
        "checked": f"probabilities within {difference:.0e}",
    }

    rows = windows(series[:1])[:100_000]
    labels = np.full(len(rows), -1)
    labels[rng.choice(len(rows), 1000, replace=False)] = rng.integers(0, 2, 1000)
    ours = Ours(threads)
    many = ours("spread", rows=files.put("many", rows), labels=files.put("many-labels", labels), features=N_STEPS, passes=200)
    peak = Path(f"/proc/{ours.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    ours.close()
    return [few, {
        "work": "label spreading, 100,000 windows, 10 nearest each", "threads": threads, "ours": many["seconds"],
        "note": f"{int(peak) / 1024:.0f} MiB at the peak, the windows included; {many['passes']} passes",
    }]


FEATURES = ["min-max", "difference:1", "difference:5", "median:10", "median:60", "z-score:30", "deviation:10", "deviation:30",
         "deviation:60", "range:60", "unchanged"]


def squash(x, unit):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(unit > 0, np.clip(np.arcsinh(x / unit), -10, 10), 0.0)


def by_pandas(series):
    """The features that whole columns can be computed for; the others go through a state that follows each point."""
    out = []
    for seconds, values in series:
        n = len(values)
        x = values - values[0]
        difference = np.diff(x, prepend=x[0])
        step = pd.Series(np.diff(seconds)).mode()[0]
        memory = int(np.clip(max(86400 // step, 24) * 7, 1_000, 20_000))
        roots = np.sqrt(np.abs(difference[1:]))
        size = np.empty(n - 1)
        size[:memory] = np.cumsum(roots[:memory]) / np.arange(1, min(memory, n - 1) + 1)
        if n - 1 > memory:
            rest = np.concatenate([size[memory - 1 : memory], roots[memory:]])
            size[memory:] = pd.Series(rest).ewm(alpha=1 / memory, adjust=False).mean().to_numpy()[1:]
        unit = np.maximum(np.concatenate([[0.0], size**2]), 1e-12 * np.abs(values))

        def before(moved):
            return np.concatenate([[np.nan], moved[:-1]])

        def count(window):
            return np.minimum(np.arange(n), window).clip(1)

        def deviation(window):
            squares = before(bn.move_var(x, window, min_count=1)) * count(window)
            return np.sqrt((squares + unit**2) / count(window))

        columns = {"min-max": np.clip((values - values.min()) / max(values.max() - values.min(), 1e-300), -1, 2)}
        columns["difference:1"] = squash(difference, unit)
        columns["difference:5"] = squash(np.concatenate([np.zeros(5), x[5:] - x[:-5]]), unit)
        for window in (10, 60):
            columns[f"median:{window}"] = squash(x - before(bn.move_median(x, window, min_count=1)), unit)
        columns["z-score:30"] = squash(x - before(bn.move_mean(x, 30, min_count=1)), deviation(30))
        for window in (10, 30, 60):
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(deviation(window) / unit)
            columns[f"deviation:{window}"] = np.where(unit > 0, np.clip(logs, -10, 10), 0.0)
        over = np.maximum(x - before(bn.move_max(x, 60, min_count=1)), 0)
        columns["range:60"] = squash(over + np.minimum(x - before(bn.move_min(x, 60, min_count=1)), 0), unit)
        changes = np.concatenate([[True], values[1:] != values[:-1]])
        run = np.arange(n) - np.maximum.accumulate(np.where(changes, np.arange(n), 0)) + 1
        columns["unchanged"] = np.minimum(np.log(run), 10)
        table = np.stack([columns[name] for name in FEATURES], 1).astype(np.float32)
        table[0, 1:] = 0
        out.append(table)
    return np.concatenate(out)


def features(files, series, kpi, threads, repeats):
    ours = Ours(threads)
    ours("features", data=str(kpi), features=FEATURES, out=files.path("features"))
    got = files.get("features").reshape(-1, len(FEATURES))
    want = by_pandas(series)
    near = np.isclose(got, want, atol=2e-3).mean(0)
    # Where a series hardly moves, the running sums of bottleneck drift, and its logarithms with them.
    assert near.min() > 0.97, f"features differ: {dict(zip(FEATURES, near.round(4)))}"
    runs = {
        "ours": lambda: ours("features", data=str(kpi), features=FEATURES)["seconds"],
        "theirs": lambda: timed(by_pandas, series)[1],
        "all": lambda: ours("features", data=str(kpi), features=[])["seconds"],
    }
    medians, seconds = interleaved(runs, repeats)
    ours.close()
    return [
        {"work": f"{len(FEATURES)} features over {len(got):,} points", "threads": threads, "ours": medians["ours"],
         "theirs": medians["theirs"], "peer": "pandas and bottleneck, one thread", "spread": spread(seconds["ours"]),
         "checked": f"{near.min():.2%} of the numbers of the least alike feature within .002"},
        {"work": f"all 22 default features over {len(got):,} points", "threads": threads, "ours": medians["all"],
         "note": f"{medians['all'] / len(got) * 1e9:.0f} ns a point"},
    ]
