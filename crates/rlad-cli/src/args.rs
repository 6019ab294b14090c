//! The command line: commands, flags, and their help.

mod budget;
mod data;
mod decision;
mod examples;
mod label;
mod serve;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use rlad::active::AnswerStyle;
use rlad::baselines::Method;
use rlad::config::{AnswerKind, Length, Preset, QueryStrategy};
use rlad::data::Part;
use serde::de::DeserializeOwned;

use crate::folder;

pub(crate) use self::budget::Budget;
pub(crate) use self::data::{DataArgs, form_flags};
pub(crate) use self::decision::DecisionArgs;
use self::examples::{
    BENCH_EXAMPLES, COMPLETIONS_EXAMPLES, DEMO_EXAMPLES, DETECT_EXAMPLES, EVALUATE_EXAMPLES, FEATURES_EXAMPLES,
    FEATURES_PART, HEALTH_EXAMPLES, IMPORT_EXAMPLES, LABEL_EXAMPLES, LABELS_EXAMPLES, MAN_EXAMPLES, OVERVIEW,
    SERVE_EXAMPLES, SHOW_EXAMPLES, TRAIN_EXAMPLES,
};
pub(crate) use self::label::{LabelArgs, LabelsAction, LabelsArgs, PageArgs};
pub(crate) use self::serve::{HealthArgs, ServeArgs};

/// Answer a few questions about your time series, get a detector that fits them.
#[derive(Debug, Parser)]
#[command(name = "rlad", version, max_term_width = 100, arg_required_else_help = true, after_help = OVERVIEW)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a detector by asking an expert about the points that it is least sure of
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(Box<TrainArgs>),
    /// Score data with a trained model
    #[command(after_help = DETECT_EXAMPLES)]
    Detect(Box<DetectArgs>),
    /// Measure scores against the truth
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(EvaluateArgs),
    /// Tell what a detector learned from, since when, and what it is set to
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Answer a session's questions, or label any data, at a page in your browser or at the terminal
    #[command(after_help = LABEL_EXAMPLES)]
    Label(Box<LabelArgs>),
    /// Write a session's labels in the form of another tool, or take such a file in
    #[command(after_help = LABELS_EXAMPLES)]
    Labels(LabelsArgs),
    /// Watch the metrics of a Prometheus or VictoriaMetrics: scores and alarms back, answered at a page
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// Tell whether a service is ready, for probes
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(HealthArgs),
    /// Run detectors side by side on labelled data, and make tables of their results
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// One run of a suite
    #[command(hide = true)]
    BenchRun(BenchRunArgs),
    /// Turn a published data set into one file that the other commands read
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Write the features of each point, for other programs to learn from
    #[command(after_help = FEATURES_EXAMPLES)]
    Features(FeaturesArgs),
    /// Run the whole loop on the data that ships with the program, with a simulated expert
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write the manual pages, one a command
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

impl Command {
    /// Whether it has the flags that say how data are written.
    pub(crate) const fn has_data_flags(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Detect(_) | Self::Evaluate(_) | Self::Label(_) | Self::Features(_))
    }
}

/// Who answers the questions of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OracleArg {
    /// A simulated expert who reads the label column.
    Truth,
    /// The person at this terminal.
    Terminal,
    /// People at a page in their browsers.
    Page,
    /// A CSV file with answers.
    File(PathBuf),
}

impl OracleArg {
    /// The word for it on the command line, where it is not the person at the terminal.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Truth => Some(Path::new("truth")),
            Self::Page => Some(Path::new("page")),
            Self::File(path) => Some(path),
            Self::Terminal => None,
        }
    }
}

/// `rlad train`.
#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// CSV or Parquet files, or folders of them
    #[arg(value_name = "DATA", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) data: Vec<PathBuf>,
    /// Folder of the session: its settings, answers, checkpoint and model; made if it is not there [default: beside DATA, `cpu.rlad` for
    /// `cpu.csv`]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) session: Option<PathBuf>,
    /// Go on with the session in DIR, with its own settings and answers
    #[arg(long, conflicts_with_all = ["preset", "config", "per_round", "strategy", "answers", "seed", "part", "method",
        "DecisionArgs"])]
    pub(crate) resume: bool,
    /// Train this method, which asks at random, in place of the agent
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Method::NAMES),
        conflicts_with_all = ["preset", "config", "per_round", "strategy", "calendar", "DecisionArgs"])]
    pub(crate) method: Option<String>,
    /// Set one of the method's settings (docs/src/methods.md); repeat it for several
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "method")]
    pub(crate) method_settings: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure quality on this part of each series after each round; nothing is learned from it
    #[arg(long, value_name = "FROM..TO")]
    pub(crate) check_part: Option<Part>,
    /// The session.
    #[command(flatten)]
    pub(crate) settings: SessionArgs,
    /// Who answers.
    #[command(flatten)]
    pub(crate) expert: ExpertArgs,
    /// The page of `--oracle page`.
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

impl TrainArgs {
    /// The folder of the session: as named, or beside the first of the data.
    pub(crate) fn session(&self) -> PathBuf {
        self.session.clone().unwrap_or_else(|| folder::beside(&self.data[0]))
    }
}

/// The settings of a session and the form of its data, for `rlad train` and `rlad label`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct SessionArgs {
    /// Set of settings that a new session starts from [default: default]
    #[arg(long, value_name = "NAME", value_parser = named::<Preset>(&["paper", "default"]))]
    pub(crate) preset: Option<Preset>,
    /// TOML file with settings of a new session; it wins over the preset, and flags win over it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Seed of a new session, from which everything random comes [default: 0]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// CSV file with times in which what happens is expected (docs/src/labelling.md): no alarm, no question, nothing to learn from; the
    /// session keeps a copy
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) calendar: Option<PathBuf>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// The questions.
    #[command(flatten)]
    pub(crate) questions: QuestionArgs,
    /// The decision of a new session's detector.
    #[command(flatten)]
    pub(crate) decision: DecisionArgs,
    /// The form of the data.
    #[command(flatten)]
    pub(crate) form: DataArgs,
}

/// The expert of a session.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Questions")]
pub(crate) struct ExpertArgs {
    /// Who answers: `truth` (the label column), `terminal` (you), `page` (you and others, in browsers), or a CSV file with
    /// answers
    #[arg(long, value_name = "truth|terminal|page|FILE.csv", default_value = "terminal", value_parser = oracle)]
    pub(crate) oracle: OracleArg,
    /// How the simulated expert answers: gives every point that is shown its label, marks the point alone, paints half a
    /// segment or twice as much as it, or one of several segments
    #[arg(long, value_name = "STYLE", default_value = "paints", value_parser = named::<AnswerStyle>(STYLES))]
    pub(crate) expert: AnswerStyle,
    /// Fraction of the simulated expert's answers that are wrong, in 0..=1
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    pub(crate) error_rate: f64,
    /// Fraction of the questions that the simulated expert answers with `unsure`, in 0..=1
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    pub(crate) unsure_rate: f64,
}

/// The questions of a session.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Questions")]
pub(crate) struct QuestionArgs {
    /// Questions in all, the warm-up's too, or with `+` more than were answered [default: 500, or those of the session that goes on]
    #[arg(long = "questions", value_name = "N|+N")]
    pub(crate) n_questions: Option<Budget>,
    /// Questions of one round, at most [default: 5 with the preset `paper`, else 50]
    #[arg(long, value_name = "N")]
    pub(crate) per_round: Option<NonZeroUsize>,
    /// How the points to ask about are ranked [default: margin]
    #[arg(long, value_name = "NAME", value_parser = named::<QueryStrategy>(STRATEGIES))]
    pub(crate) strategy: Option<QueryStrategy>,
    /// Points that an answer labels: the one that was asked about, or any of those shown around it
    /// [default: point with the preset `paper`, else range]
    #[arg(long, value_name = "FORM", value_parser = named::<AnswerKind>(&["point", "range"]))]
    pub(crate) answers: Option<AnswerKind>,
}

/// `rlad detect`.
#[derive(Args, Debug)]
pub(crate) struct DetectArgs {
    /// Model file or folder of a session, then CSV or Parquet files, or folders of them; data only with `--method`
    #[arg(value_name = "MODEL DATA", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where the scores go, `.csv` or `.parquet`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Where the events go, `.csv` or `.json`: one row for each run of anomalous points
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) events: Option<PathBuf>,
    /// Where a report for the browser goes: one `.html` file that needs no network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// Folder for a picture of each event, an `.svg` file; made if it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) plots: Option<PathBuf>,
    /// Exit with 1 if any point is anomalous
    #[arg(long)]
    pub(crate) check: bool,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Score labelled points too, as for `rlad evaluate`; otherwise experts' labels stand in the place of their scores
    #[arg(long, conflicts_with = "name")]
    pub(crate) without_answers: bool,
    /// Move the threshold for the share of anomalies in these data, estimated without labels from the model's own scores of them
    #[arg(long, conflicts_with = "name")]
    pub(crate) adapt: bool,
    /// CSV file with times in which what happens is expected and no alarm (docs/src/labelling.md) [default: that of the session, if any]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) calendar: Option<PathBuf>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// What is wanted of alarms; nothing is trained for it.
    #[command(flatten)]
    pub(crate) decision: DecisionArgs,
    /// A method in place of a model.
    #[command(flatten)]
    pub(crate) method: MethodArgs,
    /// The form of the data.
    #[command(flatten)]
    pub(crate) form: DataArgs,
}

/// A method that is fitted on the data that it scores.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Methods")]
pub(crate) struct MethodArgs {
    /// Score by a method that needs no model, fitted on these data
    #[arg(long = "method", value_name = "NAME", value_parser = PossibleValuesParser::new(Method::NAMES),
        conflicts_with = "DecisionArgs")]
    pub(crate) name: Option<String>,
    /// Set one of the method's settings (docs/src/methods.md); repeat it for several
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "name")]
    pub(crate) settings: Vec<String>,
    /// Fit the method on this part of each series [default: all of it]
    #[arg(long, value_name = "FROM..TO", requires = "name")]
    pub(crate) fit_part: Option<Part>,
    /// Seed from which everything random comes [default: 0]
    #[arg(long, value_name = "S", requires = "name")]
    pub(crate) seed: Option<u64>,
}

/// `rlad evaluate`.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Scores that `rlad detect` wrote
    #[arg(value_name = "SCORES", value_hint = ValueHint::FilePath)]
    pub(crate) scores: PathBuf,
    /// CSV or Parquet files with labels, or folders of them
    #[arg(long, value_name = "DATA", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) truth: Vec<PathBuf>,
    /// Points after the start of a segment within which an alarm counts, for the delay metric [default: 7, or 3 where
    /// every step is an hour or longer]
    #[arg(long, value_name = "K")]
    pub(crate) delay: Option<usize>,
    /// Longest buffer around a segment, in points, of the volumes under the surfaces
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) vus_buffer: u16,
    /// Leave out the first 15 % of each series, at most 750 points, in NAB's score, as NAB does for its own files
    #[arg(long)]
    pub(crate) nab_probation: bool,
    /// Model file or session folder that gave the scores: adds the questions and labelled points that it took
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The form of the truth.
    #[command(flatten)]
    pub(crate) form: DataArgs,
}

/// `rlad show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Model file or folder of a session
    #[arg(value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,
    /// Print it as JSON, with every setting
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rlad bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// `quick`, `kpi`, `wsd`, `nab`, `small-kpi`, `small-nab`, `small-wsd`, `live-wsd`, `live-kpi`, `yahoo-a1`, `yahoo-a2`, or a file that ends in `.toml`
    #[arg(value_name = "SUITE", value_hint = ValueHint::FilePath)]
    pub(crate) suite: String,
    /// Folder for scores and results; what it holds already is not run again
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Your copy of the suite's data, where it lies elsewhere than the suite says
    #[arg(long, value_name = "DATA", num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) data: Vec<PathBuf>,
    /// Run only the detector of this name; repeat it for several. Results that are there stay in the tables
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Run what failed once more
    #[arg(long)]
    pub(crate) retry: bool,
    /// Python with the packages of bench/peers/requirements.txt, for the rows of other programs
    #[arg(long, value_name = "PROGRAM", default_value = "python3", value_hint = ValueHint::CommandName)]
    pub(crate) python: PathBuf,
    /// Runs at the same time, which share the cores; times are comparable with 1 only
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) jobs: NonZeroUsize,
}

/// `rlad bench-run`, which `rlad bench` calls.
#[derive(Args, Debug)]
pub(crate) struct BenchRunArgs {
    /// The task as JSON
    pub(crate) task: String,
}

/// A published data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PublishedSet {
    /// Numenta Anomaly Benchmark: its repository
    Nab,
    /// AIOps 2018 KPI: its CSV or Parquet file
    Kpi,
    /// Yahoo S5: its unpacked folder
    #[value(name = "yahoo-s5")]
    YahooS5,
    /// TSB-AD: its folder of CSV files
    #[value(name = "tsb-ad")]
    TsbAd,
}

/// `rlad import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Which data set it is
    #[arg(value_name = "SET")]
    pub(crate) set: PublishedSet,
    /// Your copy of it
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) source: PathBuf,
    /// Where the data go, `.parquet` or `.csv`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

/// `rlad features`.
#[derive(Args, Debug)]
#[command(mut_arg("part", |part| part.help(FEATURES_PART)))]
pub(crate) struct FeaturesArgs {
    /// CSV or Parquet files, or folders of them
    #[arg(value_name = "DATA", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) data: Vec<PathBuf>,
    /// Where the features go, `.parquet`: a row a point, a column a feature
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Set of settings whose features are written [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "config", value_parser = named::<Preset>(&["paper", "default"]))]
    pub(crate) preset: Option<Preset>,
    /// TOML file with settings; its `state.features` are written
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The form of the data.
    #[command(flatten)]
    pub(crate) form: DataArgs,
}

/// `rlad demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Folder for the data, the session, the scores and the report; what an earlier demo wrote there is replaced
    #[arg(long, value_name = "DIR", default_value = "rlad-demo", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Questions in all, the warm-up's too
    #[arg(long = "questions", value_name = "N", default_value = "200")]
    pub(crate) n_questions: NonZeroUsize,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rlad completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// `rlad man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Folder for the pages; made if it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

const STRATEGIES: &[&str] = &["margin", "least-confidence", "entropy", "random", "extremes", "proportional"];

const STYLES: &[&str] = &["paints", "marks-the-point", "paints-too-little", "paints-too-much", "one-of-equal"];

/// A parser of names that are the serialised values of `T`.
fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).map(|name| serde_json::from_value(name.into()).expect("a name of the list"))
}

fn oracle(text: &str) -> Result<OracleArg, String> {
    match text {
        "truth" => Ok(OracleArg::Truth),
        "terminal" => Ok(OracleArg::Terminal),
        "page" => Ok(OracleArg::Page),
        path if path.to_ascii_lowercase().ends_with(".csv") => Ok(OracleArg::File(path.into())),
        _ => Err("expected `truth`, `terminal`, `page`, or a file that ends in `.csv`".to_owned()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| "expected a number in 0..=1".to_owned())
}

/// A time such as `500ms`, `60s`, `5m`, `1h` or `1d`, in nanoseconds.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let wrong = || "expected a whole number above 0 with its unit, as in `500ms`, `60s`, `5m`, `1h` or `1d`".to_owned();
    match text.parse() {
        Ok(Length::Time(nanos)) => Ok(nanos),
        Ok(Length::Points(_)) | Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
