//! The whole table: what an operator reads in a log, and what a client is told, is written down
//! here a second time on purpose.

use super::{Again, Blame, Fault, Level, Phase};

/// Every fault there is. A new variant breaks `place`, which leads here.
const ALL: [Fault; 40] = [
    Fault::BadRequest(400),
    Fault::BadRequest(431),
    Fault::MethodClosed,
    Fault::Denied,
    Fault::RateLimited,
    Fault::Unauthorized,
    Fault::SourceFull,
    Fault::ClientGone(Phase::Request),
    Fault::ClientGone(Phase::Connect),
    Fault::ClientGone(Phase::Answer),
    Fault::ClientGone(Phase::Data),
    Fault::ClientTimeout(Phase::Request),
    Fault::ClientTimeout(Phase::Connect),
    Fault::ClientTimeout(Phase::Answer),
    Fault::ClientTimeout(Phase::Data),
    Fault::NoRoute,
    Fault::Misdirected,
    Fault::NoServer,
    Fault::QueueFull,
    Fault::QueueTimeout,
    Fault::BreakerOpen,
    Fault::Shed,
    Fault::ConnectRefused,
    Fault::ConnectTimeout,
    Fault::Exhausted,
    Fault::ServerReset,
    Fault::ServerResetReused,
    Fault::ServerTls,
    Fault::NotProcessed,
    Fault::ServerTimeout,
    Fault::BadAnswer,
    Fault::ServerCut,
    Fault::ServerStalled,
    Fault::TotalTimeout,
    Fault::TotalCut,
    Fault::DeadlineExceeded,
    Fault::FileUnreadable,
    Fault::FileCut,
    Fault::Stopping,
    Fault::Internal,
];

/// Fault, status, blame, another try, level, termination code.
const TABLE: &str = "\
BadRequest(400)         400  Client  Never         Info   PR
BadRequest(431)         431  Client  Never         Info   PR
MethodClosed            -    Client  Never         Info   PR
Denied                  403  Node    Never         Info   PR
RateLimited             429  Node    Never         Info   PR
Unauthorized            401  Node    Never         Info   PR
SourceFull              -    Node    Never         Info   PR
ClientGone(Request)     -    Client  Never         Debug  CR
ClientGone(Connect)     -    Client  Never         Debug  CC
ClientGone(Answer)      -    Client  Never         Debug  CH
ClientGone(Data)        -    Client  Never         Debug  CD
ClientTimeout(Request)  408  Client  Never         Info   cR
ClientTimeout(Connect)  -    Client  Never         Info   cC
ClientTimeout(Answer)   -    Client  Never         Info   cH
ClientTimeout(Data)     -    Client  Never         Info   cD
NoRoute                 404  Node    Never         Debug  PR
Misdirected             421  Client  Never         Info   PR
NoServer                503  Server  Never         Error  SC
QueueFull               503  Node    Never         Warn   PQ
QueueTimeout            503  Server  Never         Warn   sQ
BreakerOpen             503  Node    Never         Warn   PC
Shed                    503  Node    Never         Info   RQ
ConnectRefused          503  Server  Always        Warn   SC
ConnectTimeout          504  Server  Always        Warn   sC
Exhausted               503  Node    Always        Error  RC
ServerReset             502  Server  IfIdempotent  Warn   SH
ServerResetReused       502  Server  IfIdempotent  Info   SH
ServerTls               503  Server  Always        Warn   SC
NotProcessed            503  Server  Always        Info   SH
ServerTimeout           504  Server  IfIdempotent  Warn   sH
BadAnswer               502  Server  Never         Error  PH
ServerCut               -    Server  Never         Warn   SD
ServerStalled           -    Server  Never         Warn   sD
TotalTimeout            504  Server  Never         Warn   sH
TotalCut                -    Node    Never         Warn   PD
DeadlineExceeded        504  Client  Never         Info   cH
FileUnreadable          500  Node    Never         Error  PH
FileCut                 -    Node    Never         Error  PD
Stopping                -    Node    Never         Info   KD
Internal                500  Node    Never         Error  I-
";

#[test]
fn the_table() {
    let line = |fault: Fault| {
        let row = fault.verdict();
        let status = row.status.map_or_else(|| "-".into(), |status| status.to_string());
        let (name, blame) = (format!("{fault:?}"), format!("{:?}", row.blame));
        let (again, level) = (format!("{:?}", row.again), format!("{:?}", row.level));
        format!("{name:24}{status:5}{blame:8}{again:14}{level:7}{}\n", row.code)
    };
    assert_eq!(ALL.map(line).concat(), TABLE);
}

#[test]
fn every_variant_is_in_the_table() {
    let mut seen = [false; 33];
    for fault in ALL {
        seen[place(fault)] = true;
    }
    assert_eq!(seen, [true; 33]);
}

fn place(fault: Fault) -> usize {
    match fault {
        Fault::BadRequest(_) => 0,
        Fault::MethodClosed => 1,
        Fault::ClientGone(_) => 2,
        Fault::ClientTimeout(_) => 3,
        Fault::NoRoute => 4,
        Fault::NoServer => 5,
        Fault::ConnectRefused => 6,
        Fault::ConnectTimeout => 7,
        Fault::Exhausted => 8,
        Fault::ServerReset => 9,
        Fault::ServerResetReused => 10,
        Fault::ServerTimeout => 11,
        Fault::BadAnswer => 12,
        Fault::ServerCut => 13,
        Fault::ServerStalled => 14,
        Fault::TotalTimeout => 15,
        Fault::TotalCut => 16,
        Fault::Stopping => 17,
        Fault::Internal => 18,
        Fault::QueueFull => 19,
        Fault::QueueTimeout => 20,
        Fault::BreakerOpen => 21,
        Fault::Denied => 22,
        Fault::RateLimited => 23,
        Fault::SourceFull => 24,
        Fault::ServerTls => 25,
        Fault::NotProcessed => 26,
        Fault::Misdirected => 27,
        Fault::Shed => 28,
        Fault::FileUnreadable => 29,
        Fault::FileCut => 30,
        Fault::Unauthorized => 31,
        Fault::DeadlineExceeded => 32,
    }
}

/// `HAProxy`'s manual, "Session state at disconnection": the first letter says who ended it, the
/// second when.
#[test]
fn codes_say_who_and_when() {
    for fault in ALL {
        let row = fault.verdict();
        let (who, when) = row.code.split_at(1);
        let blamed = match who {
            "C" | "c" => Some(Blame::Client),
            "S" | "s" => Some(Blame::Server),
            "R" | "I" | "K" => Some(Blame::Node),
            "P" => None, // the proxy refused either side's bytes
            _ => panic!("{fault:?}: {who} is not a cause"),
        };
        assert!(blamed.is_none_or(|blamed| blamed == row.blame), "{fault:?}");
        assert!(["R", "Q", "C", "H", "D", "-"].contains(&when), "{fault:?}: {when}");
    }
}

/// A request that surely was not processed, or may be repeated, was never answered: there must be
/// an answer to give once tries run out.
#[test]
fn what_may_be_tried_again_has_a_status() {
    for fault in ALL {
        let row = fault.verdict();
        assert!(row.again == Again::Never || row.status.is_some(), "{fault:?}");
        assert!(row.again == Again::Never || row.blame != Blame::Client, "{fault:?}");
    }
}

/// A client can cause its own faults at will: they must not fill the log.
#[test]
fn clients_cannot_shout() {
    for fault in ALL {
        let row = fault.verdict();
        assert!(row.blame != Blame::Client || row.level <= Level::Info, "{fault:?}");
    }
}

#[test]
fn words_are_distinct() {
    let mut words: Vec<String> = ALL.iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    // Phases share their words: three more each for a client that is gone or late.
    assert_eq!(words.len(), ALL.len() - 6, "{words:#?}");
}

#[test]
fn every_code_is_counted_in_its_own_place() {
    for fault in ALL {
        assert_eq!(Fault::CODES[fault.code_place()], fault.verdict().code, "{fault:?}");
    }
    for code in Fault::CODES {
        assert!(ALL.iter().any(|fault| fault.verdict().code == code), "nothing ends with {code}");
    }
}

#[test]
fn a_refusal_by_rule_is_no_error() {
    let errors = [Fault::NoServer, Fault::ServerCut, Fault::Shed, Fault::Internal];
    assert!(errors.iter().all(|fault| fault.is_error()));
    let others =
        [Fault::Denied, Fault::RateLimited, Fault::NoRoute, Fault::ClientGone(Phase::Data)];
    assert!(others.iter().all(|fault| !fault.is_error()));
}
