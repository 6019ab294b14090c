"""Writes crates/rlad/tests/reference/features.json: two series and their features, computed from the formulas in float64.

Windows come from pandas' rolling functions, the last day from the raw points, profiles from lists of visits.

    python bench/reference/features.py
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import pandas as pd

DAY = 86_400
OUT = Path(__file__).parents[2] / "crates/rlad/tests/reference/features.json"
WINDOWS = ["10", "60", "1d"]
FEATURES = ["min-max", "value", "difference:1", "difference:5", "season", "season-score", "season-step", "week", "residual:30"]
FEATURES += [f"{name}:{window}" for name in ["median", "z-score", "deviation", "range"] for window in WINDOWS] + ["unchanged"]
PROFILE_SLOTS = 96


def squash(x, unit):
    return 0.0 if unit <= 0 else max(-10.0, min(10.0, math.asinh(x / unit)))


def power_means(deviations, memory):
    """The power mean of order 1/2 after each deviation; alike up to `memory`, fading after."""
    root, out = 0.0, []
    for n, deviation in enumerate(deviations, 1):
        root += (math.sqrt(abs(deviation)) - root) / min(n, memory)
        out.append(root**2)
    return out


def levels(values, memory):
    centre, root, out = values[0], 0.0, []
    for n, value in enumerate(values, 1):
        away = value - centre
        root += (math.sqrt(abs(away)) - root) / min(n, memory)
        limit = 4 * root**2
        centre += max(-limit, min(limit, away)) / min(n, memory)
        out.append((centre, root**2))
    return out


def last_day(times, values, at, step):
    """Count, median, mean, squares, minimum and maximum of the last day in blocks of an hour, from the raw points."""
    per_block = DAY // step // 24
    block = np.array([round(time / step) // per_block for time in times[: at + 1]])
    held = np.flatnonzero(block[:at] > block[at] - 24)
    if not len(held):
        return None
    value = np.array(values)[held]
    means = pd.Series(value).groupby(block[held]).mean()
    return len(value), means.median(), value.mean(), ((value - value.mean()) ** 2).sum(), value.min(), value.max()


def own_spread(root_spread, root_of_all, days):
    weight = 1 / min(days, 7)
    return ((1 - weight) * root_spread + weight * root_of_all) ** 2


def seasons(times, values, steps, step, memory):
    """For each point its residual, residual less the week's, their units, the usual step and the days, or None."""
    per_day = DAY // step
    width = -(-per_day // PROFILE_SLOTS)
    n_slots = -(-per_day // width)
    profile = {}  # slot -> [level, root of spread, root of step, days]
    week = {}  # hour of the week -> [residual, weeks]
    visit, hour_visit = (None, []), (None, [])
    root, n, out = 0.0, 0, []
    for time, value, change in zip(times, values, steps):
        day, of_day = divmod(round(time / step), per_day)
        slot = of_day // width
        if visit[0] not in (None, (day, slot)):
            index = visit[0][1]
            level, root_spread, root_step, days = profile.get(index, [0.0, 0.0, 0.0, 0])
            residual = np.mean([point[0] for point in visit[1]])
            root_steps = np.mean([math.sqrt(abs(point[1])) for point in visit[1]])
            roots = np.mean([math.sqrt(abs(point[0])) for point in visit[1]])
            if days >= 2:
                limit = 4 * own_spread(root_spread, root, days)
                residual, roots = np.clip(residual, -limit, limit), min(roots, math.sqrt(limit))
            if days >= 1:
                root_spread += (roots - root_spread) / min(days, 7)
            fade = min(days + 1, 7)
            profile[index] = [level + residual / fade, root_spread, root_step + (root_steps - root_step) / fade, days + 1]
        if visit[0] != (day, slot):
            visit = ((day, slot), [])
        hour = time // 3600
        if hour_visit[0] not in (None, hour) and hour_visit[1]:
            old, weeks = week.get(hour_visit[0] % 168, (0.0, 0))
            limit = 4 * root**2 if weeks >= 2 else math.inf
            change_of_week = max(-limit, min(limit, np.mean(hour_visit[1]) - old))
            week[hour_visit[0] % 168] = (old + change_of_week / min(weeks + 1, 4), weeks + 1)
        if hour_visit[0] != hour:
            hour_visit = (hour, [])

        aside = ((of_day % width) - (width - 1) / 2) / width
        own = profile.get(slot, [0.0, 0.0, 0.0, 0])
        neighbour = profile.get((slot + (-1 if aside < 0 else 1)) % n_slots)
        level = own[0]
        if own[3] and neighbour:
            level = (1 - abs(aside)) * own[0] + abs(aside) * neighbour[0]
        residual = value - level
        visit[1].append((residual, change))
        if not own[3]:
            out.append(None)
            continue
        n += 1
        root += (math.sqrt(abs(residual)) - root) / min(n, memory)
        hour_visit[1].append(residual)
        old, weeks = week.get(hour % 168, (0.0, 0))
        spread = own_spread(own[1], root, own[3])
        out.append((residual, residual - old * weeks / (weeks + 1), spread, root**2, own[2] ** 2, own[3]))
    return out


def features(times, values, step):
    """The rows of a series without missing values."""
    memory = min(20_000, max(1_000, DAY // step * 7))
    series = pd.Series(values)
    steps = series.diff().fillna(0).tolist()
    units = [0.0] + power_means(steps[1:], memory)
    level = levels(values, memory)
    season = seasons(times, values, steps, step, memory)
    rolled = {}
    for window in ("10", "60"):
        rolling = series.shift(1).rolling(int(window), min_periods=1)
        count, mean = rolling.count(), rolling.mean()
        squares = rolling.apply(lambda part: np.nansum((part - np.nanmean(part)) ** 2), raw=True)
        rolled[window] = list(zip(count, rolling.median(), mean, squares, rolling.min(), rolling.max()))
    averaged, rows, run = 0.0, [], 0
    for at, x in enumerate(values):
        unit = max(units[at], 1e-12 * abs(x))
        low, high = min(values[: at + 1]), max(values[: at + 1])
        run = run + 1 if at and values[at - 1] == x else 1
        row = {
            "min-max": 0.5 if low == high else (x - low) / (high - low),
            "value": squash(x - level[at][0], level[at][1]),
            "unchanged": math.log(run),
        }
        for lag in (1, 5):
            row[f"difference:{lag}"] = squash(x - values[at - lag], unit) if at >= lag else 0.0
        for window in WINDOWS:
            held = last_day(times, values, at, step) if window == "1d" else rolled[window][at] if at else None
            n, median, mean, squares, lowest, highest = held or (1, x, x, 0.0, x, x)
            deviation = math.sqrt((squares + unit**2) / n)
            row[f"median:{window}"] = squash(x - median, unit)
            row[f"z-score:{window}"] = squash(x - mean, deviation)
            row[f"deviation:{window}"] = math.log(deviation / unit) if held else 0.0
            row[f"range:{window}"] = squash(max(x - highest, 0) + min(x - lowest, 0), unit)
        row |= dict.fromkeys(["season", "season-score", "season-step", "week", "residual:30"], 0.0)
        if season[at]:
            residual, weekly, spread, any_spread, usual_step, days = season[at]
            averaged += (residual - averaged) * 2 / 31
            sure = days / (days + 1)
            row["season"] = sure * squash(residual, unit)
            row["season-score"] = sure * squash(residual, spread)
            row["season-step"] = sure * squash(steps[at], usual_step)
            row["week"] = sure * squash(weekly, any_spread)
            row["residual:30"] = sure * squash(averaged, any_spread)
        rows.append([row[feature] for feature in FEATURES])
    return rows


def case(name, step, n_points, seed):
    """A series with a day, a week, noise, spikes, a level shift, a flat run, missing points and missing values."""
    rng = np.random.default_rng(seed)
    times = 1_600_000_200 // step * step + step * np.arange(n_points)
    day, weekday = times / DAY, times // DAY % 7
    values = 100 + 20 * np.sin(2 * np.pi * day) - 8 * (weekday > 4) + rng.normal(0, 1.5, n_points)
    values[rng.integers(0, n_points, 6)] += 60
    values[n_points // 2 : n_points // 2 + 40] -= 25
    values[n_points // 3 : n_points // 3 + 12] = 90
    values = np.round(values, 3)
    kept = np.ones(n_points, bool)
    kept[n_points // 4 : n_points // 4 + 9] = False
    kept[n_points * 3 // 4 : n_points * 3 // 4 + DAY // step * 3 // 2] = False
    values[rng.integers(0, n_points, 20)] = np.nan
    times, values = times[kept], values[kept]
    there = np.flatnonzero(~np.isnan(values))
    rows = features(times[there].tolist(), values[there].tolist(), step)
    shown = sorted({*range(4), *range(0, len(there), 17), len(there) - 1})
    return {
        "name": name,
        "step": step,
        "timestamps": times.tolist(),
        "values": [None if math.isnan(value) else value for value in values.tolist()],
        "points": there[shown].tolist(),
        "rows": [[round(value, 9) for value in rows[at]] for at in shown],
    }


def main():
    versions = {"python": platform.python_version(), "numpy": np.__version__, "pandas": pd.__version__}
    cases = [case("five minutes", 300, 2_304, 1), case("hourly", 3_600, 40 * 24, 2)]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"versions": versions, "features": FEATURES, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
