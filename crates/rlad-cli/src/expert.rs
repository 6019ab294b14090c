//! The expert of `--oracle`, and the name under which answers are logged.

use rlad::data::DataSet;
use rlad::{Oracle, TruthOracle};

use crate::advice::Advice;
use crate::answers_file;
use crate::args::{ExpertArgs, OracleArg};
use crate::terminal::Terminal;

/// The expert who answers questions about these data.
///
/// # Errors
/// If it is one that cannot answer: a truth that is not there, a page, a terminal that is none, or a file that cannot be read.
pub(crate) fn oracle<'a>(args: &ExpertArgs, data: &'a DataSet, seed: u64) -> anyhow::Result<Box<dyn Oracle + 'a>> {
    Ok(match &args.oracle {
        OracleArg::Truth => {
            if !data.has_truth() {
                return Err(Advice::error(
                    "the data have no labels for `--oracle truth`".to_owned(),
                    "name their column with `--label-column`, or answer yourself with `--oracle terminal`".to_owned(),
                ));
            }
            let expert = TruthOracle::new(&data.truths).with_style(args.expert);
            Box::new(expert.with_mistakes(args.error_rate, args.unsure_rate, seed))
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

impl ExpertArgs {
    /// The name under which answers are logged.
    pub(crate) fn name(&self) -> String {
        match self.oracle {
            OracleArg::Truth => "truth".to_owned(),
            OracleArg::File(_) => "file".to_owned(),
            OracleArg::Terminal | OracleArg::Page => user_name(),
        }
    }
}

/// The name of the user at the terminal.
pub(crate) fn user_name() -> String {
    std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "unknown".to_owned())
}
