//! When somebody else has the address.

use std::net::IpAddr;

use super::{ANNOUNCEMENTS, Action, Announcer, Cause, Event, Machine, Moment, Obstacle, Phase};

/// A claim is put off once because somebody answers for an address whose owner has been heard. The
/// second time it is made.
const ANSWERED_ROUNDS: u8 = 1;
/// An owner answers another's adverts, or its use of the address, at most this often in an
/// interval: what is said for nothing must not become a flood.
const REPLIES_PER_INTERVAL: u32 = 10;

impl Machine {
    /// In Active: another one is, too (RFC 9568 §6.4.3), as it says on one path or the other.
    pub(super) fn met(&mut self, priority: u8, node: IpAddr, now: Moment, out: &mut Vec<Action>) {
        self.figures.conflicts += 1;
        out.push(Action::Tell(Event::Conflict(Some(node))));
        if (priority, node) > (self.claim.unwrap_or(0), self.own) {
            // Once more, so that the winner knows of it and announces itself again.
            self.advertise(self.claim.unwrap_or(0), out);
            out.push(Action::Release);
            self.listen(Cause::OwnerHeard, now, out);
        } else {
            self.assert_itself(now, out);
        }
    }

    pub(super) fn seen(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Probing { .. } => {
                let was_heard = self.owner.is_some();
                if was_heard && self.answered >= ANSWERED_ROUNDS {
                    return;
                }
                self.answered = self.answered.saturating_add(1);
                self.meet(Obstacle::Answered, out);
                if was_heard {
                    // An owner that is there is heard within an interval, in the last part of which
                    // the address is asked for once more.
                    let again = (now + self.interval) - self.policy.probing();
                    self.enter(self.wait_until(again), Cause::Answered, now, out);
                } else {
                    self.listen(Cause::Answered, now, out);
                }
            }
            Phase::Active { .. } => {
                self.figures.conflicts += 1;
                out.push(Action::Tell(Event::Conflict(None)));
                self.assert_itself(now, out);
            }
            // To them it is no news that somebody has it.
            Phase::Initialize | Phase::Backup { .. } | Phase::Leaving { .. } | Phase::Fault => {}
        }
    }

    pub(super) fn lost(&mut self, now: Moment, out: &mut Vec<Action>) {
        let soon = self.policy.interval / REPLIES_PER_INTERVAL;
        let Phase::Active { replied, lost, .. } = &mut self.phase else { return };
        if now.since(*replied) < soon {
            // Somebody removes it again and again: with the next advert.
            *lost = true;
            return;
        }
        *replied = now;
        out.extend([Action::Take, Action::Announce(1), Action::Tell(Event::Restored)]);
    }

    /// In Active: the others are told who owns it.
    pub(super) fn assert_itself(&mut self, now: Moment, out: &mut Vec<Action>) {
        let interval = self.policy.interval;
        let Phase::Active { advert, sent, replied, announcer, .. } = &mut self.phase else {
            return;
        };
        let soonest = *replied + interval / REPLIES_PER_INTERVAL;
        if now < soonest {
            *announcer = Announcer::from(soonest.min(announcer.next()));
            return;
        }
        *announcer = Announcer::new(now);
        (*advert, *sent, *replied) = (now + interval, now, now);
        self.advertise(self.claim.unwrap_or(0), out);
        out.push(Action::Announce(ANNOUNCEMENTS));
    }
}
