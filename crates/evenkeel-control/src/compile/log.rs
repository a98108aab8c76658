//! `[access_log]`

use evenkeel_core::config::{AccessLog, LogField, LogFormat, LogPart, LogTarget};

use super::Surroundings;
use super::table::{Reader, Wrong, wrong};
use super::value::text;
use crate::document::Value;
use crate::nearest::nearest;

pub(super) fn access_log(root: &mut Reader<'_>, surroundings: &Surroundings) -> Option<AccessLog> {
    let mut log = root.table("access_log")?;
    let format = log.read("format", format).unwrap_or(LogFormat::Combined);
    let to = log
        .read("path", text)
        .map_or(LogTarget::Stdout, |path| LogTarget::File(surroundings.base.join(path)));
    log.finish();
    Some(AccessLog { format, to })
}

fn format(value: &Value) -> Result<LogFormat, Wrong> {
    match text(value)? {
        "combined" => Ok(LogFormat::Combined),
        "json" => Ok(LogFormat::Json),
        template if template.contains('{') => template_of(template).map(LogFormat::Template),
        other => {
            let wrong = wrong(format!("\"{other}\" is not a format"));
            Err(match nearest(other, ["combined", "json"]) {
                Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
                None => wrong.help("\"combined\", \"json\", or a template: \"{client} {status}\""),
            })
        }
    }
}

fn template_of(template: &str) -> Result<Vec<LogPart>, Wrong> {
    if template.chars().any(char::is_control) {
        return Err(wrong("a template is one line").help("remove line breaks and tabs"));
    }
    placeholders(template)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Ok(LogPart::Text(text.into())),
            Piece::Placeholder(name) => field(name).map(LogPart::Field),
        })
        .collect()
}

fn field(name: &str) -> Result<LogField, Wrong> {
    if let Some((_, field)) = LogField::NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*field);
    }
    let known = LogField::NAMES.map(|(known, _)| known);
    let help = match nearest(name, known) {
        Some(near) => format!("did you mean `{{{near}}}`?"),
        None => format!("known: {}", known.join(", ")),
    };
    Err(wrong(format!("`{{{name}}}` is not a field")).help(help))
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// What stands between the braces.
    Placeholder(&'a str),
}

/// Splits `text {placeholder} text`.
pub(super) fn placeholders(template: &str) -> Result<Vec<Piece<'_>>, Wrong> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        if before.contains('}') {
            break;
        }
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| wrong("a `{` without its `}`").help("close the placeholder"))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Placeholder(name));
        rest = after;
    }
    if rest.contains('}') {
        return Err(wrong("a `}` without its `{`").help("open the placeholder"));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_split_at_their_placeholders() {
        let pieces = placeholders("a {b}{c} d").expect("a good template");
        let expected = [
            Piece::Text("a "),
            Piece::Placeholder("b"),
            Piece::Placeholder("c"),
            Piece::Text(" d"),
        ];
        assert_eq!(pieces, expected);
        for bad in ["{a", "a}", "a} {b}", "{a} b}"] {
            placeholders(bad).expect_err(bad);
        }
    }

    #[test]
    fn unknown_fields_are_refused_with_the_nearest() {
        let wrong = template_of("{stauts}").expect_err("no such field");
        assert_eq!(wrong.help.as_deref(), Some("did you mean `{status}`?"));
    }
}
