"""Gradient-boosted trees (LightGBM) on the features that the agent sees, of the point itself: the honest competitor.

`--labels all` learns from every label of the training part. `--labels margin` asks questions as the agent does: a warm-up by
an isolation forest, then rounds of 50 about the points that the trees are least sure of; `--labels random` asks at random.
`--weekly` goes on through the test part week by week, with questions about each week after it was scored.
"""

import copy
import time

import lightgbm
import numpy as np
import pyarrow
import sklearn
from sklearn.ensemble import IsolationForest

import protocol
import thresholds

MODEL = dict(objective="binary", verbosity=-1, num_threads=2, deterministic=True, force_row_wise=True)
# Many labels: the settings that chose the default features (`bench/reference/features_lightgbm.py`).
ALL = MODEL | dict(learning_rate=0.05, num_leaves=63, min_data_in_leaf=50, feature_fraction=0.8, bagging_fraction=0.9)
ALL |= dict(bagging_freq=1)
N_TREES_ALL = 400
# One normal point in four, each with the weight of four; all anomalies.
SHARE_OF_NORMAL = 0.25
# Few labels.
FEW = MODEL | dict(learning_rate=0.05, num_leaves=31, min_data_in_leaf=5, feature_fraction=0.8, bagging_fraction=0.8)
FEW |= dict(bagging_freq=1)
N_TREES_FEW = 150

N_FOLDS = 5
N_FOLDS_ALL = 3
PER_ROUND = 50
N_EXTREMES = 5
MAX_SERIES_FRACTION = 0.2
MIN_DISTANCE = 40
# Of the questions about a week.
ALARM_FRACTION = 0.5
RANDOM_FRACTION = 0.2
# The points of each series that are ranked in a round and counted for the threshold.
POOL = 5_000
# Answers within one stretch of points go to one fold.
STRETCH = 512


def main():
    parser = protocol.arguments(__doc__)
    parser.add_argument("--labels", choices=["all", "margin", "random"], required=True)
    parser.add_argument("--answers", choices=["point", "range"], default="range")
    args = parser.parse_args()
    series = protocol.read(args, with_features=True)
    versions = {"lightgbm": lightgbm.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}
    results = protocol.Results(args.out, series, **versions, pyarrow=pyarrow.__version__)
    if args.labels == "all":
        learn_from_all(series, args, results)
    else:
        if args.budgets is None:
            parser.error("--labels margin and random need --budgets")
        if args.weekly is None:
            learn_from_questions(series, args, results)
        elif len(args.budgets) > 1:
            parser.error("--weekly needs one number of questions before the first week: give --budgets one")
        else:
            learn_week_by_week(series, args, results)
    results.finish()


def train(settings, n_trees, rows, labels, weights, seed):
    """The probability of an anomaly for each of some rows, as a function."""
    if len(np.unique(labels)) < 2:
        constant = float(labels[0]) if len(labels) else 0.0
        return lambda rows: np.full(len(rows), constant)
    data = lightgbm.Dataset(rows, labels, weight=weights, free_raw_data=True)
    return lightgbm.train(settings | {"seed": seed}, data, n_trees).predict


def score_test(series, model):
    return [model(one.features[one.test.start : one.test.stop]) for one in series]


# All labels


def learn_from_all(series, args, results):
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    points = [one.learnable(one.train) for one in series]
    rows = np.concatenate([one.features[at] for one, at in zip(series, points)])
    labels = np.concatenate([one.labels[at] for one, at in zip(series, points)])
    # Blocks in time: the neighbours of a held-out point are held out with it.
    folds = np.concatenate([np.arange(len(at)) * N_FOLDS_ALL // max(len(at), 1) for at in points])
    chosen = (labels == 1) | (rng.random(len(labels)) < SHARE_OF_NORMAL)
    weights = np.where(labels == 1, 1.0, 1 / SHARE_OF_NORMAL)
    held_out = np.zeros(len(labels))
    for fold in range(N_FOLDS_ALL):
        among, out = chosen & (folds != fold), folds == fold
        held_out[out] = train(ALL, N_TREES_ALL, rows[among], labels[among], weights[among], args.seed)(rows[out])
    threshold, _ = thresholds.best_f1(held_out, labels)
    model = train(ALL, N_TREES_ALL, rows[chosen], labels[chosen], weights[chosen], args.seed)
    fitted = time.perf_counter()
    scores = score_test(series, model)
    results.add(
        scores,
        threshold,
        "lightgbm-all",
        questions=0,
        labelled_points=len(labels),
        fit_seconds=fitted - start,
        score_seconds=time.perf_counter() - fitted,
        threshold_rule="best F1 on training labels, out of fold",
    )


# Few labels


def learn_from_questions(series, args, results):
    start = time.perf_counter()
    session = Session(series, args)
    for budget in args.budgets:
        session.ask_up_to(budget)
        model, threshold, rule = session.detector()
        fitted = time.perf_counter()
        scores = session.let_answers_stand(score_test(series, model))
        scored = time.perf_counter()
        results.add(
            scores,
            threshold,
            f"lightgbm-{args.labels}-{args.answers}",
            budget=budget,
            questions=session.n_questions,
            labelled_points=session.n_labelled,
            fit_seconds=fitted - start,
            score_seconds=scored - fitted,
            threshold_rule=rule,
        )
        # Scoring the test part is no part of asking on.
        start += scored - fitted


# Week by week


def learn_week_by_week(series, args, results):
    """Each week is scored by the model before it; then questions are asked about it, and the model is trained anew."""
    weeks = [one.weeks() for one in series]
    n_weeks = max(map(len, weeks))
    start = time.perf_counter()
    trained = Session(series, args)
    trained.ask_up_to(args.budgets[0])
    first = trained.detector()
    training = time.perf_counter() - start
    for n in args.weekly:
        session, (model, threshold, rule) = trained.copy(), first
        scores = [np.empty(0) for _ in series]
        fitting, scoring = training, 0.0
        for at in range(n_weeks):
            start = time.perf_counter()
            week = [of[at] if at < len(of) else range(0) for of in weeks]
            # How far they are above the threshold of their week.
            above = [model(one.features[w.start : w.stop]) - threshold if len(w) else np.empty(0) for one, w in zip(session.series, week)]
            scores = [np.concatenate(pair) for pair in zip(scores, above)]
            scored = time.perf_counter()
            scoring += scored - start
            if at + 1 < n_weeks and n > 0 and any(map(len, week)):
                session.ask_about(week, above, n)
                model, threshold, rule = session.detector()
                fitting += time.perf_counter() - scored
        results.add(
            scores,
            0.0,
            f"lightgbm-{args.labels}-{args.answers}-weekly",
            budget=n,
            questions=session.n_questions,
            labelled_points=session.n_labelled,
            fit_seconds=fitting,
            score_seconds=scoring,
            threshold_rule=rule,
        )


class Session:
    """Questions asked one round after the other, and what was answered."""

    def __init__(self, series, args):
        self.series = series
        self.args = args
        self.rng = np.random.default_rng(args.seed)
        self.expert = protocol.Expert(series, args.answers)
        self.asked = [np.zeros(len(one.labels), dtype=bool) for one in series]
        self.labelled = [np.zeros(len(one.labels), dtype=bool) for one in series]
        self.n_questions = 0
        self.n_labelled = 0
        self.warm_up = self.extremes() if args.labels == "margin" else []

    def copy(self):
        """A session that goes on from here by itself; features are shared."""
        other = copy.copy(self)
        other.series = [copy.copy(one) for one in self.series]
        other.rng = copy.deepcopy(self.rng)
        other.expert = protocol.Expert(other.series, self.args.answers)
        other.asked = [asked.copy() for asked in self.asked]
        other.labelled = [labelled.copy() for labelled in self.labelled]
        return other

    def ask_up_to(self, budget):
        """Asks until so many questions were asked, or nothing is left to ask."""
        while self.n_questions < budget:
            left = budget - self.n_questions
            if self.n_questions < len(self.warm_up):
                chosen = self.warm_up[self.n_questions : self.n_questions + left]
            else:
                chosen = self.choose(min(left, PER_ROUND))
            if not chosen:
                break
            self.take_in(chosen)

    def take_in(self, chosen):
        """Asks the expert about some points."""
        for which, point in chosen:
            points = self.expert.answer(which, point)
            self.n_labelled += int(np.count_nonzero(~self.labelled[which][points]))
            self.labelled[which][points] = True
        self.n_questions += len(chosen)

    def ask_about(self, week, above, n):
        """Questions about a week, of whose points it is told how far they are above the threshold: at most half about alarms, those of
        the series with the most alarm points before others, one of each in turn; then by margin or at random, as in training; a fifth
        at random."""
        for one, points in zip(self.series, week):
            if len(points):
                one.train = range(one.train.start, points.stop)
        chosen = []
        for which, point in alarms_in_turn(week, above) if self.args.labels == "margin" else []:
            if len(chosen) < max(round(n * ALARM_FRACTION), 1) and self.is_open(which, point):
                chosen += [(which, at) for at in self.spread(which, [point], 1)]
        if self.args.labels == "margin":
            n_random = min(max(round(n * RANDOM_FRACTION), 1), n - len(chosen))
            chosen += self.choose(n - len(chosen) - n_random, week)
        chosen += self.at_random(n - len(chosen), week)
        self.take_in(chosen)

    def detector(self):
        """A model of all answers so far, its threshold, and how that was found."""
        rows, labels, folds = self.examples()
        model = train(FEW, N_TREES_FEW, rows, labels, None, self.args.seed)
        held_out, pool, weights = np.zeros(len(labels)), [], []
        # A stream of its own: which budgets are looked at does not change what is drawn later.
        rng = np.random.default_rng([self.args.seed, self.n_questions])
        drawn = [draw(one, one.train, rng) for one in self.series]
        for fold in range(N_FOLDS):
            among, out = folds != fold, folds == fold
            of_fold = train(FEW, N_TREES_FEW, rows[among], labels[among], None, self.args.seed)
            if out.any():
                held_out[out] = of_fold(rows[out])
            for which, (one, points) in enumerate(zip(self.series, drawn)):
                own = points[fold_of(which, points) == fold]
                if len(own):
                    pool.append(of_fold(one.features[own]))
                    weights.append(np.full(len(own), len(one.train) / len(points)))
        threshold = thresholds.calibrated(held_out, labels, np.concatenate(pool), np.concatenate(weights))
        if threshold is None:
            return model, 0.5, "probability .5: all answers are of one kind"
        rule = "calibrated on the answers"
        return model, threshold, rule

    def let_answers_stand(self, scores):
        """The scores of the test part, in which what was answered of its points stands, as the agent has it."""
        for one, labelled, of_series in zip(self.series, self.labelled, scores):
            test = slice(one.test.start, one.test.stop)
            known, labels = labelled[test] & ~one.is_missing[test], one.labels[test]
            of_series[known & (labels == 1)] = 2.0
            of_series[known & (labels == 0)] = -1.0
        return scores

    def examples(self):
        """The rows, labels and folds of all labelled points."""
        rows, labels, folds = [], [], []
        for which, (one, labelled) in enumerate(zip(self.series, self.labelled)):
            points = one.learnable(np.flatnonzero(labelled))
            rows.append(one.features[points])
            labels.append(one.labels[points])
            folds.append(fold_of(which, points))
        return np.concatenate(rows), np.concatenate(labels), np.concatenate(folds)

    def extremes(self):
        """Of each series the points with the highest, the lowest and the middle scores of an isolation forest."""
        forest = IsolationForest(random_state=self.args.seed, n_jobs=2)
        points = [one.present(one.train) for one in self.series]
        sample = np.concatenate([one.features[at] for one, at in zip(self.series, points)])
        n = min(len(sample), forest.n_estimators * 256)
        forest.fit(sample[np.sort(self.rng.choice(len(sample), n, replace=False))])
        del sample
        queue = []
        for which, (one, at) in enumerate(zip(self.series, points)):
            if not len(at):
                continue
            scores = -forest.score_samples(one.features[at])
            for kind, key in enumerate([-scores, scores, abs(scores - 0.5)]):
                chosen = self.spread(which, at[np.argsort(key, kind="stable")], N_EXTREMES)
                queue += [(rank, kind, -scores.max(), which, int(point)) for rank, point in enumerate(chosen)]
        # A budget below the whole warm-up goes to the series with the highest scores.
        return [(which, point) for *_, which, point in sorted(queue)]

    def choose(self, n, among=None):
        """The questions of a round: the points nearest to even odds, or random ones; of the training part, or among some points."""
        among = [one.train for one in self.series] if among is None else among
        if self.args.labels == "random":
            return self.at_random(n, among)
        rows, labels, _ = self.examples()
        model = train(FEW, N_TREES_FEW, rows, labels, None, self.args.seed)
        drawn = [draw(one, points, self.rng) for one, points in zip(self.series, among)]
        margin = np.concatenate([abs(model(one.features[at]) - 0.5) for one, at in zip(self.series, drawn) if len(at)])
        which = np.repeat(np.arange(len(drawn)), [len(at) for at in drawn])
        points = np.concatenate(drawn)
        candidates = [(int(which[i]), int(points[i])) for i in np.argsort(margin, kind="stable")]
        return self.take(candidates, n, max(round(n * MAX_SERIES_FRACTION), -(-n // len(self.series)), 1))

    def at_random(self, n, among):
        """Random points among some, every point as likely as any other."""
        counts = np.array([len(points) for points in among])
        which = self.rng.choice(len(self.series), 20 * n, p=counts / counts.sum())
        return self.take([(k, among[k].start + int(self.rng.integers(counts[k]))) for k in which], n, n)

    def take(self, candidates, n, most):
        """The first `n` candidates that may be asked about, at most `most` of one series."""
        taken, of_series = [], np.zeros(len(self.series), dtype=int)
        for which, point in candidates:
            if len(taken) == n:
                break
            if self.is_open(which, point) and of_series[which] < most and self.spread(which, [point], 1):
                of_series[which] += 1
                taken.append((which, point))
        return taken

    def is_open(self, which, point):
        """Whether a point has a value and no label yet."""
        return not (self.labelled[which][point] or self.series[which].is_missing[point])

    def spread(self, which, ranked, n):
        """The first `n` of ranked points of a series that are far enough from each other and from what was asked before."""
        asked, taken = self.asked[which], []
        for point in ranked:
            if len(taken) == n:
                break
            if not asked[max(point - MIN_DISTANCE + 1, 0) : point + MIN_DISTANCE].any():
                asked[point] = True
                taken.append(int(point))
        return taken


def alarms_in_turn(week, above):
    """The highest point of each alarm: of the series with the most alarm points first, one of each series in turn, the longest first."""
    of_series = []
    for which, (points, of_one) in enumerate(zip(week, above)):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], of_one > 0, [False]]).astype(int)))
        runs = sorted(zip(edges[::2], edges[1::2]), key=lambda run: (run[0] - run[1], run[0]))
        if runs:
            peaks = [(which, points.start + int(first + np.argmax(of_one[first:last]))) for first, last in runs]
            of_series.append((sum(last - first for first, last in runs), peaks))
    of_series.sort(key=lambda one: -one[0])
    n_turns = max((len(peaks) for _, peaks in of_series), default=0)
    return [peaks[turn] for turn in range(n_turns) for _, peaks in of_series if turn < len(peaks)]


def draw(one, points, rng):
    """Some points of a series that have a value, drawn without replacement."""
    points = one.present(points)
    return points if len(points) <= POOL else np.sort(rng.choice(points, POOL, replace=False))


def fold_of(which, points):
    """The fold of points of a series: neighbours, and so the points of one answer, share it."""
    stretch = np.asarray(points, dtype=np.int64) // STRETCH
    return (stretch * 7919 + which * 104729) % 2_147_483_647 % N_FOLDS


if __name__ == "__main__":
    main()
