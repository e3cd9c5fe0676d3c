//! Tokens, projects, and what surrounds every request.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use cognite_emulator::{Config, Limits};
use common::{Emulator, FORM, answer, form};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

async fn token(e: &Emulator, path: &str, fields: &[(&str, &str)], basic: Option<(&str, &str)>) -> (u16, Value) {
    let mut request = e.client.post(e.url(path)).header("content-type", FORM).body(form(fields));
    if let Some((id, secret)) = basic {
        request = request.basic_auth(id, Some(secret));
    }
    answer(request).await
}

#[tokio::test]
async fn token_endpoint() {
    let e = Emulator::start().await;
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", "emulator-client"),
        ("client_secret", "emulator-secret"),
        ("scope", "s"),
    ];
    for path in ["/oauth2/token", "/some-tenant/oauth2/v2.0/token"] {
        let (status, body) = token(&e, path, &good, None).await;
        assert_eq!((status, &body["expires_in"], &body["scope"]), (200, &json!(3600), &json!("s")));
    }
    let (status, _) = token(&e, "/oauth2/token", &good[..1], Some(("emulator-client", "emulator-secret"))).await;
    assert_eq!(status, 200);
    let mut wrong = good;
    wrong[2].1 = "x";
    for (fields, status, error) in [
        (&wrong[..], 401, "invalid_client"),
        (&good[1..], 400, "invalid_request"),
        (&good[..1], 400, "invalid_request"),
        (&good[..2], 401, "invalid_client"),
        (&[("grant_type", "password")][..], 400, "unsupported_grant_type"),
    ] {
        let (have, body) = token(&e, "/oauth2/token", fields, None).await;
        assert_eq!((have, body["error"].as_str()), (status, Some(error)), "{fields:?}");
        assert!(body["error_description"].is_string());
    }
    let (status, body) = answer(e.client.post(e.url("/oauth2/token")).json(&json!({}))).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")));
}

#[tokio::test]
async fn only_valid_tokens_are_let_in() {
    let e = Emulator::with(Config { token: Some("fixed".into()), token_lifetime: 1, ..Config::default() }).await;
    let unauthorized = json!({"error": {"code": 401, "message": "Unauthorized"}});
    let assets = e.url("/api/v1/projects/demo/assets");
    for request in [
        e.client.get(&assets),
        e.client.get(&assets).bearer_auth("wrong"),
        e.client.get(&assets).header("authorization", &e.token),
        e.client.get(&assets).header("authorization", "Bearer "),
        e.client.get(e.url("/api/v1/projects/other/assets")).bearer_auth("fixed"),
        e.client.get(e.url("/api/v1/projects/other")).bearer_auth("fixed"),
        e.client.get(e.url("/api/v1/token/inspect")),
    ] {
        assert_eq!(answer(request).await, (401, unauthorized.clone()));
    }
    assert_eq!(answer(e.client.get(&assets).bearer_auth("fixed")).await.0, 200);
    assert_eq!(e.get("/assets").await.0, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(e.get("/assets").await, (401, unauthorized.clone()));
    e.admin("tokens/expire", json!({})).await;
    let (status, body) = answer(e.client.get(e.url("/api/v1/token/inspect")).bearer_auth("fixed")).await;
    assert_eq!((status, &body["projects"][0]["projectUrlName"]), (200, &json!("demo")));
    let (_, body) = answer(e.client.get(e.url("/api/v1/projects")).bearer_auth("fixed")).await;
    assert_eq!(body["items"][0]["urlName"], "demo");
    let (_, body) = answer(e.client.get(e.url("/api/v1/projects/demo")).bearer_auth("fixed")).await;
    assert_eq!(body["urlName"], "demo");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies() {
    let limits = Limits { body: 100_000, ..Limits::default() };
    let e = Emulator::with(Config { limits, ..Config::default() }).await;
    let packed = |bytes: Vec<u8>| e.request(Method::POST, "/assets").header("content-encoding", "gzip").body(bytes);
    let body = json!({"items": [{"name": "x".repeat(100), "description": "y".repeat(400)}]}).to_string();
    assert_eq!(answer(packed(gzip(body.as_bytes()))).await.0, 201);
    assert_eq!(answer(packed(gzip(&vec![b' '; 100_001]))).await.0, 413);
    assert_eq!(answer(packed(b"no gzip".to_vec())).await.0, 400);
    assert_eq!(answer(e.request(Method::POST, "/assets").body(vec![b' '; 100_001])).await.0, 413);
    let other = e.request(Method::POST, "/assets").header("content-encoding", "br").body("x");
    assert_eq!(answer(other).await.0, 415);
    for text in ["", "{", "[]", "{\"items\": 1}", "{\"items\": []}", "{\"items\": [1]}", "\u{0}"] {
        assert_eq!(answer(e.request(Method::POST, "/assets").body(text)).await.0, 400, "{text:?}");
    }
    let newer = e.request(Method::GET, "/assets").header("cdf-version", "21000101-beta");
    assert_eq!(answer(newer).await.0, 200);
    let plain = e.request(Method::GET, "/assets").header("cdf-version", "20230101-beta");
    assert_eq!(answer(plain).await.0, 200);
    let journal = e.requests().await;
    let warnings: Vec<_> = journal.iter().filter_map(|r| r["warning"].as_str()).collect();
    assert_eq!(
        warnings,
        ["cdf-version 21000101 is newer than 20230101, which is emulated; the request was served as that"]
    );

    // Large answers come packed to those who take them packed.
    for _ in 0..3 {
        e.done("/assets", serde_json::from_str(&body).unwrap()).await;
    }
    let plain = e.request(Method::GET, "/assets").send().await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.bytes().await.unwrap();
    let packed = e.request(Method::GET, "/assets").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.as_ref()).read_to_end(&mut unpacked).unwrap();
    assert!(packed.len() < plain.len() && unpacked == plain);
}

#[tokio::test]
async fn unknown_paths() {
    let e = Emulator::start().await;
    for path in ["/nothing", "/assets/list/more", "/timeseries/data", "/assets/12", "/raw/dbs/none/tables"] {
        let (status, body) = e.get(path).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!(404)), "{path}");
    }
    assert_eq!(e.post("/datasets/delete", json!({"items": [{"id": 1}]})).await.0, 404);
    assert_eq!(answer(e.client.get(e.url("/nothing"))).await.0, 404);
    assert_eq!(answer(e.client.get(e.url("/oauth2/token"))).await.0, 404);
}

/// Whatever is sent, there is an answer below 500 and the emulator goes on.
#[tokio::test]
async fn nothing_brings_it_down() {
    let e = Emulator::start().await;
    e.numeric_series("s").await;
    e.done("/timeseries/data", json!({"items": [{"externalId": "s", "datapoints": [{"timestamp": 1, "value": 2}]}]}))
        .await;
    let paths = [
        "/assets",
        "/assets/list",
        "/assets/byids",
        "/assets/update",
        "/assets/delete",
        "/assets/search",
        "/assets/aggregate",
        "/events/list",
        "/sequences",
        "/files",
        "/relationships",
        "/timeseries/data",
        "/timeseries/data/list",
        "/timeseries/data/latest",
        "/timeseries/data/delete",
        "/raw/dbs",
        "/raw/dbs/a/tables/b/rows?ensureParent=true",
        "/raw/dbs/a/tables/b/rows/delete",
    ];
    let odd = [
        json!(null),
        json!(-1),
        json!(0),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("æ"),
        json!("%"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({"min": "x"}),
        json!(true),
        json!("99999999999999999999w-ago"),
        json!("100000d"),
        json!("12000mo"),
        json!("UTC+18"),
    ];
    let keys = [
        "id",
        "externalId",
        "instanceId",
        "items",
        "filter",
        "advancedFilter",
        "limit",
        "cursor",
        "partition",
        "sort",
        "search",
        "start",
        "end",
        "before",
        "timeZone",
        "includeOutsidePoints",
        "inclusiveBegin",
        "exclusiveEnd",
        "datapoints",
        "timestamp",
        "value",
        "status",
        "update",
        "metadata",
        "labels",
        "parentId",
        "columns",
        "key",
        "name",
        "aggregate",
        "path",
        "properties",
        "aggregates",
        "granularity",
        "aggregatedProperties",
    ];
    let datapoint = json!({"externalId": "s", "aggregates": ["average", "count"], "granularity": "1d", "start": -1});
    let mut count = 0;
    for path in paths {
        for key in keys {
            for value in &odd {
                let mut item = datapoint.clone();
                item[key] = value.clone();
                let mut body = json!({"items": [item]});
                if !path.contains("data") {
                    body[key] = value.clone();
                }
                let (status, answer) = e.post(path, body.clone()).await;
                assert!(status < 500, "{path} {body}: {status} {answer}");
                count += 1;
            }
        }
    }
    assert_eq!(count, paths.len() * keys.len() * odd.len());
    for query in ["limit=x", "limit=-1", "cursor=x", "cursor=bDo", "partition=1/0", "minCreatedTime=x", "a=b", "%zz=%"]
    {
        assert!(e.get(&format!("/assets?{query}")).await.0 < 500, "{query}");
        assert!(e.get(&format!("/raw/dbs/a/tables/b/rows?{query}")).await.0 < 500, "{query}");
    }
    for bytes in [&b"\xff\xff\xff"[..], b"\x0a\x02\x08\x01", b"\x0a\x00", b"", b"\x0a\xff\xff\xff\xff\x0f"] {
        let request = e.request(Method::POST, "/timeseries/data").header("content-type", "application/protobuf");
        assert_eq!(answer(request.body(bytes)).await.0, 400, "{bytes:?}");
    }
}
