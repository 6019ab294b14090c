"""Cuts the small data that ship with the project (data/nab, crates/rlad-cli/data/kpi) out of the public data sets.

    python cut_shipped_data.py --nab NAB --kpi KPI.parquet --kpi-licence LICENSE

NAB: a checkout of numenta/NAB. KPI.parquet: the finals training set of NetManAIOps/KPI-Anomaly-Detection with the columns
series (its KPI ID), timestamp, value, label, sorted by series and timestamp. LICENSE: that repository's licence file.
No value, label or timestamp is changed: files are copied, and rows taken, as they are.
"""

import argparse
import json
import pathlib
import shutil

import pyarrow.compute as pc
import pyarrow.parquet as pq

NAB_FILES = [
    "artificialNoAnomaly/art_flatline.csv",
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv",
    "realKnownCause/ambient_temperature_system_failure.csv",
    "realKnownCause/nyc_taxi.csv",
    "realTraffic/speed_7578.csv",
]

# (KPI ID, first row of the series, number of rows)
KPI_CUTS = [
    ("a8c06b47-cc41-3738-9110-12df0ee4c721", 2_000, 6_000),
    ("adb2fde9-8589-3f5b-a410-5fe14386c7af", 133_000, 8_000),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=pathlib.Path, required=True)
    parser.add_argument("--kpi", type=pathlib.Path, required=True)
    parser.add_argument("--kpi-licence", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    nab = pathlib.Path("data/nab")
    (nab / "labels").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(arguments.nab / "LICENSE.txt", nab / "LICENSE.txt")
    windows = json.loads((arguments.nab / "labels" / "combined_windows.json").read_text())
    kept = {name: windows[name] for name in NAB_FILES}
    (nab / "labels" / "combined_windows.json").write_text(json.dumps(kept, indent=4) + "\n")
    for name in NAB_FILES:
        (nab / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.nab / "data" / name, nab / "data" / name)

    kpi = pathlib.Path("crates/rlad-cli/data/kpi")
    kpi.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(arguments.kpi_licence, kpi / "LICENSE")
    table = pq.read_table(arguments.kpi)
    for series, first, n_rows in KPI_CUTS:
        rows = table.filter(pc.equal(table["series"], series)).slice(first, n_rows)
        assert rows.num_rows == n_rows, f"{series}: {rows.num_rows} rows from {first}"
        columns = [rows[name].to_pylist() for name in ("timestamp", "value", "label")]
        lines = (f"{timestamp},{value!r},{label}\n" for timestamp, value, label in zip(*columns))
        (kpi / f"{series}.csv").write_text("timestamp,value,label\n" + "".join(lines))


if __name__ == "__main__":
    main()
