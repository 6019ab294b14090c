//! The labelling server of a session and its learner, from the session in its folder.

use std::path::Path;
use std::sync::Arc;

use rlad::data::{DataSet, Part};
use rlad::{Config, Series, Session};

use super::learner::Learner;
use super::server::{Data, LabellingServer, SessionStart, Settings};
use super::source::DataSource;
use super::suggestions::Suggestions;
use crate::folder::{self, Folder};
use crate::log::AnswerLog;

/// A session that is to be answered.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The session, which knows the series.
    pub(crate) session: Session,
    /// Its folder.
    pub(crate) folder: Folder,
    /// The series, for people to look at.
    pub(crate) series: Vec<Series>,
    /// Where the data are.
    pub(crate) source: DataSource,
    /// The expert who gives no other name.
    pub(crate) who: String,
    /// Labelled data of which a part is measured on after each round.
    pub(crate) check: Option<(Part, DataSet)>,
    /// Whether the learner ends when the budget is spent.
    pub(crate) ends: bool,
    /// What other programs suggest, where there is a store of it.
    pub(crate) suggestions: Option<Arc<dyn Suggestions>>,
}

impl Opening {
    /// Opens the labelling server, and the learner that is to be run beside it.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or the data are others than its labels.
    pub(crate) fn open(self) -> anyhow::Result<(Arc<LabellingServer>, Learner)> {
        let Self { session, folder, series, source, who, check, ends, suggestions } = self;
        let path = folder.path().to_owned();
        source.write(&path)?;
        let log = AnswerLog::open(&path.join(folder::LABELS))?;
        let settings = Settings::new(&path, Some(session.config()), who, false);
        let begun = SessionStart {
            similar: Some(session.similar_windows()),
            round: session.round(),
            budget: session.config().questions,
            suggestions,
        };
        let server = LabellingServer::new(path, Data::new(series), settings, source, log, begun)?;
        Ok((Arc::new(server), Learner::new(session, folder, check, ends)?))
    }
}

impl Settings {
    /// The settings of the session in a folder, as far as it has some. `who` labels where nobody gives a name.
    pub(crate) fn new(path: &Path, config: Option<&Config>, who: String, browses: bool) -> Self {
        let usual = Config::default();
        let of = config.unwrap_or(&usual);
        let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let strategy = serde_json::to_value(of.query.strategy).ok();
        Self {
            name: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
            who,
            preset: config.map(|config| config.preset.to_string()),
            strategy: strategy.filter(|_| config.is_some()).and_then(|name| name.as_str().map(str::to_owned)),
            seed: of.seed,
            kind: of.query.answers,
            shown: of.query.shown,
            part: of.part,
            experts: of.experts.clone(),
            browses,
        }
    }
}
