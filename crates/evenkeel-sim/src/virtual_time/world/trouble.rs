//! What goes wrong.

use std::time::Duration;

use evenkeel_core::config::ZoneId;
use evenkeel_core::pool::Admin;

use super::{Event, TROUBLE, World};
use crate::virtual_time::nature::{Condition, Nature};

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Condition(usize, Condition),
    /// The way to a zone is cut, or there again.
    Zone(ZoneId, bool),
    /// A server's own way to the database.
    Way(usize, bool),
    /// The database that all share.
    Database(bool),
    Admin(usize, Admin),
    /// Everything is well again, and stays so.
    Over,
}

impl World {
    pub(super) fn plan_trouble(&mut self) {
        if self.calm {
            self.plan_outages();
        } else {
            for _ in 0..5 + self.dice.below(20) {
                self.plan_one();
            }
        }
        self.agenda.after(TROUBLE, Event::Trouble(Trouble::Over));
    }

    /// Each is long enough to be seen by all, and over long enough for that to be seen.
    fn plan_outages(&mut self) {
        let mut at = Duration::from_secs(3);
        for _ in 0..3 {
            let length = self.millis(5_000, 3_000);
            self.agenda.after(at, Event::Trouble(Trouble::Database(false)));
            self.agenda.after(at + length, Event::Trouble(Trouble::Database(true)));
            at += length + self.millis(4_000, 1_000);
        }
    }

    fn plan_one(&mut self) {
        let server = self.dice.below(self.servers.len());
        let zone = ZoneId(self.dice.below(3) as u64);
        let (begun, over) = match self.dice.below(10) {
            0 => (Trouble::Zone(zone, true), Trouble::Zone(zone, false)),
            1 | 2 => (Trouble::Way(server, false), Trouble::Way(server, true)),
            3 => (Trouble::Database(false), Trouble::Database(true)),
            4 => (Trouble::Admin(server, Admin::Drain), Trouble::Admin(server, Admin::Ready)),
            5 => (Trouble::Admin(server, Admin::Maint), Trouble::Admin(server, Admin::Ready)),
            _ => {
                let condition = Condition::draw(&mut self.dice);
                let well = Trouble::Condition(server, Condition::Well);
                (Trouble::Condition(server, condition), well)
            }
        };
        let most = usize::try_from(TROUBLE.as_millis()).expect("a minute at most");
        let at = self.millis(0, most);
        let length = self.millis(100, 15_000);
        self.agenda.after(at, Event::Trouble(begun));
        self.agenda.after((at + length).min(TROUBLE), Event::Trouble(over));
    }

    fn millis(&mut self, least: usize, spread: usize) -> Duration {
        Duration::from_millis((least + self.dice.below(spread)) as u64)
    }

    pub(super) fn meet(&mut self, trouble: Trouble) -> Result<(), String> {
        match trouble {
            Trouble::Condition(server, condition) => {
                self.servers[server].nature.condition = condition;
                self.servers[server].untouched = false;
            }
            Trouble::Way(server, there) => {
                self.servers[server].nature.has_way = there;
                self.servers[server].untouched = false;
            }
            Trouble::Zone(zone, cut_off) => {
                let inside = self.members.iter().map(|member| member.zone == Some(zone));
                for (server, _) in self.servers.iter_mut().zip(inside).filter(|(_, inside)| *inside)
                {
                    server.nature.cut_off = cut_off;
                    server.untouched = false;
                }
            }
            Trouble::Database(there) => {
                self.outages += u64::from(!there);
                for server in &mut self.servers {
                    server.nature.has_database = there;
                }
            }
            Trouble::Admin(server, admin) => {
                self.members[server].admin = admin;
                self.servers[server].untouched = false;
                self.publish()?;
            }
            Trouble::Over => {
                for (server, member) in self.servers.iter_mut().zip(&mut self.members) {
                    server.nature = Nature::WELL;
                    member.admin = Admin::Ready;
                }
                self.publish()?;
            }
        }
        Ok(())
    }
}
