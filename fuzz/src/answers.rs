//! What comes back from services and identity providers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cognite::api::datapoints::columns::Points;
use cognite::api::datapoints::proto_read::{Column, Expected, Part, items};
use cognite::api::operations::answer::{Spliced, cursor_at_end, page};
use cognite::auth::authority::Authority;
use cognite::auth::secret::Secret;
use cognite::auth::token_endpoint::{Asked, FormAnswer};
use cognite::error::{Error, Status};
use cognite::http::error_body::{Refusal, error};
use cognite::http::retry::{pause, retry_after as wanted};
use cognite::redact;
use reqwest::header::{HeaderMap, HeaderValue};

/// A status of three digits from two bytes, and the rest.
fn split(data: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = data.split_at_checked(2)?;
    Some((100 + u16::from_be_bytes([head[0], head[1]]) % 500, rest))
}

/// What every error is: a sentence, and facts that are JSON.
fn proper(e: &Error) -> String {
    assert!(!e.message().is_empty());
    let json = e.to_json().to_string();
    serde_json::from_str::<serde_json::Value>(&json).expect("facts are JSON");
    json
}

/// Two bytes of status, a line that is headers (`name: value`, separated by `;`), the body.
pub fn error_body(data: &[u8]) {
    let Some((status, rest)) = split(data) else { return };
    let at = rest.iter().position(|b| *b == b'\n').unwrap_or(0);
    let (head, body) = rest.split_at(at);
    let mut headers = HeaderMap::new();
    for (name, value) in head.split(|b| *b == b';').filter_map(|h| {
        let colon = h.iter().position(|b| *b == b':')?;
        Some((&h[..colon], &h[colon + 1..]))
    }) {
        if let (Ok(name), Ok(value)) = (reqwest::header::HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let e = error(&Refusal { status, headers: &headers, body, project: "p", cluster: Some("c") });
    proper(&e);
    assert_eq!(e.detail().http_status, status);
    assert!(e.status() != Status::Ok && e.status() != Status::Internal);
    // The body also goes to the log, without the token that was sent.
    if let Some(shown) = redact::body(body, Some(SECRET)) {
        assert!(!shown.contains(SECRET) && shown.chars().count() <= 1000, "{shown}");
    }
}

const SECRET: &str = "s3cr3t-0f-the-t3st";

fn answer(status: u16, body: &[u8]) -> FormAnswer {
    FormAnswer { status, body: Bytes::copy_from_slice(body), retry_after: None, request_id: Some("r-1".into()) }
}

pub fn token_answer(data: &[u8]) {
    let Some((status, body)) = split(data) else { return };
    let secret = Secret::new(SECRET);
    let asked = Asked { url: "https://idp.example/token", setting: "token_url", secrets: vec![&secret], lines: false };
    match asked.token(&answer(status, body)) {
        Ok(granted) => {
            assert!((200..300).contains(&status) && !granted.provided.token.reveal().is_empty());
            let lifetime = granted.provided.lifetime.expect("a lifetime");
            assert!(lifetime <= Duration::from_secs(366 * 86_400), "{lifetime:?}");
        }
        Err(e) => {
            assert_eq!(e.status(), Status::Auth);
            assert!(!proper(&e).contains(SECRET) && !e.message().contains(SECRET), "{e}");
        }
    }
}

/// The document that describes a provider. Where it sends a login is https, or this machine.
pub fn authority(data: &[u8]) {
    let Some((status, body)) = split(data) else { return };
    for provider in [Authority::microsoft("https://idp.example/t"), Authority::open_id("https://idp.example/t")] {
        match provider.expect("a good address").endpoints(&answer(status, body)) {
            Ok(e) => {
                for url in [Some(&e.token), e.authorization.as_ref(), e.device.as_ref()].into_iter().flatten() {
                    let parsed = reqwest::Url::parse(url).expect("an address");
                    let here = matches!(parsed.host_str(), Some("localhost" | "[::1]"))
                        || parsed.host_str().is_some_and(|h| h.starts_with("127."));
                    assert!(parsed.scheme() == "https" || (parsed.scheme() == "http" && here), "{url}");
                }
            }
            Err(e) => {
                assert_eq!(e.status(), Status::Auth);
                proper(&e);
            }
        }
    }
}

/// A page of a list: where its elements lie, and pages put together.
pub fn list_page(body: &[u8]) {
    let quick = cursor_at_end(body);
    let Ok(Some(found)) = page(body) else { return };
    // Numbers of any size are JSON, but not for this reader.
    serde_json::from_slice::<serde::de::IgnoredAny>(body).expect("what is a page is JSON");
    let Ok(whole) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let mut spliced = Spliced::open();
    for (from, to) in &found.items {
        let element = &body[*from as usize..*to as usize];
        serde_json::from_slice::<serde::de::IgnoredAny>(element).expect("an element is JSON");
        spliced.add(element);
    }
    // The same, read by somebody else.
    assert_eq!(whole["items"].as_array().map(Vec::len), Some(found.items.len()));
    assert_eq!(whole.get("nextCursor").and_then(|c| c.as_str()), found.cursor.as_deref());
    if let Some(quick) = quick {
        assert_eq!(found.cursor.as_deref(), Some(quick.as_str()));
    }
    let cursor = found.cursor.clone();
    let again = page(&spliced.finish(cursor.as_deref())).expect("ours is JSON").expect("ours has items");
    assert_eq!((again.items.len(), again.cursor), (found.items.len(), cursor));
}

/// The text of a `Retry-After`, as it comes and with what header values may hold.
pub fn retry_after(data: &[u8]) {
    const DAY: Duration = Duration::from_secs(86_400);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let asked = wanted(text, now);
    if let Some(wait) = asked {
        assert!(wait > Duration::ZERO && wait <= DAY, "{wait:?}");
    }
    let digits = text.trim();
    if let Ok(n) = digits.parse::<u32>()
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        let n = Duration::from_secs(n.into()).min(DAY);
        assert_eq!(asked, Some(n).filter(|n| !n.is_zero()));
    }
    for k in [0, 1, 7, u32::MAX] {
        let wait = pause(k, Duration::from_secs(60), asked);
        assert!(wait >= asked.unwrap_or_default() && wait <= DAY.max(Duration::from_secs(60)), "{wait:?}");
    }
}

/// Datapoints: what is read is whole columns, no longer than what came, or nothing.
pub fn protobuf(data: &[u8]) {
    const COLUMNS: [Column; 5] = [
        Column { name: "average", field: 2, part: Part::Whole },
        Column { name: "count", field: 5, part: Part::Whole },
        Column { name: "minDatapoint", field: 19, part: Part::Timestamp },
        Column { name: "minDatapoint", field: 19, part: Part::Value },
        Column { name: "minDatapoint", field: 19, part: Part::Status },
    ];
    let Ok(series) = items(data) else { return };
    for item in &series {
        let mut raw = Points::default();
        if item.read(&Expected::Raw, &mut raw).is_ok() {
            whole(&raw, data);
            let kinds = [raw.numbers.len(), raw.states.len().max(raw.texts.offsets.len().saturating_sub(1))];
            assert!(kinds.iter().all(|n| *n == 0 || *n == raw.len()), "{kinds:?} of {}", raw.len());
            for n in 0..raw.texts.offsets.len().saturating_sub(1) {
                assert!(std::str::from_utf8(raw.texts.get(n)).is_ok());
            }
        }
        let mut aggregates = Points::with_aggregates(COLUMNS.len());
        if item.read(&Expected::Aggregates(&COLUMNS), &mut aggregates).is_ok() {
            whole(&aggregates, data);
            assert!(aggregates.aggregates.iter().all(|column| column.len() == aggregates.len()));
            assert!(aggregates.of_states.is_whole(aggregates.len()));
            assert_eq!(aggregates.of_states.names.len(), aggregates.of_states.states.len());
        }
    }
}

fn whole(points: &Points, data: &[u8]) {
    // A point takes two bytes at least.
    assert!(points.len() * 2 <= data.len());
    assert!(points.status().is_none_or(|s| s.len() == points.len()));
    assert!(points.validity().is_none_or(|v| v.len() == points.len().div_ceil(8)));
    assert!((0..points.len()).filter(|n| points.is_there(*n)).count() <= points.len());
}
