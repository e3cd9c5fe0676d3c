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
