//! A report as a page that needs nothing beside it: no script, no font, no other file.

mod sheet;

use std::fmt::Write as _;

use self::sheet::SHEET;

/// What is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// Above everything, and what the window is called behind the program's name; text.
    pub(crate) title: &'a str,
    /// Below the title; text.
    pub(crate) subtitle: &'a str,
    /// Rules that no other page needs.
    pub(crate) sheet: &'a str,
    /// What is shown, in HTML.
    pub(crate) body: &'a str,
    /// What is to be known of the figures; text.
    pub(crate) footer: &'a str,
}

impl Page<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let Self { title, subtitle, sheet, body, footer } = *self;
        let (title, subtitle, footer) = (escaped(title), escaped(subtitle), escaped(footer));
        format!(
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\">\
             <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src \
             'unsafe-inline'\">\
             <title>Evenkeel: {title}</title><style>{SHEET}{sheet}</style></head>\n\
             <body><main><h1>{title}</h1><p class=subtitle>{subtitle}</p>\n{body}\
             <footer><p>{footer}</p><p>evenkeel {}</p></footer></main></body></html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// Figures with their names, as large as they are important.
pub(crate) fn figures_of(figures: &[(&str, String)]) -> String {
    let one = |(name, value): &(&str, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value))
    };
    format!("<dl>{}</dl>\n", figures.iter().map(one).collect::<String>())
}

/// Each text in an element of its own.
pub(crate) fn elements(open: &str, close: &str, texts: &[String]) -> String {
    let mut elements = String::new();
    for text in texts {
        write!(elements, "<{open}>{}</{close}>", escaped(text)).expect("strings grow");
    }
    elements
}

/// Text as HTML shows it and nothing else.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_typed_is_markup() {
        let typed = "GET http://a/?<script>\"&";
        let page = Page { title: typed, subtitle: typed, sheet: "", body: "", footer: typed };
        let html = page.html();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;&quot;&amp;").count(), 4, "{html}");
    }
}
