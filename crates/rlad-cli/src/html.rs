//! Pages that need no network: a template whose names are filled in, plotly.js, and data as JSON. A content security policy
//! in each template forbids every request.

/// A page: the template with its `{{names}}` filled in. What is filled in is not looked at again.
///
/// `data` is what the page's script reads; `style` and `script` are of the page itself.
///
/// # Panics
/// If the template has a name that is not one of `title`, `style`, `plotly`, `data` and `script`.
pub(crate) fn page(template: &str, title: &str, style: &str, data: &str, script: &str) -> String {
    let plotly = plotly::Plot::offline_js_sources();
    // The sources hold plotly.js, then MathJax, which a page has no use for.
    let (plotly, _) = plotly.split_once("</script>").expect("plotly.js stands in a script element");
    let mut page = String::new();
    let mut parts = template.split("{{");
    page.push_str(parts.next().expect("a split has a first part"));
    for part in parts {
        let (name, text) = part.split_once("}}").expect("every name of the template is closed");
        match name {
            "title" => page.push_str(&escape_html(title)),
            "style" => page.push_str(style),
            "plotly" => page.extend([plotly, "</script>"]),
            "data" => page.push_str(&escape_json(data)),
            "script" => page.push_str(script),
            other => panic!("the template has no `{other}`"),
        }
        page.push_str(text);
    }
    page
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON that cannot end the script element that it stands in: `<` is only ever part of a string.
fn escape_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}
