"""The driver `rlad-bench-speed` as a function, and times of functions."""

import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


class Ours:
    """The program, with some number of threads for as long as it runs."""

    def __init__(self, threads):
        self.process = subprocess.Popen(
            [ROOT / "target/release/rlad-bench-speed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
        )

    def __call__(self, what, **task):
        self.process.stdin.write(json.dumps({"do": what, **task}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the program ended within `{what}`")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Files:
    """Arrays in files of 32-bit floats in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def put(self, name, array):
        np.ascontiguousarray(array, "<f4").tofile(self.folder / name)
        return str(self.folder / name)

    def path(self, name):
        return str(self.folder / name)

    def get(self, name):
        return np.fromfile(self.folder / name, "<f4")


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def interleaved(runs, repeats):
    """The median seconds of each of several functions that return seconds, run in turn; and the spread of the first."""
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            # Idle threads of the other side spin for a while after their work.
            time.sleep(0.3)
            seconds[name].append(run())
    return {name: statistics.median(of) for name, of in seconds.items()}, seconds


def spread(seconds):
    """The half of the distance between the extremes, as a fraction of the median."""
    return (max(seconds) - min(seconds)) / 2 / statistics.median(seconds)
