//! The cookie by which a client comes back to its server: an opaque word that means one server of
//! one pool to every node with the same secret, and nothing to anybody else.

use std::fmt::{self, Write};

use crate::config::{SameSite, Sticky};
use crate::hash::Seed;

/// What the cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u64);

impl Token {
    /// Length of its text.
    const DIGITS: usize = 16;

    /// The word for a server, see [`crate::hash::identity`].
    pub fn new(seed: Seed, identity: u64) -> Self {
        Self(seed.hash(&identity.to_le_bytes()))
    }

    /// Reads a cookie's value; `None` when it is not one of ours.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let ours = value.len() == Self::DIGITS
            && value.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let text = std::str::from_utf8(value).ok().filter(|_| ours)?;
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The value of the first cookie of this name in a `Cookie` field's value (RFC 6265 §4.2.1).
pub fn find<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field.split(|&b| b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b"=")?;
        let value = value.trim_ascii_start();
        Some(value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(value))
    })
}

/// Writes the value of the `Set-Cookie` field (RFC 6265 §4.1.1) that brings a client back.
///
/// `secure`: the client came over TLS. Then the cookie must not leave over anything else.
pub fn set_cookie(
    out: &mut impl Write,
    sticky: &Sticky,
    token: Token,
    secure: bool,
) -> fmt::Result {
    let same_site = match sticky.same_site {
        SameSite::Lax => "Lax",
        SameSite::Strict => "Strict",
        SameSite::None => "None",
    };
    write!(out, "{}={token}; Path=/; HttpOnly; SameSite={same_site}", sticky.cookie)?;
    if let Some(age) = sticky.max_age {
        write!(out, "; Max-Age={}", age.as_secs())?;
    }
    if secure { out.write_str("; Secure") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hash::identity;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = Token::new(Seed::from_secret(b"secret"), identity("app1"));
        // Another text here would send every client to another server.
        assert_eq!(token.to_string(), "94438f140d8501e6");
        assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        assert_ne!(token, Token::new(Seed::from_secret(b"other"), identity("app1")));
        assert_ne!(token, Token::new(Seed::from_secret(b"secret"), identity("app2")));
    }

    #[test]
    fn what_is_not_ours_means_nobody() {
        for value in ["", "0", "+123456789abcdef", "0123456789ABCDEF", "0123456789abcdef0", "é"] {
            assert_eq!(Token::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_name() {
        for (field, value) in [
            ("srv=1", Some("1")),
            ("a=b; srv=1; c=d", Some("1")),
            ("asrv=2; srv=1", Some("1")),
            ("srvx=2;srv=1", Some("1")),
            ("srv = 1 ;x=y", Some("1")),
            ("srv=\"1\"", Some("1")),
            ("srv=1; srv=2", Some("1")),
            ("srv=", Some("")),
            ("srv", None),
            ("SRV=1", None),
            ("", None),
        ] {
            assert_eq!(find(field.as_bytes(), "srv"), value.map(str::as_bytes), "{field}");
        }
    }

    #[test]
    fn the_field_says_who_may_see_it() {
        let mut sticky = Sticky {
            cookie: "srv".into(),
            seed: Seed::PLACING,
            same_site: SameSite::Lax,
            max_age: None,
        };
        let written = |sticky: &Sticky, secure| {
            let mut out = String::new();
            set_cookie(&mut out, sticky, Token(0xab), secure).unwrap();
            out
        };
        let value = "srv=00000000000000ab; Path=/; HttpOnly";
        assert_eq!(written(&sticky, false), format!("{value}; SameSite=Lax"));
        sticky.same_site = SameSite::None;
        sticky.max_age = Some(Duration::from_hours(23));
        assert_eq!(
            written(&sticky, true),
            format!("{value}; SameSite=None; Max-Age=82800; Secure")
        );
    }
}
