//! JSON as the tree in which health is looked for.

use evenkeel_core::verdict::Value;
use serde_json::Value as Json;

/// Reads a whole document. Its depth is bounded by the parser, its length by who has read it.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    if let Ok(document) = serde_json::from_slice(bytes) {
        return Some(tree(document));
    }
    // A word without quotes is how ASP.NET answers by default.
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let word = text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    word.then(|| Value::Text(text.to_owned()))
}

fn tree(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(boolean) => Value::Boolean(boolean),
        Json::Number(number) => number.as_f64().map_or(Value::Null, Value::Number),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(tree).collect()),
        Json::Object(entries) => {
            Value::Table(entries.into_iter().map(|(name, json)| (name, tree(json))).collect())
        }
    }
}
