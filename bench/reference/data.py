"""Writes the reference values for the readers: what pandas and pyarrow see in the shipped data and in Parquet files of many types.

    python bench/reference/data.py        (from the root of the repository)
"""

import datetime
import decimal
import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path("crates/rlad/tests/reference")
VERSIONS = {"pandas": pd.__version__, "pyarrow": pa.__version__, "numpy": np.__version__}


def summary(timestamps, values, labels):
    differences = pd.Series(np.diff(timestamps))
    return {
        "n_points": len(timestamps),
        "first": int(timestamps[0]),
        "last": int(timestamps[-1]),
        "step": int(differences.mode()[0]),
        "sum": float(np.sum(values)),
        "max": float(np.max(values)),
        "n_anomalies": int(np.sum(labels)),
    }


def nanoseconds(times):
    return pd.to_datetime(times).to_numpy().astype("datetime64[ns]").astype("int64")


def shipped():
    nab, kpi = {}, {}
    windows = json.loads(pathlib.Path("data/nab/labels/combined_windows.json").read_text())
    for name, spans in windows.items():
        frame = pd.read_csv(f"data/nab/data/{name}")
        times = nanoseconds(frame.timestamp)
        labels = np.zeros(len(frame), dtype=bool)
        for first, last in spans:
            first, last = nanoseconds([first, last])
            labels |= (first <= times) & (times <= last)
        nab[name.removesuffix(".csv")] = summary(times, frame.value, labels)
    for path in sorted(pathlib.Path("crates/rlad-cli/data/kpi").glob("*.csv")):
        frame = pd.read_csv(path)
        kpi[path.stem] = summary(frame.timestamp.to_numpy() * 1_000_000_000, frame.value, frame.label)
    return {"versions": VERSIONS, "nab": nab, "kpi": kpi}


def types():
    """One column of three rows for each type that may hold a time or a value, and what it means."""
    start = datetime.datetime(2014, 7, 1)
    times = [start + datetime.timedelta(days=day) for day in range(3)]
    seconds = [int(time.replace(tzinfo=datetime.timezone.utc).timestamp()) for time in times]
    time_columns = {
        "int64 seconds": pa.array(seconds, pa.int64()),
        "uint32 seconds": pa.array(seconds, pa.uint32()),
        "uint64 milliseconds": pa.array([second * 1000 for second in seconds], pa.uint64()),
        "int64 microseconds": pa.array([second * 10**6 for second in seconds], pa.int64()),
        "int64 nanoseconds": pa.array([second * 10**9 for second in seconds], pa.int64()),
        "double seconds": pa.array([float(second) for second in seconds], pa.float64()),
        "timestamp[s]": pa.array(times, pa.timestamp("s")),
        "timestamp[ms]": pa.array(times, pa.timestamp("ms")),
        "timestamp[us]": pa.array(times, pa.timestamp("us")),
        "timestamp[ns]": pa.array(times, pa.timestamp("ns")),
        "timestamp[ms, UTC]": pa.array(times, pa.timestamp("ms", "UTC")),
        "timestamp[us, Europe/Berlin]": pa.array(seconds, pa.timestamp("s", "Europe/Berlin")).cast(pa.timestamp("us", "Europe/Berlin")),
        "date32": pa.array([time.date() for time in times], pa.date32()),
        "date64": pa.array([time.date() for time in times], pa.date64()),
        "string": pa.array([str(time) for time in times]),
        "dictionary string": pa.array([time.isoformat() + "Z" for time in times]).dictionary_encode(),
    }
    value_columns = {
        "int8": pa.array([1, None, -3], pa.int8()),
        "uint16": pa.array([1, None, 65535], pa.uint16()),
        "int64": pa.array([1, None, -(2**53)], pa.int64()),
        "halffloat": pa.array(np.array([1.5, np.nan, -0.25], dtype=np.float16)),
        "float": pa.array(np.array([0.1, np.nan, -0.25], dtype=np.float32)),
        "double": pa.array([0.1, None, 1e-300]),
        # These are no channels.
        "decimal": pa.array([decimal.Decimal("1.5")] * 3),
        "list": pa.array([[1.0], [2.0], [3.0]]),
    }
    columns = {"time": time_columns, "value": value_columns}
    table = pa.table({f"{role} {name}": column for role, group in columns.items() for name, column in group.items()})
    labels = {"label int": pa.array([0, 1, None], pa.int8()), "label bool": pa.array([False, True, None])}
    labels["label string"] = pa.array(["0", "true", "-1"])
    table = table.append_column("KPI ID", pa.array(["x"] * 3, pa.large_string()))
    for name, column in labels.items():
        table = table.append_column(name, column)
    pq.write_table(table, OUT / "types.parquet", store_schema=True)
    small = pa.table({"timestamp": [60, 120], "value": [1.0, 2.0]})
    pq.write_table(small, OUT / "brotli.parquet", compression="brotli", store_schema=False, write_statistics=False)
    values = {name: [None if v is None or np.isnan(v) else float(v) for v in column.to_pylist()]
              for name, column in value_columns.items() if name not in ("decimal", "list")}
    return {"versions": VERSIONS, "times": list(time_columns), "nanoseconds": [second * 10**9 for second in seconds],
            "values": values, "labels": list(labels)}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "shipped.json").write_text(json.dumps(shipped(), indent=1) + "\n")
    (OUT / "types.json").write_text(json.dumps(types(), indent=1) + "\n")


if __name__ == "__main__":
    main()
