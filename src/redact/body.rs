//! What may be shown of a body: JSON with the secrets in it masked, cut to a length fit for a log.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{MASK, is_sensitive_name, names_a_secret, plain_name};

/// Characters of a body that are shown.
const SHOWN: usize = 1000;
/// A larger body is not read for its secrets, and so not shown.
const MOST: usize = 4 << 20;
/// Fields whose text is a presigned URL: nothing of the query is shown.
const PRESIGNED: [&str; 3] = ["downloadurl", "uploadurl", "uploadurls"];

/// The body as it may be shown; `None` for an empty one. `known`: a text that must not be seen wherever it is (the
/// token that was sent).
pub fn body(bytes: &[u8], known: Option<&str>) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let hidden = |why: &str| Some(format!("({} bytes, not shown: {why})", bytes.len()));
    if bytes.len() > MOST {
        return hidden("too long to be searched for secrets");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return hidden("not text") };
    let shown = match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            self::value(&mut value);
            value.to_string()
        }
        // Damaged JSON, a form, a page: shown unless it names something that would be masked.
        Err(_) => {
            if names_a_secret(text) || text.to_ascii_lowercase().contains("sig=") {
                return hidden("not JSON, and it may hold a secret");
            }
            super::text(text).into_owned()
        }
    };
    let shown = match known {
        Some(known) if known.len() >= 4 => Cow::Owned(shown.replace(known, MASK)),
        _ => Cow::Borrowed(&shown),
    };
    Some(cut(&shown))
}

/// At most [`SHOWN`] characters, the last three being dots when something was left out.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some(_) => text.chars().take(SHOWN - 3).chain("...".chars()).collect(),
    }
}

/// Masks what is secret in `value`: fields by their names, and what is in texts.
pub fn value(value: &mut Value) {
    mask(value, false);
}

/// The same; everything but structure when `all`.
fn mask(value: &mut Value, all: bool) {
    match value {
        Value::Null => {}
        Value::Object(map) => mask_members(map, all),
        Value::Array(list) => list.iter_mut().for_each(|v| mask(v, all)),
        Value::String(text) if !all => {
            if let Cow::Owned(shown) = super::text(text) {
                *text = shown;
            }
        }
        other => {
            if all {
                *other = Value::String(MASK.into());
            }
        }
    }
}

fn mask_members(map: &mut Map<String, Value>, all: bool) {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    for (name, value) in map.iter_mut() {
        let plain = plain_name(name);
        if !all && PRESIGNED.contains(&plain.as_str()) {
            drop_queries(value);
            continue;
        }
        let secret = is_sensitive_name(name)
            || (plain == "value" && matches!(kind.as_str(), "header" | "query"))
            || (plain == "key" && matches!(kind.as_str(), "der" | "pem"));
        mask(value, all || secret);
    }
}

fn drop_queries(value: &mut Value) {
    match value {
        Value::String(text) => *text = super::url(text),
        Value::Array(list) => list.iter_mut().for_each(drop_queries),
        other => mask(other, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked() {
        for (given, shown) in [
            (r#"{"clientSecret":"canary","tokenUrl":"u"}"#, r#"{"clientSecret":"***","tokenUrl":"u"}"#),
            (r#"{"a":{"PASSWORD":5,"nonce":null}}"#, r#"{"a":{"PASSWORD":"***","nonce":null}}"#),
            (r#"{"secrets":{"k":"canary","l":["canary"]}}"#, r#"{"secrets":{"k":"***","l":["***"]}}"#),
            (r#"[{"type":"header","key":"k","value":"canary"}]"#, r#"[{"type":"header","key":"k","value":"***"}]"#),
            (
                r#"{"type":"pem","key":"canary","keyPassword":"canary"}"#,
                r#"{"type":"pem","key":"***","keyPassword":"***"}"#,
            ),
            (r#"{"key":"k","value":1}"#, r#"{"key":"k","value":1}"#),
            (r#"{"downloadUrl":"https://h/f?se=1&x=canary"}"#, r#"{"downloadUrl":"https://h/f"}"#),
            (r#"{"uploadUrls":["https://h/f?canary"]}"#, r#"{"uploadUrls":["https://h/f"]}"#),
            (r#"{"l":"https://h/f?a=1&sig=canary"}"#, r#"{"l":"https://h/f?a=1&sig=***"}"#),
            (
                r#"{"sasToken":"canary","apiToken":["canary"],"pwd":1,"clientAssertion":"canary"}"#,
                r#"{"sasToken":"***","apiToken":["***"],"pwd":"***","clientAssertion":"***"}"#,
            ),
            (r#"{"m":"see https://b/f?sig=canary"}"#, r#"{"m":"see https://b/f?sig=***"}"#),
            (r#"{"id":"http://purl.org/a#b","author":"x"}"#, r#"{"id":"http://purl.org/a#b","author":"x"}"#),
            (r#"{"echo":"Bearer canary-token!"}"#, r#"{"echo":"Bearer ***!"}"#),
            (r#"{"access_token":"canary","expires_in":5}"#, r#"{"access_token":"***","expires_in":5}"#),
            (r#"{"password":"canary"#, "(19 bytes, not shown: not JSON, and it may hold a secret)"),
            ("client_secret=canary", "(20 bytes, not shown: not JSON, and it may hold a secret)"),
            (r#"{"sasToken":"canary"#, "(19 bytes, not shown: not JSON, and it may hold a secret)"),
            ("<html>https://u:canary@h busy</html>", "<html>https://***@h busy</html>"),
            ("<html>busy</html>", "<html>busy</html>"),
        ] {
            assert_eq!(body(given.as_bytes(), Some("canary-token")).unwrap(), shown);
        }
        assert_eq!(body(b"\xff\xfe", None).unwrap(), "(2 bytes, not shown: not text)");
        assert_eq!(body(b"", None), None);
        let long = body(format!("\"{}\"", "ø".repeat(5000)).as_bytes(), None).unwrap();
        assert!(long.chars().count() == SHOWN && long.ends_with("ø..."));
        // The token is masked before the text is cut, so no part of it is left at the end.
        let edge = body(format!("\"{}canary-token\"", "x".repeat(SHOWN - 5)).as_bytes(), Some("canary-token")).unwrap();
        assert!(!edge.contains("can"), "{edge}");
    }
}
