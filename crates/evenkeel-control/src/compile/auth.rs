//! Who a client has to be: `basic_auth` and `forward_auth` of a route.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::config::{Auth, BasicAuth, ForwardAuth, HeaderEdits, Users};
use evenkeel_core::template::{Fact, Part, Template};

use super::Bench;
use super::edit::editable;
use super::pool::Directory;
use super::table::{Reader, Wrong, wrong};
use super::value::text;
use super::word;
use crate::document::Value;

/// A file of passwords, held in memory.
const MOST_FILE_BYTES: usize = 1024 * 1024;
/// Each step of a bcrypt hash doubles its cost: 15 takes two seconds.
const MOST_BCRYPT_COST: u32 = 15;
/// Memory and passes of an argon2 hash: half a second.
const MOST_ARGON_KIB: u32 = 256 * 1024;
const MOST_ARGON_PASSES: u32 = 16;

/// In which field a server learns the user.
const USER_HEADER: &str = "x-authenticated-user";

/// What a client wants of the answer to its own request (RFC 9110 §13 and §14.2, RFC 4918 §10.4, RFC
/// 6638 §8.3). In a question about the client it would ask for a part of the word, or for none.
const CONDITIONS: [&str; 8] = [
    "if",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-schedule-tag-match",
    "if-unmodified-since",
    "range",
];

/// `basic_auth` and `forward_auth`. What they tell the server, no client may tell it: those names
/// are put on the list of what is removed.
pub(super) fn auth(
    route: &mut Reader<'_>,
    (bench, pools): (Bench<'_>, &Directory),
    edits: &mut HeaderEdits,
) -> Auth {
    let basic = basic(route, bench);
    let mut forward = forward(route, pools);
    if let Some(basic) = &basic {
        if let Some(forward) = &mut forward {
            keep_from(forward, basic);
        }
        // The password is this node's affair; other schemes never pass it.
        edits.remove.push("authorization".into());
        edits.remove.push(Arc::clone(&basic.user_header));
    }
    if let Some(forward) = &forward {
        edits.remove.extend(forward.response_headers.iter().map(Arc::clone));
    }
    Auth { basic, forward }
}

/// Who is asked about a client that has given its password gets neither that, unless it is to, nor a
/// name that the client gave itself.
fn keep_from(forward: &mut ForwardAuth, basic: &BasicAuth) {
    let is_to_see = |name: &str| {
        let named = forward.request_headers.as_deref().unwrap_or_default();
        named.iter().any(|named| named.eq_ignore_ascii_case(name))
    };
    if !is_to_see("authorization") {
        forward.edits.remove.push("authorization".into());
    }
    forward.edits.remove.push(Arc::clone(&basic.user_header));
}

/// `{ realm = "staff", users_file = "users", user_header = "x-user" }`
fn basic(route: &mut Reader<'_>, bench: Bench<'_>) -> Option<BasicAuth> {
    let mut reader = route.table("basic_auth")?;
    let realm = reader.read("realm", realm);
    let help = "a file with lines of `user:hash`, such as `htpasswd -B` writes";
    let users = reader.need("users_file", help, |value| users(value, bench));
    let header = reader.read("user_header", |value| editable(text(value)?));
    reader.finish();
    Some(BasicAuth {
        realm: realm.unwrap_or("restricted").into(),
        users: Arc::new(users?),
        user_header: header.unwrap_or_else(|| USER_HEADER.into()),
    })
}

fn realm(value: &Value) -> Result<&str, Wrong> {
    let written = text(value)?;
    let fits = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\');
    if written.chars().all(fits) {
        return Ok(written);
    }
    Err(wrong(format!("\"{written}\" is not a name for people's browsers"))
        .help("letters, digits and spaces, without quotes"))
}

fn users(value: &Value, bench: Bench<'_>) -> Result<Users, Wrong> {
    let path = bench.surroundings.base.join(text(value)?);
    let shown = path.display();
    let bytes = (bench.surroundings.read)(&path, MOST_FILE_BYTES + 1)
        .map_err(|error| wrong(format!("cannot read {shown}: {error}")))?;
    if bytes.len() > MOST_FILE_BYTES {
        return Err(wrong(format!("{shown} is larger than {} KiB", MOST_FILE_BYTES / 1024)));
    }
    let written =
        String::from_utf8(bytes).map_err(|_bytes| wrong(format!("{shown} is no text")))?;
    let mut users = BTreeMap::new();
    for (number, line) in (1..).zip(written.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // What stands in the line is not repeated: it may be a password.
        let (user, hash) = user(line).map_err(|reason| {
            wrong(format!("{shown}, line {number}: {reason}"))
                .help("one `user:hash` a line, with bcrypt (`htpasswd -B`) or argon2")
        })?;
        if users.insert(Arc::from(user), Arc::from(hash)).is_some() {
            return Err(wrong(format!("{shown}, line {number}: `{user}` is there already")));
        }
    }
    if users.is_empty() {
        return Err(wrong(format!("there is nobody in {shown}"))
            .help("add one: `htpasswd -nB NAME >> FILE`"));
    }
    Ok(Users(users))
}

fn user(line: &str) -> Result<(&str, &str), &'static str> {
    let (user, hash) = line.split_once(':').ok_or("no `:` between user and hash")?;
    if user.is_empty() || !user.chars().all(|c| c.is_ascii_graphic()) {
        return Err("a user's name is visible ASCII without spaces");
    }
    let parts: Vec<&str> = hash.split('$').collect();
    match parts[..] {
        ["", "2a" | "2b" | "2y", cost, rest] if rest.len() == 53 => match cost.parse() {
            Ok(4..=MOST_BCRYPT_COST) => Ok((user, hash)),
            _ => Err("a bcrypt hash has a cost of 4 to 15"),
        },
        ["", "argon2i" | "argon2d" | "argon2id", _version, costs, _salt, _hash] => {
            let cost = |name: &str| costs.split(',').find_map(|cost| cost.strip_prefix(name));
            let number = |name| cost(name).and_then(|cost| cost.parse::<u32>().ok());
            match (number("m="), number("t=")) {
                (Some(..=MOST_ARGON_KIB), Some(..=MOST_ARGON_PASSES)) => Ok((user, hash)),
                _ => Err("an argon2 hash takes at most 256 MiB and 16 passes"),
            }
        }
        _ => Err("the hash is neither bcrypt nor argon2"),
    }
}

/// `{ pool = "auth", path = "/verify", request_headers = ["cookie"], response_headers = ["x-user"] }`
fn forward(route: &mut Reader<'_>, pools: &Directory) -> Option<ForwardAuth> {
    let mut reader = route.table("forward_auth")?;
    let pool = reader.need("pool", "such as `pool = \"auth\"`", |value| pools.find(value));
    let path = reader.read("path", |value| word::path(text(value)?)).unwrap_or("/");
    let names = |listed: Vec<_>| listed.into_iter().map(|(_place, name)| name).collect::<Vec<_>>();
    let sees = reader.list("request_headers", |value| word::header_name(text(value)?));
    let takes = reader.list("response_headers", |value| editable(text(value)?));
    reader.finish();
    let told = |name: &str, fact| (Arc::from(name), Template::new(vec![Part::Fact(fact)]));
    Some(ForwardAuth {
        pool: pool?,
        path: path.into(),
        request_headers: sees.map(names),
        edits: HeaderEdits {
            remove: CONDITIONS.map(Arc::from).into(),
            set: vec![
                told("X-Forwarded-Method", Fact::Method),
                told("X-Forwarded-Uri", Fact::Path),
            ],
            ..HeaderEdits::default()
        },
        response_headers: takes.map(names).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn lines_of_a_users_file() {
        let rest = "x".repeat(53);
        user(&format!("ada:$2y$10${rest}")).expect("as htpasswd writes it");
        user("bob:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA").expect("as argon2 does");
        for bad in [
            "ada",
            "ada:",
            "ada:secret",
            ":$2y$10$",
            "ada:$apr1$salt$hash",
            "ada:{SHA}x",
            &format!("ada:$2y$31${rest}"),
            &format!("a da:$2y$10${rest}"),
            "bob:$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
        ] {
            user(bad).expect_err(bad);
        }
    }
}
