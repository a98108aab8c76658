//! What is kept outlives what the process did not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::super::query::{Pattern, Query, QueryError};
use super::super::shelf::Place;
use super::*;
use evenkeel_core::history::Figure;

const START: i64 = 1_800_000_000;
const SIZE: u64 = 64 << 20;

/// A second in which pool `app` had as many requests as the seconds since [`START`].
fn tick(second: i64) -> api::Tick {
    let at = u64::try_from((START + second) * 1_000).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = second as f64;
    let pool = api::PoolFigures {
        rate,
        errors: 0.0,
        answered_4xx: 2.0,
        answered_5xx: 0.5,
        ended: [("SH".to_owned(), 0.5)].into(),
        p50: None,
        p99: (second % 2 == 0).then_some(0.25),
        in_flight: 1,
        queue: 0,
        retries: 0.0,
    };
    api::Tick {
        at,
        node: api::NodeFigures {
            cpu: 0.5,
            memory_bytes: Some(1 << 20),
            descriptors: Some(9),
            workers: Vec::new(),
        },
        listeners: BTreeMap::new(),
        routes: BTreeMap::new(),
        pools: [("app".to_owned(), pool)].into(),
        servers: BTreeMap::new(),
        vips: BTreeMap::new(),
    }
}

/// A store with its ladder.
struct Bench {
    store: Store,
    ladder: Ladder,
}

impl Bench {
    fn open(shelf: Shelf) -> Self {
        let mut ladder = Ladder::default();
        let store = Store::open(shelf, SIZE, &mut ladder).map_err(|(_, error)| error).unwrap();
        Self { store, ladder }
    }

    fn record(&mut self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            let row = self.store.row(&tick(second));
            for (tier, block) in self.ladder.push(&row) {
                self.store.append(tier, &block).unwrap();
            }
        }
    }

    fn ask(&self, of: &str, (from, to): (i64, i64), now: i64) -> Result<api::History, QueryError> {
        let (from, to, now) = (START + from, START + to, START + now);
        let of = vec![Pattern::parse(of).unwrap()];
        let query = Query { of, figures: vec![Figure::Rate], from, to, tier: None, now };
        query.answer(&self.store, &self.ladder)
    }

    /// The rates of pool `app`.
    #[track_caller]
    fn rates(&self, range: (i64, i64), now: i64) -> (u32, Vec<Option<f64>>) {
        let mut history = self.ask("pool/app", range, now).unwrap();
        assert_eq!(history.series.len(), 1);
        (history.step_seconds, history.series.remove(0).values)
    }
}

/// A folder of this test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("evenkeel-history-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn shelf(&self) -> Shelf {
        Shelf::folder(self.0.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The system cleans what a failed test leaves.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn some(values: impl IntoIterator<Item = i32>) -> Vec<Option<f64>> {
    values.into_iter().map(|value| Some(value.into())).collect()
}

#[test]
fn seconds_are_there_at_once_and_coarse_steps_when_they_are_over() {
    let mut bench = Bench::open(Shelf::memory());
    bench.record(0..725);
    assert_eq!(bench.rates((715, 725), 725), (1, some(715..725)));
    let (step, tens) = bench.rates((0, 720), 10_000);
    assert_eq!((step, tens.len()), (10, 72));
    assert_eq!((tens[0], tens[71]), (Some(4.5), Some(714.5)), "the mean");
    let (step, minutes) = bench.rates((0, 600), 1_000_000);
    assert_eq!((step, minutes), (300, vec![Some(149.5), Some(449.5)]));
}

#[test]
fn after_a_crash_at_most_ten_seconds_are_missing() {
    let scratch = Scratch::new("crash");
    let mut bench = Bench::open(scratch.shelf());
    bench.record(0..1_239);
    // The process is gone: nothing is finished, the lock is let go with it.
    let Bench { store, ladder: _ } = bench;
    drop(store.leave());
    let mut bench = Bench::open(scratch.shelf());
    let (_, values) = bench.rates((0, 1_239), 1_239);
    assert_eq!(values[..1_230], some(0..1_230)[..]);
    assert_eq!(values[1_230..], [None; 9]);
    bench.record(1_245..2_500);
    let (_, tens) = bench.rates((0, 2_400), 10_000);
    let missing: Vec<usize> = (0..240).filter(|step| tens[*step].is_none()).collect();
    assert_eq!(missing, [123], "the coarse steps of before are made again");
}

#[test]
fn a_torn_end_costs_only_itself_and_is_written_over() {
    let scratch = Scratch::new("torn");
    let mut bench = Bench::open(scratch.shelf());
    bench.record(0..50);
    let Bench { store, ladder: _ } = bench;
    let place: Place = (Tier::Second, 0);
    let mut shelf = store.leave();
    let whole = shelf.read(place).unwrap();
    let file = scratch.0.join("1s-00000000.segment");
    for torn in [whole.len() - 1, whole.len() - 20, 30, 5, 0] {
        std::fs::write(&file, &whole[..torn]).unwrap();
        let mut bench = Bench::open(shelf);
        bench.record(50..60);
        let Bench { store, ladder: _ } = bench;
        shelf = store.leave();
        let bench = Bench::open(shelf);
        let (_, values) = bench.rates((0, 60), 60);
        assert_eq!(values[50..], some(50..60)[..], "cut to {torn} bytes");
        let kept = values[..50].iter().flatten().count();
        assert!(kept <= 40 && kept.is_multiple_of(10), "{kept} of what was cut to {torn} bytes");
        let Bench { store, ladder: _ } = bench;
        shelf = store.leave();
    }
}

#[test]
fn the_oldest_goes_when_there_is_too_much() {
    let mut bench = Bench::open(Shelf::memory());
    bench.store.resize(1 << 20);
    bench.record(0..20_000);
    assert!(bench.store.bytes() <= 1 << 20, "{}", bench.store.bytes());
    let (_, values) = bench.rates((19_990, 20_000), 20_000);
    assert_eq!(values, some(19_990..20_000));
    let oldest = bench.store.tiers[Tier::Second as usize][0].first - START;
    assert!((20_000 - 3_600 - 1_200..=20_000 - 3_600).contains(&oldest), "an hour: {oldest}");
    bench.store.resize(1 << 15);
    bench.record(20_000..20_400);
    assert!(bench.store.bytes() <= 1 << 15, "{}", bench.store.bytes());
    let (_, values) = bench.rates((20_390, 20_400), 20_400);
    assert_eq!(values, some(20_390..20_400));
}

#[test]
fn a_folder_is_one_processs_alone() {
    let scratch = Scratch::new("lock");
    let bench = Bench::open(scratch.shelf());
    let mut ladder = Ladder::default();
    let Err((_, error)) = Store::open(scratch.shelf(), SIZE, &mut ladder) else {
        panic!("it was taken twice");
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(bench.store.leave());
    Bench::open(scratch.shelf());
}

#[test]
fn what_is_of_another_format_is_not_read() {
    let scratch = Scratch::new("format");
    std::fs::create_dir_all(&scratch.0).unwrap();
    std::fs::write(scratch.0.join("1s-00000007.segment"), "evenkeel history 9\nwho knows").unwrap();
    std::fs::write(scratch.0.join("notes.txt"), "by the operator").unwrap();
    let mut bench = Bench::open(scratch.shelf());
    bench.record(0..20);
    assert_eq!(bench.rates((0, 20), 20), (1, some(0..20)));
    assert!(scratch.0.join("notes.txt").exists());
}

#[test]
fn an_answer_has_a_bound_and_says_what_to_ask_instead() {
    let mut bench = Bench::open(Shelf::memory());
    let mut crowd = tick(0);
    let app = crowd.pools["app"].clone();
    crowd.pools.extend((0..2_000).map(|number| (format!("pool{number}"), app.clone())));
    let row = bench.store.row(&crowd);
    assert!(bench.ladder.push(&row).is_empty());
    let few = bench.ask("pool/*", (0, 900), 900).unwrap();
    assert_eq!((few.step_seconds, few.series.len()), (10, 0), "too many for steps of a second");
    let query = Query {
        of: vec![Pattern::parse("pool/*").unwrap()],
        figures: Vec::new(),
        from: START,
        to: START + 900,
        tier: Some(Tier::Second),
        now: START + 900,
    };
    let error = query.answer(&bench.store, &bench.ladder).unwrap_err().to_string();
    assert!(error.contains("ask for fewer things"), "{error}");
    let none = bench.ask("pool/nobody", (0, 900), 900).unwrap();
    assert_eq!(none.series, []);
}

#[test]
fn names_go_on_where_they_were() {
    let scratch = Scratch::new("names");
    let mut bench = Bench::open(scratch.shelf());
    bench.record(0..10);
    let Bench { store, ladder: _ } = bench;
    let mut bench = Bench::open(store.leave());
    let mut later = tick(10);
    let app = later.pools["app"].clone();
    later.pools.insert("aa".to_owned(), app);
    let rows: Vec<api::Tick> =
        (10..20).map(|second| api::Tick { pools: later.pools.clone(), ..tick(second) }).collect();
    for tick in rows {
        let row = bench.store.row(&tick);
        for (tier, block) in bench.ladder.push(&row) {
            bench.store.append(tier, &block).unwrap();
        }
    }
    let Bench { store, ladder: _ } = bench;
    let bench = Bench::open(store.leave());
    assert_eq!(
        bench.ask("pool/aa", (0, 20), 20).unwrap().series[0].values[9..11],
        [None, Some(10.0)]
    );
    assert_eq!(bench.rates((0, 10), 20).1, some(0..10));
}

#[test]
fn what_another_version_wrote_is_gone_on_with() {
    // It kept no answers by class, and a figure that nobody knows.
    let mut shelf = Shelf::memory();
    let mut segment = FIRST_LINE.to_vec();
    write_names(&mut segment, 0, ["rate pool/app", "p42 pool/app"].into_iter());
    let column = vec![Some(7_000); 10];
    let columns = vec![(0, column.clone()), (1, column)];
    write_block(&mut segment, &Block { start: START, steps: 10, columns }, |series| series);
    shelf.write((Tier::Second, 0), 0, &segment).unwrap();
    let mut bench = Bench::open(shelf);
    bench.record(10..20);
    assert_eq!(bench.rates((8, 12), 20).1, some([7, 7, 10, 11]));
    let of = vec![Pattern::parse("pool/app").unwrap()];
    let (from, to) = (START + 8, START + 12);
    let query = Query { of, figures: Vec::new(), from, to, tier: None, now: START + 20 };
    let history = query.answer(&bench.store, &bench.ladder).unwrap();
    let values = |figure: &str| {
        let found = history.series.iter().find(|series| series.figure == figure);
        found.map(|series| series.values.clone())
    };
    assert_eq!(values("answered_4xx"), Some(vec![None, None, Some(2.0), Some(2.0)]));
    assert_eq!(values("answered_5xx"), Some(vec![None, None, Some(0.5), Some(0.5)]));
    assert_eq!(values("ended_SH"), Some(vec![None, None, Some(0.5), Some(0.5)]));
    assert_eq!(values("p42"), None);
}

/// Names the folder for [`writes_until_it_is_killed`].
const VICTIMS_FOLDER: &str = "EVENKEEL_HISTORY_VICTIM";

/// Run as a process of its own, by the test below.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(VICTIMS_FOLDER) else { return };
    let mut bench = Bench::open(Shelf::folder(folder.into()));
    // Ends by itself after a month of seconds, should nobody kill it.
    for second in 0..2_500_000 {
        bench.record(second..second + 1);
        writeln!(stdout(), "recorded {second}.").unwrap();
    }
}

#[test]
fn killed_in_the_middle_of_writing_it_opens_again() {
    let scratch = Scratch::new("killed");
    for round in 1..=4 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::store::tests::writes_until_it_is_killed", "--nocapture"])
            .env(VICTIMS_FOLDER, &scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = lines.filter_map(|line| {
            let number = line.split_once("recorded ")?.1.strip_suffix('.')?;
            number.parse::<i64>().ok()
        });
        assert!(told.by_ref().any(|second| second == 700 * round), "it gets that far");
        victim.kill().unwrap();
        victim.wait().unwrap();
        let last = told.last().unwrap_or(700 * round);
        let bench = Bench::open(scratch.shelf());
        let (_, values) = bench.rates((last - 700, last + 1), last + 1);
        let missing = values.iter().rev().take_while(|value| value.is_none()).count();
        assert!(missing <= 10, "{missing} s are lost in round {round}");
        let kept: Vec<f64> = values.iter().flatten().copied().collect();
        assert!(kept.len() + missing == values.len(), "nothing is missing in between");
        assert!(kept.windows(2).all(|two| two[1] - two[0] > 0.5), "nothing is out of order");
        drop(bench.store.leave());
        std::fs::remove_dir_all(&scratch.0).unwrap();
    }
}
