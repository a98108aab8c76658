//! Compression of answers.

use std::sync::Arc;

/// Which answers are compressed for clients that take it, and how hard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// Types of content in lower case; one that ends in `*` stands for all that begin like it.
    pub types: Vec<Arc<str>>,
    /// In bytes. Answers known to be shorter are left alone. Default 1 KiB, least 1.
    pub least: u64,
    pub effort: Effort,
    /// Answers that set cookies too. Default off.
    pub with_cookies: bool,
}

/// What is paid for a smaller answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    Fast,
    #[default]
    Balanced,
    Small,
}

/// Text, and what else is not compressed already. `text/event-stream` is left out: a stream that is
/// open for hours would hold an encoder as long.
const TYPES: [&str; 22] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/xml",
    "application/javascript",
    "application/json",
    "application/geo+json",
    "application/graphql-response+json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/vnd.api+json",
    "application/atom+xml",
    "application/rss+xml",
    "application/xhtml+xml",
    "application/xml",
    "application/wasm",
    "image/svg+xml",
    "image/x-icon",
];

impl Default for Compress {
    fn default() -> Self {
        Self {
            types: TYPES.map(Arc::from).to_vec(),
            least: 1024,
            effort: Effort::default(),
            with_cookies: false,
        }
    }
}
