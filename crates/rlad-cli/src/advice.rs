//! The program's own error: a message, and advice on what may be done about it.

/// An error of the program's own, with what may be done about it.
#[derive(Debug)]
pub(crate) struct Advice {
    message: String,
    hint: String,
}

impl Advice {
    /// An error with this message and this hint.
    pub(crate) fn error(message: String, hint: String) -> anyhow::Error {
        anyhow::Error::new(Self { message, hint })
    }

    /// The hint.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }
}

impl std::fmt::Display for Advice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Advice {}
