//! Writing HTML: only literals of ours are taken as they are, everything else is text.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// A piece of HTML.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Markup of ours.
    pub(super) fn raw(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// Text between tags, or a value between quotes.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        for letter in text.to_string().chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Other markup.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// One piece of markup for each of `items`.
    pub(super) fn each<T>(
        self,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(Self, T) -> Self,
    ) -> Self {
        items.into_iter().fold(self, write)
    }

    /// Markup that is there only if `is_so`.
    pub(super) fn when(self, is_so: bool, write: impl FnOnce(Self) -> Self) -> Self {
        if is_so { write(self) } else { self }
    }

    pub(super) fn into_response(self, code: StatusCode) -> Response {
        (code, Html(self.0)).into_response()
    }

    #[cfg(test)]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        let text = Markup::default().raw("<p title=\"").text("\"><script>alert('&')</script>");
        let expected = "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;";
        assert_eq!(text.as_str(), expected);
    }
}
