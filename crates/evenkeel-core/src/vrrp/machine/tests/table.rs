//! The whole table: what each state becomes at each input, and what is done.

use super::*;

const STATES: [State; 6] =
    [State::Initialize, State::Backup, State::Probing, State::Active, State::Leaving, State::Fault];

/// This is node 2 with priority 100, a moment after it came to its state, as owner an interval after. Node 3
/// is stronger, node 1 weaker. Empty: the state stays and nothing is done.
const TABLE: &str = "
                | initialize                        | backup        | probing    | active                    | leaving                 | fault
start           | backup                            |               |            |                           |                         |
inherit         | active advert-100 take announce-5 |               |            |                           |                         |
deadline        |                                   | probing probe | probe      | advert-100                | advert-0                |
stronger heard  |                                   |               | backup     | backup advert-100 release | backup release          |
weaker heard    |                                   |               | backup     | advert-100 announce-5     | backup release          |
leaving heard   |                                   |               | backup     | advert-100 announce-5     |                         |
tracked: failed |                                   | fault         | fault      | fault advert-0 release    | fault advert-0 release  |
tracked: less   |                                   |               |            |                           |                         | backup
tracked: well   |                                   |               |            |                           |                         | backup
witness         |                                   |               |            |                           |                         |
peer owns       |                                   |               |            | backup advert-100 release |                         |
peer does not   |                                   |               |            | advert-100 announce-5     |                         |
peer is silent  |                                   |               |            |                           |                         |
seen            |                                   |               | backup     | advert-100 announce-5     |                         |
lost            |                                   |               |            | take announce-1           |                         |
refused         |                                   |               |            | backup advert-0 release   | backup advert-0 release |
move            |                                   |               |            | leaving advert-0          |                         |
resume          |                                   |               |            |                           |                         |
stop            |                                   | initialize    | initialize | leaving advert-0          |                         | initialize
";

fn inputs() -> [(&'static str, Input); 19] {
    [
        ("start", Input::Start),
        ("inherit", Input::Inherit),
        ("deadline", Input::Tick),
        ("stronger heard", heard(3, 150)),
        ("weaker heard", heard(1, 50)),
        ("leaving heard", heard(3, 0)),
        ("tracked: failed", Input::Claim(None)),
        ("tracked: less", Input::Claim(Some(50))),
        ("tracked: well", Input::Claim(Some(100))),
        ("witness", Input::Witness(true)),
        ("peer owns", beat(3, true, Some(150))),
        ("peer does not", beat(3, false, Some(150))),
        ("peer is silent", Input::Silence(host(3))),
        ("seen", Input::Seen),
        ("lost", Input::Lost),
        ("refused", Input::Refused),
        ("move", Input::Move),
        ("resume", Input::Resume),
        ("stop", Input::Stop),
    ]
}

#[test]
fn the_whole_table() {
    let mut found = vec![vec![String::new()]];
    found[0].extend(STATES.map(|state| state.label().to_owned()));
    for (name, input) in inputs() {
        let mut row = vec![name.to_owned()];
        row.extend(STATES.map(|state| cell(state, input)));
        found.push(row);
    }
    let split = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let expected: Vec<Vec<String>> = TABLE.trim_matches('\n').lines().map(split).collect();
    assert!(found == expected, "it is\n{}", drawn(&found));
}

/// The state it comes to, if that is another one, and what is done, without what is told.
fn cell(state: State, input: Input) -> String {
    let mut case = Case::in_state(policy(), state);
    let deadline = case.machine.next_deadline();
    let actions = if input == Input::Tick && deadline != Moment::NEVER {
        case.tick()
    } else {
        case.pass(if state == State::Active { SECOND } else { SECOND / 21 });
        case.tell(input)
    };
    let mut words = Vec::new();
    if case.state() != state {
        words.push(case.state().label().to_owned());
    }
    words.extend(done(&actions).iter().map(|action| match action {
        Action::Advertise(priority) => format!("advert-{priority}"),
        Action::Announce(times) => format!("announce-{times}"),
        other => format!("{other:?}").to_lowercase(),
    }));
    words.join(" ")
}

fn drawn(rows: &[Vec<String>]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or_default();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at))).collect();
        cells.join(" | ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
