//! Pages that need no network: a template whose names are filled in, uPlot, and data as JSON. A content security policy in
//! each template forbids every request.
//!
//! [uPlot](https://github.com/leeoniya/uPlot) 1.6.32 draws the charts: `html/uplot.min.js` and `html/uplot.min.css` are
//! `dist/uPlot.iife.min.js` and `dist/uPlot.min.css` of the npm package, under the MIT licence in `html/uplot.LICENSE`.
//! `html/chart.js` is what the charts of the pages share.

const UPLOT: &str = include_str!("html/uplot.min.js");
const UPLOT_STYLE: &str = include_str!("html/uplot.min.css");
const CHART: &str = include_str!("html/chart.js");

/// A page: the template with its `{{names}}` filled in. What is filled in is not looked at again.
///
/// `data` is what the page's script reads; `style` and `script` are of the page itself.
///
/// # Panics
/// If the template has a name that is not one of `title`, `style`, `chart`, `data` and `script`.
pub(crate) fn page(template: &str, title: &str, style: &str, data: &str, script: &str) -> String {
    let mut page = String::new();
    let mut parts = template.split("{{");
    page.push_str(parts.next().expect("a split has a first part"));
    for part in parts {
        let (name, text) = part.split_once("}}").expect("every name of the template is closed");
        match name {
            "title" => page.push_str(&escape_html(title)),
            "style" => page.extend([UPLOT_STYLE, "\n", style]),
            "chart" => page.extend([UPLOT, "\n", CHART]),
            "data" => page.push_str(&escape_json(data)),
            "script" => page.push_str(script),
            other => panic!("the template has no `{other}`"),
        }
        page.push_str(text);
    }
    page
}

/// Text that is no markup.
pub(crate) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON that cannot end the script element that it stands in: `<` is only ever part of a string.
fn escape_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}
