//! JSON by reference: parts of a text that was given or answered, with every digit it has, sharing its memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::unusable;
use crate::error::{Error, Status};
use crate::http::Response;

/// The members of an object, in the order of their names; `None` if it is none. Of a name given twice the last counts.
pub fn members(json: &Bytes) -> Option<BTreeMap<String, Bytes>> {
    let map: BTreeMap<String, &RawValue> = serde_json::from_slice(json).ok()?;
    Some(map.into_iter().map(|(name, value)| (name, part(json, value))).collect())
}

/// The elements of a list; `None` if it is none.
pub fn elements(json: &Bytes) -> Option<Vec<Bytes>> {
    let list: Vec<&RawValue> = serde_json::from_slice(json).ok()?;
    Some(list.into_iter().map(|value| part(json, value)).collect())
}

fn part(whole: &Bytes, value: &RawValue) -> Bytes {
    whole.slice_ref(value.get().as_bytes())
}

/// The `items` of an answer: `None`, it is no object with a list of them; `Some(None)`, it has none.
pub fn items(answer: &Bytes) -> Option<Option<Vec<Bytes>>> {
    match members(answer)?.remove("items") {
        Some(list) => elements(&list).map(Some),
        None => Some(None),
    }
}

/// The cursor of a page; an empty one would begin again.
pub fn cursor(page: &BTreeMap<String, Bytes>) -> Option<String> {
    let cursor = page.get("nextCursor").and_then(|c| serde_json::from_slice::<Option<String>>(c).ok());
    cursor.flatten().filter(|c| !c.is_empty())
}

pub fn not_understood(what: &str) -> Error {
    Error::new(Status::Decode, format!("the answer was not understood: {what}; check base_url"))
}

/// What `find` finds in the answer.
pub fn understood<T>(response: Response, what: &str, find: impl FnOnce(&Bytes) -> Option<T>) -> Result<T, Error> {
    let (body, answer) = response.parted();
    find(&body).ok_or_else(|| {
        let mut error = unusable(&answer, what);
        error.set_message(not_understood(what).message());
        error
    })
}

/// The ways in which a service may name this item, each as compact JSON: `{"externalId":"a"}`, `{"id":1}`, …
pub fn identifiers(item: &Bytes) -> Vec<String> {
    let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(item) else {
        // A key by itself.
        return vec![String::from_utf8_lossy(item).into_owned()];
    };
    let mut out = Vec::new();
    if let (Some(space), Some(id)) = (map.get("space"), map.get("externalId")) {
        out.push(format!("{{\"space\":{space},\"externalId\":{id}}}"));
        if let Some(kind) = map.get("instanceType") {
            out.push(format!("{{\"instanceType\":{kind},\"space\":{space},\"externalId\":{id}}}"));
        }
        return out;
    }
    for key in ["instanceId", "id", "externalId", "name", "key", "username"] {
        if let Some(value) = map.get(key) {
            out.push(format!("{{\"{key}\":{value}}}"));
        }
    }
    out
}

/// Text as JSON.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_digits_and_share_their_memory() {
        let whole = Bytes::from_static(br#" {"items" : [ 1.10, {"a": 12345678901234567890123} ,"x"], "b":null} "#);
        let parts = items(&whole).unwrap().unwrap();
        assert_eq!(parts, [&b"1.10"[..], br#"{"a": 12345678901234567890123}"#, b"\"x\""]);
        assert!(whole.as_ptr_range().contains(&parts[1].as_ptr()));
        assert_eq!(items(&Bytes::from_static(b"{}")), Some(None));
        for bad in [&b""[..], b"[]", b"{\"items\":{}}", b"{\"items\":[1,]}", b"<html>", b"{\"items\":[1]"] {
            assert_eq!(items(&Bytes::from_static(bad)), None);
        }
        let deep = format!("{{\"items\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(items(&deep.into()).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn names_of_items() {
        let of = |text: &'static str| identifiers(&Bytes::from_static(text.as_bytes()));
        assert_eq!(
            of(r#"{"name":"n","externalId":"a","id":7}"#),
            [r#"{"id":7}"#, r#"{"externalId":"a"}"#, r#"{"name":"n"}"#]
        );
        assert_eq!(of(r#"{"space":"s","externalId":"a"}"#), [r#"{"space":"s","externalId":"a"}"#]);
        assert_eq!(of("\"k\""), ["\"k\""]);
    }
}
