//! How many questions a session asks.

use std::str::FromStr;

/// A number of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// So many in all.
    InAll(usize),
    /// So many more than were answered.
    More(usize),
}

impl Budget {
    /// The questions in all of a session that answered so many.
    pub(crate) const fn in_all(self, n_answered: usize) -> usize {
        match self {
            Self::InAll(n) => n,
            Self::More(n) => n_answered.saturating_add(n),
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let n =
            |text: &str| text.parse().map_err(|_| format!("expected a number as in `500`, or `+20`, found `{text}`"));
        match text.strip_prefix('+') {
            Some(more) => Ok(Self::More(n(more)?)),
            None => Ok(Self::InAll(n(text)?)),
        }
    }
}
