"""Ours and the peers side by side: python bench/speed/run.py --kpi kpi.parquet [--only PART…] [--out speed.md]

    cargo build --release --workspace --bins
    pip install -r bench/speed/requirements.txt

Both sides run in turn on the same input in the same session, and must have computed the same: `checked` says how near. Times are medians
of wall-clock seconds; ± is half of the distance between ours' extremes. The fraction of the peak is that of the best large matrix product
in the same session (PyTorch's), counting matrix products only. `metrics.py` has the rows of the metrics.
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path

PARTS = ["step", "score", "forest", "spread", "features", "training", "detect", "fleet"]


def seconds(value):
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def table(rows):
    lines = ["| work | threads | ours | peer | peer's | ratio | fraction of peak | |", "|---|---:|---:|---|---:|---:|---:|---|"]
    for row in rows:
        ours = seconds(row["ours"]) + (f" ± {row['spread']:.0%}" if "spread" in row else "")
        theirs, ratio = ("", "")
        if "theirs" in row:
            theirs, ratio = seconds(row["theirs"]), f"{row['theirs'] / row['ours']:.2f}"
        peak = f"{row['peak']:.0%}" if "peak" in row else ""
        note = "; ".join(row[key] for key in ("checked", "note") if key in row)
        lines.append(f"| {row['work']} | {row['threads']} | {ours} | {row.get('peer', '–')} | {theirs} | {ratio} | {peak} | {note} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kpi", type=Path, required=True, help="the KPI data in one Parquet file")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--questions", type=int, default=1500)
    parser.add_argument("--fleet", type=int, default=2_000_000, help="series of the fleet")
    parser.add_argument("--tenfold", action="store_true", help="also score the file ten times over")
    parser.add_argument("--model", type=Path, help="a trained model, for `detect` and `fleet` without `training`")
    parser.add_argument("--out", type=Path, help="also write the table there")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        from ours import Files

        files = Files(folder)
        model = args.model or Path(folder) / "default.model"
        most = max(args.threads)

        def add(more):
            rows.extend(more)
            print(table(more), flush=True)

        if {"step", "score"} & set(args.only):
            import network

            for threads in args.threads:
                if "step" in args.only:
                    add(network.steps(files, threads, args.repeats))
                if "score" in args.only:
                    add(network.scores(files, threads, args.repeats))
        if {"forest", "spread", "features"} & set(args.only):
            import parts

            series = list(parts.series_of(args.kpi))
            if "forest" in args.only:
                add(parts.forest(files, series, most))
            if "spread" in args.only:
                add(parts.spreading(files, series, most, args.repeats))
            if "features" in args.only:
                for threads in args.threads:
                    add(parts.features(files, series, args.kpi, threads, args.repeats))
        if {"training", "detect", "fleet"} & set(args.only):
            import whole

            if "training" in args.only:
                add(whole.training(args.kpi, model, most, args.questions))
            if "detect" in args.only:
                add(whole.detection(files, args.kpi, model, most, args.tenfold))
            if "fleet" in args.only:
                add(whole.fleet(model, most, args.fleet))
    if args.out:
        args.out.write_text(f"{platform.processor() or platform.machine()}\n\n{table(rows)}\n")
        args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
