//! Who depends on whom, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The packages of the workspace with what they declare, and every package with what it builds on.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Workspace member → workspace members it names, in any kind of dependency.
    pub(super) named: BTreeMap<String, BTreeSet<String>>,
    /// Package id → ids of its normal dependencies.
    normal: BTreeMap<String, Vec<String>>,
    /// Package id → name.
    names: BTreeMap<String, String>,
}

impl Graph {
    /// From the output of `cargo metadata --format-version 1`.
    pub(super) fn read(metadata: &Value) -> Result<Self> {
        let mut graph = Self::default();
        let members: BTreeSet<&str> =
            list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let packages = list(metadata, "packages")?;
        for package in packages {
            graph.names.insert(text(package, "id")?, text(package, "name")?);
        }
        let ours: BTreeSet<&str> =
            members.iter().filter_map(|id| graph.names.get(*id)).map(String::as_str).collect();
        for package in packages {
            if members.contains(text(package, "id")?.as_str()) {
                let dependencies = list(package, "dependencies")?;
                let names = dependencies.iter().filter_map(|it| it["name"].as_str());
                let named = names.filter(|name| ours.contains(name)).map(str::to_owned).collect();
                graph.named.insert(text(package, "name")?, named);
            }
        }
        for node in list(&metadata["resolve"], "nodes")? {
            let normal = list(node, "deps")?.iter().filter(|dependency| is_normal(dependency));
            let ids = normal.map(|dependency| text(dependency, "pkg")).collect::<Result<_>>()?;
            graph.normal.insert(text(node, "id")?, ids);
        }
        Ok(graph)
    }

    /// Everything `package` builds on through normal dependencies, as name → the path to it.
    pub(super) fn builds_on(&self, package: &str) -> BTreeMap<&str, String> {
        let mut found = BTreeMap::new();
        let start = self.names.iter().find(|(_, name)| *name == package);
        let mut open: Vec<(&str, String)> =
            start.map(|(id, name)| (id.as_str(), name.clone())).into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some((id, path)) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            for next in self.normal.get(id).into_iter().flatten() {
                let Some(name) = self.names.get(next) else { continue };
                let path = format!("{path} → {name}");
                found.entry(name.as_str()).or_insert_with(|| path.clone());
                open.push((next, path));
            }
        }
        found
    }
}

/// Neither for building nor for testing only.
fn is_normal(dependency: &Value) -> bool {
    dependency["dep_kinds"]
        .as_array()
        .is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata: no list `{key}`"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    let found = value[key].as_str().map(str::to_owned);
    found.with_context(|| format!("cargo metadata: no text `{key}`"))
}

/// Packages with what they name; the ids are the names, and every dependency is a normal one.
#[cfg(test)]
pub(super) fn graph_of(packages: &[(&str, &[&str])]) -> Graph {
    let mut graph = Graph::default();
    for (name, dependencies) in packages {
        let owned = || dependencies.iter().map(|&dependency| dependency.to_owned());
        graph.names.insert((*name).to_owned(), (*name).to_owned());
        graph.named.insert((*name).to_owned(), owned().collect());
        graph.normal.insert((*name).to_owned(), owned().collect());
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_read() {
        let metadata = json!({
            "workspace_members": ["a#1", "b#1"],
            "packages": [
                { "id": "a#1", "name": "a", "dependencies": [{ "name": "b" }, { "name": "x" }] },
                { "id": "b#1", "name": "b", "dependencies": [] },
                { "id": "x#1", "name": "x", "dependencies": [{ "name": "y" }] },
                { "id": "y#1", "name": "y", "dependencies": [] },
                { "id": "t#1", "name": "t", "dependencies": [] },
            ],
            "resolve": { "nodes": [
                { "id": "a#1", "deps": [
                    { "pkg": "x#1", "dep_kinds": [{ "kind": "dev" }, { "kind": null }] },
                    { "pkg": "t#1", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "x#1", "deps": [{ "pkg": "y#1", "dep_kinds": [{ "kind": null }] }] },
            ] },
        });
        let graph = Graph::read(&metadata).unwrap();
        assert_eq!(graph.named["a"], BTreeSet::from(["b".to_owned()]));
        let builds_on = graph.builds_on("a");
        assert_eq!(builds_on.keys().copied().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(builds_on["y"], "a → x → y");
    }
}
