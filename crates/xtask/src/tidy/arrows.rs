//! Arrows between crates point down only.

use super::graph::Graph;

/// Each shipped crate with the crates of ours it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("evenkeel", &["evenkeel-control", "evenkeel-api", "evenkeel-core", "evenkeel-sys"]),
    ("evenkeel-control", &["evenkeel-engine", "evenkeel-api", "evenkeel-core"]),
    ("evenkeel-engine", &["evenkeel-core", "evenkeel-sys"]),
    ("evenkeel-core", &[]),
    ("evenkeel-sys", &[]),
    ("evenkeel-api", &[]),
    ("monitor", &[]),
];

/// Never shipped: they may name anything, and nobody may name them.
const DEVELOPMENT: &[&str] = &["evenkeel-sim", "xtask"];

/// Every arrow the table does not have, also among development dependencies.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, dependencies) in &graph.named {
        if DEVELOPMENT.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_NAME.iter().find(|(crate_name, _)| crate_name == name) else {
            findings.push(format!("{name} is not in the table of tidy/arrows.rs: give it a place"));
            continue;
        };
        for dependency in dependencies {
            if !allowed.contains(&dependency.as_str()) {
                findings.push(format!("{name} → {dependency}: ARCHITECTURE.md has no such arrow"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::graph::graph_of;
    use super::*;

    #[test]
    fn the_house_as_drawn_is_allowed() {
        let house = graph_of(&[
            ("evenkeel", &["evenkeel-control", "evenkeel-api", "evenkeel-sys"]),
            ("evenkeel-control", &["evenkeel-engine", "evenkeel-api", "evenkeel-core"]),
            ("evenkeel-engine", &["evenkeel-core", "evenkeel-sys"]),
            ("evenkeel-core", &[]),
            ("evenkeel-sim", &["evenkeel-core", "evenkeel-engine"]),
        ]);
        assert_eq!(check(&house), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_up_or_sideways_is_found() {
        for (from, to) in [
            ("evenkeel-core", "evenkeel-engine"),
            ("evenkeel-sys", "evenkeel-core"),
            ("evenkeel-engine", "evenkeel-api"),
            ("evenkeel", "evenkeel-sim"),
            ("evenkeel-control", "xtask"),
        ] {
            assert_eq!(check(&graph_of(&[(from, &[to])])).len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(check(&graph_of(&[("evenkeel-extra", &[])])).len(), 1);
    }
}
