use clap::CommandFactory;
use rlad::config::{DecisionConfig, Direction, Goal};
use rlad::data::NANOS_PER_SECOND;

use super::*;

fn help(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut command = &mut command;
    for name in path {
        command = command.find_subcommand_mut(name).unwrap();
    }
    command.render_long_help().to_string()
}

fn train(flags: &[&str]) -> Result<TrainArgs, clap::Error> {
    let line = ["rlad", "train", "a.csv", "--session", "s"].iter().chain(flags);
    match Cli::try_parse_from(line)?.command {
        Command::Train(args) => Ok(*args),
        other => panic!("not train: {other:?}"),
    }
}

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_is_as_reviewed() {
    insta::assert_snapshot!("help", help(&[]));
    for name in [
        "train",
        "label",
        "labels",
        "detect",
        "evaluate",
        "show",
        "bench",
        "import",
        "features",
        "demo",
        "completions",
        "man",
    ] {
        let help = help(&[name]);
        assert!(help.contains("EXAMPLES:"), "{name}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}");
        insta::assert_snapshot!(format!("help_{name}"), help);
    }
}

#[test]
fn what_is_not_given_is_left_to_the_config() {
    let args = train(&[]).unwrap();
    assert_eq!(
        (
            args.settings.preset,
            args.settings.seed,
            args.settings.questions.n_questions,
            args.settings.questions.strategy
        ),
        (None, None, None, None)
    );
    assert_eq!(args.expert.oracle, OracleArg::Terminal);
    assert_eq!(args.settings.form, DataArgs::default());
}

#[test]
fn defaults_that_depend_are_as_the_help_says() {
    assert_eq!(rlad::Config::paper().query.answers, AnswerKind::Point);
    assert_eq!(rlad::Config::default().query.answers, AnswerKind::Range);
    assert!(help(&["train"]).contains(&format!("[default: {}, or", rlad::Config::default().questions)));
    for preset in [Preset::Paper, Preset::Default] {
        let per_round = rlad::Config::preset(preset).query.per_round.to_string();
        assert!("[default: 5 with the preset `paper`, else 50]".contains(&per_round));
    }
}

#[test]
fn flags_become_values() {
    let line = "--oracle truth --strategy least-confidence --preset paper --step 5m --part ..0.8 --check-part 0.8..";
    let args = train(&line.split(' ').collect::<Vec<_>>()).unwrap();
    assert_eq!(args.expert.oracle, OracleArg::Truth);
    assert_eq!(args.settings.questions.strategy, Some(QueryStrategy::LeastConfidence));
    assert_eq!(args.settings.preset, Some(Preset::Paper));
    assert_eq!((args.page.bind.to_string(), args.page.secret.clone()), ("127.0.0.1:0".into(), None));
    assert_eq!(args.settings.form.step_ns, Some(300 * NANOS_PER_SECOND));
    assert_eq!(
        (args.settings.form.part.unwrap().to_string(), args.check_part.unwrap().to_string()),
        ("0..0.8".into(), "0.8..1".into())
    );
    assert_eq!(train(&["--oracle", "page"]).unwrap().expert.oracle, OracleArg::Page);
    assert_eq!(train(&["--bind", "::1"]).unwrap().page.bind.to_string(), "[::1]:0");
    assert_eq!(train(&["--bind", "localhost:80"]).unwrap().page.bind.to_string(), "127.0.0.1:80");
    assert_eq!(train(&["--oracle", "x.CSV"]).unwrap().expert.oracle, OracleArg::File("x.CSV".into()));
}

#[test]
fn every_name_of_a_setting_is_one_of_the_library() {
    for name in STRATEGIES {
        assert!(train(&["--strategy", name]).is_ok(), "{name}");
    }
    for name in ["paper", "default"] {
        assert!(train(&["--preset", name]).is_ok(), "{name}");
    }
}

#[test]
fn the_flags_of_a_decision_stand_over_what_it_was() {
    let given = "--miss-cost 5 --alarms-per-week 0.5 --direction below --min-deviation 2 --min-relative-deviation 0.1 \
        --merge-within 10m --hold 3 --transfer-share 0.2";
    let args = train(&given.split_whitespace().collect::<Vec<_>>()).unwrap();
    let mut decision = DecisionConfig::of_goal(Goal::Events);
    args.settings.decision.change(&mut decision);
    let want = DecisionConfig {
        goal: Goal::MissCost(5.0),
        alarms_per_week: 0.5,
        direction: Direction::Below,
        min_deviation: 2.0,
        min_relative_deviation: 0.1,
        merge_within: Length::Time(600 * NANOS_PER_SECOND),
        hold: Length::Points(3),
        transfer_share: 0.2,
    };
    assert_eq!(decision, want);
    let nothing = train(&[]).unwrap().settings.decision;
    nothing.change(&mut decision);
    assert_eq!((decision, nothing.given()), (want, None));
    let detect =
        |flags: &[&str]| Cli::try_parse_from(["rlad", "detect", "m", "d.csv", "--out", "s.csv"].iter().chain(flags));
    assert!(detect(&["--goal", "events", "--hold", "2"]).is_ok());
    for flags in [["--goal", "f1", "--miss-cost", "2"], ["--method", "spot", "--hold", "2"]] {
        assert_eq!(detect(&flags).unwrap_err().kind(), clap::error::ErrorKind::ArgumentConflict, "{flags:?}");
    }
}

#[test]
fn several_values_and_truths_are_kept_in_order() {
    let args = train(&["--value-column", "b", "--value-column", "a"]).unwrap();
    assert_eq!(args.settings.form.value_columns, ["b", "a"]);
    let line = ["rlad", "evaluate", "scores.csv", "--truth", "b.csv", "a.csv", "--delay", "3"];
    let Command::Evaluate(args) = Cli::try_parse_from(line).unwrap().command else { panic!("not evaluate") };
    assert_eq!((args.truth, args.delay), (vec!["b.csv".into(), "a.csv".into()], Some(3)));
}

#[test]
fn a_resumed_session_keeps_its_settings() {
    assert!(train(&["--resume", "--questions", "900", "--oracle", "truth"]).is_ok());
    for flags in [
        ["--part", "..0.8"],
        ["--answers", "point"],
        ["--seed", "1"],
        ["--preset", "paper"],
        ["--strategy", "random"],
        ["--per-round", "5"],
        ["--goal", "events"],
        ["--hold", "3"],
    ] {
        let error = train(&["--resume", flags[0], flags[1]]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict, "{flags:?}");
    }
}

#[test]
fn wrong_values_are_refused_with_what_was_expected() {
    for (flags, expected) in [
        (["--step", "5"], "as in `500ms`, `60s`"),
        (["--step", "0s"], "above 0"),
        (["--step", "99999999999d"], "whole number"),
        (["--part", "0.8"], "two fractions"),
        (["--error-rate", "1.1"], "0..=1"),
        (["--unsure-rate", "NaN"], "0..=1"),
        (["--oracle", "pages"], "`truth`, `terminal`, `page`"),
        (["--bind", "here"], "`127.0.0.1:8080`"),
        (["--secret", "short"], "8 to 128"),
        (["--questions", "-1"], "unexpected argument"),
        (["--strategy", "best"], "least-confidence"),
        (["--goal", "best"], "events"),
        (["--miss-cost", "NaN"], "at least 0"),
        (["--merge-within", "5 m"], "`10m`"),
        (["--direction", "up"], "above"),
    ] {
        let error = train(&flags).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
