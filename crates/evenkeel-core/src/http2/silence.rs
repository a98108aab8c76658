//! A server that says nothing while somebody waits: whether it is still there.
//!
//! Many exchanges share a connection, and TCP notices a cable that was cut only when it gives up
//! sending again, after some fifteen minutes. Until then each of them would run into its time-out.

use std::time::Duration;

use crate::moment::Moment;

/// How long nothing may come before a request that is out of time speaks against its connection:
/// requests that are given up sooner than a server far away could answer do not.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);
/// How long nothing may come before the server is asked whether it is there: longer than nearly all
/// answers take, and half of the 30 s that a request waits by default.
const ASK_AFTER: Duration = Duration::from_secs(15);
/// How long it has to say anything: three losses in a row of the same segment are made up for (RFC 6298:
/// 1, 2 and 4 s).
const PATIENCE: Duration = Duration::from_secs(10);
/// When it is asked anew at the earliest. Servers of gRPC hold pings that come within five minutes
/// against their clients while they have nothing to say, and leave after some of them.
const ASK_AGAIN_AFTER: Duration = Duration::from_mins(6);

/// The time in which a server was waited for. When it was last heard is known to
/// [its connection](super::Connection::heard).
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Since when somebody waits. Who has waited in vain is not forgotten.
    since: Moment,
    /// When the server was last asked whether it is there.
    asked: Option<Moment>,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Wait,
    /// The server is to be [asked](super::Connection::send_ping) whether it is there.
    Ask,
    /// It is not there any more.
    GiveUp,
}

impl Silence {
    /// Of a connection that has just been opened.
    pub const fn new(now: Moment) -> Self {
        Self { since: now, asked: None }
    }

    /// Somebody begins to wait, and nobody else does.
    pub fn begin(&mut self, heard: Moment, now: Moment) {
        if heard >= self.since {
            self.since = now;
        }
    }

    /// Whether a request whose time is over has met a connection that may carry no other.
    pub fn is_suspect(&self, heard: Moment, now: Moment) -> bool {
        self.length(heard, now) >= SUSPECT_AFTER
    }

    /// To be asked now and then. `waits`: somebody does.
    pub fn look(&self, heard: Moment, now: Moment, waits: bool) -> Act {
        match self.asked {
            Some(asked) if asked > heard && now.since(asked) >= PATIENCE => Act::GiveUp,
            Some(asked) if asked > heard || now.since(asked) < ASK_AGAIN_AFTER => Act::Wait,
            _ if waits && self.length(heard, now) >= ASK_AFTER => Act::Ask,
            _ => Act::Wait,
        }
    }

    /// The server was asked.
    pub const fn asked(&mut self, now: Moment) {
        self.asked = Some(now);
    }

    fn length(&self, heard: Moment, now: Moment) -> Duration {
        now.since(self.since.max(heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_server_that_says_nothing_is_asked_once_and_given_up() {
        let mut silence = Silence::new(at(100));
        let never = Moment::START;
        silence.begin(never, at(100));
        for (now, waits, act) in
            [(114, true, Act::Wait), (115, false, Act::Wait), (115, true, Act::Ask)]
        {
            assert_eq!(silence.look(never, at(now), waits), act, "{now}");
        }
        silence.asked(at(116));
        for (now, act) in [(116, Act::Wait), (125, Act::Wait), (126, Act::GiveUp)] {
            assert_eq!(silence.look(never, at(now), true), act, "{now}");
        }
        assert_eq!(silence.look(never, at(126), false), Act::GiveUp, "whoever waits");
        assert_eq!(silence.look(at(117), at(126), true), Act::Wait, "it has answered");
    }

    #[test]
    fn a_server_that_answers_is_not_asked_too_often() {
        let mut silence = Silence::new(at(0));
        let (mut heard, mut asked) = (at(0), Vec::new());
        for now in 0..1_000 {
            if silence.look(heard, at(now), true) == Act::Ask {
                silence.asked(at(now));
                asked.push(now);
                heard = at(now + 1);
            }
        }
        assert_eq!(asked, [15, 375, 735]);
    }

    #[test]
    fn time_in_which_nobody_waits_is_no_silence() {
        let mut silence = Silence::new(at(0));
        silence.begin(at(0), at(50));
        assert_eq!(silence.look(at(0), at(64), true), Act::Wait);
        assert!(!silence.is_suspect(at(0), at(50)) && silence.is_suspect(at(0), at(51)));
        // Whoever waited there has heard nothing.
        silence.begin(at(0), at(64));
        assert!(silence.is_suspect(at(0), at(64)));
        assert_eq!(silence.look(at(0), at(65), true), Act::Ask);
    }
}
