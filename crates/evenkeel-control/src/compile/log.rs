//! `[access_log]`

use evenkeel_core::config::{AccessLog, LogField, LogFormat, LogPart, LogTarget};

use super::Surroundings;
use super::table::{Reader, Wrong, wrong};
use super::template::{Piece, placeholders};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused_with_the_nearest() {
        let wrong = template_of("{stauts}").expect_err("no such field");
        assert_eq!(wrong.help.as_deref(), Some("did you mean `{status}`?"));
    }
}
