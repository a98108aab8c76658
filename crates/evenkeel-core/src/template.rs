//! Texts with placeholders, such as `https://{host}{path}`: split when the configuration is loaded,
//! filled in for each message.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// A text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As the operator wrote it.
    Text(Arc<str>),
    Fact(Fact),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The client's address; behind a trusted proxy, whom it names.
    ClientIp,
    /// The port at the other end of the client's connection.
    ClientPort,
    /// The host of the request, without its port.
    Host,
    /// Path and query of the request, as routed.
    Path,
    Method,
    /// `http` or `https`.
    Scheme,
    RequestId,
    /// Of the trace it belongs to, where the listener looks at traces; else empty.
    TraceId,
    /// `TLSv1.3` or `TLSv1.2`; empty without TLS.
    TlsVersion,
    /// The name the client has asked for in its handshake; empty without.
    Sni,
    Listener,
    /// Empty at a listener's default.
    Route,
    Pool,
    /// Known once there is an answer.
    Server,
}

impl Fact {
    /// Every placeholder, by the name between its braces.
    pub const ALL: [(&str, Self); 14] = [
        ("client_ip", Self::ClientIp),
        ("client_port", Self::ClientPort),
        ("host", Self::Host),
        ("path", Self::Path),
        ("method", Self::Method),
        ("scheme", Self::Scheme),
        ("request_id", Self::RequestId),
        ("trace_id", Self::TraceId),
        ("tls_version", Self::TlsVersion),
        ("sni", Self::Sni),
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("pool", Self::Pool),
        ("server", Self::Server),
    ];
}

/// What is known of a message; `None`: not yet.
#[derive(Clone, Copy)]
pub struct Facts<'f>(pub &'f dyn Fn(Fact) -> Option<Cow<'f, str>>);

impl Facts<'_> {
    /// Nothing is known.
    pub const NONE: Self = Self(&|_| None);
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Facts(..)")
    }
}

impl Template {
    /// Of these parts, in their order.
    pub fn new(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// Without a placeholder.
    pub fn text(text: &str) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// It says the same for every message.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Appends what it says, as the value of a field: whatever a fact holds, no line is ended by it.
    /// What is not known is left out.
    pub fn write_value(&self, out: &mut Vec<u8>, facts: Facts<'_>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Fact(fact) => {
                    let fact = (facts.0)(*fact).unwrap_or_default();
                    // RFC 9110 §5.5 would have them replaced so.
                    out.extend(fact.bytes().map(|byte| if is_control(byte) { b' ' } else { byte }));
                }
            }
        }
    }

    /// What it says, as a URL: what is not visible ASCII is escaped, and a request about everything
    /// (`*`) is led to `/`. `None`: it names a host and there is none; what would stand in its place
    /// is of the client's choice.
    pub fn location(&self, facts: Facts<'_>) -> Option<String> {
        let mut location = String::new();
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => Cow::Borrowed(&**text),
                Part::Fact(fact) => (facts.0)(*fact).unwrap_or_default(),
            };
            let text = match part {
                Part::Fact(Fact::Host | Fact::Sni) if text.is_empty() => return None,
                Part::Fact(Fact::Path) if text == "*" => "/",
                _ => &*text,
            };
            for byte in text.bytes() {
                if byte.is_ascii_graphic() {
                    location.push(char::from(byte));
                } else {
                    let _ = write!(location, "%{byte:02X}"); // writing to memory does not fail
                }
            }
        }
        Some(location)
    }

    /// The same with what is known by now in its place.
    #[must_use]
    pub fn settled(&self, facts: Facts<'_>) -> Self {
        let settled = |part: &Part| match part {
            Part::Fact(fact) => (facts.0)(*fact).map(|text| Part::Text(text.into())),
            Part::Text(_) => None,
        };
        Self(self.0.iter().map(|part| settled(part).unwrap_or_else(|| part.clone())).collect())
    }
}

const fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::{Fact, Facts, Part, Template};

    fn template() -> Template {
        Template::new(vec![
            Part::Text("a ".into()),
            Part::Fact(Fact::Host),
            Part::Fact(Fact::Server),
            Part::Text(" z".into()),
        ])
    }

    fn value(template: &Template, fact: &'static str) -> String {
        let mut out = Vec::new();
        template.write_value(&mut out, Facts(&|_| Some(fact.into())));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn facts_stand_in_their_places_and_end_no_line() {
        assert_eq!(value(&template(), "x"), "a xx z");
        let evil = value(&template(), "x\r\nSet-Cookie: a\0\u{7f}\té");
        assert!(!evil.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0 | 0x7f)), "{evil:?}");
        let mut out = Vec::new();
        template().write_value(&mut out, Facts::NONE);
        assert_eq!(out, b"a  z");
    }

    #[test]
    fn a_url_is_visible_ascii() {
        let to = template().location(Facts(&|_| Some("\r\nx é".into())));
        assert_eq!(to.as_deref(), Some("a%20%0D%0Ax%20%C3%A9%0D%0Ax%20%C3%A9%20z"));
    }

    #[test]
    fn a_url_names_the_host_it_is_to_name_and_a_path() {
        let to = Template::new(vec![
            Part::Text("https://".into()),
            Part::Fact(Fact::Host),
            Part::Fact(Fact::Path),
        ]);
        for (host, path, wanted) in [
            ("a.example", "/x?y", Some("https://a.example/x?y")),
            ("a.example", "*", Some("https://a.example/")),
            ("", "/evil.example/x", None),
        ] {
            let fact = |fact| Some(if fact == Fact::Host { host } else { path }.into());
            assert_eq!(to.location(Facts(&fact)).as_deref(), wanted);
        }
    }

    #[test]
    fn what_is_known_early_is_kept() {
        let early = template().settled(Facts(&|fact| (fact == Fact::Host).then(|| "h".into())));
        assert!(!early.is_fixed());
        let mut out = Vec::new();
        early.write_value(&mut out, Facts(&|fact| (fact == Fact::Server).then(|| "s".into())));
        assert_eq!(out, b"a hs z");
        assert!(Template::text("x").is_fixed());
    }
}
