//! The page's files, which are part of the program.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A file of the page.
#[derive(Debug)]
pub(crate) struct Asset {
    name: &'static str,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// What it holds.
    pub(crate) bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$(Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("page/", $name)) }),*]
    };
}

/// The page, and what it loads.
const PAGE: &str = include_str!("page/index.html");

/// Every file that the page loads.
const ASSETS: &[Asset] = assets![
    SCRIPT "answer.js",
    SCRIPT "api.js",
    SCRIPT "chart.js",
    SCRIPT "comment.js",
    SCRIPT "context.js",
    SCRIPT "element.js",
    SCRIPT "files.js",
    SCRIPT "free.js",
    SCRIPT "help.js",
    SCRIPT "history.js",
    SCRIPT "keys.js",
    SCRIPT "lanes.js",
    SCRIPT "main.js",
    CSS "page.css",
    SCRIPT "paint.js",
    SCRIPT "palette.js",
    SCRIPT "phase.js",
    SCRIPT "progress.js",
    SCRIPT "question.js",
    SCRIPT "queue.js",
    SCRIPT "rows.js",
    SCRIPT "said.js",
    SCRIPT "series.js",
    SCRIPT "settings.js",
    SCRIPT "siblings.js",
    SCRIPT "side.js",
    SCRIPT "similar.js",
    SCRIPT "stage.js",
    SCRIPT "state.js",
    SCRIPT "theme.js",
    SCRIPT "ticks.js",
    SCRIPT "tiles.js",
    SCRIPT "time.js",
    SCRIPT "toast.js",
    SCRIPT "view.js",
    SCRIPT "who.js",
    SCRIPT "window.js",
];

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |asset: &Asset| Sha256::digest(asset.bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    ASSETS
        .iter()
        .map(|asset| {
            let hex: String = tag(asset);
            format!("\"{hex}\"")
        })
        .collect()
});

/// The page with the token that its requests must carry.
pub(crate) fn index(token: &str) -> String {
    PAGE.replace("{{token}}", token)
}

/// The file of a name, if it is one of the page's.
pub(crate) fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    /// Changes whenever the file does.
    pub(crate) fn tag(&self) -> String {
        let at = ASSETS.iter().position(|asset| asset.name == self.name);
        at.map(|at| TAGS[at].clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_carries_the_token_and_names_no_other_site() {
        let page = index("0123");
        assert!(page.contains("<meta name=\"rlad-token\" content=\"0123\">") && !page.contains("{{"), "{page}");
        for asset in ASSETS {
            assert!(!asset.bytes.is_empty() && asset.tag().len() == 18, "{}", asset.name);
            assert!([CSS, SCRIPT].contains(&asset.kind));
        }
    }
}
