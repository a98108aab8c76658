//! Texts with placeholders: `https://{host}{path}`.

use evenkeel_core::template::{Fact, Part, Template};

use super::table::{Wrong, wrong};
use crate::nearest::nearest;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(String),
    /// What stands between the braces.
    Placeholder(&'a str),
}

/// Splits `text {placeholder} text`; `{{` and `}}` stand for a brace.
pub(super) fn placeholders(template: &str) -> Result<Vec<Piece<'_>>, Wrong> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(at);
        text.push_str(before);
        let behind = &from_brace[1..];
        if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            text.push_str(&from_brace[..1]);
            rest = &behind[1..];
        } else if from_brace.starts_with('}') {
            return Err(wrong("a `}` without its `{`")
                .help("open the placeholder, or write `}}` for the brace itself"));
        } else {
            let (name, after) = behind.split_once('}').ok_or_else(|| {
                wrong("a `{` without its `}`")
                    .help("close the placeholder, or write `{{` for the brace itself")
            })?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Placeholder(name));
            rest = after;
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// `written` as a template. `unknown` are the facts that nobody knows yet where it stands.
pub(super) fn template(written: &str, unknown: &[Fact]) -> Result<Template, Wrong> {
    let part = |piece| match piece {
        Piece::Text(text) => Ok(Part::Text(text.into())),
        Piece::Placeholder(name) => fact(name, unknown).map(Part::Fact),
    };
    placeholders(written)?.into_iter().map(part).collect::<Result<_, _>>().map(Template::new)
}

fn fact(name: &str, unknown: &[Fact]) -> Result<Fact, Wrong> {
    let known = || Fact::ALL.into_iter().filter(|(_, fact)| !unknown.contains(fact));
    if let Some((_, fact)) = known().find(|(word, _)| *word == name) {
        return Ok(fact);
    }
    let wrong = wrong(format!("`{{{name}}}` is not known here"));
    let words: Vec<&str> = known().map(|(word, _)| word).collect();
    Err(match nearest(name, words.iter().copied()) {
        Some(near) => wrong.help(format!("did you mean `{{{near}}}`?")),
        None => wrong.help(format!("known: {}", words.join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece<'_> {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn templates_are_split_at_their_placeholders() {
        let pieces = placeholders("a {b}{c} d").expect("a good template");
        let expected = [text("a "), Piece::Placeholder("b"), Piece::Placeholder("c"), text(" d")];
        assert_eq!(pieces, expected);
        assert_eq!(placeholders("{{\"a\":1}}").expect("braces"), [text("{\"a\":1}")]);
        assert_eq!(placeholders("{{{a}}}").expect("both").len(), 3);
        for bad in ["{a", "a}", "a} {b}", "{a} b}", "{{a}"] {
            placeholders(bad).expect_err(bad);
        }
    }

    #[test]
    fn what_nobody_knows_yet_is_refused() {
        template("{server}", &[]).expect("in an answer");
        template("{server}", &[Fact::Server]).expect_err("in a request");
        let wrong = template("{client_io}", &[]).expect_err("no such fact");
        assert_eq!(wrong.help.as_deref(), Some("did you mean `{client_ip}`?"));
    }
}
