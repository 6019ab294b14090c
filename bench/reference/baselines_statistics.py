"""Values of luminol, SPOT, spectral residual and S-H-ESD, as other implementations compute them.

    python baselines_statistics.py --anomalydetector CHECKOUT

writes `crates/rlad/tests/reference/baselines_statistics.json`. It needs luminol 0.4, ads-evt, scipy, statsmodels, pandas and
a checkout of microsoft/anomalydetector. Nothing of them is changed, but for a function of numpy that luminol misses and a
compiled module of anomalydetector that these values do not need.
"""

import argparse
import importlib.metadata
import json
import math
import pathlib
import platform
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import statsmodels.api as sm

np.asscalar = lambda array: np.asarray(array).item()

import ads_evt
from luminol.anomaly_detector import AnomalyDetector


def uniform(n, seed):
    state, out = seed, []
    for _ in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out.append(state / 2**32)
    return out


def seasonal(n=3000):
    """Two seasons and noise; single outliers at 1700 and 2100, a level shift from 2500 to 2505."""
    u = uniform(3 * n, 12345)
    x = [
        math.sin(2 * math.pi * i / 24) + 0.5 * math.sin(2 * math.pi * i / 168) + 0.4 * (u[3 * i] + u[3 * i + 1] + u[3 * i + 2] - 1.5)
        for i in range(n)
    ]
    for i, change in [(1700, 3.0), (2100, -3.0)] + [(i, 2.0) for i in range(2500, 2506)]:
        x[i] += change
    return x


def exponential(n=3000):
    h = [-math.log(1.0 - u) for u in uniform(n, 777)]
    h[1500], h[2200] = 25.0, 18.0
    return h


def some(values, every):
    return [float(value) for value in values[::every]]


def luminol(series, first, last):
    values = series[first:last]
    points = {i + 1: value for i, value in enumerate(values)}  # luminol takes a timestamp of 0 for none
    out = []
    for name in [None, "bitmap_detector", "default_detector", "exp_avg_detector", "derivative_detector"]:
        detector = AnomalyDetector(points, algorithm_name=name, score_only=True)
        scores = np.array([score for _, score in detector.get_all_scores().iteritems()])
        threshold = detector.threshold or 0.2 * scores.max()
        out.append(
            {
                "detector": name or "luminol",
                "threshold": float(threshold),
                "sum": float(scores.sum()),
                "every_29": some(scores, 29),
                "n_above": int((scores > threshold).sum()),
            }
        )
    return {"first": first, "last": last, "detectors": out}


def spot(series, name, make, **settings):
    model = make(q=settings["q"], **({"depth": settings["depth"]} if "depth" in settings else {}))
    model.fit(init_data=1000, data=np.array(series))
    model.initialize()
    result = model.run()
    upper = result.get("thresholds", result.get("upper_thresholds"))
    out = {"series": name, "settings": settings, "alarms": [int(i) for i in result["alarms"]], "upper_every_50": some(upper, 50)}
    if "lower_thresholds" in result:
        out["lower_every_50"] = some(result["lower_thresholds"], 50)
    return out


def pareto(name, excesses):
    """The maximum likelihood fit among the shapes above -1/2, from several starts."""
    excesses = np.array(excesses)

    def loss(parameters):
        if parameters[0] < -0.5:
            return math.inf
        return -scipy.stats.genpareto.logpdf(excesses, parameters[0], 0, math.exp(parameters[1])).mean()

    best = None
    for shape in [-0.3, -0.1, 0.0, 0.3, 1.0, 2.0]:
        start = [shape, math.log(excesses.mean() if shape > -0.2 else 1.1 * abs(shape) * excesses.max())]
        for _ in range(3):
            result = scipy.optimize.minimize(
                loss, start, method="Nelder-Mead", options={"xatol": 1e-12, "fatol": 1e-15, "maxiter": 10000, "maxfev": 10000}
            )
            start = result.x
        if best is None or result.fun < best.fun:
            best = result
    assert best.x[0] > -0.49, f"{name}: no maximum inside"
    return {
        "name": name,
        "excesses": excesses.tolist(),
        "shape": float(best.x[0]),
        "scale": math.exp(best.x[1]),
        "log_likelihood": float(-best.fun * len(excesses)),
    }


def pareto_cases(x, h):
    cases = [
        pareto("h over 2", [v - 2.0 for v in h if 2.0 < v < 17.0]),
        pareto("h over 2, a tenth", [0.1 * (v - 2.0) for v in h if 2.0 < v < 17.0]),
        pareto("x over 1.5", [v - 1.5 for v in x if v > 1.5]),
    ]
    for shape in [-0.3, -0.1, 0.0, 0.2, 0.7, 2.0]:
        for n, seed in [(40, 3), (300, 6)]:
            sample = scipy.stats.genpareto.ppf(uniform(n, seed), shape, 0, 3.0)
            cases.append(pareto(f"shape {shape}, {n} values", sample))
    return cases


def spectral_residual(module, series, first, last):
    frame = pd.DataFrame({"timestamp": np.arange(last - first), "value": series[first:last]})
    detect = module.SpectralResidual(frame, 0.3, 3, 40, 99, module.DetectMode.anomaly_only, 0).detect
    result = detect()
    return {
        "first": first,
        "last": last,
        "added": float(module.SpectralResidual.extend_series(np.array(series[first:last]))[-1]),
        "saliency": result["mag"].tolist(),
        "scores": result["score"].tolist(),
    }


def last_scores(module, series, window, ends):
    out = []
    for end in ends:
        first = max(0, end + 1 - window)
        out.append({"point": end, "score": spectral_residual(module, series, first, end + 1)["scores"][-1]})
    return {"window": window, "points": out}


def esd(values, n_turns, alpha):
    """Every removal of the generalised ESD test with median and MAD, computed anew each time."""
    left = {i: value for i, value in enumerate(values)}
    removals = []
    for _ in range(n_turns):
        rest = np.array(list(left.values()))
        median, n = np.median(rest), len(rest)
        spread = scipy.stats.median_abs_deviation(rest, scale="normal")
        point = max(left, key=lambda i: abs(left[i] - median))
        t = scipy.stats.t.isf(alpha / (2 * n), n - 2)
        critical = (n - 1) * t / math.sqrt((n - 2 + t * t) * n)
        removals.append({"point": point, "deviate": abs(left.pop(point) - median) / spread, "critical": critical})
    return removals


def season(values, period):
    """STL with the settings of the library, the mean of each place in the period over the series."""
    n = len(values)
    fit = sm.tsa.STL(
        np.array(values), period=period, seasonal=10 * n + 1, seasonal_deg=0, robust=True,
        seasonal_jump=math.ceil((10 * n + 1) / 10), trend_jump=math.ceil((period * 3 // 2 | 1) / 10), low_pass_jump=math.ceil((period + 1 | 1) / 10),
    ).fit(inner_iter=1, outer_iter=15)
    profile = [float(fit.seasonal[place::period].mean()) for place in range(period)]
    return {"period": period, "profile": profile}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anomalydetector", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.anomalydetector))
    kernel = types.ModuleType("msanomalydetector._anomaly_kernel_cython")
    kernel.median_filter = None
    sys.modules["msanomalydetector._anomaly_kernel_cython"] = kernel
    import msanomalydetector.spectral_residual as module

    x, h = seasonal(), exponential()
    long = [x[i % 3000] * (1.0 + 0.125 * (i // 3000)) + 0.0625 * h[i * 7 % 3000] for i in range(20000)]
    profile = season(x, 24)
    residuals = [value - profile["profile"][i % 24] for i, value in enumerate(x)]
    out = {
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ["numpy", "scipy", "statsmodels", "pandas", "luminol", "ads-evt"]},
            "microsoft/anomalydetector": subprocess.run(
                ["git", "-C", str(arguments.anomalydetector), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            ).stdout.strip(),
        },
        "x": x,
        "h": h,
        "luminol": [luminol(x, *cut) for cut in [(0, 3000), (1579, 3000), (0, 1999), (0, 2000), (0, 2), (10, 15)]],
        "luminol_long": [luminol(long, 0, 20000)],
        "spot": [
            spot(h, "h", ads_evt.SPOT, q=1e-4, two_sided=False),
            spot(h, "h", ads_evt.SPOT, q=1e-3, two_sided=False),
            spot(x, "x", ads_evt.SPOT, q=1e-3, two_sided=False),
            spot(x, "x", ads_evt.biSPOT, q=1e-3, two_sided=True),
            spot(h, "h", ads_evt.dSPOT, q=1e-3, two_sided=False, depth=10),
            spot(x, "x", ads_evt.dSPOT, q=1e-3, two_sided=False, depth=10),
            spot(x, "x", ads_evt.bidSPOT, q=1e-3, two_sided=True, depth=10),
        ],
        "pareto": pareto_cases(x, h),
        "spectral_residual": [spectral_residual(module, x, *cut) for cut in [(1579, 2091), (0, 12), (100, 241), (2400, 2528)]],
        "last_scores": [
            last_scores(module, x, 64, [11, 12, 30, 62, 63, 64, 500, 1700, 1701, 2500, 2506, 2999]),
            last_scores(module, x, 1440, [11, 500, 1439, 1440, 1700, 2100, 2500, 2999]),
        ],
        "season": profile,
        "esd": esd(residuals, 60, 0.05),
    }
    path = pathlib.Path(__file__).parents[2] / "crates/rlad/tests/reference/baselines_statistics.json"
    path.write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
