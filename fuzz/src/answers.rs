//! What comes back from services and identity providers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
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
    let asked = Asked { url: "https://idp.example/token", setting: "token_url", secrets: vec![&secret] };
    match asked.token(&answer(status, body)) {
        Ok(granted) => {
            assert!((200..300).contains(&status) && !granted.provided.token.reveal().is_empty());
            let lifetime = granted.provided.lifetime.expect("a lifetime");
            assert!(lifetime > Duration::ZERO && lifetime <= Duration::from_secs(366 * 86_400), "{lifetime:?}");
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
