//! Against a DNS server of our own on loopback, which can be slow, lie, or not be there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{Name, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use super::*;

/// What to say over UDP, or nothing; `true` when asked over TCP.
type Script = fn(&Message, bool) -> Option<Vec<u8>>;

/// A DNS server, gone when dropped.
struct Responder {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Responder {
    async fn start(script: Script) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = Arc::new(UdpSocket::bind(address).await.unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                if let Some(answer) = script(&question, false) {
                    udp.send_to(&answer, from).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(length) = stream.read_u16().await {
                    let mut buffer = vec![0; length.into()];
                    stream.read_exact(&mut buffer).await.unwrap();
                    let question = Message::from_vec(&buffer).unwrap();
                    let Some(answer) = script(&question, true) else { break };
                    stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { address, _tasks: tasks }
    }

    async fn ask(&self, host: &str, records: Records) -> Result<Answer, String> {
        let settings =
            ResolverSettings { servers: vec![self.address], timeout: Duration::from_millis(200) };
        let question = Question { host: host.to_owned(), records };
        Asker::new(&settings).ask(&question).await
    }
}

fn reply(question: &Message, code: ResponseCode, records: Vec<(RData, u32)>) -> Message {
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata.response_code = code;
    reply.metadata.recursion_available = true;
    let name = question.queries[0].name().clone();
    reply.add_query(question.queries[0].clone());
    let kind = question.queries[0].query_type();
    for (data, ttl) in records {
        if data.record_type() == kind {
            reply.add_answer(Record::from_rdata(name.clone(), ttl, data));
        }
    }
    reply
}

fn sent(reply: &Message) -> Vec<u8> {
    reply.to_vec().unwrap()
}

fn a(last: u8, ttl: u32) -> (RData, u32) {
    (RData::A(A(Ipv4Addr::new(10, 0, 0, last))), ttl)
}

fn ips(answer: &Answer) -> Vec<String> {
    answer.endpoints.iter().map(|endpoint| endpoint.ip.to_string()).collect()
}

#[tokio::test]
async fn both_families_are_asked_for() {
    let responder = Responder::start(|question, _| {
        let v6 = RData::AAAA("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().into());
        Some(sent(&reply(question, ResponseCode::NoError, vec![a(1, 60), a(2, 60), (v6, 7)])))
    })
    .await;
    let answer = responder.ask("app.internal", Records::Address).await.unwrap();
    assert_eq!(ips(&answer), ["10.0.0.1", "10.0.0.2", "fd00::1"]);
    assert_eq!((answer.ttl, answer.unanswered), (Duration::from_secs(7), None));
}

#[tokio::test]
async fn services_lead_to_their_targets() {
    let responder = Responder::start(|question, _| {
        let target = Name::from_ascii("one.internal.").unwrap();
        let service = RData::SRV(SRV::new(5, 10, 8080, target));
        let none = RData::SRV(SRV::new(0, 0, 0, Name::root()));
        Some(sent(&reply(
            question,
            ResponseCode::NoError,
            vec![a(1, 9), (service, 60), (none, 60)],
        )))
    })
    .await;
    let answer = responder.ask("_http._tcp.app.internal", Records::Service).await.unwrap();
    let ip = [10, 0, 0, 1].into();
    assert_eq!(answer.endpoints, [Endpoint { priority: 5, ip, port: 8080, weight: 10 }]);
    assert_eq!(answer.ttl, Duration::from_secs(9));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let responder = Responder::start(|question, over_tcp| {
        let mut reply = reply(question, ResponseCode::NoError, vec![a(1, 60)]);
        if !over_tcp {
            reply.answers.clear();
            reply.metadata.truncation = true;
        }
        Some(sent(&reply))
    })
    .await;
    let answer = responder.ask("app.internal", Records::Address).await.unwrap();
    assert_eq!(ips(&answer), ["10.0.0.1"]);
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_with_its_reason() {
    let cases: [(Script, &str); 6] = [
        (
            |question, _| Some(sent(&reply(question, ResponseCode::NXDomain, vec![]))),
            "no such name",
        ),
        (|question, _| Some(sent(&reply(question, ResponseCode::NoError, vec![]))), "no A"),
        (
            |question, _| Some(sent(&reply(question, ResponseCode::ServFail, vec![]))),
            "Server Failure",
        ),
        (|_, _| None, ""),
        (|_, _| Some(b"nonsense that is no DNS at all".to_vec()), ""),
        (
            |question, _| {
                let lie = RData::A(A(Ipv4Addr::UNSPECIFIED));
                Some(sent(&reply(question, ResponseCode::NoError, vec![(lie, 60)])))
            },
            "no address that a server can have",
        ),
    ];
    for (script, why) in cases {
        let responder = Responder::start(script).await;
        let reason = responder.ask("app.internal", Records::Address).await.unwrap_err();
        assert!(reason.contains(why) && !reason.is_empty(), "{why}: {reason}");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_believed() {
    let responder = Responder::start(|question, _| {
        let mut reply = reply(question, ResponseCode::NoError, vec![a(66, 60)]);
        reply.metadata.id = reply.metadata.id.wrapping_add(1);
        Some(sent(&reply))
    })
    .await;
    responder.ask("app.internal", Records::Address).await.unwrap_err();
}

#[tokio::test]
async fn a_family_that_fails_does_not_spoil_the_other() {
    let responder = Responder::start(|question, _| {
        let code = match question.queries[0].query_type() {
            RecordType::A => ResponseCode::NoError,
            _ => ResponseCode::ServFail,
        };
        Some(sent(&reply(question, code, vec![a(1, 60)])))
    })
    .await;
    let answer = responder.ask("app.internal", Records::Address).await.unwrap();
    assert_eq!((ips(&answer), answer.unanswered), (vec!["10.0.0.1".to_owned()], Some(Family::V6)));
}
