//! Series by their names, `rate pool/app`, and what a tick says of each.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use evenkeel_api as api;
use evenkeel_core::history::{Figure, Row, SeriesId};

/// Series there may be: of some 8,000 servers. What comes beyond is not kept.
const MOST_SERIES: usize = 65_536;

/// Every series that is or was.
#[derive(Debug, Default)]
pub(in crate::history) struct Catalogue {
    series: Vec<(Figure, Arc<str>)>,
    numbers: HashMap<Arc<str>, SeriesId>,
    /// A name that is being looked up.
    text: String,
}

/// What figures are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history) enum Thing {
    Node,
    Listener,
    Route,
    Pool,
    Server,
    Vip,
}

impl Thing {
    pub(in crate::history) const ALL: [Self; 6] =
        [Self::Node, Self::Listener, Self::Route, Self::Pool, Self::Server, Self::Vip];

    pub(in crate::history) const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Pool => "pool",
            Self::Server => "server",
            Self::Vip => "vip",
        }
    }

    /// Parts of its name: `server/POOL/NAME` has two.
    pub(in crate::history) const fn parts(self) -> usize {
        match self {
            Self::Node => 0,
            Self::Listener | Self::Pool | Self::Vip => 1,
            Self::Route | Self::Server => 2,
        }
    }
}

impl Catalogue {
    /// The series with this name. A name with an unknown figure is one of a later version: it is kept
    /// out of sight.
    pub(super) fn number(&mut self, name: &str) -> SeriesId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = super::number(self.series.len());
        let figure = name.split_once(' ').and_then(|(word, _)| Figure::parse(word));
        self.series.push((figure.unwrap_or(Figure::Rate), name.into()));
        self.numbers.insert(name.into(), number);
        number
    }

    /// `rate pool/app`
    pub(super) fn text(&self, series: SeriesId) -> &str {
        &self.series[series as usize].1
    }

    pub(in crate::history) fn figure(&self, series: SeriesId) -> Figure {
        self.series[series as usize].0
    }

    /// `pool/app`; `None` when the figure is unknown.
    pub(in crate::history) fn of(&self, series: SeriesId) -> Option<&str> {
        let (figure, name) = &self.series[series as usize];
        name.strip_prefix(figure.as_str())?.strip_prefix(' ')
    }

    /// What a tick says of each series.
    pub(super) fn row(&mut self, tick: &api::Tick) -> Row {
        let at = i64::try_from(tick.at / 1_000).unwrap_or_default();
        let mut sheet = Sheet { catalogue: self, row: Row { at, values: Vec::new() } };
        sheet.enter(Thing::Node, "", of_node(&tick.node));
        for (name, it) in &tick.listeners {
            sheet.enter(Thing::Listener, name, of_listener(it));
            sheet.enter(Thing::Listener, name, ended(&it.ended));
        }
        for (name, it) in &tick.routes {
            sheet.enter(Thing::Route, name, of_route(it));
            sheet.enter(Thing::Route, name, ended(&it.ended));
        }
        for (name, it) in &tick.pools {
            sheet.enter(Thing::Pool, name, of_pool(it));
            sheet.enter(Thing::Pool, name, ended(&it.ended));
        }
        for (name, it) in &tick.servers {
            sheet.enter(Thing::Server, name, of_server(it));
            sheet.enter(Thing::Server, name, ended(&it.ended));
        }
        for (name, it) in &tick.vips {
            sheet.enter(Thing::Vip, name, of_vip(it));
        }
        sheet.row
    }
}

type Value = (Figure, Option<f64>);

fn of_node(it: &api::NodeFigures) -> [Value; 3] {
    [
        (Figure::Cpu, Some(it.cpu)),
        (Figure::MemoryBytes, it.memory_bytes.map(as_f64)),
        (Figure::Descriptors, it.descriptors.map(as_f64)),
    ]
}

fn of_listener(it: &api::ListenerFigures) -> [Value; 9] {
    [
        (Figure::Rate, Some(it.rate)),
        (Figure::Errors, Some(it.errors)),
        (Figure::Answered4xx, Some(it.answered_4xx)),
        (Figure::Answered5xx, Some(it.answered_5xx)),
        (Figure::Connections, Some(it.connections.into())),
        (Figure::BytesIn, Some(it.bytes_in)),
        (Figure::BytesOut, Some(it.bytes_out)),
        (Figure::P50, it.p50),
        (Figure::P99, it.p99),
    ]
}

fn of_route(it: &api::RouteFigures) -> [Value; 6] {
    [
        (Figure::Rate, Some(it.rate)),
        (Figure::Errors, Some(it.errors)),
        (Figure::Answered4xx, Some(it.answered_4xx)),
        (Figure::Answered5xx, Some(it.answered_5xx)),
        (Figure::P50, it.p50),
        (Figure::P99, it.p99),
    ]
}

fn of_pool(it: &api::PoolFigures) -> [Value; 9] {
    [
        (Figure::Rate, Some(it.rate)),
        (Figure::Errors, Some(it.errors)),
        (Figure::Answered4xx, Some(it.answered_4xx)),
        (Figure::Answered5xx, Some(it.answered_5xx)),
        (Figure::P50, it.p50),
        (Figure::P99, it.p99),
        (Figure::InFlight, Some(it.in_flight.into())),
        (Figure::Queue, Some(it.queue.into())),
        (Figure::Retries, Some(it.retries)),
    ]
}

fn of_server(it: &api::ServerFigures) -> [Value; 8] {
    [
        (Figure::Rate, Some(it.rate)),
        (Figure::Errors, Some(it.errors)),
        (Figure::Answered4xx, Some(it.answered_4xx)),
        (Figure::Answered5xx, Some(it.answered_5xx)),
        (Figure::P50, it.p50),
        (Figure::P99, it.p99),
        (Figure::InFlight, Some(it.in_flight.into())),
        (Figure::Up, Some(f64::from(u8::from(it.state == api::Health::Up)))),
    ]
}

fn ended(by_code: &BTreeMap<String, f64>) -> impl Iterator<Item = Value> {
    by_code.iter().filter_map(|(code, rate)| Some((Figure::of_code(code)?, Some(*rate))))
}

fn of_vip(it: &api::VipFigures) -> [Value; 1] {
    [(Figure::Owner, Some(f64::from(u8::from(it.state == api::VipState::Active))))]
}

/// A row being filled in.
struct Sheet<'a> {
    catalogue: &'a mut Catalogue,
    row: Row,
}

impl Sheet<'_> {
    fn enter(&mut self, thing: Thing, name: &str, figures: impl IntoIterator<Item = Value>) {
        for (figure, value) in figures {
            let Some(value) = value else { continue };
            let mut text = std::mem::take(&mut self.catalogue.text);
            text.clear();
            let slash = if name.is_empty() { "" } else { "/" };
            write!(text, "{} {}{slash}{name}", figure.as_str(), thing.as_str())
                .expect("strings grow");
            let is_known = self.catalogue.numbers.contains_key(&*text);
            if is_known || self.catalogue.series.len() < MOST_SERIES {
                let series = self.catalogue.number(&text);
                self.row.values.push((series, figure.keep(), figure.whole(value)));
            }
            self.catalogue.text = text;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes and descriptors are far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
