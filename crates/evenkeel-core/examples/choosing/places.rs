//! Where requests go while nothing is under way: by weight, by key, by zone.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_core::config::{Balance, ZoneId, Zoning};
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::Loads;
use evenkeel_core::pool::{Member, Roster, Rules};
use evenkeel_core::slow_start;

use crate::bench::{BALANCES, Idle, Table, members, percent, pick, roster};
use crate::picture::Chart;

const REQUESTS: u32 = 80_000;

fn counts(roster: &Roster, servers: usize) -> Vec<u32> {
    let mut counts = vec![0; servers];
    for turn in 0..REQUESTS {
        counts[pick(roster, turn.into(), &Idle)] += 1;
    }
    counts
}

/// Servers of weight 1, 2 and 5, with a hundred requests under way.
pub(crate) fn spread() -> (Table, Chart) {
    let mut table = Table::new(&["balance", "weight 1", "weight 2", "weight 5"]);
    let mut chart = Chart::new("spread", "Requests of servers of weight 1, 2 and 5", "%");
    for (word, balance) in BALANCES {
        let roster = roster(balance, &members(&[1, 2, 5]));
        let mut busy = Busy { in_flight: [0; 3] };
        let (mut counts, mut under_way) = ([0; 3], VecDeque::new());
        for turn in 0..REQUESTS {
            let picked = pick(&roster, turn.into(), &busy);
            counts[picked] += 1;
            busy.in_flight[picked] += 1;
            under_way.push_back(picked);
            if under_way.len() > 100
                && let Some(done) = under_way.pop_front()
            {
                busy.in_flight[done] -= 1;
            }
        }
        let shares = counts.map(|count| percent(count, REQUESTS));
        let cells = shares.map(|share| format!("{share:.2} %"));
        table.row([format!("`{word}`")].into_iter().chain(cells));
        chart.group(word, shares);
    }
    (table, chart)
}

struct Busy {
    in_flight: [u32; 3],
}

impl Loads for Busy {
    fn in_flight(&self, member: usize) -> u32 {
        self.in_flight[member]
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        self.in_flight.iter().map(|&load| u64::from(load)).sum()
    }

    fn latency(&self, _: usize) -> f64 {
        5_000.0
    }
}

/// One of ten servers leaves.
pub(crate) fn leaving() -> (Table, Chart) {
    let mut table =
        Table::new(&["balance", "keys of the lost server", "keys of others that moved"]);
    let mut chart = Chart::new("leaving", "Keys that move when one of ten servers leaves", "%");
    let mut show = |word: &str, before: &[usize], after: &[usize]| {
        let (mut lost, mut moved) = (0, 0);
        for (before, after) in before.iter().zip(after) {
            lost += u32::from(*before == 3);
            moved += u32::from(*before != 3 && before != after);
        }
        let shares = [percent(lost, REQUESTS), percent(moved, REQUESTS)];
        let cells = shares.map(|share| format!("{share:.2} %"));
        table.row([word.to_owned()].into_iter().chain(cells));
        chart.group(word.trim_matches('`'), shares);
    };
    let mut pool = members(&[1; 10]);
    for (word, balance) in BALANCES {
        if !matches!(balance, Balance::Hash(_)) {
            continue;
        }
        pool[3].usable = true;
        let before = placed(&roster(balance, &pool));
        pool[3].usable = false;
        show(&format!("`{word}`"), &before, &placed(&roster(balance, &pool)));
    }
    // For comparison, as a program without consistent hashing would do it.
    let modulo = |servers: &[usize]| -> Vec<usize> {
        let keys = (0..REQUESTS).map(|turn| evenkeel_core::hash::key(&turn.to_le_bytes()));
        keys.map(|key| servers[usize::try_from(key % servers.len() as u64).unwrap_or(0)]).collect()
    };
    let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    show("key modulo servers", &modulo(&all), &modulo(&[0, 1, 2, 4, 5, 6, 7, 8, 9]));
    (table, chart)
}

fn placed(roster: &Roster) -> Vec<usize> {
    (0..REQUESTS).map(|turn| pick(roster, turn.into(), &Idle)).collect()
}

const ZONES: [&str; 3] = ["a", "b", "c"];

/// Three zones of two, three and five servers, a node with a third of the traffic in each.
pub(crate) fn zones() -> (Table, Chart) {
    let head = ["", "to zone a (2)", "to zone b (3)", "to zone c (5)", "load of a server"];
    let mut table = Table::new(&head);
    let mut chart = Chart::new("zones", "Where nodes in zones a, b and c send their traffic", "%");
    for (what, lost) in [("", None), (", c lost", Some(2))] {
        let mut pool = members(&[1; 10]);
        for (at, member) in pool.iter_mut().enumerate() {
            let zone = usize::from(at >= 2) + usize::from(at >= 5);
            member.zone = Some(ZoneId::of(ZONES[zone]));
            member.usable = lost != Some(zone);
        }
        let mut total = [0.0; 3];
        for name in ZONES {
            let shares = from_zone(name, &pool);
            let cells = shares.map(|share| format!("{share:.1} %"));
            let label = format!("node in {name}{what}");
            table.row([label].into_iter().chain(cells).chain([String::new()]));
            chart.group(&format!("{name}{what}"), shares);
            for (total, share) in total.iter_mut().zip(shares) {
                *total += share / 3.0;
            }
        }
        let of_one = [total[0] / 2.0, total[1] / 3.0, total[2] / 5.0];
        let loads = of_one.map(|load| format!("{load:.1} %")).join(", ");
        let sums = total.map(|share| format!("{share:.1} %"));
        table.row([format!("all{what}")].into_iter().chain(sums).chain([loads]));
    }
    (table, chart)
}

/// What of its traffic a node in this zone gives to each, in percent.
fn from_zone(own: &str, pool: &[Member]) -> [f64; 3] {
    let zoning = Zoning { own: ZoneId::of(own), balancers: Vec::new() };
    let rules = Rules { zoning: Some(&zoning), ..Rules::default() };
    let mut shares = [0.0; 3];
    for share in Roster::build(rules, pool).shares() {
        let zone = ZONES.iter().position(|name| share.zone == Some(ZoneId::of(name)));
        shares[zone.expect("one of the three")] += f64::from(share.parts_per_million) / 10_000.0;
    }
    shares
}

/// Slow start: what one of four servers gets while it is new.
pub(crate) fn warming() -> Chart {
    const WINDOW: Duration = Duration::from_secs(20);
    let mut chart = Chart::new("slow-start", "Share of a new server among four, by its age", "%");
    for second in (0..=22).step_by(2) {
        let mut pool = members(&[1; 4]);
        let now = Moment::START + Duration::from_secs(second);
        pool[0].ramp = slow_start::percent(Moment::START, WINDOW, now);
        let new = counts(&roster(Balance::Random, &pool), 4)[0];
        chart.group(&format!("{second} s"), [percent(new, REQUESTS)]);
    }
    chart
}
