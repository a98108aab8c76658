//! Who a client is: a password of its own, or another server's word. Asked once the request has
//! passed the guard and before anything is done for it.

mod passwords;

use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_core::compress::Wish;
use evenkeel_core::config::{Auth, BasicAuth, ForwardAuth, Http};
use evenkeel_core::fault::Fault;
use evenkeel_core::message::forward::{Outgoing, write_request};
use evenkeel_core::message::header::Name;
use evenkeel_core::message::request::{Body, RequestHead, Upgrade};
use evenkeel_core::message::response::AnswerBody;

pub(crate) use self::passwords::Passwords;
use crate::exchange::{Client, Desk, Errand, Next, admit};
use crate::guard::Fields;
use crate::offer::Offered;
use crate::receive::{Goal, Request};
use crate::worker::Place;

/// Bytes of a name with its password; more is nobody's.
const MOST_CREDENTIALS: usize = 1024;

/// What a request shows, taken from its head while that is there.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Name and password, if it gave any.
    credentials: Option<(String, String)>,
    /// The head of the request to the server that is asked.
    question: Vec<u8>,
    /// Where in it the id of its span is.
    span_at: Option<usize>,
}

/// `None`: nothing has to be shown.
pub(crate) fn shown<'a>(
    auth: &'a Auth,
    head: &RequestHead<'_, '_>,
    outgoing: &Outgoing<'a>,
) -> Option<Box<Shown>> {
    if auth.is_open() {
        return None;
    }
    let credentials = auth.basic.as_ref().and_then(|_| credentials(head));
    let (mut question, mut span_at) = (Vec::new(), None);
    if let Some(ForwardAuth { path, request_headers, edits, .. }) = &auth.forward {
        let (body, upgrade, query) = (Body::None, Upgrade::None, None);
        let (method, expect_continue) = ("GET", false);
        let head =
            RequestHead { method, query, body, upgrade, expect_continue, hops: None, ..*head };
        let only = request_headers.as_deref();
        let asking = Outgoing { path, only, edits, websocket_key: None, ..*outgoing };
        span_at = write_request(&mut question, &head, &asking);
    }
    Some(Box::new(Shown { credentials, question, span_at }))
}

/// RFC 7617 §2.
fn credentials(head: &RequestHead<'_, '_>) -> Option<(String, String)> {
    let mut lines = head.fields.of(Name::Authorization);
    let (value, None) = (lines.next()?, lines.next()) else { return None };
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > MOST_CREDENTIALS {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim_ascii()).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether the request may go on. `Some`: another server has answered it.
pub(crate) async fn pass(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    (http, request, shown): (&Http, &Request, &Shown),
) -> Result<Option<Next>, Fault> {
    let Some(route) = request.route.map(|route| &http.routes[route]) else { return Ok(None) };
    if let Some(basic) = &route.auth.basic {
        let user = sign_in(client, basic, shown).await.inspect_err(|&fault| {
            if fault == Fault::Unauthorized {
                desk.fields = challenge(basic);
            }
        })?;
        put_lines(desk, request, format!("{}: {user}\r\n", basic.user_header).as_bytes());
    }
    match &route.auth.forward {
        Some(forward) => ask(client, desk, place, (request, forward, shown)).await,
        None => Ok(None),
    }
}

async fn sign_in<'s>(
    client: &Client,
    basic: &BasicAuth,
    shown: &'s Shown,
) -> Result<&'s str, Fault> {
    let (user, password) = shown.credentials.as_ref().ok_or(Fault::Unauthorized)?;
    let passwords = &client.worker().shared.passwords;
    let is_good = passwords.verify(&basic.users, user, password).await?;
    if is_good { Ok(user) } else { Err(Fault::Unauthorized) }
}

/// RFC 7617 §2 and §2.1.
fn challenge(basic: &BasicAuth) -> Fields {
    let realm = format!("Basic realm=\"{}\", charset=\"UTF-8\"", basic.realm);
    vec![("WWW-Authenticate", realm)]
}

/// Asks the server that vouches for clients, with the same care as for any request: other servers of
/// its pool are tried, its time-outs hold. Whoever does not answer lets nobody pass.
async fn ask(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    (request, forward, shown): (&Request, &ForwardAuth, &Shown),
) -> Result<Option<Next>, Fault> {
    let held = mem::replace(&mut desk.outbox, shown.question.clone());
    let held_reply = mem::take(&mut desk.reply);
    let asking = Request {
        goal: Goal::Pool(forward.pool),
        route: request.route,
        version: request.version,
        body: Body::None,
        body_bytes: None,
        trailer_bytes: 0,
        hop: None,
        head_only: request.head_only,
        is_question: true,
        idempotent: true,
        grpc: request.grpc,
        patience: request.patience,
        // The client's body would be read as its next request.
        keep_alive: request.keep_alive && request.body.is_empty(),
        upgrade: Offered::Nothing,
        key: None,
        token: None,
        wish: Wish::default(),
        answer_edits: request.answer_edits.clone(),
        mirror: None,
        bandwidth: None,
        shown: None,
        span_at: shown.span_at,
    };
    let admitted = admit(client, desk, (place, forward.pool), &asking)?;
    let mut errand = Errand::new(client, desk, (place, forward.pool), &asking, admitted);
    let (upstream, answer) = errand.reach().await?;
    if !(200..300).contains(&answer.status) {
        return errand.hand_over(upstream, answer).await.map(Some);
    }
    client.worker().report_success(&upstream.local.server);
    let whole = match answer.from_server {
        AnswerBody::None => 0,
        AnswerBody::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
        AnswerBody::Chunked | AnswerBody::UntilClose => usize::MAX,
    };
    if answer.keep_server && whole == desk.answer.len() {
        upstream.keep();
    }
    let said = mem::replace(&mut desk.reply, held_reply);
    desk.outbox = held;
    desk.answer.clear();
    desk.record.vouched_for();
    desk.tries_again(client.worker(), request.span_at);
    put_lines(desk, request, &said);
    Ok(None)
}

/// Adds lines, each with its CRLF, to the head that goes to the server, if one does.
fn put_lines(desk: &mut Desk, request: &Request, lines: &[u8]) {
    if !matches!(request.goal, Goal::Pool(_)) {
        return;
    }
    let outbox = &mut desk.outbox;
    outbox.truncate(outbox.len() - 2); // the empty line
    outbox.extend_from_slice(lines);
    outbox.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use evenkeel_core::config::HttpLimits;
    use evenkeel_core::message::request::{self, Space};

    use super::*;

    fn credentials_of(fields: &str) -> Option<(String, String)> {
        let sent = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut space = Space::new();
        let head = request::parse(sent.as_bytes(), &mut space, &HttpLimits::default());
        credentials(&head.unwrap().unwrap())
    }

    #[test]
    fn credentials_are_read_or_are_not_there() {
        let ada = Some(("ada".to_owned(), "a:b".to_owned()));
        assert_eq!(credentials_of("Authorization: Basic YWRhOmE6Yg==\r\n"), ada);
        assert_eq!(credentials_of("authorization: bAsIc  YWRhOmE6Yg==\r\n"), ada);
        for bad in [
            "",
            "Authorization: Basic\r\n",
            "Authorization: Basic YWRh\r\n", // no colon
            "Authorization: Basic !\r\n",
            "Authorization: Bearer YWRhOmE6Yg==\r\n",
            "Authorization: Basic /////w==\r\n",
            "Authorization: Basic YWRhOmE6Yg==\r\nAuthorization: Basic YWRhOmE6Yg==\r\n",
        ] {
            assert_eq!(credentials_of(bad), None, "{bad}");
        }
        let long = STANDARD.encode([b"a:".as_slice(), &[b'x'; MOST_CREDENTIALS]].concat());
        assert_eq!(credentials_of(&format!("Authorization: Basic {long}\r\n")), None);
    }
}
