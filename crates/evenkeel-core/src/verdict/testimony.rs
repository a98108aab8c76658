//! What a server says of itself, in the four shapes there are.
//!
//! | shape | known by | a component |
//! |---|---|---|
//! | our own | `components`, a list | `{name, status, critical, latency_ms}` |
//! | Spring Actuator | `components`, a table (`details` in older ones) | `name: {status, components}` |
//! | health+json (draft-inadarei-api-health-check) | `checks` | `"name:what": [{status, observedValue, observedUnit}]` |
//! | ASP.NET | `entries` or `results` | `name: {status, duration}` |
//!
//! Only our own says what is critical. In the others a component that is down is taken for critical
//! if the server calls itself down.

use std::fmt;
use std::time::Duration;

use super::Value;

/// Components of one answer; those beyond are left out.
const MOST_COMPONENTS: usize = 64;
/// Spring's components have components; deeper ones are left out.
const MOST_DEPTH: usize = 4;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Of the server as a whole.
    pub status: Status,
    /// What it needs, each name once.
    pub components: Vec<Component>,
}

/// Something a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub name: Name,
    pub status: Status,
    /// Without it the server is of no use.
    pub critical: bool,
    /// How long it took to answer, where the server says so.
    pub latency: Option<Duration>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Up,
    /// It works, but not as it should.
    Degraded,
    Down,
}

/// The document is none of the four shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHealth {
    /// No `status`, or one that is no text.
    NoStatus,
    /// A status in a word that none of the shapes has.
    UnknownStatus,
}

impl fmt::Display for NotHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStatus => "the answer has no `status`",
            Self::UnknownStatus => "the answer's `status` is a word of no known shape",
        })
    }
}

impl std::error::Error for NotHealth {}

impl Testimony {
    /// Of a server that answered without a document: it is up, or not, by its status.
    pub fn bare(status: Status) -> Self {
        Self { status, components: Vec::new() }
    }

    /// Reads the answer to a deep check. Text alone is a status: ASP.NET answers so by default.
    pub fn read(document: &Value) -> Result<Self, NotHealth> {
        let status = document.get("status").unwrap_or(document);
        let status = Status::read(status.text().ok_or(NotHealth::NoStatus)?)?;
        let mut components = Components { list: Vec::new(), critical: status == Status::Down };
        if let Some(found) = document.get("components").or_else(|| document.get("details")) {
            components.own(found);
            components.nested("", found, 0);
        }
        if let Some(checks) = document.get("checks") {
            components.draft(checks);
        }
        if let Some(entries) = document.get("entries").or_else(|| document.get("results")) {
            components.nested("", entries, 0);
        }
        Ok(Self { status, components: components.list })
    }

    /// What is down, and whether the server needs it. A server that is down and does not say what
    /// it lacks lacks [`Name::ITSELF`].
    pub(super) fn lacks(&self) -> impl Iterator<Item = (Name, bool)> {
        let down = || self.components.iter().filter(|it| it.status == Status::Down);
        let explained = down().any(|it| it.critical);
        let itself = (self.status == Status::Down && !explained).then_some((Name::ITSELF, true));
        down().map(|it| (it.name, it.critical)).chain(itself)
    }
}

impl Status {
    /// The words of all four shapes, in any case.
    fn read(word: &str) -> Result<Self, NotHealth> {
        match &*word.trim().to_ascii_lowercase() {
            "up" | "ok" | "pass" | "healthy" => Ok(Self::Up),
            "degraded" | "warn" | "unknown" => Ok(Self::Degraded),
            "down" | "fail" | "error" | "unhealthy" | "out_of_service" => Ok(Self::Down),
            _ => Err(NotHealth::UnknownStatus),
        }
    }

    fn of(component: &Value) -> Option<Self> {
        Self::read(component.get("status")?.text()?).ok()
    }
}

/// Those found so far.
struct Components {
    list: Vec<Component>,
    /// Whether those that do not say are critical.
    critical: bool,
}

impl Components {
    /// Of several with one name the worst counts.
    fn add(&mut self, component: Component) {
        let known = self.list.iter_mut().find(|it| it.name == component.name);
        if let Some(known) = known {
            if known.status < component.status {
                *known = component;
            }
        } else if self.list.len() < MOST_COMPONENTS {
            self.list.push(component);
        }
    }

    fn own(&mut self, list: &Value) {
        for item in list.items() {
            let name = item.get("name").and_then(Value::text);
            if let (Some(name), Some(status)) = (name, Status::of(item)) {
                let critical = item.get("critical").and_then(Value::boolean);
                self.add(Component {
                    name: Name::new(name),
                    status,
                    critical: critical.unwrap_or(self.critical),
                    latency: item.get("latency_ms").and_then(millis),
                });
            }
        }
    }

    /// Tables by name. A component of components counts by those.
    fn nested(&mut self, prefix: &str, table: &Value, depth: usize) {
        for (name, item) in table.entries() {
            let name = format!("{prefix}{name}");
            let inner = item.get("components").filter(|inner| inner.is_table());
            if let Some(inner) = inner.filter(|_| depth < MOST_DEPTH) {
                self.nested(&format!("{name}/"), inner, depth + 1);
            } else if let Some(status) = Status::of(item) {
                let (name, critical) = (Name::new(&name), self.critical);
                let latency = item.get("duration").and_then(Value::text).and_then(clock_time);
                self.add(Component { name, status, critical, latency });
            }
        }
    }

    fn draft(&mut self, checks: &Value) {
        for (key, items) in checks.entries() {
            let name = Name::new(key.split(':').next().unwrap_or_default());
            // One that is not a list is not by the draft, but common.
            let single = std::slice::from_ref(items).iter().filter(|item| item.is_table());
            for item in items.items().iter().chain(single) {
                let Some(status) = Status::of(item) else { continue };
                let unit = item.get("observedUnit").and_then(Value::text);
                let latency = item.get("observedValue").filter(|_| unit == Some("ms"));
                let latency = latency.and_then(millis);
                self.add(Component { name, status, critical: self.critical, latency });
            }
        }
    }
}

fn millis(number: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(number.number()? / 1000.0).ok()
}

/// `00:00:00.0123456`, as .NET writes a time span of less than a day.
fn clock_time(text: &str) -> Option<Duration> {
    let mut parts = text.splitn(3, ':');
    let mut whole = || parts.next()?.parse::<u32>().ok();
    let minutes = whole()?.checked_mul(60)?.checked_add(whole()?)?;
    let seconds = parts.next()?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(f64::from(minutes) * 60.0 + seconds).ok()
}

/// The name of a component: short, printable, and cheap to pass about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bytes: [u8; Self::MOST_BYTES],
    length: u8,
}

impl Name {
    /// Longer names are cut.
    pub const MOST_BYTES: usize = 31;
    /// What a server lacks that calls itself down and does not say why.
    pub const ITSELF: Self = {
        let mut bytes = [0; Self::MOST_BYTES];
        let (word, _) = bytes.split_at_mut(6);
        word.copy_from_slice(b"itself");
        Self { bytes, length: 6 }
    };

    /// Control characters become `?`: names are shown in terminals and logs.
    pub fn new(name: &str) -> Self {
        let mut cut = Self { bytes: [0; Self::MOST_BYTES], length: 0 };
        for letter in name.chars() {
            let letter = if letter.is_control() { '?' } else { letter };
            let start = usize::from(cut.length);
            let Some(space) = cut.bytes.get_mut(start..start + letter.len_utf8()) else { break };
            letter.encode_utf8(space);
            cut.length = u8::try_from(start + letter.len_utf8()).expect("at most MOST_BYTES");
        }
        cut
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("made of whole chars")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
