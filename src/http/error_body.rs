//! From an answer that is not 2xx to an error. Total: whatever the body is, an error object comes out.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::{Error, Status};

/// Most of a body that is kept as the service's message.
const MAX_TEXT: usize = 64 << 10;

/// What is known of the answer.
pub struct Refusal<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub project: &'a str,
    pub cluster: Option<&'a str>,
}

pub fn error(r: &Refusal<'_>) -> Error {
    // A service may quote what it was sent, and hand out addresses that let anybody in.
    let text = || crate::redact::text(&text_of(r.body, r.headers)).into_owned();
    let parsed = parse(r.body).map(|mut value| {
        crate::redact::value(&mut value);
        value
    });
    let (message, missing, duplicated, extra, code) = match parsed.as_ref().and_then(Value::as_object) {
        Some(map) => match map.get("error") {
            Some(Value::Object(inner)) => {
                let mut rest = inner.clone();
                let message = rest.shift_remove("message");
                let code = rest.shift_remove("code");
                let missing = rest.shift_remove("missing").filter(|v| !v.is_null());
                let duplicated = rest.shift_remove("duplicated").filter(|v| !v.is_null());
                let extra = (!rest.is_empty()).then_some(Value::Object(rest));
                // Without a message the body itself is the best there is.
                (message.unwrap_or_else(|| Value::String(text())), missing, duplicated, extra, code)
            }
            Some(Value::String(s)) => (Value::String(s.clone()), None, None, None, None),
            Some(other) if !other.is_null() => (Value::String(text()), None, None, Some(other.clone()), None),
            _ => (Value::String(text()), None, None, None, None),
        },
        None => (Value::String(text()), None, None, None, None),
    };
    // Lists that are empty say nothing; what is not a list is kept for the reader, not for the class.
    let listed = |v: Option<Value>| match v {
        Some(Value::Array(list)) if !list.is_empty() => (Some(list), None),
        Some(Value::Array(_)) | None => (None, None),
        Some(odd) => (None, Some(odd)),
    };
    let (missing, odd_missing) = listed(missing);
    let (duplicated, odd_duplicated) = listed(duplicated);
    let extra = with_odd(extra, odd_missing.map(|v| ("missing", v)), odd_duplicated.map(|v| ("duplicated", v)));
    let odd = |key: &str| extra.as_ref().is_some_and(|e| e.get(key).is_some());
    let status = match r.status {
        401 => Status::Access,
        409 if duplicated.is_some() && missing.is_none() => Status::Duplicated,
        400 | 404 | 422 if missing.is_some() && duplicated.is_none() => Status::NotFound,
        404 if missing.is_none() && duplicated.is_none() && !odd("missing") && !odd("duplicated") => Status::NotFound,
        _ => Status::Api,
    };
    let header = |name: &str| r.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    // A gateway may have one of its own.
    let ids: Vec<&str> = r.headers.get_all("x-request-id").iter().filter_map(|v| v.to_str().ok()).collect();
    let location = header("location").map(|l| crate::redact::url(&l));
    let said = match &message {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    let sentence = sentence(r, &said, missing.as_deref(), duplicated.as_deref(), location.as_deref());
    Error::new(status, sentence).with(|d| {
        d.http_status = r.status;
        d.code = code.map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned));
        d.service_message = Some(message);
        d.request_id = (!ids.is_empty()).then(|| ids.join(", "));
        d.missing = missing;
        d.duplicated = duplicated;
        d.extra = extra;
        d.cluster = r.cluster.map(str::to_owned);
        d.project = Some(r.project.to_owned());
        d.location = location;
    })
}

/// What the human reads: the status, what the service said, and what to do where that is known.
fn sentence(
    r: &Refusal<'_>,
    said: &str,
    missing: Option<&[Value]>,
    duplicated: Option<&[Value]>,
    location: Option<&str>,
) -> String {
    let mut out = match r.status {
        401 => {
            format!("no access to project '{}' (401): the token may be wrong, expired or for other projects", r.project)
        }
        300..=399 => match location {
            Some(to) => format!("the service answered {} and points to {to}; redirects are not followed", r.status),
            None => format!("the service answered {}, which is no answer to this request", r.status),
        },
        s => format!("the service answered {s}"),
    };
    if !said.is_empty() {
        out.push_str(": ");
        let html = said.trim_start().starts_with('<');
        if html {
            out.push_str("(a web page instead of JSON; is base_url the API's address, or does a proxy answer?) ");
        }
        out.extend(said.chars().take(if html { 200 } else { 2000 }));
    }
    for (word, list) in [("missing", missing), ("duplicated", duplicated)] {
        if let Some(list) = list {
            let shown: Vec<String> = list.iter().take(10).map(Value::to_string).collect();
            let more = if list.len() > 10 { ", …" } else { "" };
            out.push_str(&format!(", {word}: [{}{more}]", shown.join(", ")));
        }
    }
    out
}

fn with_odd(extra: Option<Value>, a: Option<(&str, Value)>, b: Option<(&str, Value)>) -> Option<Value> {
    if a.is_none() && b.is_none() {
        return extra;
    }
    let mut map = match extra {
        Some(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    map.extend([a, b].into_iter().flatten().map(|(k, v)| (k.to_owned(), v)));
    Some(Value::Object(map))
}

/// JSON in UTF-8, with or without a byte order mark. Deep nesting is no JSON to us.
fn parse(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// The body as text: by its declared charset if that is Latin-1, else as UTF-8 with bad bytes replaced.
fn text_of(body: &[u8], headers: &HeaderMap) -> String {
    let cut = &body[..body.len().min(MAX_TEXT)];
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if kind.contains("charset=iso-8859-1") || kind.contains("charset=latin-1") || kind.contains("charset=windows-1252")
    {
        return cut.iter().map(|b| *b as char).collect();
    }
    String::from_utf8_lossy(cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn of(status: u16, body: &[u8]) -> Error {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("req-77"));
        error(&Refusal { status, headers: &headers, body, project: "p", cluster: None })
    }

    #[test]
    fn classes() {
        for (status, body, class) in [
            (400, r#"{"error":{"message":"m","missing":[{"id":1}]}}"#, Status::NotFound),
            (404, r#"{"error":{"message":"m","missing":[{"id":1}]}}"#, Status::NotFound),
            (422, r#"{"error":{"message":"m","missing":[{"id":1}]}}"#, Status::NotFound),
            (404, r#"{"error":{"message":"m"}}"#, Status::NotFound),
            (404, "", Status::NotFound),
            (404, r#"{"error":{"message":"m","missing":"x"}}"#, Status::Api),
            (404, r#"{"error":{"message":"m","duplicated":[1]}}"#, Status::Api),
            (403, r#"{"error":{"message":"m","missing":[1]}}"#, Status::Api),
            (409, r#"{"error":{"message":"m","duplicated":[1]}}"#, Status::Duplicated),
            (409, r#"{"error":{"message":"m","duplicated":[1],"missing":[2]}}"#, Status::Api),
            (409, r#"{"error":{"message":"m","missing":[2]}}"#, Status::Api),
            (400, r#"{"error":{"message":"m","duplicated":[1]}}"#, Status::Api),
            (400, r#"{"error":{"message":"m","missing":[]}}"#, Status::Api),
            (401, r#"{"error":{"message":"m"}}"#, Status::Access),
            (500, "boom", Status::Api),
            (301, "", Status::Api),
        ] {
            assert_eq!(of(status, body.as_bytes()).status(), class, "{status} {body}");
        }
    }

    #[test]
    fn every_body_gives_an_error_object() {
        let deep = format!("{{\"error\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
        for body in [
            "",
            "null",
            "5",
            "[]",
            "\"x\"",
            "{}",
            "{\"error\":null}",
            "{\"error\":{}}",
            "{\"error\":{\"code\":1}}",
            "{\"error\":[1,2]}",
            "{\"error\":{\"message\":{\"a\":1}}}",
            "{\"error\":{\"message\":null,\"missing\":5}}",
            "{\"error\": {\"message\": \"cut",
            "<html>no</html>",
            "\u{feff}{\"error\":{\"message\":\"m\"}}",
            &deep,
        ] {
            let e = of(400, body.as_bytes());
            assert_eq!((e.status(), e.detail().http_status), (Status::Api, 400), "{body:.40}");
            assert!(!e.message().is_empty());
            assert_eq!(e.detail().request_id.as_deref(), Some("req-77"));
        }
        for bytes in [&b"\xff\xfe{\x00}\x00"[..], b"\x00\x00\xfe\xff", b"fe\xe6"] {
            assert_eq!(of(400, bytes).status(), Status::Api);
        }
    }

    #[test]
    fn fields() {
        let e = of(400, br#"{"error":{"code":"x7","message":"no","missing":[{"id":1}],"requestId":"r","n":[1]}}"#);
        let d = e.detail();
        assert_eq!(d.service_message, Some("no".into()));
        assert_eq!(d.code.as_deref(), Some("x7"));
        assert_eq!(d.extra, Some(serde_json::json!({"requestId": "r", "n": [1]})));
        assert!(e.message().contains("400: no, missing: [{\"id\":1}]"), "{e}");
        let e = of(400, br#"{"error":{"message":5}}"#);
        assert_eq!(e.detail().service_message, Some(5.into()));
        assert_eq!(of(400, br#"{"error": "s"}"#).detail().extra, None);
        assert!(of(502, b"<html>").message().contains("web page"));
    }

    #[test]
    fn secrets_are_masked_and_names_are_not() {
        for body in [
            r#"{"error":{"code":400,"message":"no: https://b/f?sv=1&sig=canarySIG","uploadUrl":"https://b/f?x=canary",
                "clientSecret":"canary","missing":[{"externalId":"http://x/ns#a?b=c"}],
                "duplicated":{"apiToken":"canary"}}}"#,
            r#"{"error":"client_secret=canary at /f?sig=canary"}"#,
            r#"{"error":{"code":1,"clientSecret":"canary"}}"#,
            r#"{"clientSecret":"canary","url":"https://u:canary@h/"}"#,
            r#"{"error":{"message":"cut","clientSecret":"canary"#,
            r#"{"error":[{"sasToken":"canary"}]}"#,
            "<p>https://b/f?sig=canary</p>",
        ] {
            let e = of(400, body.as_bytes());
            let shown = format!("{} {}", e.message(), e.to_json());
            assert!(shown.contains("***") && !shown.contains("canary"), "{shown}");
            assert_eq!(
                shown.matches("http://x/ns#a?b=c").count(),
                if body.contains("ns#a") { 3 } else { 0 },
                "{shown}"
            );
        }
    }

    #[test]
    fn declared_latin1_is_read_as_such() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain; charset=ISO-8859-1"));
        headers.append("x-request-id", HeaderValue::from_static("a"));
        headers.append("x-request-id", HeaderValue::from_static("b"));
        let e = error(&Refusal { status: 400, headers: &headers, body: b"feil \xe6", project: "p", cluster: None });
        assert_eq!(e.detail().service_message, Some("feil æ".into()));
        assert_eq!(e.detail().request_id.as_deref(), Some("a, b"));
    }
}
