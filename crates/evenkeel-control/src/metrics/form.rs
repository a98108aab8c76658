//! In which of its two forms the text is written, and how a scraper asks for one.

/// A form of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus's own, version 0.0.4.
    #[default]
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Form {
    /// The one that `accept` (RFC 9110 §12.5.1) likes better; Prometheus's own when it says nothing.
    pub(crate) fn accepted(accept: &str) -> Self {
        let mut best = (Self::Prometheus, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let (mut version, mut thousandths) = (None, 1000);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim() {
                    "version" => version = Some(value.trim()),
                    "q" => thousandths = thousandths_of(value.trim()),
                    _ => {}
                }
            }
            let form = match (kind.to_ascii_lowercase().as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0")) => Self::OpenMetrics,
                ("text/plain", None | Some("0.0.4")) => Self::Prometheus,
                _ => continue,
            };
            if thousandths > best.1 {
                best = (form, thousandths);
            }
        }
        best.0
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A weight with up to three digits behind the point (RFC 9110 §12.4.2); what is none counts as 0.
fn thousandths_of(weight: &str) -> u32 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = |text: &str| text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "1" => 1000,
        "0" if digits(part) => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_form_it_likes_better() {
        use Form::{OpenMetrics, Prometheus};
        for (accept, expected) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/html", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Prometheus),
            // Prometheus 2.42 and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                 version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.35", Prometheus),
            ("text/plain;q=0, application/openmetrics-text;q=0.001", OpenMetrics),
            ("application/openmetrics-text;q=nonsense,text/plain;q=0.1", Prometheus),
        ] {
            assert_eq!(Form::accepted(accept), expected, "{accept}");
        }
    }
}
