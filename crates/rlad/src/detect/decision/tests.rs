use proptest::prelude::*;

use super::*;
use crate::config::Goal;
use crate::data::series::{NANOS_PER_DAY, NANOS_PER_SECOND, TimeFormat};

const MINUTE: i64 = 60 * NANOS_PER_SECOND;
const CLOCK: Clock = Clock { step: MINUTE, has_days: true };

const ZERO: Thresholds = Thresholds { open: 0.0, go_on: 0.0 };

fn settings() -> DecisionConfig {
    DecisionConfig::of_goal(Goal::F1)
}

/// A score that had the same prior.
const fn known(score: f64) -> Scored {
    Scored { score, prior: score }
}

/// What is decided at a threshold of 0 about points, one a minute: `#` an alarm that opens, `+` one that continues, `.` none.
fn decided(config: &DecisionConfig, points: &[(f64, f64, Option<Label>)]) -> String {
    decided_by(Decider::new(config, ZERO, CLOCK, 1), points)
}

fn decided_by(mut decider: Decider, points: &[(f64, f64, Option<Label>)]) -> String {
    let push = |(at, &(value, score, label)): (i64, &(f64, f64, Option<Label>))| match decider.push(
        at * MINUTE,
        &[value],
        known(score),
        label,
    ) {
        Alarm::None => '.',
        Alarm::Opens => '#',
        Alarm::Continues => '+',
    };
    (0..).zip(points).map(push).collect()
}

/// [`decided`] of scores alone, each a digit of which those from 1 on are above the threshold; `-` is a missing point.
fn of_scores(config: &DecisionConfig, scores: &str) -> String {
    let score = |c: char| c.to_digit(10).map_or(f64::NAN, |digit| f64::from(digit) - 0.5);
    decided(config, &scores.chars().map(|c| (1.0, score(c), None)).collect::<Vec<_>>())
}

/// [`of_scores`] where the minutes 3 and 4 are expected.
fn around_expected(config: &DecisionConfig, scores: &str) -> String {
    let calendar = crate::data::Calendar::parse(std::path::Path::new("c"), "from,to\n180,300\n").unwrap();
    let decider = Decider::new(config, ZERO, CLOCK, 1).with_calendar(Some(calendar.of("s", CLOCK)));
    let score = |c: char| c.to_digit(10).map_or(f64::NAN, |digit| f64::from(digit) - 0.5);
    decided_by(decider, &scores.chars().map(|c| (1.0, score(c), None)).collect::<Vec<_>>())
}

#[test]
fn what_other_series_taught_raises_alarms_for_a_while() {
    let values = vec![1.0; 60];
    let times = (0..60).map(|minute| minute * MINUTE).collect();
    let series = Series::new("s", vec!["v".into()], TimeFormat::Nanoseconds, times, values, None).unwrap();
    let n_alarms = |limit: f64, score: f64, prior: f64| {
        let transfer = (limit < 1.0).then(|| Transfer::new(limit, CLOCK));
        let decider = Decider::new(&settings(), ZERO, CLOCK, 1).with_transfer(transfer);
        let alarms = decide(decider, &series, 0..60, &[score; 60], || vec![prior; 60], &[]);
        let n_raised = alarms.iter().take_while(|alarm| alarm.is_raised()).count();
        assert!(alarms[n_raised..].iter().all(|alarm| !alarm.is_raised()), "it ends once");
        n_raised
    };
    // −8 + √(.03 / r) · 8.5 is above 0 up to r = .03387: 24 points have .03280, 25 .03415, and the next one is no alarm.
    assert_eq!(n_alarms(0.03, 0.5, -8.0), 25);
    assert_eq!(n_alarms(1.0, 0.5, -8.0), 60, "without a limit");
    assert_eq!(n_alarms(0.03, 0.5, 0.1), 60, "an alarm before any answer");
    assert_eq!(n_alarms(0.03, 6.0, -2.0), 60, "sure of it");
    assert_eq!(n_alarms(0.03, -0.5, -8.0), 0);
}

#[test]
fn what_is_expected_is_no_alarm_and_no_event_goes_through_it() {
    let config = settings();
    assert_eq!(around_expected(&config, "11111111"), "#++..#++");
    assert_eq!(around_expected(&config, "00011000"), "........");
    let merged = DecisionConfig { merge_within: Length::Points(10), ..settings() };
    assert_eq!(of_scores(&merged, "110000110"), "#+....++.");
    assert_eq!(around_expected(&merged, "110000110"), "#+....#+.", "an event of its own");
    let held = DecisionConfig { hold: Length::Points(2), ..settings() };
    assert_eq!(around_expected(&held, "11111111"), ".#+...#+", "the run begins after it");
    // One a week: what follows is a second event, and no higher than the first.
    let scarce = DecisionConfig { alarms_per_week: 1.0, ..settings() };
    assert_eq!(around_expected(&scarce, "11111111"), "#++.....");
    assert_eq!(around_expected(&scarce, "00099011"), "......#+", "nothing expected counts in the budget");
}

#[test]
fn what_is_expected_stands_over_labels() {
    let calendar = crate::data::Calendar::parse(std::path::Path::new("c"), "from,to\n60,120\n").unwrap();
    let decider = Decider::new(&settings(), ZERO, CLOCK, 1).with_calendar(Some(calendar.of("s", CLOCK)));
    let anomaly = (1.0, -1.0, Some(Label::Anomaly));
    assert_eq!(decided_by(decider, &[anomaly, anomaly, anomaly]), "#.#");
}

#[test]
fn another_decision_goes_on_from_what_was_decided() {
    let decider = |config: &DecisionConfig| Decider::new(config, ZERO, CLOCK, 1);
    let deep = |config: DecisionConfig| DecisionConfig { min_deviation: 1.0, ..config };
    let scarce = DecisionConfig { alarms_per_week: 1.0, ..settings() };
    let mut before = decider(&scarce);
    assert_eq!(before.push(0, &[1.0], known(1.0), None), Alarm::Opens);
    // The open event goes on, its run counts, and the budget of the week is spent.
    let mut after = decider(&scarce).following(before.clone()).unwrap();
    assert_eq!(after.push(MINUTE, &[1.0], known(1.0), None), Alarm::Continues);
    assert_eq!(after.push(2 * MINUTE, &[1.0], known(-1.0), None), Alarm::None);
    assert_eq!(after.push(3 * MINUTE, &[1.0], known(0.5), None), Alarm::None);
    let mut more = decider(&DecisionConfig { alarms_per_week: 2.0, ..settings() }).following(after).unwrap();
    assert_eq!(more.push(4 * MINUTE, &[1.0], known(-1.0), None), Alarm::None);
    assert_eq!(more.push(5 * MINUTE, &[1.0], known(2.0), None), Alarm::Opens);
    assert!(decider(&deep(settings())).following(before).is_none());
    assert!(decider(&deep(settings())).following(decider(&deep(settings()))).is_some());
}

#[test]
fn without_settings_an_alarm_is_a_score_above_the_threshold() {
    assert_eq!(of_scores(&settings(), "0110-1-1"), ".#+..#.#");
}

#[test]
fn an_event_is_opened_by_the_last_of_the_points_that_it_must_hold_for() {
    let hold = |hold| DecisionConfig { hold, ..settings() };
    assert_eq!(of_scores(&hold(Length::Points(3)), "1101111011-1"), ".....#+.....");
    assert_eq!(of_scores(&hold(Length::Time(2 * MINUTE)), "1011"), "...#");
    assert_eq!(of_scores(&hold(Length::Time(1)), "1011"), "#.#+");
}

#[test]
fn an_open_event_goes_on_at_a_lower_threshold() {
    let mut decider = Decider::new(&settings(), Thresholds { open: 1.5, go_on: 0.0 }, CLOCK, 1);
    let alarms: Vec<Alarm> = (0..)
        .zip([1.0, 2.0, 0.5, 0.0, 0.5, 2.0, f64::NAN, 1.0])
        .map(|(at, score)| decider.push(at * MINUTE, &[1.0], known(score), None))
        .collect();
    let (none, opens, goes_on) = (Alarm::None, Alarm::Opens, Alarm::Continues);
    assert_eq!(alarms, [none, opens, goes_on, none, none, opens, none, none]);
    let config = crate::Config::default();
    let of = |goal, n_answers| {
        let decision = DecisionConfig::of_goal(goal);
        (decision.threshold(&config.agent), decision.threshold_to_go_on(&config.agent, n_answers))
    };
    assert_eq!(of(Goal::Events, 0), (1.5, 0.0));
    assert_eq!(of(Goal::Events, 500), (1.5, 0.0));
    // Until answers tell where events end, they are told as going on.
    assert_eq!(of(Goal::F1, 0), (0.35, -1.0));
    let (open, go_on) = of(Goal::F1, 50);
    assert!((open - 0.35).abs() < 1e-12 && (go_on + 0.325).abs() < 1e-12, "{open} {go_on}");
    for goal in [Goal::F1, Goal::Precision, Goal::Recall, Goal::MissCost(3.0)] {
        for n_answers in [100, 1_000] {
            let (open, go_on) = of(goal, n_answers);
            assert_eq!(open.to_bits(), go_on.to_bits(), "{goal:?}");
        }
    }
    let paper = crate::Config::paper();
    assert_eq!(paper.decision.threshold_to_go_on(&paper.agent, 0).to_bits(), 0.0_f64.to_bits());
}

#[test]
fn alarms_that_follow_closely_are_of_the_event_before() {
    let merged = |merge_within| DecisionConfig { merge_within, ..settings() };
    assert_eq!(of_scores(&merged(Length::Points(2)), "1001-100010"), "#..+.+...#.");
    // Three minutes from the end of the one to the begin of the other.
    assert_eq!(of_scores(&merged(Length::Time(3 * MINUTE)), "110010001"), "#+..+...#");
    let held = DecisionConfig { hold: Length::Points(2), ..merged(Length::Points(2)) };
    assert_eq!(of_scores(&held, "1101100011"), ".#..+....#", "from alarm to alarm");
    assert_eq!(of_scores(&held, "1101011"), ".#....#", "a run that is too short is none of its event");
}

#[test]
fn only_one_side_of_the_expected_value_is_an_alarm() {
    let at = |value: f64| (value, 1.0, None);
    let points: Vec<_> = [10.0, 10.0, 10.0, 14.0, 7.0, 10.0].map(at).into();
    let with = |direction, min_deviation, min_relative_deviation| {
        let config = DecisionConfig { direction, min_deviation, min_relative_deviation, ..settings() };
        decided(&config, &points)
    };
    assert_eq!(with(Direction::Both, 0.0, 0.0), "#+++++");
    assert_eq!(with(Direction::Above, 0.0, 0.0), "...#..");
    assert_eq!(with(Direction::Below, 0.0, 0.0), "....#.");
    assert_eq!(with(Direction::Both, 3.0, 0.0), "...#+.");
    assert_eq!(with(Direction::Both, 3.5, 0.0), "...#..");
    assert_eq!(with(Direction::Both, 0.0, 0.3), "...#+.");
    assert_eq!(with(Direction::Below, 0.0, 0.31), "......");
}

#[test]
fn labels_win_over_every_setting() {
    let config = DecisionConfig {
        hold: Length::Points(9),
        direction: Direction::Below,
        min_deviation: 1e9,
        alarms_per_week: 0.01,
        ..settings()
    };
    let points: Vec<_> = [None, Some(Label::Anomaly), Some(Label::Anomaly), None, Some(Label::Normal)]
        .map(|label| (1.0, 20.0, label))
        .into();
    assert_eq!(decided(&config, &points), ".#+..");
    // The run of a labelled anomaly is open for the points after it, and it is not counted in the budget.
    let config = DecisionConfig { hold: Length::Points(2), alarms_per_week: 1.0, ..settings() };
    let labels = [Some(Label::Anomaly), None, Some(Label::Normal), None, None, None];
    assert_eq!(decided(&config, &labels.map(|label| (1.0, 1.0, label))), "#+..#+");
}

#[test]
fn a_budget_opens_the_highest_and_what_is_merged_costs_nothing() {
    let config = DecisionConfig { alarms_per_week: 2.0, ..settings() };
    assert_eq!(of_scores(&config, "30405040"), "#.#.....", "two were opened");
    let merged = DecisionConfig { merge_within: Length::Points(1), ..config };
    assert_eq!(of_scores(&merged, "30405000050005"), "#.+.+....#....", "the first three are one event");
}

fn any_settings() -> impl Strategy<Value = DecisionConfig> {
    let length = || {
        prop_oneof![(1..5_u32).prop_map(Length::Points), (1..400_i64).prop_map(|s| Length::Time(s * NANOS_PER_SECOND))]
    };
    let direction = prop_oneof![Just(Direction::Both), Just(Direction::Above), Just(Direction::Below)];
    let budget = prop_oneof![Just(0.0), 0.1..20.0_f64];
    let small = || prop_oneof![Just(0.0), 0.0..0.5_f64];
    (length(), length(), direction, budget, small(), small()).prop_map(
        |(hold, merge_within, direction, alarms_per_week, min_deviation, min_relative_deviation)| DecisionConfig {
            goal: Goal::F1,
            alarms_per_week,
            direction,
            min_deviation,
            min_relative_deviation,
            merge_within,
            hold,
            transfer_share: 1.0,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_limit_on_transfer_raises_nothing_and_holds_for_a_stream_as_for_a_batch(
        limit in prop_oneof![Just(0.001), 0.001..0.2],
        scored in proptest::collection::vec((prop_oneof![9 => -3.0..3.0, 1 => Just(f64::NAN)], -6.0..2.0_f64), 1..400),
    ) {
        let (scores, priors): (Vec<f64>, Vec<f64>) = scored.iter().copied().unzip();
        let n = scores.len();
        let times: Vec<i64> = (0..).map(|minute| minute * MINUTE).take(n).collect();
        let series = Series::new("s", vec!["v".into()], TimeFormat::Seconds, times, vec![1.0; n], None).unwrap();
        let limited = || Decider::new(&settings(), ZERO, CLOCK, 1).with_transfer(Some(Transfer::new(limit, CLOCK)));
        let batch = decide(limited(), &series, 0..n, &scores, || priors.clone(), &[]);
        let free = Alarm::above(&scores, 0.0);
        for (at, (alarm, free)) in batch.iter().zip(&free).enumerate() {
            prop_assert!(free.is_raised() || !alarm.is_raised(), "point {at}");
            prop_assert_eq!(priors[at] > 0.0 && scores[at] > 0.0, priors[at] > 0.0 && alarm.is_raised(), "point {}", at);
        }
        let mut stream = limited();
        for (at, (alarm, &(score, prior))) in batch.iter().zip(&scored).enumerate() {
            prop_assert_eq!(stream.push(at as i64 * MINUTE, &[1.0], Scored { score, prior }, None), *alarm, "point {}", at);
        }
    }

    #[test]
    fn the_laws_of_a_decision(
        config in any_settings(),
        passed in proptest::collection::vec(prop_oneof![9 => Just(MINUTE), 1 => Just(NANOS_PER_DAY)], 1..150),
        scores in proptest::collection::vec(prop_oneof![8 => -2.0..2.0, 1 => Just(f64::NAN)], 150),
        values in proptest::collection::vec(prop_oneof![8 => -1.0..1.0, 1 => Just(f64::NAN)], 150),
    ) {
        let timestamps: Vec<i64> = passed.iter().scan(0, |now, passed| { *now += passed; Some(*now) }).collect();
        let n = timestamps.len();
        let series =
            Series::new("s", vec!["v".into()], TimeFormat::Seconds, timestamps.clone(), values[..n].to_vec(), Some(MINUTE)).unwrap();
        let scores = &scores[..n];
        let run = |config: &DecisionConfig, points: Range<usize>| {
            decide(Decider::new(config, ZERO, CLOCK, 1), &series, points.clone(), &scores[points], Vec::new, &[])
        };
        let alarms = run(&config, 0..n);
        // Nothing below the threshold, and nothing from later points: a stream that stops anywhere has decided the same.
        prop_assert!(alarms.iter().zip(scores).all(|(alarm, score)| !alarm.is_raised() || *score > 0.0));
        prop_assert_eq!(&run(&config, 0..n / 2)[..], &alarms[..n / 2]);
        // Without settings, it is the threshold alone.
        prop_assert_eq!(run(&settings(), 0..n), Alarm::above(scores, 0.0));
        // A continued alarm has an event before it.
        let first = alarms.iter().find(|alarm| alarm.is_raised());
        prop_assert!(first.is_none_or(|first| *first == Alarm::Opens));
        // Merging changes no alarm, as long as nothing is saved of a budget.
        let apart = DecisionConfig { merge_within: Length::Points(0), alarms_per_week: 0.0, ..config.clone() };
        let merged = DecisionConfig { alarms_per_week: 0.0, ..config.clone() };
        let raised = |alarms: &[Alarm]| alarms.iter().map(|alarm| alarm.is_raised()).collect::<Vec<_>>();
        prop_assert_eq!(raised(&run(&apart, 0..n)), raised(&run(&merged, 0..n)));
        // No week has more events than the budget.
        if config.alarms_per_week >= 1.0 {
            let opened: Vec<i64> = timestamps.iter().zip(&alarms).filter(|(_, alarm)| **alarm == Alarm::Opens).map(|(at, _)| *at).collect();
            for &at in &opened {
                let of_week = opened.iter().filter(|&&other| other <= at && at - other < 7 * NANOS_PER_DAY).count();
                // A budget of 2.5 a week is 2 in four fifths of a week.
                prop_assert!(of_week as f64 <= 2.0 * config.alarms_per_week.floor(), "{of_week}");
                if config.alarms_per_week.fract() == 0.0 {
                    prop_assert!(of_week as f64 <= config.alarms_per_week);
                }
            }
        }
    }
}
