//! The arguments of the labelling server: its page, its session, and labels out and in.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use rlad::data::LabelFormat;

use super::SessionArgs;

/// Where the page is, and for whom.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Page")]
pub(crate) struct PageArgs {
    /// Address of the page; off loopback, a browser needs the secret in the address that is printed
    #[arg(long, value_name = "ADDR[:PORT]", default_value = "127.0.0.1:0", value_parser = address)]
    pub(crate) bind: SocketAddr,
    /// Secret that a browser needs [default: none on loopback, else made at random]
    #[arg(long, value_name = "TEXT", value_parser = secret)]
    pub(crate) secret: Option<String>,
    /// Name under which the terminal's answers are logged, and a page's that gives none [default: the user's]
    #[arg(long, value_name = "NAME")]
    pub(crate) who: Option<String>,
    /// Do not open the page in a browser; its address is printed
    #[arg(long)]
    pub(crate) no_open: bool,
}

/// `rlad label`.
#[derive(Args, Clone, Debug)]
pub(crate) struct LabelArgs {
    /// Folder of the session; made, with DATA, if it holds none. Of a data file in its place the session is beside it: `cpu.rlad` for
    /// `cpu.csv`
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) session: PathBuf,
    /// CSV or Parquet files, or folders of them [default: those that the session was begun with]
    #[arg(value_name = "DATA", value_hint = ValueHint::AnyPath)]
    pub(crate) data: Vec<PathBuf>,
    /// Look at the data and label them; nobody is asked and nothing is learned
    #[arg(long, conflicts_with_all = ["n_questions", "per_round", "strategy", "answers", "terminal", "calendar"])]
    pub(crate) browse: bool,
    /// Ask about alarms: those of a file that `rlad detect --events` wrote, or those that nobody has answered yet of the last week, or
    /// of what is new
    #[arg(long, value_name = "EVENTS", num_args = 0..=1, value_hint = ValueHint::FilePath, conflicts_with = "browse")]
    pub(crate) alarms: Option<Option<PathBuf>>,
    /// Ask at this terminal, not at a page
    #[arg(long)]
    pub(crate) terminal: bool,
    /// Print the page's address as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The session.
    #[command(flatten)]
    pub(crate) settings: SessionArgs,
    /// The page.
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// `rlad labels`.
#[derive(Args, Debug)]
pub(crate) struct LabelsArgs {
    /// Out or in.
    #[command(subcommand)]
    pub(crate) action: LabelsAction,
}

/// The direction of labels.
#[derive(Debug, Subcommand)]
pub(crate) enum LabelsAction {
    /// Write the labels that stand
    Export {
        /// Folder of the session
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        session: PathBuf,
        /// Form of the file (docs/src/label-exchange.md)
        #[arg(long, value_name = "NAME", value_parser = label_format())]
        format: LabelFormat,
        /// Where the labels go [default: stdout]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
    /// Take the labels of a file in; they are learned from when the session goes on
    Import {
        /// Folder of the session
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        session: PathBuf,
        /// File with labels
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Form of the file (docs/src/label-exchange.md)
        #[arg(long, value_name = "NAME", value_parser = label_format())]
        format: LabelFormat,
        /// Name under which they are logged [default: the user's]
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
    },
}

const LABEL_FORMATS: &[&str] = &["trainset", "nab", "tsb-ad", "label-studio"];

/// A parser of the names of forms.
fn label_format() -> impl TypedValueParser<Value = LabelFormat> {
    PossibleValuesParser::new(LABEL_FORMATS).map(|name| name.parse().expect("a name of the list"))
}

/// An address with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "expected an address as in `127.0.0.1`, `127.0.0.1:8080`, `0.0.0.0:8080` or `[::1]:8080`".to_owned();
    let text = text.replace("localhost", "127.0.0.1");
    let ip = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    text.parse().or_else(|_| ip(&text).map(|ip| SocketAddr::new(ip, 0))).map_err(|_| wrong())
}

/// A secret that may stand in an address and in a cookie as it is.
fn secret(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    if (8..=128).contains(&text.len()) && is_plain {
        return Ok(text.to_owned());
    }
    Err("expected 8 to 128 letters, digits, or `-_.~`".to_owned())
}
