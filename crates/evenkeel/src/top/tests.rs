//! What is on the screen after which keys, on a terminal that is a table of characters.

use std::time::{Duration, Instant, SystemTime};

use evenkeel_api::{AdminState, Status, Tick};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::draw;
use super::picture::Picture;
use super::screen::{Mode, Outcome, Screen, Wish};
use crate::clock;

const START: &str = "2026-01-02T10:00:00Z";

/// Ten minutes later.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_mins(29_455_810)
}

fn server(name: &str, health: &str, requests: u64, failures: u64) -> Value {
    let reason = if health == "down" { "3 of 3 checks failed: connection refused" } else { "" };
    json!({
        "name": name, "address": "10.0.0.1:80", "weight": 1, "backup": false,
        "admin": {"state": "ready", "author": "", "reason": "", "since": START},
        "verdict": {"health": health, "reason": reason, "since": "2026-01-02T10:07:00Z"},
        "in_use": health == "up", "in_flight": 2, "idle_connections": 0,
        "connections_total": 1, "requests_total": requests, "failures_total": failures,
        "retries_total": 0, "checks_total": 9, "check_failures_total": 0
    })
}

/// A node that has answered `requests`.
fn status(requests: u64) -> Status {
    let document = json!({
        "node": "lb0", "version": "0.1.0", "state": "running", "started": START,
        "workers": 2, "connections": 7,
        "config": {"version": "1", "origin": "file", "applied": START, "needs_restart": [],
            "warnings": []},
        "listeners": [{"name": "front", "protocol": "http", "addresses": ["0.0.0.0:80"],
            "connections": 7, "connections_total": 9, "requests_total": requests}],
        "pools": [{"name": "app", "balance": "round-robin", "mode": "normal", "servers": [
            server("app1", "up", requests / 2, 0), server("app2", "down", requests / 4, requests),
        ]}]
    });
    serde_json::from_value(document).expect("a status")
}

/// What a node says of its last second.
fn tick() -> Tick {
    let figures = json!({
        "rate": 50, "errors": 2, "answered_4xx": 4, "answered_5xx": 1.5, "p50": 0.003, "p99": 0.021,
        "in_flight": 2, "queue": 0, "retries": 0, "connections": 7, "bytes_in": 0, "bytes_out": 0,
        "state": "up", "admin": "ready", "reason": ""
    });
    let document = json!({
        "at": 1, "node": {"cpu": 0.1, "memory_bytes": 1, "descriptors": 1, "workers": []},
        "listeners": {"front": figures}, "routes": {}, "pools": {"app": figures},
        "servers": {"app/app1": figures}, "vips": {}
    });
    serde_json::from_value(document).expect("a tick")
}

/// A screen with two pictures, two seconds from each other.
fn screen() -> (Screen, Instant) {
    let taken = clock::instant();
    let mut screen = Screen::new(Picture::new(status(4), taken), false);
    let later = taken + Duration::from_secs(2);
    screen.update(status(404), later);
    screen.figures(tick(), later);
    (screen, later)
}

fn shown(screen: &Screen, at: Instant, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| draw::draw(frame, screen, (at, now()))).expect("memory");
    let rows = terminal.backend().buffer().content.chunks(usize::from(width));
    let rows = rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn press(screen: &mut Screen, keys: &[KeyCode]) -> Outcome {
    let press = |code: &KeyCode| screen.key(KeyEvent::new(*code, KeyModifiers::NONE));
    keys.iter().map(press).last().expect("keys")
}

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

#[test]
fn a_usual_terminal() {
    let (screen, at) = screen();
    assert_eq!(
        shown(&screen, at, (80, 10)),
        " lb0 running for 10 min   200 requests/s, 200 failed/s, 7 connections   evenkeel
 [servers]  pools   listeners   vips
 NAME     STATE SINCE    RATE ERRORS    P99  BUSY WHY
>app/app1 up    3 min     100    2.0   21ms     2
 app/app2 down  3 min      50    200      -     2 3 of 3 checks failed: connecti




 q quit  tab view  s sort  / find  enter more  d drain  m maint  r ready  ? help"
    );
}

#[test]
fn a_wide_one_has_room_for_the_last_rates() {
    let (mut screen, at) = screen();
    screen.update(status(504), at + Duration::from_secs(1));
    press(&mut screen, &[KeyCode::Tab, KeyCode::Tab]);
    let shown = shown(&screen, at, (140, 10));
    assert!(shown.contains(" servers   pools  [listeners]"), "{shown}");
    assert!(shown.contains("█▄ 0.0.0.0:80"), "{shown}");
}

#[test]
fn from_a_hundred_columns_on_errors_are_told_by_their_class() {
    let (mut screen, at) = screen();
    press(&mut screen, &[KeyCode::Tab]);
    let shown = shown(&screen, at, (100, 10));
    let figures: Vec<_> = shown.lines().skip(2).take(2).map(str::trim_end).collect();
    assert_eq!(
        figures,
        [
            " NAME   STATE      SINCE    RATE ERRORS    4XX    5XX FAILED    P50    P99  BUSY WHY",
            ">app    1/2 in use 3 min     150    2.0    4.0    1.5    200  3.0ms   21ms     4 round-robin",
        ]
    );
}

#[test]
fn a_second_that_is_long_over_is_not_shown() {
    let (mut screen, at) = screen();
    let later = at + Duration::from_secs(3);
    screen.update(status(604), later);
    assert!(!shown(&screen, later, (80, 10)).contains("21ms"));
    screen.figures(tick(), later);
    assert!(shown(&screen, later, (80, 10)).contains("21ms"));
}

#[test]
fn what_needs_a_look_comes_first_when_asked_for() {
    let (mut screen, at) = screen();
    press(&mut screen, &[KeyCode::Char('s')]);
    let shown = shown(&screen, at, (80, 10));
    let place = |name| shown.find(name).unwrap_or_else(|| panic!("{shown}"));
    assert!(place("by trouble") < place("app/app2") && place("app/app2") < place("app/app1"));
}

#[test]
fn a_filter_is_typed_and_taken_back() {
    let (mut screen, at) = screen();
    press(&mut screen, &[KeyCode::Char('/')]);
    press(&mut screen, &typed("refused"));
    assert!(shown(&screen, at, (80, 10)).ends_with("only lines with: refused_"));
    press(&mut screen, &[KeyCode::Enter]);
    let text = shown(&screen, at, (80, 10));
    assert!(text.contains("only \"refused\"") && !text.contains("app/app1"), "{text}");
    press(&mut screen, &[KeyCode::Esc]);
    assert!(shown(&screen, at, (80, 10)).contains("app/app1"));
    assert_eq!(press(&mut screen, &[KeyCode::Esc]), Outcome::Quit);
}

#[test]
fn a_server_is_drained_after_a_question() {
    let (mut screen, at) = screen();
    press(&mut screen, &[KeyCode::Down, KeyCode::Char('d')]);
    press(&mut screen, &typed("disk"));
    let text = shown(&screen, at, (80, 10));
    assert!(text.ends_with("drain app/app2? why: disk_   enter does it, esc does not"), "{text}");
    let wish = Wish {
        pool: "app".to_owned(),
        server: "app2".to_owned(),
        state: AdminState::Drain,
        reason: "disk".to_owned(),
    };
    assert_eq!(press(&mut screen, &[KeyCode::Enter]), Outcome::Ask(wish));
    let keys = [KeyCode::Char('m'), KeyCode::Char('q'), KeyCode::Esc];
    assert_eq!(press(&mut screen, &keys), Outcome::Stay);
    assert_eq!(screen.mode, Mode::Table);
    press(&mut screen, &[KeyCode::Tab, KeyCode::Char('d')]);
    assert!(shown(&screen, at, (80, 10)).contains("that is said of a server"));
}

#[test]
fn old_figures_are_called_old() {
    let (mut screen, at) = screen();
    let later = at + Duration::from_secs(42);
    assert!(
        shown(&screen, later, (80, 10)).contains("has not answered; what is below is 42 s old")
    );
    screen.miss("no node answers".to_owned());
    assert!(shown(&screen, at, (80, 10)).contains("no node answers; what is below is 0 s old"));
    screen.update(status(800), later);
    assert!(!shown(&screen, later, (80, 10)).contains("old"));
}

#[test]
fn a_counter_that_starts_anew_is_no_rate() {
    let (mut screen, at) = screen();
    screen.update(status(10), at + Duration::from_secs(1));
    assert_eq!(screen.picture.totals().0, None);
}

#[test]
fn all_that_is_known_of_a_server_and_all_keys() {
    let (mut screen, at) = screen();
    press(&mut screen, &[KeyCode::End, KeyCode::Enter]);
    let text = shown(&screen, at, (80, 24));
    assert!(text.contains("┌ app/app2 ─") && text.contains("10.0.0.1:80"), "{text}");
    assert!(
        text.contains("50 requests, - answered 4xx, - 5xx, 200 failed; p50 -, p99 -"),
        "{text}"
    );
    press(&mut screen, &[KeyCode::Char('x'), KeyCode::Char('?')]);
    assert!(shown(&screen, at, (80, 24)).contains("asks for a reason first"));
}

#[test]
fn nothing_is_drawn_beyond_the_edge() {
    let (mut screen, at) = screen();
    assert!(shown(&screen, at, (40, 5)).starts_with("top needs 60 columns and 10 rows"));
    for keys in [vec![KeyCode::Char('?')], vec![KeyCode::Esc, KeyCode::Enter]] {
        press(&mut screen, &keys);
        for size in [(1, 1), (60, 10), (61, 11), (300, 100)] {
            shown(&screen, at, size);
        }
    }
}
