//! Faults to order, and the journal that shows what happened.

mod common;

use std::time::{Duration, Instant};

use common::{Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};

fn insert(value: i64) -> Value {
    json!({"items": [{"externalId": "n", "datapoints": [{"timestamp": value, "value": value}]}]})
}

async fn stored(e: &Emulator) -> usize {
    let page = e.done("/timeseries/data/list", json!({"items": [{"externalId": "n", "start": 0}]})).await;
    page["items"][0]["datapoints"].as_array().unwrap().len()
}

async fn order(e: &Emulator, action: Value) {
    let rule = json!([{"match": {"method": "POST", "path": "/timeseries/data$"}, "action": action}]);
    assert_eq!(e.admin("faults", rule).await, json!({"rules": 1}));
}

#[tokio::test]
async fn every_kind() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;

    order(
        &e,
        json!({"kind": "status", "status": 429, "headers": {"Retry-After": "3"}, "body": {"error": {"code": 429}}}),
    )
    .await;
    let refused = e.request(Method::POST, "/timeseries/data").json(&insert(1)).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"3".parse().unwrap()));
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({"error": {"code": 429}}));

    order(&e, json!({"kind": "delay", "ms": 150})).await;
    let started = Instant::now();
    e.done("/timeseries/data", insert(2)).await;
    assert!(started.elapsed() >= Duration::from_millis(150));
    assert_eq!(stored(&e).await, 1);

    for (action, applied) in [("reset", false), ("close", false), ("applied_no_answer", true)] {
        let before = stored(&e).await;
        order(&e, json!({ "kind": action })).await;
        let dropped = e.request(Method::POST, "/timeseries/data").json(&insert(before as i64 + 100)).send().await;
        assert!(dropped.is_err(), "{action}");
        assert_eq!(stored(&e).await, before + usize::from(applied), "{action}");
    }

    order(&e, json!({"kind": "garbage"})).await;
    let garbage = e.request(Method::POST, "/timeseries/data").json(&insert(200)).send().await.unwrap();
    assert_eq!(garbage.status(), 200);
    assert!(serde_json::from_slice::<Value>(&garbage.bytes().await.unwrap()).is_err());

    let rule = json!([{"match": {"path": "/data/list"}, "action": {"kind": "cut", "after_bytes": 20}}]);
    e.admin("faults", rule).await;
    let query = json!({"items": [{"externalId": "n"}]});
    let mut cut = e.request(Method::POST, "/timeseries/data/list").json(&query).send().await.unwrap();
    assert!(cut.content_length().unwrap() > 20);
    let mut read = 0;
    let failed = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(failed && read <= 20, "{read} bytes");

    let journal = e.requests().await;
    let faults: Vec<&str> = journal.iter().filter_map(|r| r["fault"].as_str()).collect();
    assert_eq!(faults, ["status", "delay", "reset", "close", "applied_no_answer", "garbage", "cut"]);
    let statuses: Vec<u64> =
        journal.iter().filter(|r| r["fault"].is_string()).filter_map(|r| r["status"].as_u64()).collect();
    assert_eq!(statuses, [429, 200, 0, 0, 0, 200, 200]);
}

#[tokio::test]
async fn the_connection_is_really_reset() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let e = Emulator::start().await;
    for (kind, hard) in [("reset", true), ("close", false)] {
        e.admin("faults", json!([{"match": {"path": "projects"}, "action": {"kind": kind}}])).await;
        let mut stream = tokio::net::TcpStream::connect(e.server.addr()).await.unwrap();
        stream.write_all(b"GET /api/v1/projects HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).await;
        assert!(bytes.is_empty());
        match end {
            Ok(_) => assert!(!hard, "{kind} ended in order"),
            Err(e) => assert!(hard && e.kind() == std::io::ErrorKind::ConnectionReset, "{kind}: {e}"),
        }
    }
}

#[tokio::test]
async fn journal_and_reset() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    assert_eq!(e.get("/assets?limit=1").await.0, 200);
    let journal = e.requests().await;
    let last = journal.last().unwrap();
    assert_eq!(
        (&last["method"], &last["path"], &last["query"]),
        (&json!("GET"), &json!("/api/v1/projects/demo/assets"), &json!("limit=1"))
    );
    assert!(last["ms"].as_f64().unwrap() >= 0.0 && last["answer_bytes"] == "{\"items\":[]}".len());
    e.post("/assets/list", json!({"limit": 7})).await;
    let journal = e.requests().await;
    let (last, headers) = (&journal[journal.len() - 1], &journal[journal.len() - 1]["headers"]);
    assert_eq!((&last["body"], &headers["content-type"]), (&json!("{\"limit\":7}"), &json!("application/json")));
    assert!(headers.get("authorization").is_none());
    for _ in 0..1010 {
        e.get("/assets").await;
    }
    assert_eq!(e.requests().await.len(), 1000);
    e.admin("faults", json!([{"times": 9, "action": {"kind": "status", "status": 500}}])).await;
    e.admin("reset", json!({})).await;
    assert!(e.requests().await.is_empty());
    assert_eq!(e.done("/timeseries/list", json!({})).await, json!({"items": []}));
    let (status, _) = answer(e.client.post(e.url("/_emulator/faults")).json(&json!([{"action": {"kind": "x"}}]))).await;
    assert_eq!(status, 400);
}

async fn raw(e: &Emulator, path: &str) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(e.server.addr()).await.unwrap();
    let token = &e.token;
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn stalls_and_half_closed_connections() {
    use tokio::io::AsyncReadExt;
    let e = Emulator::start().await;
    e.admin("faults", json!([{"action": {"kind": "half_close", "ms": 200}}])).await;
    let mut stream = raw(&e, "/api/v1/projects").await;
    let mut bytes = Vec::new();
    let started = Instant::now();
    assert_eq!(stream.read_to_end(&mut bytes).await.unwrap(), 0);
    assert!(started.elapsed() < Duration::from_millis(150), "the end came with the last byte");
    // It still listens: what is written now is not answered with a reset at once.
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b" /").await.unwrap();

    e.admin("faults", json!([{"action": {"kind": "stall", "after_bytes": 5, "ms": 250}}])).await;
    let mut stream = raw(&e, "/api/v1/projects").await;
    let started = Instant::now();
    let end = stream.read_to_end(&mut bytes).await;
    assert!(started.elapsed() >= Duration::from_millis(240));
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(bytes.ends_with(b"\r\n\r\n{\"ite"), "{}", String::from_utf8_lossy(&bytes));
}

#[tokio::test]
async fn broken_bodies_duplicates_and_tokens() {
    use std::io::Read;
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    let list = || e.request(Method::POST, "/timeseries/list").json(&json!({})).send();

    e.admin("faults", json!([{"action": {"kind": "bad_gzip"}}])).await;
    let answered = list().await.unwrap();
    assert_eq!(answered.headers()["content-encoding"], "gzip");
    let packed = answered.bytes().await.unwrap();
    let mut out = Vec::new();
    assert!(flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut out).is_err());

    let whole = list().await.unwrap().bytes().await.unwrap().len();
    e.admin("faults", json!([{"action": {"kind": "wrong_length", "by": 7}}])).await;
    let long = list().await.unwrap();
    assert_eq!(long.content_length(), Some(whole as u64 + 7));
    assert!(long.bytes().await.is_err());
    e.admin("faults", json!([{"action": {"kind": "wrong_length", "by": -7}}])).await;
    let short = list().await.unwrap().bytes().await.unwrap();
    assert_eq!(short.len(), whole - 7);

    for (second, status) in [(false, 201), (true, 409)] {
        let name = format!("twice {second}");
        e.admin("faults", json!([{"action": {"kind": "duplicate", "second_answer": second}}])).await;
        assert_eq!(e.post("/events", json!({"items": [{"externalId": name}]})).await.0, status);
        assert_eq!(
            e.done("/events/byids", json!({"items": [{"externalId": name}]})).await["items"][0]["externalId"],
            name
        );
    }
    assert_eq!(e.done("/events/list", json!({})).await["items"].as_array().unwrap().len(), 2);

    e.admin("faults", json!([{"after": 1, "action": {"kind": "expire_tokens"}}])).await;
    assert_eq!(e.get("/assets").await.0, 200);
    assert_eq!(e.get("/assets").await.0, 401);
    assert_eq!(e.get("/assets").await.0, 401);
}

#[tokio::test]
async fn the_identity_provider_is_down() {
    let e = Emulator::start().await;
    e.admin("faults", json!([{"match": {"service": "identity"}, "times": 2, "action": {"kind": "close"}}])).await;
    let login = || {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "emulator-client"),
            ("client_secret", "emulator-secret"),
        ];
        e.client.post(e.url("/oauth2/token")).header("content-type", common::FORM).body(common::form(&fields)).send()
    };
    assert!(login().await.is_err());
    assert_eq!(e.get("/assets").await.0, 200, "the service goes on");
    assert!(login().await.is_err());
    assert_eq!(login().await.unwrap().status(), 200);
}

#[tokio::test]
async fn faults_from_a_file() {
    let dir = std::env::temp_dir().join(format!("emulator-faults-{}", std::process::id()));
    let rules =
        json!({"seed": 3, "rules": [{"match": {"service": "api"}, "action": {"kind": "status", "status": 503}}]});
    std::fs::write(&dir, rules.to_string()).unwrap();
    let e = Emulator::with(cognite_emulator::Config { faults: Some(dir.clone()), ..Default::default() }).await;
    assert_eq!((e.get("/assets").await.0, e.get("/assets").await.0), (503, 200));
    std::fs::write(&dir, "[{\"action\": {\"kind\": \"no such\"}}]").unwrap();
    let wrong = cognite_emulator::Config { faults: Some(dir.clone()), ..Default::default() };
    assert!(cognite_emulator::start(wrong).await.is_err());
    std::fs::remove_file(dir).unwrap();
}

#[tokio::test]
async fn the_clock_can_be_moved() {
    let config = cognite_emulator::Config { job_ms: 60_000, ..Default::default() };
    let e = Emulator::with(config).await;
    let noon = 1_700_000_000_000_i64;
    assert_eq!(e.admin("clock", json!({"stop": true})).await["stopped"], true);
    e.admin("clock", json!({"advance_ms": 1000})).await;
    let made = e.done("/events", json!({"items": [{}]})).await["items"][0]["createdTime"].as_i64().unwrap();
    let (_, shown) = answer(e.client.get(e.url("/_emulator/clock"))).await;
    assert_eq!(shown, json!({"now": made, "stopped": true}));

    // A job of a minute is done at once, when a minute has gone by that clock.
    let file = e.done("/files", json!({"name": "f"})).await["id"].clone();
    let body = json!({"entities": [{"name": "a"}], "items": [{"fileId": file}]});
    let job = e.done("/context/diagram/detect", body).await;
    let status = || async {
        let (_, job) = e.get(&format!("/context/diagram/detect/{}", job["jobId"])).await;
        job["status"].as_str().unwrap_or("none").to_owned()
    };
    let before = status().await;
    e.admin("clock", json!({"advance_ms": 60_001})).await;
    assert_eq!((before.as_str(), status().await.as_str()), ("Queued", "Completed"));

    // Tokens live an hour.
    e.admin("clock", json!({"advance_ms": 3_600_000})).await;
    assert_eq!(e.get("/assets").await.0, 401);
    e.admin("clock", json!({"set": noon, "stop": false})).await;
    assert_eq!(e.get("/assets").await.0, 200, "the token is young again");
    let (status, _) = answer(e.client.post(e.url("/_emulator/clock")).json(&json!({"sett": 1}))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn snapshots_and_expectations() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    e.done("/timeseries/data", insert(1)).await;
    assert_eq!(e.admin("snapshots/one", json!({})).await, json!({}));
    e.done("/timeseries/data", insert(2)).await;
    e.done("/events", json!({"items": [{}]})).await;
    e.done("/raw/dbs", json!({"items": [{"name": "d"}]})).await;
    assert_eq!(stored(&e).await, 2);
    e.admin("snapshots/one/restore", json!({})).await;
    assert_eq!(stored(&e).await, 1);
    assert_eq!(e.done("/events/list", json!({})).await, json!({"items": []}));
    assert_eq!(e.get("/raw/dbs").await.1, json!({"items": []}));
    assert_eq!(e.admin("snapshots/none/restore", json!({})).await["error"]["code"], 404);
    let (_, names) = answer(e.client.get(e.url("/_emulator/snapshots"))).await;
    assert_eq!(names, json!({"items": ["one"]}));
    assert_eq!(answer(e.client.delete(e.url("/_emulator/snapshots/one"))).await.1, json!({"forgotten": true}));

    let inserts = json!({"match": {"method": "POST", "path": "/timeseries/data$"}, "status": 200, "count": 2});
    assert_eq!(e.admin("requests/expect", inserts.clone()).await["counts"], json!([2]));
    let events = json!({"match": {"path": "/events$"}, "max": 0});
    assert_eq!(e.admin("requests/expect", json!([inserts, events])).await["error"]["code"], 409);
    let order = json!([{"match": {"path": "/events$"}}, {"match": {"path": "/raw/dbs$"}}]);
    assert_eq!(e.admin("requests/sequence", order).await["counts"], json!([1, 2]));
    e.admin("requests/clear", json!({})).await;
    assert!(e.requests().await.is_empty());
}
