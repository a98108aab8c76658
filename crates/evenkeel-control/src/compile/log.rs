//! `[access_log]`

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use evenkeel_core::config::{
    AccessLog, LogField, LogFormat, LogPart, LogTarget, SyslogAddress, SyslogForm, SyslogTarget,
};

use super::Surroundings;
use super::table::{Reader, Wrong, wrong};
use super::template::{Piece, placeholders};
use super::value::{Choice, expected, share, text};
use super::word;
use crate::document::{Kind, Value};
use crate::nearest::nearest;

/// What `HAProxy`'s manuals have people use.
const FACILITY: u8 = 16;

/// RFC 5424 §6.2.1, by the names everybody uses.
const FACILITIES: Choice<u8> = Choice {
    words: &[
        ("kern", 0),
        ("user", 1),
        ("mail", 2),
        ("daemon", 3),
        ("auth", 4),
        ("syslog", 5),
        ("lpr", 6),
        ("news", 7),
        ("uucp", 8),
        ("cron", 9),
        ("authpriv", 10),
        ("ftp", 11),
        ("local0", 16),
        ("local1", 17),
        ("local2", 18),
        ("local3", 19),
        ("local4", 20),
        ("local5", 21),
        ("local6", 22),
        ("local7", 23),
    ],
    later: &[],
};

/// `APP-NAME` (RFC 5424 §6).
const MOST_TAG_BYTES: usize = 48;

/// Those of the socket's address.
const MOST_PATH_BYTES: usize = 107;

/// `node`: what the node calls itself.
pub(super) fn access_log(
    root: &mut Reader<'_>,
    surroundings: &Surroundings,
    node: &str,
) -> Option<AccessLog> {
    let mut log = root.table("access_log")?;
    let format = log.read("format", format).unwrap_or(LogFormat::Combined);
    let file = log.read("path", text).map(|path| LogTarget::File(surroundings.base.join(path)));
    let syslog = syslog(&mut log, surroundings, node).map(LogTarget::Syslog);
    if file.is_some()
        && let Some(entry) = log.entry("syslog")
    {
        let wrong = wrong("lines go one way: `path` or `syslog`");
        log.fault(entry.key_place, wrong.help("remove `syslog` or `path`"));
    }
    let sample = log.read("sample", share);
    log.finish();
    Some(AccessLog { format, to: file.or(syslog).unwrap_or(LogTarget::Stdout), sample })
}

/// `"/dev/log"`, or `{ to = "udp:192.0.2.9:514", facility = "local0", tag = "evenkeel" }`
fn syslog(log: &mut Reader<'_>, surroundings: &Surroundings, node: &str) -> Option<SyslogTarget> {
    let entry = log.entry("syslog")?;
    let is_visible = !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_graphic());
    let mut target = SyslogTarget {
        to: SyslogAddress::Unix("/dev/log".into()),
        facility: FACILITY,
        // A name of the machine that RFC 5424 §6.2.4 does not take is none.
        host: if is_visible { node } else { "-" }.into(),
        tag: "evenkeel".into(),
        form: SyslogForm::Rfc3164,
    };
    let to = |value| receiver(value, &surroundings.base);
    if !matches!(entry.value.kind, Kind::Table(_)) {
        target.to = log.read("syslog", to)?;
        target.form = usual(&target.to);
        return Some(target);
    }
    let mut reader = log.inner(entry)?;
    let to = reader.need("to", "such as `to = \"/dev/log\"` or `to = \"udp:192.0.2.9:514\"`", to);
    target.facility = reader.read("facility", |it| FACILITIES.read(it)).unwrap_or(FACILITY);
    target.tag = reader.read("tag", tag).unwrap_or(target.tag);
    let form = reader.read("rfc", form);
    reader.finish();
    target.to = to?;
    target.form = form.unwrap_or_else(|| usual(&target.to));
    Some(target)
}

fn receiver(value: &Value, base: &Path) -> Result<SyslogAddress, Wrong> {
    let help = "a socket, such as \"/dev/log\", or \"udp:192.0.2.9:514\", or \"tcp:192.0.2.9:601\"";
    let Kind::Text(written) = &value.kind else {
        return Err(expected("a string or a table", value).help(help));
    };
    let address = |written: &str| -> Result<SocketAddr, Wrong> {
        let reason = || wrong(format!("\"{written}\" is not an address with a port"));
        written.parse().map_err(|_not_one| reason().help(help))
    };
    if let Some(to) = written.strip_prefix("udp:") {
        return address(to).map(SyslogAddress::Udp);
    }
    if let Some(to) = written.strip_prefix("tcp:") {
        return address(to).map(SyslogAddress::Tcp);
    }
    let path = base.join(written);
    let length = path.as_os_str().len();
    if !written.contains('/') || length > MOST_PATH_BYTES {
        return Err(wrong(format!("\"{written}\" is not the path of a socket")).help(help));
    }
    Ok(SyslogAddress::Unix(path))
}

/// What a receiver there is sure to read: at a socket rsyslog knows no other form
/// unless it is told to.
const fn usual(to: &SyslogAddress) -> SyslogForm {
    match to {
        SyslogAddress::Unix(_) => SyslogForm::Rfc3164,
        SyslogAddress::Udp(_) | SyslogAddress::Tcp(_) => SyslogForm::Rfc5424,
    }
}

/// `5424` or `3164`
fn form(value: &Value) -> Result<SyslogForm, Wrong> {
    match value.kind {
        Kind::Integer(5424) => Ok(SyslogForm::Rfc5424),
        Kind::Integer(3164) => Ok(SyslogForm::Rfc3164),
        _ => Err(wrong("no RFC of that number is about this").help("5424 or 3164, without quotes")),
    }
}

fn tag(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    if word::is_token(written) && written.len() <= MOST_TAG_BYTES {
        return Ok(written.into());
    }
    Err(wrong(format!("\"{written}\" is not a tag"))
        .help(format!("one word of at most {MOST_TAG_BYTES} characters, such as \"evenkeel\"")))
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
