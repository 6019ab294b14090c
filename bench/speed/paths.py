"""Whether results are the same on processors with other vectors: python bench/speed/paths.py

The same program runs here as it is, twice, and under an emulator of processors with fewer instructions (qemu-user, Debian package
`qemu-user`): one without AVX and one with AVX2 and FMA. The first two runs must agree bit for bit, all of them within a tolerance.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ours import ROOT, Files

PROGRAM = ROOT / "target/release/rlad-bench-speed"
PROCESSORS = {
    "this processor": [], "this processor, again": [], "x86-64 without AVX": ["qemu-x86_64", "-cpu", "Nehalem"],
    "x86-64 with AVX2 and FMA": ["qemu-x86_64", "-cpu", "Haswell"],
}
# The largest difference that is allowed, as a fraction of the largest number.
TOLERANCE = {"Q-values": 1e-5, "losses of 20 steps": 1e-4, "features": 1e-6, "spreading": 1e-9}
TOLERANCE |= {"forest, as rows": 1e-6, "forest, of series": 1e-6}


def results(prefix, files):
    """What the program gives for small inputs, by part."""
    rng = np.random.default_rng(0)
    units, features, steps, n = 48, 22, 25, 400
    weights = rng.uniform(-0.2, 0.2, 4 * units * (features + units + 1) + 2 * units + 2)
    states, rewards = rng.normal(size=(64, steps, features)), rng.normal(size=(64, 2))
    windows = np.lib.stride_tricks.sliding_window_view(np.sin(np.arange(n) / 9.0) + 0.1 * rng.normal(size=n), steps)
    # Fewer than 4,096 windows of a series are scored as rows.
    long = np.sin(np.arange(6000) / 9.0) + 0.1 * np.random.default_rng(1).normal(size=6000)
    labels = np.full(len(windows), -1)
    labels[::20], labels[7::40] = 0, 1
    network = {"do": "network", "units": units, "features": features, "weights": files.put("weights", weights)}
    paint = {"rows": files.put("windows", windows), "features": steps}
    tasks = {
        "Q-values": {"do": "score", "rows": files.put("rows", rng.normal(size=(n, features))), "steps": steps, "out": files.path("q")},
        "losses of 20 steps": {"do": "step", "states": files.put("states", states), "next": files.put("next", states[::-1]),
                               "rewards": files.put("rewards", rewards), "steps": steps, "repeats": 20},
        "features": {"do": "features", "data": str(ROOT / "data/nab/data/realTraffic/speed_7578.csv"), "features": [], "out": files.path("v")},
        "spreading": {"do": "spread", **paint, "labels": files.put("labels", labels), "passes": 30, "out": files.path("p")},
        "forest, as rows": {"do": "forest", **paint, "out": files.path("f")},
        "forest, of series": {"do": "forest", "rows": files.put("long", long), "lengths": files.put("lengths", [len(long)]),
                              "features": steps, "out": files.path("s")},
    }
    lines = "\n".join(json.dumps(task) for task in [network, *tasks.values()]) + "\n"
    run = subprocess.run([*prefix, PROGRAM], input=lines, capture_output=True, text=True, check=True,
                         env={**os.environ, "RAYON_NUM_THREADS": "2"})
    answers = [json.loads(line) for line in run.stdout.splitlines()][1:]
    return {
        part: files.get(Path(task["out"]).name) if "out" in task else np.array(answer["losses"])
        for (part, task), answer in zip(tasks.items(), answers)
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        of = {name: results(prefix, Files(folder)) for name, prefix in PROCESSORS.items()}
    here = of.pop("this processor")
    print("| | " + " | ".join(of) + " |\n|---|" + "---:|" * len(of))
    for part, expected in here.items():
        differences = [np.abs(got[part] - expected).max() / np.abs(expected).max() for got in of.values()]
        print(f"| {part} | " + " | ".join("the same bits" if d == 0 else f"{d:.1e}" for d in differences) + " |")
        assert differences[0] == 0, f"{part}: two runs differ"
        assert max(differences) <= TOLERANCE[part], f"{part}: {differences}"


if __name__ == "__main__":
    main()
