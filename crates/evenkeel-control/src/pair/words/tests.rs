use super::*;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

fn said(seconds: u64, expires: Option<u64>) -> api::Said {
    api::Said {
        author: "ann".to_owned(),
        reason: "disk".to_owned(),
        since: api::Timestamp(at(seconds)),
        expires: expires.map(|it| api::Timestamp(at(it))),
    }
}

fn state(overrides: &Overrides, state: Option<api::AdminState>, said: &api::Said) -> Overrides {
    let mut after = overrides.clone();
    let said = said.clone();
    let state = state.map(|state| api::StateOverride { state, said });
    assert!(after.change("app", "a", |over| over.state = state));
    after
}

/// A node with what it was told.
struct Node {
    words: Words,
    overrides: Overrides,
}

impl Node {
    fn new(number: u64) -> Self {
        let words = Words::new(NodeId(number), Vec::new());
        Self { words, overrides: Overrides::default() }
    }

    fn is_told(&mut self, wanted: Option<api::AdminState>, seconds: u64) {
        let said = said(seconds, None);
        let after = state(&self.overrides, wanted, &said);
        self.words.say(&self.overrides, &after, &said, at(seconds));
        self.overrides = after;
    }

    fn hears(&mut self, other: &Self, seconds: u64) -> TakenIn {
        let taken = self.words.take_in(other.words.since(0).0, at(seconds));
        for word in &taken.new {
            assert!(word.put(&mut self.overrides, at(seconds)), "{word:?}");
        }
        taken
    }

    fn state(&self) -> Option<api::AdminState> {
        Some(self.overrides.of("app", "a")?.state.as_ref()?.state)
    }
}

#[test]
fn the_last_operator_wins_wherever_he_sat() {
    use api::AdminState::{Drain, Maint};
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    a.is_told(Some(Drain), 1);
    assert_eq!(b.hears(&a, 1).new.len(), 1);
    assert_eq!(b.hears(&a, 1).new.len(), 0, "the same again");
    assert_eq!((b.state(), &b.overrides), (Some(Drain), &a.overrides));
    // Each says something while they do not hear each other.
    b.is_told(None, 5);
    a.is_told(Some(Maint), 4);
    a.hears(&b, 9);
    b.hears(&a, 9);
    assert_eq!((a.state(), b.state()), (None, None));
    // The clock of b is behind by 8 s, but it has heard of what it takes back.
    a.is_told(Some(Drain), 20);
    b.hears(&a, 12);
    b.is_told(None, 12);
    a.hears(&b, 20);
    assert_eq!(a.state(), None);
}

#[test]
fn words_are_kept_and_a_gap_is_a_word() {
    let mut a = Node::new(1);
    a.is_told(Some(api::AdminState::Drain), 1);
    a.is_told(None, 2);
    let kept = serde_json::to_string(&a.words.all(at(3))).unwrap();
    let mut b = Node::new(2);
    b.is_told(Some(api::AdminState::Maint), 1);
    let again = Words::new(NodeId(3), serde_json::from_str(&kept).unwrap());
    let a = Node { words: again, overrides: Overrides::default() };
    b.hears(&a, 3);
    assert_eq!((b.state(), a.words.count()), (None, 0));
    let (author, reason) = a.words.since(0).0[0].by();
    assert_eq!((&*author, &*reason), ("ann", "disk"));
}

#[test]
fn a_clock_that_is_wrong_is_not_followed() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    a.is_told(Some(api::AdminState::Drain), 3_600);
    let taken = b.hears(&a, 0);
    assert_eq!((taken.new.len(), taken.ahead), (0, Some(Duration::from_hours(1))));
    assert_eq!(b.state(), None);
    b.hears(&a, 3_600);
    assert_eq!(b.state(), Some(api::AdminState::Drain), "its time has come");
}

#[test]
fn what_was_said_by_a_clock_that_was_ahead_is_dated_back_once_it_is_set() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    a.is_told(Some(api::AdminState::Drain), 3_610);
    b.is_told(Some(api::AdminState::Maint), 20);
    assert_eq!(b.hears(&a, 30).new.len(), 0);
    a.words.set_back(Duration::from_hours(1), at(30));
    assert_eq!((a.hears(&b, 30).new.len(), b.hears(&a, 30).new.len()), (1, 0));
    assert_eq!((a.state(), b.state()), (b.state(), Some(api::AdminState::Maint)), "said later");
    a.is_told(Some(api::AdminState::Drain), 40);
    b.hears(&a, 40);
    assert_eq!(b.state(), Some(api::AdminState::Drain));
}

#[test]
fn what_was_said_before_there_was_a_pair_counts_from_then() {
    let mut overrides = Overrides::default();
    for (pool, seconds) in [("old", 1), ("new", 9), ("future", 90)] {
        let said = said(seconds, None);
        overrides.change(pool, "a", |over| over.removed = Some(said));
    }
    let mut words = Words::new(NodeId(1), Vec::new());
    assert!(words.make_up(&overrides, NodeId(1), at(60)));
    assert!(!words.make_up(&overrides, NodeId(1), at(80)), "once");
    let stamps: Vec<u64> = words.since(0).0.iter().map(|word| word.millis / 1_000 - NOW).collect();
    assert_eq!(stamps, [60, 9, 1], "none is later than now");
}

#[test]
fn what_is_over_has_no_effect_and_ends_alike_on_both() {
    let mut a = Node::new(1);
    let said = said(1, Some(60));
    let after = state(&a.overrides, Some(api::AdminState::Drain), &said);
    a.words.say(&a.overrides, &after, &said, at(1));
    a.overrides = after;
    let mut late = Node::new(2);
    late.hears(&a, 61);
    assert_eq!(late.state(), None);
    let before = a.overrides.clone();
    a.overrides.expire(at(61));
    a.words.end(&before, &a.overrides);
    assert_eq!(a.words.count(), 0);
    late.hears(&a, 62);
    assert_eq!(late.words.since(0).0, a.words.since(0).0);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let mut a = Node::new(1);
    a.is_told(Some(api::AdminState::Drain), 1);
    let (mut words, _) = a.words.since(0);
    words[0].value = Some("{\"state\": \"gone\"}".to_owned());
    assert!(!words[0].put(&mut a.overrides, at(1)));
    assert_eq!(a.state(), Some(api::AdminState::Drain));
}
