//! Which answers are compressed on their way to a client, and what their heads say then.

use crate::coding::{Accepted, Coding};
use crate::config::Compress;
use crate::message::Version;
use crate::message::header::{Fields, Name, list, trim};
use crate::message::response::ResponseHead;

/// What is sent to a client that takes several as gladly: what gives the most for a moment of this
/// node.
const ORDER: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

/// In which form an answer is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As it came.
    #[default]
    AsIs,
    /// As it came; another client gets it compressed, and `Vary` says so.
    Varies,
    /// A 304 to a client whose copy may be a compressed one: its tag was a weak one, and so this is.
    Unchanged,
    /// Compressed.
    Coded(Coding),
}

/// What is asked of the body in a request besides the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish(Accepted);

impl Wish {
    /// Of a request with these fields.
    pub fn read(fields: &Fields<'_, '_>) -> Self {
        // RFC 9111 §5.2.1.6: a client may forbid it as well.
        let forbids = fields.all("cache-control").flat_map(list).any(is_no_transform);
        let accepted = if forbids {
            Accepted::default()
        } else {
            Accepted::read(fields.all("accept-encoding"))
        };
        Self(accepted)
    }

    /// What a client that speaks `version` would be sent.
    fn coding(self, version: Version) -> Option<Coding> {
        // How long it will be is not known beforehand, and HTTP/1.0 knows no chunks.
        self.0.best_of(ORDER).next().filter(|_| version != Version::Http10)
    }
}

/// The form of the answer `head` for a client that speaks `version`. The answer to a HEAD has the
/// one its GET would have.
pub fn form(rules: &Compress, head: &ResponseHead<'_, '_>, version: Version, wish: Wish) -> Form {
    let coding = wish.coding(version);
    match head.status {
        304 if coding.is_some() => Form::Unchanged,
        304 => Form::Varies,
        // A part says what its whole would say (RFC 9110 §15.3.7).
        206 if rules.wants(head) => Form::Varies,
        _ if rules.wants(head) => coding.map_or(Form::Varies, Form::Coded),
        _ => Form::AsIs,
    }
}

impl Compress {
    fn wants(&self, head: &ResponseHead<'_, '_>) -> bool {
        if head.status < 200 || matches!(head.status, 204 | 205) {
            return false; // without a body
        }
        // Of a part its length says nothing of the whole, nor does the type of several.
        let is_part = head.status == 206;
        if !is_part && head.content_length.is_some_and(|length| length < self.least) {
            return false;
        }
        let mut is_listed = false;
        for (kind, name, value) in head.fields.iter() {
            match kind {
                // What follows a body mostly vouches for its bytes.
                Name::Trailer => return false,
                Name::Other => {}
                _ => continue,
            }
            let is = |wanted| name.eq_ignore_ascii_case(wanted);
            let stays = match name.len() {
                // RFC 9530 §2, §3, and what came before it: other bytes are not what they vouch for.
                6 => is("digest"),
                11 => is("repr-digest") || is("content-md5"),
                14 => is("content-digest"),
                // BREACH: whoever sees how long a secret is once it is compressed together with
                // words of theirs can guess it, and who gets a cookie has secrets.
                10 => is("set-cookie") && !self.with_cookies,
                12 => {
                    let is_some = || is_part && is_parts(value);
                    is_listed |= is("content-type") && (self.lists(value) || is_some());
                    false
                }
                13 => {
                    is("content-range") && !is_part
                        || is("cache-control") && list(value).any(is_no_transform)
                }
                16 => is("content-encoding") && !is_identity(value),
                _ => false,
            };
            if stays {
                return false;
            }
        }
        is_listed
    }

    /// Whether a value of `Content-Type` is of one of the types.
    fn lists(&self, value: &[u8]) -> bool {
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let kind = trim(&value[..end]);
        self.types.iter().any(|listed| match listed.strip_suffix('*') {
            Some(start) => {
                kind.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start.as_bytes()))
            }
            None => kind.eq_ignore_ascii_case(listed.as_bytes()),
        })
    }
}

/// Several parts of something (RFC 9110 §14.6).
fn is_parts(kind: &[u8]) -> bool {
    const PARTS: &[u8] = b"multipart/byteranges";
    kind.get(..PARTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(PARTS))
}

impl Form {
    /// Whether a `Content-Length` of the server's is still true.
    pub(crate) const fn keeps_length(self) -> bool {
        matches!(self, Self::AsIs | Self::Varies)
    }

    /// What stands before the value of a field of the server's; `None`: the field is left out.
    pub(crate) fn before(self, name: &str, value: &[u8]) -> Option<&'static str> {
        let is = |wanted| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            // RFC 9110 §8.8.1: a strong tag is for the same bytes.
            4 if !self.keeps_length() && is("etag") && !value.starts_with(b"W/") => Some("W/"),
            // There are no parts of what is made as it goes; this one said `identity`.
            13 if matches!(self, Self::Coded(_)) && is("accept-ranges") => None,
            16 if matches!(self, Self::Coded(_)) && is("content-encoding") => None,
            _ => Some(""),
        }
    }

    /// Whether `Vary` has to be added to these fields.
    pub(crate) fn varies_on(self, fields: &Fields<'_, '_>) -> bool {
        let says = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding");
        self != Self::AsIs && !fields.all("vary").flat_map(list).any(says)
    }
}

/// RFC 9111 §5.2.2.6.
fn is_no_transform(directive: &[u8]) -> bool {
    directive.eq_ignore_ascii_case(b"no-transform")
}

/// Nothing has been done to the body so far.
fn is_identity(value: &[u8]) -> bool {
    value.is_empty() || value.eq_ignore_ascii_case(b"identity")
}

#[cfg(test)]
mod tests;
