"""What a user waits for: the first question, a round, a scored file, a file ten times as large, a fleet."""

import os
import statistics
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ours import ROOT, Ours, spread


def training(kpi, model, threads, questions):
    ours = Ours(threads)
    first = [ours("question", data=str(kpi), part="..0.8")["seconds"] for _ in range(3)]
    rounds = ours("rounds", data=str(kpi), part="..0.8", questions=questions, out=str(model))
    ours.close()
    of = rounds["seconds"]
    return [
        {"work": "from the start to the first question", "threads": threads, "ours": statistics.median(first), "spread": spread(first),
         "note": "reading, features, surprisal, the warm-up's questions"},
        {"work": f"a round of 50 questions, {questions:,} in all", "threads": threads, "ours": statistics.median(of),
         "note": f"first {of[0]:.2f} s, last {of[-1]:.2f} s; the last networks, once at the end: {rounds['finish']:.0f} s"},
    ]


def command(threads, *arguments):
    """The seconds and the peak memory in bytes of a run of the program.

    The peak that `wait4` gives is at least that of the process that forked, so it is read from the system while the program runs.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [ROOT / "target/release/rlad", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
    )
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if "VmHWM:" in status:
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        time.sleep(0.02)
    assert process.returncode == 0, f"rlad {arguments} ended with {process.returncode}"
    return time.perf_counter() - start, peak


def copies(kpi, path, n):
    """The KPI file `n` times over, each time under other names: all are series that no model was trained on."""
    table = pq.read_table(kpi)
    name = next(field.name for field in table.schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
                or pa.types.is_large_string(field.type))
    at = table.column_names.index(name)
    with pq.ParquetWriter(path, table.schema) as writer:
        for copy in range(n):
            names = pc.binary_join_element_wise(table[name].cast(pa.string()), f"-{copy}", "")
            writer.write_table(table.set_column(at, name, names.cast(table.schema.field(name).type)), row_group_size=200_000)


def detection(files, kpi, model, threads, with_tenfold):
    out = files.path("scores.parquet")
    ours = Ours(threads)
    reading, scoring, writing, whole = [], [], [], []
    memory = 0
    for _ in range(3):
        seconds, memory = command(threads, "detect", model, kpi, "--out", out)
        whole.append(seconds)
        reading.append(ours("read", data=str(kpi))["seconds"])
        scoring.append(ours("detect", data=str(kpi), model=str(model))["seconds"])
        writing.append(ours("write", scores=out, out=files.path("again.parquet"))["seconds"])
    features = [ours("features", data=str(kpi), features=[])["seconds"] for _ in range(3)]
    ours.close()
    parts = min(reading) + min(scoring) + min(writing)
    rows = [{
        "work": "rlad detect, default model, KPI file", "threads": threads, "ours": statistics.median(whole), "theirs": parts,
        "peer": "its parts", "spread": spread(whole),
        "note": f"read {min(reading):.2f} s, score {min(scoring):.1f} s (features alone {min(features):.2f} s), write {min(writing):.2f} s; "
                f"{memory / 2**20:.0f} MiB",
    }]
    if with_tenfold:
        # Series that were not trained on cost more than those that were, so one time the points is under other names too.
        seconds, peaks = {}, {}
        for n in (1, 10):
            data = files.path(f"copies-{n}.parquet")
            copies(kpi, data, n)
            runs = [command(threads, "detect", model, data, "--out", out) for _ in range(3 if n == 1 else 1)]
            seconds[n] = statistics.median(run[0] for run in runs)
            peaks[n] = statistics.median(run[1] for run in runs)
            os.remove(data)
        rows.append({
            "work": "rlad detect, ten times the points, all under other names", "threads": threads, "ours": seconds[10], "theirs": seconds[1],
            "peer": "one time the points", "note": f"{peaks[10] / 2**20:.0f} MiB, {peaks[10] / peaks[1]:.2f} times the memory",
        })
    return rows


def fleet(model, threads, n_series):
    ours = Ours(threads)
    of = ours("stream", model=str(model), series=n_series, minutes=3)
    ours.close()
    seconds = statistics.median(of["minutes"])
    return [{
        "work": f"a fleet: a point of each of {n_series:,} series", "threads": threads, "ours": seconds,
        "note": f"{n_series / seconds:,.0f} points a second, {of['bytes']:,.0f} bytes a series; one point alone: "
                f"median {of['point']['p50'] * 1e6:.0f} µs, 99th percentile {of['point']['p99'] * 1e6:.0f} µs",
    }]
