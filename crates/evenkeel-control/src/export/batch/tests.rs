use std::net::IpAddr;

use evenkeel_core::dice::Dice;
use evenkeel_core::fault::Phase;
use evenkeel_core::trace::{SpanId, Trace, TraceId};

use super::*;
use crate::export::protobuf::{Field, fields};

/// Two tries in a trace that began elsewhere; `fault` is how the second one ended.
fn exchange(fault: Option<Fault>) -> TracedExchange {
    let mut dice = Dice::new(7);
    let id = TraceId::new(&mut dice);
    let trace = Trace { id, parent: Some(SpanId::new(&mut dice)), flags: 1 };
    let began = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let mut one = |before, end| TracedTry {
        span: SpanId::new(&mut dice),
        pool: "app".into(),
        server: "app1".into(),
        address: "192.0.2.9:80".parse().expect("an address"),
        scheme: "http",
        method: "GET".to_owned(),
        target: "/stripped?y=1".to_owned(),
        before,
        began,
        took: Duration::from_millis(2),
        status: None,
        end,
    };
    let last = fault.map_or(TryEnd::GivenUp, TryEnd::Failed);
    let tries = vec![one(0, TryEnd::Failed(Fault::ServerReset)), one(1, last)];
    TracedExchange {
        trace,
        span: SpanId::new(&mut dice),
        began,
        took: Duration::from_millis(5),
        listener: "front".into(),
        route: "api".to_owned(),
        scheme: "https",
        client: IpAddr::from([192, 0, 2, 1]),
        client_port: 4711,
        method: "GET".to_owned(),
        host: "shop.example:8080".to_owned(),
        target: "/x?y=1".to_owned(),
        user_agent: String::new(),
        version: "HTTP/2.0",
        status: Some(504),
        fault,
        tries,
    }
}

/// The values of the field that is reached by these numbers.
fn reached<'a>(message: &'a [u8], path: &[u64]) -> Vec<Field<'a>> {
    let (first, rest) = path.split_first().expect("a path");
    let found = fields(message).filter(|(number, _)| number == first).map(|(_, value)| value);
    if rest.is_empty() {
        return found.collect();
    }
    found
        .flat_map(|value| match value {
            Field::Bytes(inner) => reached(inner, rest),
            Field::Number(_) | Field::Fixed => Vec::new(),
        })
        .collect()
}

fn texts(message: &[u8], path: &[u64]) -> Vec<String> {
    let text = |value| match value {
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Field::Number(number) => number.to_string(),
        Field::Fixed => "fixed".to_owned(),
    };
    reached(message, path).into_iter().map(text).collect()
}

/// `key=value` of each attribute.
fn attributes(span: &[u8]) -> Vec<String> {
    let all = reached(span, &[9]).into_iter().filter_map(|value| match value {
        Field::Bytes(attribute) => Some(attribute),
        Field::Number(_) | Field::Fixed => None,
    });
    let values = |attribute| [1, 2, 3].map(|kind| texts(attribute, &[2, kind])).concat();
    all.map(|one| format!("{}={}", texts(one, &[1])[0], values(one)[0])).collect()
}

fn spans(exchange: &TracedExchange) -> [Vec<u8>; 3] {
    let mut batch = Batch::default();
    batch.add(exchange);
    assert_eq!(batch.count(), 3);
    let request = batch.request("edge", "lb0");
    assert_eq!(texts(&request, &[1, 1, 1, 1])[..2], ["service.name", "service.version"]);
    assert_eq!(texts(&request, &[1, 1, 1, 2, 1])[2], "lb0");
    assert_eq!(texts(&request, &[1, 2, 1, 1]), ["evenkeel"]);
    let found = reached(&request, &[1, 2, 2]).into_iter().map(|value| match value {
        Field::Bytes(span) => span.to_vec(),
        other => panic!("{other:?}"),
    });
    found.collect::<Vec<_>>().try_into().expect("three spans")
}

#[test]
fn an_exchange_is_a_span_and_each_try_is_one_below_it() {
    let told = exchange(Some(Fault::ServerTimeout));
    let [server, first, second] = spans(&told);
    for (span, id, parent) in [
        (&server, told.span, told.trace.parent.expect("it began elsewhere")),
        (&first, told.tries[0].span, told.span),
        (&second, told.tries[1].span, told.span),
    ] {
        assert_eq!(reached(span, &[1]), [Field::Bytes(&told.trace.id.bytes())]);
        assert_eq!(reached(span, &[2]), [Field::Bytes(&id.bytes())]);
        assert_eq!(reached(span, &[4]), [Field::Bytes(&parent.bytes())]);
        assert_eq!([7, 8, 16].map(|field| reached(span, &[field]).len()), [1; 3]);
        assert_eq!(texts(span, &[15, 3]), ["2"], "an error");
    }
    assert_eq!([5, 6].map(|field| texts(&server, &[field]).concat()), ["GET api", "2"]);
    assert_eq!(
        attributes(&server),
        [
            "http.request.method=GET",
            "url.scheme=https",
            "url.path=/x",
            "url.query=y=1",
            "server.address=shop.example",
            "server.port=8080",
            "client.address=192.0.2.1",
            "client.port=4711",
            "network.protocol.version=2",
            "http.route=api",
            "evenkeel.listener=front",
            "http.response.status_code=504",
            "evenkeel.termination=sH",
            "error.type=server-timeout",
        ]
    );
    assert_eq!([5, 6].map(|field| texts(&second, &[field]).concat()), ["GET", "3"]);
    assert_eq!(
        attributes(&second),
        [
            "http.request.method=GET",
            "url.full=http://192.0.2.9:80/stripped?y=1",
            "server.address=192.0.2.9",
            "server.port=80",
            "http.request.resend_count=1",
            "evenkeel.pool=app",
            "evenkeel.server=app1",
            "evenkeel.termination=sH",
            "error.type=server-timeout",
        ]
    );
    assert_eq!(texts(&second, &[15, 2]), [Fault::ServerTimeout.to_string()]);
    assert!(attributes(&first).contains(&"error.type=server-reset".to_owned()));
}

#[test]
fn what_a_client_gives_up_is_no_error_nor_is_a_hedge_that_was_not_needed() {
    let gone = Fault::ClientGone(Phase::Data);
    let left = TracedExchange { status: Some(200), ..exchange(Some(gone)) };
    let [server, _, tried] = spans(&left);
    for span in [&server, &tried] {
        assert_eq!(reached(span, &[15]), []);
        let found = attributes(span);
        assert!(found.contains(&format!("evenkeel.termination={}", gone.verdict().code)));
        assert!(found.iter().all(|it| !it.starts_with("error.type")), "{found:?}");
    }
    let [_, _, given_up] = spans(&exchange(None));
    assert!(attributes(&given_up).contains(&"evenkeel.given_up=1".to_owned()));
    assert_eq!(reached(&given_up, &[15]), []);
}

/// A server that says 404 was asked for the wrong thing; one that is asked and says so is well.
#[test]
fn a_status_is_an_error_to_the_one_who_asked_before_it_is_one_here() {
    let mut told = TracedExchange { status: Some(404), ..exchange(None) };
    told.tries[0].status = Some(404);
    told.tries[0].end = TryEnd::Answered;
    let [server, first, _] = spans(&told);
    assert_eq!(reached(&server, &[15]), []);
    assert_eq!(texts(&first, &[15, 3]), ["2"]);
    assert!(attributes(&first).contains(&"error.type=404".to_owned()));
}

#[test]
fn odd_methods_and_hosts() {
    let odd = TracedExchange {
        method: "BREW".to_owned(),
        host: "[::1]:9".to_owned(),
        route: String::new(),
        ..exchange(None)
    };
    let [server, ..] = spans(&odd);
    assert_eq!(texts(&server, &[5]), ["HTTP"]);
    let found = attributes(&server);
    for wanted in [
        "http.request.method=_OTHER",
        "http.request.method_original=BREW",
        "server.address=::1",
        "server.port=9",
    ] {
        assert!(found.contains(&wanted.to_owned()), "{wanted} in {found:?}");
    }
    assert_eq!(authority("shop.example"), ("shop.example", None));
    assert_eq!(authority("[::1]"), ("::1", None));
}

#[test]
fn a_batch_is_full_by_number_or_by_size() {
    let (small, mut large) = (exchange(None), exchange(None));
    let mut batch = Batch::default();
    while !batch.is_full() {
        batch.add(&small);
    }
    assert_eq!(batch.count(), MOST_SPANS.next_multiple_of(3));
    batch.clear();
    assert!(!batch.is_full() && batch.count() == 0);
    large.target = "/".repeat(MOST_BYTES);
    batch.add(&large);
    assert!(batch.is_full());
}
