//! Core decides and nothing else, so it builds on nothing that acts.

use super::graph::Graph;

/// The crate of decisions.
const CORE: &str = "evenkeel-core";

/// I/O, clocks, chance and wire formats, whoever brings them in.
const FORBIDDEN: &[&str] = &["tokio", "rustls", "libc", "rand", "serde"];

/// Every forbidden package core is built with, with the way it came in.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let builds_on = graph.builds_on(CORE);
    let found = FORBIDDEN.iter().filter_map(|name| builds_on.get(name));
    found.map(|path| format!("{path}: not in core")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::graph_of;
    use super::*;

    #[test]
    fn a_forbidden_dependency_is_found_however_deep() {
        let graph = graph_of(&[
            (CORE, &["httparse", "deep"]),
            ("httparse", &[]),
            ("deep", &["deeper"]),
            ("deeper", &["libc"]),
            ("libc", &[]),
        ]);
        assert_eq!(check(&graph), ["evenkeel-core → deep → deeper → libc: not in core"]);
    }

    #[test]
    fn others_may_build_on_it() {
        let graph =
            graph_of(&[(CORE, &["httparse"]), ("evenkeel-engine", &["tokio"]), ("tokio", &[])]);
        assert_eq!(check(&graph), Vec::<String>::new());
    }
}
