//! A configuration that is offered to another node: what of it is for both, and what each has for
//! itself.

use std::collections::BTreeSet;

use evenkeel_core::hash;
use toml_edit::{Decor, DocumentMut, Item, TableLike};

/// Tables that are a node's own.
const OWN_TABLES: [&str; 3] = ["node", "admin", "pair"];

/// Keys of `[vip.NAME]` that are a node's own.
const OWN_VIP_KEYS: [&str; 5] = ["interface", "priority", "source", "peers", "label"];

/// `offered` with what the node of `own` has for itself, comments and order kept. The error is for a
/// person.
pub(crate) fn localise(offered: &str, own: &str) -> Result<String, String> {
    let (mut offered, own) = (read(offered)?, read(own)?);
    for name in OWN_TABLES {
        put(offered.as_table_mut(), name, own.get(name));
    }
    for vip in vips(&offered) {
        // A new one comes as it is there.
        let Some(known) = own.get("vip").and_then(|all| all.get(&vip)) else { continue };
        let Some(table) = vip_of(&mut offered, &vip) else { continue };
        for key in OWN_VIP_KEYS {
            put(table, key, known.get(key));
        }
    }
    Ok(offered.to_string())
}

/// A number that is the same for two configurations that differ in nothing that both nodes have in
/// common. `None`: it cannot be read.
pub(crate) fn print(text: &str) -> Option<u64> {
    let mut text = read(text).ok()?;
    for name in OWN_TABLES {
        text.remove(name);
    }
    for vip in vips(&text) {
        let Some(table) = vip_of(&mut text, &vip) else { continue };
        for key in OWN_VIP_KEYS {
            table.remove(key);
        }
    }
    // What is said in comments, and where, is no difference.
    let plain: toml::Table = toml::from_str(&text.to_string()).ok()?;
    Some(hash::key(format!("{plain:?}").as_bytes()))
}

fn read(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| error.to_string())
}

fn vips(text: &DocumentMut) -> BTreeSet<String> {
    let all = text.get("vip").and_then(Item::as_table_like);
    all.into_iter().flat_map(TableLike::iter).map(|(name, _)| name.to_owned()).collect()
}

fn vip_of<'a>(text: &'a mut DocumentMut, name: &str) -> Option<&'a mut dyn TableLike> {
    text.get_mut("vip")?.get_mut(name)?.as_table_like_mut()
}

/// Puts the value of the node's own in the place of what is there, or nothing.
fn put(table: &mut dyn TableLike, key: &str, own: Option<&Item>) {
    match own {
        Some(own) => {
            let mut own = own.clone();
            if let Item::Value(value) = &mut own {
                // In a table on one line, what stands before the end of the line is another thing.
                *value.decor_mut() = Decor::new(" ", "");
            }
            table.insert(key, own);
        }
        None => {
            table.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
[node]
name = "a" # the first

[listener.web] # for all
bind = ["0.0.0.0:80"]

[vip.main]
address = "192.0.2.10/24"
interface = "eth0"
priority = 150

[pair]
bind = "10.0.0.2:7071"
"#;

    const OTHER: &str = r#"
[admin]
bind = "127.0.0.1:7171"
[listener.web]
bind = ["0.0.0.0:81"]
[vip]
main = { address = "192.0.2.10/24", interface = "eth1", source = "192.0.2.3" }
[pair]
bind = "10.0.0.3:7071"
"#;

    #[test]
    fn each_node_keeps_what_is_its_own() {
        let text = localise(ONE, OTHER).unwrap();
        for (part, is_in) in [
            ("name = \"a\"", false),
            ("127.0.0.1:7171", true),
            ("[listener.web] # for all", true),
            ("0.0.0.0:80", true),
            ("priority", false),
            ("interface = \"eth1\"", true),
            ("source = \"192.0.2.3\"", true),
            ("10.0.0.3:7071", true),
            ("10.0.0.2:7071", false),
        ] {
            assert_eq!(text.contains(part), is_in, "{part}:\n{text}");
        }
        assert_eq!(localise(&text, OTHER).unwrap(), text, "again");
        toml::from_str::<toml::Table>(&text).unwrap();
    }

    #[test]
    fn what_is_a_nodes_own_is_no_difference() {
        let text = localise(ONE, OTHER).unwrap();
        assert_eq!(print(ONE), print(&text));
        assert_eq!(print(ONE), print(&format!("# another comment\n{ONE}")));
        assert_ne!(print(ONE), print(OTHER));
        assert_eq!(print("["), None);
    }

    #[test]
    fn a_new_address_comes_as_it_is_there() {
        let text = localise(ONE, "").unwrap();
        assert!(text.contains("priority = 150") && !text.contains("[pair]"), "{text}");
    }
}
