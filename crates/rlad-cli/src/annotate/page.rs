//! The page's files, which are part of the program.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::html::escape_html;

/// A file of the page.
#[derive(Debug)]
pub(crate) struct Asset {
    name: &'static str,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// Its content.
    pub(crate) bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$(Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("page/", $name)) }),*]
    };
}

/// The page.
const PAGE: &str = include_str!("page/index.html");

/// The page while there is no labelling server.
const WAITING: &str = include_str!("page/waiting.html");

/// Every file that the page loads.
const ASSETS: &[Asset] = assets![
    SCRIPT "state/annotation.js",
    SCRIPT "state/api.js",
    SCRIPT "state/channels.js",
    SCRIPT "state/element.js",
    SCRIPT "state/paint.js",
    SCRIPT "state/place.js",
    SCRIPT "state/queue.js",
    SCRIPT "state/settings.js",
    SCRIPT "state/state.js",
    SCRIPT "state/tiles.js",
    SCRIPT "state/time.js",
    SCRIPT "chart/axis.js",
    SCRIPT "chart/chart.js",
    SCRIPT "chart/curve.js",
    SCRIPT "chart/lanes.js",
    SCRIPT "chart/layers.js",
    SCRIPT "chart/palette.js",
    SCRIPT "chart/scale.js",
    SCRIPT "chart/spans.js",
    SCRIPT "chart/stage.js",
    SCRIPT "chart/strokes.js",
    SCRIPT "chart/ticks.js",
    SCRIPT "panels/answer.js",
    SCRIPT "panels/channels.js",
    SCRIPT "panels/comment.js",
    SCRIPT "panels/context.js",
    SCRIPT "panels/effect.js",
    SCRIPT "panels/exchange.js",
    SCRIPT "panels/files.js",
    SCRIPT "panels/help.js",
    SCRIPT "panels/history.js",
    SCRIPT "panels/keys.js",
    SCRIPT "panels/label.js",
    SCRIPT "panels/link.js",
    SCRIPT "panels/phase.js",
    SCRIPT "panels/progress.js",
    SCRIPT "panels/question.js",
    SCRIPT "panels/rows.js",
    SCRIPT "panels/screen.js",
    SCRIPT "panels/series.js",
    SCRIPT "panels/siblings.js",
    SCRIPT "panels/side.js",
    SCRIPT "panels/similar.js",
    SCRIPT "panels/suggestions.js",
    SCRIPT "panels/teaches.js",
    SCRIPT "panels/theme.js",
    SCRIPT "panels/toast.js",
    SCRIPT "panels/who.js",
    SCRIPT "panels/window.js",
    SCRIPT "main.js",
    SCRIPT "waiting.js",
    CSS "page.css",
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

/// The page that says what is awaited.
pub(crate) fn waiting(message: &str) -> String {
    WAITING.replace("{{message}}", &escape_html(message))
}

/// The file at a path, if it is one of the page's.
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

    #[test]
    fn what_is_awaited_is_text() {
        let page = waiting("data since <b> & 3 minutes");
        assert!(page.contains("data since &lt;b&gt; &amp; 3 minutes") && !page.contains("{{"), "{page}");
    }

    /// The paths of the scripts that a script imports.
    fn imports(asset: &Asset) -> Vec<String> {
        let text = std::str::from_utf8(asset.bytes).unwrap();
        let folder = asset.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let quoted =
            text.lines().filter(|line| line.starts_with("import ")).map(|line| line.split('"').nth(1).unwrap());
        let path = |relative: &str| match relative.strip_prefix("../") {
            Some(path) => path.to_owned(),
            None => format!("{folder}/{}", relative.strip_prefix("./").unwrap()).trim_start_matches('/').to_owned(),
        };
        quoted.map(path).collect()
    }

    #[test]
    fn scripts_import_only_from_their_own_folder_and_those_before_it() {
        let rank = |name: &str| {
            let folder = name.rsplit_once('/').map_or("main", |(folder, _)| folder);
            ["state", "chart", "panels", "main"].iter().position(|known| *known == folder).expect(name)
        };
        for script in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
            for import in imports(script) {
                assert!(asset(&import).is_some(), "{} imports `{import}`, which is no file of the page", script.name);
                assert!(rank(&import) <= rank(script.name), "{} imports {import} against the order", script.name);
            }
        }
    }

    #[test]
    fn no_script_imports_itself_by_way_of_others() {
        let mut left: Vec<&Asset> = ASSETS.iter().filter(|asset| asset.kind == SCRIPT).collect();
        // A script whose imports are all done is done; in a circle none ever is.
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|asset| asset.name).collect();
            left.retain(|script| imports(script).iter().any(|import| names.contains(&import.as_str())));
            assert!(left.len() < names.len(), "a circle is among {names:?}");
        }
    }

    #[test]
    fn names_are_set_as_text() {
        for script in ASSETS.iter().filter(|asset| asset.kind == SCRIPT && !asset.name.ends_with(".min.js")) {
            let text = std::str::from_utf8(script.bytes).unwrap();
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment"]
            {
                assert!(!text.contains(markup), "{}: {markup}", script.name);
            }
        }
    }
}
