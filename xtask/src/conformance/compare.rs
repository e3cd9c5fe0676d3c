//! What counts as the same: values with matchers, requests, results and errors (section 8 of the kit's description).

use crate::json::{Json, number};
use regex_lite::Regex;

const MULTISETS: [&str; 7] = ["missing", "duplicated", "failed", "successful", "unknown", "skipped", "maybe_projects"];
/// Refused input: these kinds count as one.
const INVALID: [&str; 4] = ["invalid_value", "invalid_type", "missing_key", "parse_error"];
/// The reference let an accidental error through: any error will do.
const ACCIDENTAL: [&str; 4] = ["internal", "raw_http_error", "encoding_error", "json_decode"];
/// Members of an error that are compared when the expectation has them.
const ERROR_MEMBERS: [&str; 14] = [
    "code",
    "message",
    "x_request_id",
    "missing",
    "duplicated",
    "successful",
    "failed",
    "unknown",
    "skipped",
    "cluster",
    "project",
    "maybe_projects",
    "oauth_error",
    "oauth_description",
];
/// Parameters that only the identity library of the reference sends.
const IDENTITY_EXTRAS: [&str; 3] = ["client_info", "nonce", "response_mode"];

/// Numbers by value: integers exactly, however long; others as the nearest double.
fn same_number(a: &str, b: &str) -> bool {
    let whole = |t: &str| t.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    match (whole(a), whole(b)) {
        (true, true) => a == b || a.trim_start_matches('-') == "0" && b.trim_start_matches('-') == "0",
        (false, false) => match (number(a), number(b)) {
            (Some(x), Some(y)) => x == y || x.is_nan() && y.is_nan(),
            _ => false,
        },
        // 3 and 3.0 are the same; the text of a double without fraction is written out in full.
        (true, false) => number(b).is_some_and(|y| format!("{y}") == a || y == 0.0 && number(a) == Some(0.0)),
        (false, true) => same_number(b, a),
    }
}

/// The same value, nothing being a matcher.
pub fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Num(x), Json::Num(y)) => same_number(x, y),
        (Json::List(x), Json::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(v, w)| equal(v, w)),
        (Json::Map(x), Json::Map(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| b.get(k).is_some_and(|w| equal(v, w)))
        }
        _ => a == b,
    }
}

fn is_of_type(name: &str, got: &Json) -> bool {
    match name {
        "any" => true,
        "string" => matches!(got, Json::Str(_)),
        "boolean" => matches!(got, Json::Bool(_)),
        "number" => matches!(got, Json::Num(_)),
        "integer" => got.as_i128().is_some(),
        _ => false,
    }
}

/// `key`: the member this value was found under, as some lists are compared without their order.
pub fn same(want: &Json, got: &Json, key: &str) -> bool {
    if let Some([(name, arg)]) = want.as_map() {
        match (name.as_str(), arg.as_str()) {
            ("$any", Some(kind)) => return is_of_type(kind, got) || equal(want, got),
            ("$regex", Some(pattern)) => {
                let hit = |s| Regex::new(pattern).is_ok_and(|re| re.is_match(s));
                return equal(want, got) || got.as_str().is_some_and(hit);
            }
            _ => {}
        }
    }
    match (want, got) {
        (Json::Map(w), Json::Map(g)) => {
            let known = g.iter().all(|(k, _)| want.get(k).is_some());
            known
                && w.iter().all(|(k, v)| match (v.get("$absent_or"), got.get(k)) {
                    (Some(_), None) => true,
                    (Some(inner), Some(have)) => equal(v, have) || same(inner, have, k),
                    (None, Some(have)) => same(v, have, k),
                    (None, None) => false,
                })
        }
        (Json::List(w), Json::List(g)) if MULTISETS.contains(&key) => same_multiset(w, g),
        (Json::List(w), Json::List(g)) => w.len() == g.len() && w.iter().zip(g).all(|(a, b)| same(a, b, "")),
        _ => equal(want, got),
    }
}

pub fn same_multiset(want: &[Json], got: &[Json]) -> bool {
    let mut left: Vec<&Json> = got.iter().collect();
    want.len() == got.len()
        && want.iter().all(|w| {
            let at = left.iter().position(|g| same(w, g, ""));
            at.map(|i| left.swap_remove(i)).is_some()
        })
}

/// A member that is null counts as absent.
fn pruned(value: &Json) -> Json {
    match value {
        Json::Map(m) => {
            Json::Map(m.iter().filter(|(_, v)| *v != Json::Null).map(|(k, v)| (k.clone(), pruned(v))).collect())
        }
        Json::List(l) => Json::List(l.iter().map(pruned).collect()),
        _ => value.clone(),
    }
}

fn same_pruned(want: Option<&Json>, got: Option<&Json>) -> bool {
    let of = |v: Option<&Json>| pruned(v.unwrap_or(&Json::Null));
    same(&of(want), &of(got), "")
}

fn same_optional(want: Option<&Json>, got: Option<&Json>) -> bool {
    equal(want.unwrap_or(&Json::Null), got.unwrap_or(&Json::Null))
}

/// Query parameters or form fields, as a multiset of decoded pairs.
fn same_pairs(want: &[Json], got: &[Json]) -> bool {
    let meant = |pairs: &[Json]| -> Vec<Json> {
        let name = |p: &Json| p.as_list().and_then(|p| p.first()).and_then(Json::as_str).unwrap_or("").to_string();
        pairs.iter().filter(|p| !IDENTITY_EXTRAS.contains(&name(p).as_str())).cloned().collect()
    };
    same_multiset(&meant(want), &meant(got))
}

fn same_body(want: &Json, got: &Json) -> bool {
    let both = |name: &str| same_optional(want.get(name), got.get(name));
    if !both("kind") {
        return false;
    }
    match want.text_of("kind") {
        Some("form") => same_pairs(want.list_of("fields"), got.list_of("fields")),
        Some("protobuf") => both("message") && both("base64"),
        Some("json") => both("encoding") && same_pruned(want.get("value"), got.get("value")),
        _ => same(want, got, ""),
    }
}

fn same_request(want: &Json, got: &Json) -> bool {
    let nothing = Json::Null;
    ["method", "path", "host", "listener", "absolute_form"].iter().all(|k| same_optional(want.get(k), got.get(k)))
        && same_pairs(want.list_of("query"), got.list_of("query"))
        && same(want.get("headers").unwrap_or(&nothing), got.get("headers").unwrap_or(&nothing), "")
        && same_body(want.get("body").unwrap_or(&nothing), got.get("body").unwrap_or(&nothing))
}

pub fn request_problems(want: &[Json], got: &[Json]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut pos = 0;
    for (n, group) in want.iter().enumerate() {
        let wanted = group.list_of("requests");
        let part = &got[pos.min(got.len())..(pos + wanted.len()).min(got.len())];
        pos += wanted.len();
        let sequential = group.text_of("order") == Some("sequential");
        let mut left: Vec<&Json> = part.iter().collect();
        for (i, w) in wanted.iter().enumerate() {
            if sequential {
                if !part.get(i).is_some_and(|g| same_request(w, g)) {
                    let seen = part.get(i).map_or("no request".to_string(), |g| g.write(true));
                    problems.push(format!("request {n}.{i}: wanted {}\n       got {seen}", w.write(true)));
                }
            } else if let Some(at) = left.iter().position(|g| same_request(w, g)) {
                left.swap_remove(at);
            } else {
                let seen: Vec<String> = left.iter().map(|g| g.write(true)).collect();
                let seen = seen.join("\n         ");
                problems
                    .push(format!("request {n}.{i} (any order): not seen {}\n       left over {seen}", w.write(true)));
            }
        }
    }
    if got.len() > pos {
        let more: Vec<String> = got[pos..]
            .iter()
            .map(|r| format!("{} {}", r.text_of("method").unwrap_or(""), r.text_of("path").unwrap_or("")))
            .collect();
        problems.push(format!("{} request(s) more than expected: {}", more.len(), more.join(", ")));
    }
    problems
}

fn same_error(want: &Json, got: &Json) -> bool {
    let kind = |e: &Json| e.text_of("kind").unwrap_or("").to_string();
    let (a, b) = (kind(want), kind(got));
    let refused = |k: &String| INVALID.contains(&k.as_str());
    if a != b && !ACCIDENTAL.contains(&a.as_str()) && !(refused(&a) && refused(&b)) {
        return false;
    }
    // A driver without the whole text may give the words it found.
    let found = |m: &Json| match got.text_of("text") {
        Some(text) => text.contains(m.as_str().unwrap_or("")),
        None => got.list_of("mentions").contains(m),
    };
    if !want.list_of("mentions").iter().all(found) {
        return false;
    }
    let member = |k: &&str| want.get(k).is_none_or(|w| same(w, got.get(k).unwrap_or(&Json::Null), k));
    if !ERROR_MEMBERS.iter().all(member) {
        return false;
    }
    // A text in `extra` merely repeats the message.
    match want.get("extra") {
        Some(Json::Map(_)) if !want.get("extra_is_text").is_some_and(Json::is_true) => {
            same_pruned(want.get("extra"), got.get("extra"))
        }
        _ => true,
    }
}

fn same_result(want: &Json, got: &Json) -> bool {
    if let Some(error) = want.get("error") {
        return got.get("error").is_some_and(|g| same_error(error, g));
    }
    got.get("error").is_none()
        && want.list_of("prompt_mentions").iter().all(|m| got.list_of("prompt_mentions").contains(m))
        && same_pruned(want.get("ok"), got.get("ok"))
}

pub fn outcome_problems(want: &Json, got: &Json) -> Vec<String> {
    let nothing = Json::Map(Vec::new());
    let mut problems = Vec::new();
    for key in ["global_settings", "config"] {
        let Some(w) = want.get(key) else { continue };
        let g = got.get(key).unwrap_or(&nothing);
        let changed = |v: &Json| v.get("changed").cloned().unwrap_or(Json::Null);
        if !same_result(w, g) || w.get("changed").is_some() && !same(&changed(w), &changed(g), "") {
            problems.push(format!("{key}: wanted {}\n       got {}", w.write(true), g.write(true)));
        }
    }
    let (w, g) = (want.list_of("calls"), got.list_of("calls"));
    if w.len() != g.len() {
        problems.push(format!("{} call results, wanted {}", g.len(), w.len()));
    }
    for (i, (a, b)) in w.iter().zip(g).enumerate() {
        if !same_result(a, b) {
            problems.push(format!("call {i}: wanted {}\n       got {}", a.write(true), b.write(true)));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn j(t: &str) -> Json {
        Json::parse(t).unwrap()
    }

    #[test]
    fn numbers_by_value() {
        for (a, b) in [("1", "1.0"), ("0", "-0.0"), ("1e2", "100"), ("0.1", "1e-1"), ("NaN", "NaN"), ("-3", "-3.0")] {
            assert!(same_number(a, b) && same_number(b, a), "{a} {b}");
        }
        for (a, b) in [("1", "2"), ("123456789012345678901", "123456789012345678902"), ("1", "1.5"), ("1", "true")] {
            assert!(!same_number(a, b), "{a} {b}");
        }
        assert!(!equal(&j("1"), &j("true")) && !equal(&j("\"1\""), &j("1")));
    }

    #[test]
    fn matchers() {
        assert!(same(&j(r#"{"$any":"integer"}"#), &j("5"), "") && !same(&j(r#"{"$any":"integer"}"#), &j("\"5\""), ""));
        assert!(
            same(&j(r#"{"$regex":"^a+$"}"#), &j("\"aa\""), "") && !same(&j(r#"{"$regex":"^a+$"}"#), &j("\"b\""), "")
        );
        assert!(
            same(&j(r#"{"a":{"$absent_or":1}}"#), &j("{}"), "")
                && !same(&j(r#"{"a":{"$absent_or":1}}"#), &j(r#"{"a":2}"#), "")
        );
        assert!(!same(&j("{}"), &j(r#"{"a":1}"#), ""));
        assert!(same(&j("[1,2]"), &j("[2,1]"), "missing") && !same(&j("[1,2]"), &j("[2,1]"), "items"));
    }

    #[test]
    fn errors() {
        let e = |t: &str| Json::single("error", j(t));
        assert!(same_result(&e(r#"{"kind":"missing_key"}"#), &e(r#"{"kind":"invalid_value"}"#)));
        assert!(same_result(&e(r#"{"kind":"internal"}"#), &e(r#"{"kind":"timeout"}"#)));
        assert!(!same_result(&e(r#"{"kind":"api_error","code":400}"#), &e(r#"{"kind":"api_error","code":401}"#)));
        assert!(!same_result(&e(r#"{"kind":"api_error"}"#), &Json::single("ok", Json::Null)));
        assert!(same_result(&Json::single("ok", j(r#"{"a":null}"#)), &Json::single("ok", j("{}"))));
    }
}
