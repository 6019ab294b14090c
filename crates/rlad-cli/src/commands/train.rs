//! `rlad train`: asks an expert, learns, and writes the detector.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use rlad::data::{DataSet, Part};
use rlad::metrics::{EvaluateOptions, Evaluation, ScoredSeries};
use rlad::{Config, Detector, Label, Model, Oracle, Series, Session, TruthOracle};
use serde_json::{Value, json};

use crate::Advice;
use crate::annotate::Recorded;
use crate::answers_file;
use crate::args::{OracleArg, TrainArgs};
use crate::commands::asking::{About, Asked, Log};
use crate::commands::evaluate::usual_delay;
use crate::commands::{label, print, read, train_method, use_threads};
use crate::folder::{self, Folder, read_config};
use crate::progress::Progress;
use crate::terminal::Terminal;

/// The exit code of a run that ended well without a detector worth its name: no answer was an anomaly.
const NOTHING_FOUND: u8 = 1;

/// Runs the command.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    use_threads(args.threads)?;
    if let Some(name) = &args.method {
        return train_method::begin(args, name);
    }
    if args.resume
        && let Some((folder, record)) = Folder::open_for_method(&args.session)?
    {
        return train_method::resume(args, folder, &record);
    }
    if matches!(args.questions.oracle, OracleArg::Terminal) {
        Terminal::check()?;
    }
    let opened = if args.resume { Some(Folder::open(&args.session)?) } else { None };
    let config = match &opened {
        Some((_, config)) => config.clone(),
        None => {
            Folder::check_free(&args.session)?;
            config(args)?
        }
    };
    let data = read(&args.data, &args.form)?;
    let session = match &opened {
        Some((folder, config)) => resume(folder, config, &data.series, args.questions.asked.n_questions)?,
        None => Session::new(config, &data.series[..])?,
    };
    if args.questions.oracle == OracleArg::Page {
        let folder = match opened {
            Some((folder, _)) => folder,
            None => Folder::create(&args.session, session.config())?,
        };
        let Some(trained) = label::train(args, session, folder, data)? else { return Ok(ExitCode::SUCCESS) };
        return end(args, &trained);
    }
    let mut oracle = oracle(args, &data, session.config().seed)?;
    // The folder is made when nothing else can go wrong, so that a mistyped command leaves nothing behind.
    let folder = match opened {
        Some((folder, _)) => folder,
        None => Folder::create(&args.session, session.config())?,
    };
    if Recorded::read(&args.session)?.is_none() {
        Recorded::new(&args.data, &args.form).write(&args.session)?;
    }
    let who = who(args);
    let check = args.check_part.map(|part| Check { part, data: &data });
    let mut training =
        Training { session, folder: &folder, series: &data.series, check, bar: None, history: Vec::new(), who };
    let trained = training.run(oracle.as_mut(), matches!(args.questions.oracle, OracleArg::Terminal))?;
    drop(oracle);
    end(args, &trained)
}

/// Tells what came of the run, and whether it is worth its name.
fn end(args: &TrainArgs, trained: &Trained) -> anyhow::Result<ExitCode> {
    report(args, trained)?;
    Ok(if trained.n_anomalies == 0 { ExitCode::from(NOTHING_FOUND) } else { ExitCode::SUCCESS })
}

/// Who answers.
pub(crate) fn oracle<'a>(args: &TrainArgs, data: &'a DataSet, seed: u64) -> anyhow::Result<Box<dyn Oracle + 'a>> {
    Ok(match &args.questions.oracle {
        OracleArg::Truth => {
            if !data.has_truth() {
                return Err(Advice::error(
                    "the data have no labels for `--oracle truth`".to_owned(),
                    "name their column with `--label-column`, or answer yourself with `--oracle terminal`".to_owned(),
                ));
            }
            let (error_rate, unsure_rate) = (args.questions.error_rate, args.questions.unsure_rate);
            Box::new(TruthOracle::new(&data.truths).with_mistakes(error_rate, unsure_rate, seed))
        }
        OracleArg::Terminal => Box::new(Terminal::open()?),
        OracleArg::Page => {
            return Err(Advice::error(
                "the questions of a method are not asked at a page".to_owned(),
                "answer at the terminal, with `--oracle terminal`".to_owned(),
            ));
        }
        OracleArg::File(path) => Box::new(answers_file::read(path, &data.series)?),
    })
}

/// The name under which answers are logged.
pub(crate) fn who(args: &TrainArgs) -> String {
    match args.questions.oracle {
        OracleArg::Truth => "truth".to_owned(),
        OracleArg::File(_) => "file".to_owned(),
        OracleArg::Terminal | OracleArg::Page => user_name(),
    }
}

/// The settings: the preset, a file over it, flags over that.
pub(crate) fn config(args: &TrainArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::preset(args.preset.unwrap_or_default()),
    };
    if let Some(preset) = args.preset.filter(|preset| *preset != config.preset) {
        bail!("`--config` is made from the preset `{:?}`, but `--preset` says `{preset:?}`", config.preset);
    }
    let questions = &args.questions;
    if let Some(part) = args.form.part {
        config.part = part;
    }
    if let Some(n) = questions.asked.n_questions {
        config.questions = n.get();
    }
    if let Some(n) = questions.asked.per_round {
        config.query.per_round = n.get();
    }
    if let Some(strategy) = questions.asked.strategy {
        config.query.strategy = strategy;
    }
    if let Some(answers) = questions.asked.answers {
        config.query.answers = answers;
    }
    if let Some(seed) = args.seed {
        config.seed = seed;
    }
    config.validate()?;
    Ok(config)
}

/// The session of a folder: that of its checkpoint, or a new one where no round was ended.
/// `questions` is a new number of questions in all.
pub(crate) fn resume(
    folder: &Folder,
    config: &Config,
    series: &[Series],
    questions: Option<NonZeroUsize>,
) -> anyhow::Result<Session> {
    let mut config = config.clone();
    if let Some(n) = questions.map(NonZeroUsize::get).filter(|n| *n != config.questions) {
        config.questions = n;
        folder.write_config(&config)?;
    }
    match folder.checkpoint()? {
        (path, Some(bytes)) => Ok(Session::resume(&path, &bytes, series, Some(config.questions))?),
        (_, None) => Ok(Session::new(config, series)?),
    }
}

/// A part of labelled data on which quality is measured, and that is never learned from.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    /// The part of each series.
    pub(crate) part: Part,
    /// The data.
    pub(crate) data: &'a DataSet,
}

impl Check<'_> {
    /// The quality of a detector on the part.
    pub(crate) fn evaluate(&self, detector: &dyn Detector) -> anyhow::Result<Evaluation> {
        let labelled: Vec<_> = self.data.iter().filter_map(|(series, truth)| Some((series, truth?))).collect();
        let scores: Vec<Vec<f64>> =
            labelled.iter().map(|(series, _)| detector.score(series)).collect::<Result<_, _>>()?;
        let judged: Vec<ScoredSeries<'_>> = labelled
            .iter()
            .zip(&scores)
            .map(|((series, truth), scores)| {
                let part = series.part(self.part);
                let truth = &truth.labels()[part.clone()];
                ScoredSeries { truth, scores: &scores[part], threshold: detector.threshold() }
            })
            .collect();
        let delay = usual_delay(labelled.iter().map(|(series, _)| *series));
        Ok(rlad::evaluate(&judged, &EvaluateOptions::quick(delay)))
    }
}

/// A session under way.
#[derive(Debug)]
pub(crate) struct Training<'a> {
    /// The session.
    pub(crate) session: Session,
    /// Where it is kept.
    pub(crate) folder: &'a Folder,
    /// The data that it learns from.
    pub(crate) series: &'a [Series],
    /// Where quality is measured after each round, if it is.
    pub(crate) check: Option<Check<'a>>,
    /// The bar, unless somebody answers at the terminal.
    pub(crate) bar: Option<Progress>,
    /// One object a round.
    pub(crate) history: Vec<Value>,
    /// The name under which answers are logged.
    pub(crate) who: String,
}

/// What a training run came to.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The detector.
    pub(crate) model: Model,
    /// The last round, as in the history.
    pub(crate) last: Value,
    /// Whether the expert stopped before the budget was spent.
    pub(crate) stopped: bool,
    /// The points that were labelled as anomalies.
    pub(crate) n_anomalies: usize,
    /// The detector's quality on the part that is checked.
    pub(crate) check: Option<Evaluation>,
    /// Whether more questions are unlikely to change it.
    pub(crate) has_settled: bool,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}

impl Training<'_> {
    /// Asks and learns until the budget is spent, nothing is left to ask, or the expert stops; then writes the model.
    pub(crate) fn run(&mut self, oracle: &mut dyn Oracle, at_terminal: bool) -> anyhow::Result<Trained> {
        let begun = Instant::now();
        let mut log = Log::open(&self.folder.file(folder::LABELS), self.series)?;
        let round = self.session.round() as u64;
        self.history = folder::read_history(self.folder.path())?;
        self.history.retain(|line| line["round"].as_u64().is_some_and(|of| of < round));
        if !at_terminal {
            self.bar = Some(Progress::new("training", self.session.config().questions as u64));
        }
        let stopped = loop {
            let queries = self.session.query().to_vec();
            if queries.is_empty() {
                break false;
            }
            let config = self.session.config().clone();
            let about = About {
                series: self.series,
                kind: config.query.answers,
                n_answered: self.session.answered().len(),
                budget: config.questions,
                who: &self.who,
                experts: &config.experts,
            };
            match log.ask(&queries, oracle, about, |query| self.session.shown(query))? {
                Asked::All(_) => {
                    self.teach(&log)?;
                    // A line of a round that the checkpoint does not know is written anew.
                    self.folder.write_history(&self.history)?;
                    self.folder.write_checkpoint(&self.session.checkpoint())?;
                }
                Asked::Stopped(answers) => {
                    // The checkpoint stays that of the last whole round, so that a resumed session asks the rest of this one.
                    if !answers.is_empty() {
                        self.teach(&log)?;
                    }
                    break true;
                }
            }
        };
        if let Some(bar) = &mut self.bar {
            bar.set_message("fitting the detector".to_owned());
        }
        let model = self.session.finish()?;
        self.folder.write_model(model.to_bytes())?;
        let check = self.check.as_ref().map(|check| check.evaluate(&model)).transpose()?;
        let last = self.history.last().cloned().unwrap_or(Value::Null);
        self.bar = None;
        Ok(Trained {
            n_anomalies: last["labelled_anomalies"].as_u64().map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            seconds: begun.elapsed().as_secs_f64(),
            model,
            last,
            stopped,
            check,
            has_settled: self.session.has_settled(),
        })
    }

    /// Learns from the answers of a round, and whatever else the log holds, and records it.
    fn teach(&mut self, log: &Log) -> anyhow::Result<()> {
        let feedback = log.feedback(&mut self.session, self.series)?;
        let progress = self.session.teach_all(&feedback)?;
        if !progress.loss.is_finite() {
            return Err(Advice::error(
                format!("the training diverged in round {}: the loss is {}", progress.round, progress.loss),
                "set a smaller `agent.learning_rate` in the config; the answers are kept".to_owned(),
            ));
        }
        let mut line = serde_json::to_value(&progress)?;
        if let Some(check) = &self.check {
            line["check"] = serde_json::to_value(check.evaluate(&self.session.detector())?)?;
        }
        if let Some(bar) = &mut self.bar {
            bar.set(progress.questions as u64);
            let expected = progress.expected.map_or_else(String::new, |expected| {
                let f1 = expected.f1;
                format!(", expected F1 {:.2} ({:.2} to {:.2})", f1.expected, f1.low, f1.high)
            });
            bar.set_message(format!("round {} loss {:.3}{expected}", progress.round, progress.loss));
        }
        self.history.push(line);
        Ok(())
    }
}

/// The name of the user at the terminal.
pub(crate) fn user_name() -> String {
    std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

/// Tells what came of the run.
fn report(args: &TrainArgs, trained: &Trained) -> anyhow::Result<()> {
    let model = &trained.model;
    let path = Path::new(&args.session).join(folder::MODEL);
    if args.json {
        let result = json!({
            "model": path,
            "hash": model.hash(),
            "questions": model.n_questions(),
            "labelled_points": model.n_labelled_points(),
            "labelled_anomalies": trained.n_anomalies,
            "rounds": trained.last["round"].as_u64().map_or(0, |round| round + 1),
            "threshold": model.threshold(),
            "stopped": trained.stopped,
            "seconds": trained.seconds,
            "check": trained.check,
            "expected": trained.last["expected"],
            "settled": trained.has_settled,
        });
        return print(&serde_json::to_string_pretty(&result)?);
    }
    print(&format!(
        "{} questions, {} labelled points ({} anomalous), {:.0} s",
        model.n_questions(),
        model.n_labelled_points(),
        trained.n_anomalies,
        trained.seconds
    ))?;
    if let Some(check) = &trained.check {
        print(&format!("checked on {}: {}", args.check_part.unwrap_or_default(), strict_line(check)))?;
    }
    if let Some(line) = expected_line(&trained.last["expected"]) {
        print(&line)?;
    }
    if trained.has_settled {
        print("the last three rounds hardly changed which points are alarms: more questions are unlikely to pay")?;
    }
    print(&format!("model {} ({})", path.display(), &model.hash()[..16]))?;
    if trained.stopped {
        print(&format!(
            "stopped before the last question; go on with `--session {} --resume`",
            args.session.display()
        ))?;
    }
    if trained.n_anomalies == 0 {
        print("no answer was an anomaly, so the detector knows none: ask more questions, or of other series")?;
    }
    Ok(())
}

/// The expected quality of a round of the history in one line.
fn expected_line(expected: &Value) -> Option<String> {
    let n = expected["random_questions"].as_u64()?;
    let of = |name: &str| {
        let end = |end: &str| expected[name][end].as_f64();
        Some(format!("{:.2} ({:.2} to {:.2})", end("expected")?, end("low")?, end("high")?))
    };
    let (precision, recall, f1) = (of("precision")?, of("recall")?, of("f1")?);
    Some(format!(
        "expected where nothing near is labelled, from {n} random questions: precision {precision}, recall {recall}, F1 {f1}"
    ))
}

/// Strict precision, recall and F1 in one line.
pub(crate) fn strict_line(evaluation: &Evaluation) -> String {
    let strict = &evaluation.strict;
    let precision = strict.precision.map_or_else(|| "–".to_owned(), |precision| format!("{precision:.3}"));
    let recall = strict.recall.map_or_else(|| "–".to_owned(), |recall| format!("{recall:.3}"));
    format!("precision {precision}, recall {recall}, F1 {:.3} (strict, point by point)", strict.f1)
}

/// The label of a text in a file of answers.
pub(crate) fn label_of(text: &str) -> Option<Label> {
    match text.trim().to_ascii_lowercase().as_str() {
        "anomaly" | "1" | "true" => Some(Label::Anomaly),
        "normal" | "0" | "false" => Some(Label::Normal),
        _ => None,
    }
}
