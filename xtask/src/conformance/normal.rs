//! A received request in the normal form of the vectors.

use super::http::{Received, form_pairs};
use super::places::{Places, Ports};
use crate::json::Json;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const DROPPED_HEADERS: [&str; 13] = [
    "host",
    "user-agent",
    "accept-encoding",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
    "date",
    // telemetry of the identity library of the reference
    "client-request-id",
    "return-client-request-id",
    "x-ms-lib-capability",
    "x-anchormailbox",
];

/// Values that a client draws anew for each login.
const VOLATILE: [&str; 4] = ["state", "code_challenge", "nonce", "code_verifier"];

fn map(members: Vec<(&str, Json)>) -> Json {
    Json::Map(members.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

fn any(kind: &str) -> Json {
    Json::single("$any", Json::str(kind))
}

fn pair(name: String, value: Json) -> Json {
    Json::List(vec![Json::Str(name), value])
}

pub fn request(req: &Received, places: &Places, ports: &Ports) -> Json {
    let mut headers: Vec<(String, Json)> = Vec::new();
    for (k, v) in &req.headers {
        if DROPPED_HEADERS.contains(&k.as_str()) || k.starts_with("x-client-") {
            continue;
        }
        let v = places.unfill_text(v);
        match headers.iter_mut().find(|(n, _)| n == k) {
            Some((_, Json::Str(first))) => *first = format!("{first}, {v}"),
            _ => headers.push((k.clone(), Json::Str(v))),
        }
    }
    let mut out = map(vec![("method", Json::str(&req.method))]);
    if req.listener != "http" {
        out.set("listener", Json::str(req.listener));
    }
    let own = [format!("127.0.0.1:{}", ports.http), format!("127.0.0.1:{}", ports.tls)];
    if !req.host.is_empty() && !own.contains(&req.host) {
        out.set("host", Json::str(&req.host));
        if req.absolute {
            out.set("absolute_form", Json::Bool(true));
        }
    }
    out.set("path", Json::str(req.path()));
    if let Some(raw) = req.raw_query() {
        let value =
            |k: &str, v: &str| if VOLATILE.contains(&k) { any("string") } else { Json::Str(places.unfill_text(v)) };
        let pairs = req.query().into_iter().map(|(k, v)| pair(k.clone(), value(&k, &v))).collect();
        out.set("query", Json::List(pairs));
        out.set("raw_query", Json::Str(places.unfill_text(raw)));
    }
    out.set("headers", Json::Map(headers));
    out.set("body", body(req, places));
    out
}

fn body(req: &Received, places: &Places) -> Json {
    if req.raw_body.is_empty() {
        return map(vec![("kind", Json::str("none"))]);
    }
    let encoding = ("encoding", Json::str(req.header("content-encoding").unwrap_or("identity")));
    let content_type = req.header("content-type").unwrap_or("").split(';').next().unwrap_or("").trim().to_lowercase();
    match (content_type.as_str(), req.json()) {
        ("application/json", Some(v)) => map(vec![("kind", Json::str("json")), encoding, ("value", places.unfill(&v))]),
        ("application/x-www-form-urlencoded", _) => {
            let fields = form_pairs(&String::from_utf8_lossy(&req.body)).into_iter().map(|(k, v)| {
                let plain = || Json::Str(places.unfill_text(&v));
                let value = match k.as_str() {
                    "client_assertion" => jwt(&v).map_or_else(plain, |t| places.unfill(&t)),
                    name if VOLATILE.contains(&name) => any("string"),
                    _ => plain(),
                };
                pair(k, value)
            });
            map(vec![("kind", Json::str("form")), ("fields", Json::List(fields.collect()))])
        }
        // The place for a decoder of the time series messages; until then equal bytes are equal messages.
        ("application/protobuf", _) => map(vec![
            ("kind", Json::str("protobuf")),
            encoding,
            ("message", Json::str("DataPointInsertionRequest")),
            ("base64", Json::str(STANDARD.encode(&req.body))),
        ]),
        _ => {
            let mut out = bytes_value(&req.body);
            out.set(encoding.0, encoding.1);
            out
        }
    }
}

fn bytes_value(raw: &[u8]) -> Json {
    if raw.len() <= 1024 {
        return map(vec![("kind", Json::str("bytes")), ("base64", Json::str(STANDARD.encode(raw)))]);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, raw);
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let length = ("length", Json::int(raw.len() as i128));
    map(vec![("kind", Json::str("bytes")), length, ("sha256", Json::Str(hex))])
}

/// Content of a JSON Web Token, its times and its id being whatever they are.
fn jwt(token: &str) -> Option<Json> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = parts[..] else { return None };
    let decoded = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        Json::parse(std::str::from_utf8(&bytes).ok()?).ok()
    };
    let (header, mut payload) = (decoded(header)?, decoded(payload)?);
    for (name, kind) in [("exp", "integer"), ("iat", "integer"), ("nbf", "integer"), ("jti", "string")] {
        if payload.get(name).is_some() {
            payload.set(name, any(kind));
        }
    }
    Some(Json::single("$jwt", map(vec![("header", header), ("payload", payload)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        let ports = Ports { http: 40001, tls: 40002, closed: 3, free: 4, stuck: None };
        let places = Places::new(&ports, "/tmp/x", "/tmp/f");
        let header = |k: &str, v: &str| (k.to_string(), v.to_string());
        let req = Received {
            listener: "http",
            method: "POST".into(),
            target: "/t?a=1&state=s".into(),
            headers: vec![
                header("host", "h"),
                header("x", "1"),
                header("x", "http://127.0.0.1:40001/q"),
                header("content-type", "application/json"),
            ],
            raw_body: b"{\"a\":1}".to_vec(),
            body: b"{\"a\":1}".to_vec(),
            ..Received::default()
        };
        let want =
            r#"{"method":"POST","path":"/t","query":[["a","1"],["state",{"$any":"string"}]],"raw_query":"a=1&state=s","#
                .to_string()
                + r#""headers":{"x":"1, {{base_url}}/q","content-type":"application/json"},"#
                + r#""body":{"kind":"json","encoding":"identity","value":{"a":1}}}"#;
        assert_eq!(request(&req, &places, &ports).write(true), want);
    }
}
