"""What every peer shares: its command line, the data and their parts, the simulated expert, and the files that it writes."""

import argparse
import dataclasses
import json
import math
import pathlib
import resource

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WEEK = 7 * 86_400
RESERVED = ("series", "timestamp", "index", "label")


@dataclasses.dataclass
class Series:
    """One series; a point is an index into it."""

    name: str
    timestamps: pa.ChunkedArray
    values: np.ndarray  # [n_points, n_channels], NaN where missing
    labels: np.ndarray  # [n_points], 0, 1, or -1 for unknown
    features: np.ndarray | None  # [n_points, n_features]
    train: range  # what may be learned from; in a live run it grows with the weeks
    test: range

    def __post_init__(self):
        # A missing point is never an anomaly, asked about, or learned from.
        self.is_missing = np.isnan(self.values).all(axis=1)

    def present(self, points):
        """Those of some points that have a value."""
        points = np.asarray(points, dtype=np.int64)
        return points[~self.is_missing[points]]

    def weeks(self):
        """The test points of each week of seven days from the first of them; a week of a gap has none."""
        if not len(self.test):
            return []
        seconds = self.seconds[self.test.start : self.test.stop]
        week = (seconds - seconds[0]) // WEEK
        borders = self.test.start + np.searchsorted(week, np.arange(week[-1] + 2))
        return [range(int(first), int(last)) for first, last in zip(borders, borders[1:])]

    @property
    def seconds(self):
        """The times of the points, in seconds."""
        times = self.timestamps
        if pa.types.is_timestamp(times.type):
            return pc.cast(pc.cast(times, pa.timestamp("s"), safe=False), pa.int64()).to_numpy()
        if not pa.types.is_integer(times.type):
            raise SystemExit(f"--weekly needs times, found column `timestamp` of type {times.type}")
        return times.to_numpy()

    def learnable(self, points):
        """Those of some points that have a value and a label."""
        points = self.present(points)
        return points[self.labels[points] >= 0]


def part(text):
    """`FROM..TO`, each a fraction of a series' points, each may be left out."""
    try:
        first, last = text.split("..")
        first, last = float(first or 0), float(last or 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected FROM..TO, as in `..0.8`, got `{text}`") from None
    if not 0 <= first < last <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 <= FROM < TO <= 1, got `{text}`")
    return first, last


def budgets(text):
    """Numbers of questions, rising."""
    numbers = sorted({int(number) for number in text.split(",")})
    if numbers[0] < 1:
        raise argparse.ArgumentTypeError(f"expected numbers above 0, got `{text}`")
    return numbers


def weekly(text):
    """Numbers of questions a week, rising; 0 is one of them where nothing is asked."""
    numbers = sorted({int(number) for number in text.split(",")})
    if numbers[0] < 0:
        raise argparse.ArgumentTypeError(f"expected numbers of at least 0, got `{text}`")
    return numbers


def arguments(description):
    """The flags that every peer takes; one that needs no features, questions or seed passes over them."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, help="Parquet: series, timestamp, values, label")
    parser.add_argument("--features", type=pathlib.Path, help="Parquet that `rlad features` wrote of the same data")
    parser.add_argument("--train", type=part, required=True, metavar="FROM..TO")
    parser.add_argument("--test", type=part, required=True, metavar="FROM..TO")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budgets", type=budgets, metavar="N,N,…", help="numbers of questions, one result for each")
    parser.add_argument(
        "--weekly", type=weekly, metavar="N,N,…", help="live: questions about each week of the test part, one result for each"
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER")
    return parser


def read(args, with_features):
    """The series of the data by name, points in time order, with their features where they are asked for."""
    table = _sorted(pq.read_table(args.data))
    features = None
    if with_features:
        if args.features is None:
            raise SystemExit("this peer learns from features: name their file with --features")
        features = _sorted(pq.read_table(args.features))
        for key in ("series", "timestamp"):
            if not np.array_equal(_numpy(table[key]), _numpy(features[key])):
                raise SystemExit(f"{args.features} is not made of {args.data}: column `{key}` differs")
        features = np.column_stack([_numpy(features[name]) for name in features.column_names if name not in RESERVED])
    values = [_numpy(table[name]) for name in table.column_names if name not in RESERVED]
    values = np.column_stack(values).astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    labels = np.full(len(table), -1, dtype=np.int8)
    if "label" in table.column_names:
        labels = _numpy(pc.fill_null(pc.cast(table["label"], pa.int8()), -1))
    names = _numpy(table["series"])
    borders = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(names)]
    return [
        Series(
            name=str(names[first]),
            timestamps=table["timestamp"][first:last],
            values=values[first:last],
            labels=labels[first:last],
            features=None if features is None else features[first:last],
            train=_points(args.train, last - first),
            test=_points(args.test, last - first),
        )
        for first, last in zip(borders, borders[1:])
    ]


def _sorted(table):
    return table.sort_by([("series", "ascending"), ("timestamp", "ascending")])


def _numpy(column):
    return column.to_numpy()


def _points(fractions, n_points):
    # Halves are rounded up, as Rust does; Python's `round` goes to the even neighbour.
    return range(*(math.floor(fraction * n_points + 0.5) for fraction in fractions))


class Expert:
    """A simulated expert who knows the truth, and how many labels were read from it.

    `answers`: `point` labels the point that was asked about, `range` the `SHOWN` training points around it.
    """

    SHOWN = 25

    def __init__(self, series, answers):
        self.series = series
        self.answers = answers

    def answer(self, which, point):
        """The points that the answer to one question labels, all of them training points; none where the truth is unknown."""
        one = self.series[which]
        if one.labels[point] < 0:
            return np.empty(0, dtype=np.int64)
        if self.answers == "point":
            return np.array([point])
        after = self.SHOWN // 2
        first = max(point - (self.SHOWN - 1 - after), one.train.start)
        last = min(point + after + 1, one.train.stop)
        points = np.arange(first, last)
        return points[one.labels[first:last] >= 0]


class Results:
    """The folder that a peer writes: scores of the test part for each run, and `peer.json`."""

    def __init__(self, folder, series, **versions):
        self.folder = folder
        self.series = series
        self.versions = versions
        self.runs = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, scores, thresholds, model, *, budget=None, **facts):
        """One run: for each series the scores of its test points, and the threshold, one number or one a series."""
        name = "scores.parquet" if budget is None else f"scores-{budget}.parquet"
        thresholds = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), len(self.series))
        tables = []
        for one, of_one, threshold in zip(self.series, scores, thresholds, strict=True):
            points = one.test
            of_one = np.where(one.is_missing[points.start : points.stop], np.nan, np.asarray(of_one, dtype=np.float64))
            columns = {
                "series": pa.array([one.name] * len(points), pa.string()),
                "timestamp": one.timestamps[points.start : points.stop],
                "score": pa.array(of_one, from_pandas=True),
                "threshold": pa.array(np.full(len(points), threshold)),
                "anomaly": pa.array(of_one > threshold),
                "model": pa.array([model] * len(points), pa.string()),
            }
            tables.append(pa.table(columns))
        pq.write_table(pa.concat_tables(tables), self.folder / name, compression="zstd")
        self.runs.append({"budget": budget, "scores": name} | facts)

    def finish(self):
        """Writes `peer.json`."""
        facts = {
            "versions": self.versions,
            "runs": self.runs,
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        (self.folder / "peer.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
