//! Lists that are behind what was written, as the service's may be.

mod common;

use cognite_emulator::Config;
use common::Emulator;
use serde_json::{Value, json};

fn names(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_see_writes_later_and_reads_by_id_at_once() {
    let e = Emulator::with(Config { lag_ms: 1000, ..Config::default() }).await;
    // With a clock that stands, nothing comes by itself.
    e.admin("clock", json!({"stop": true})).await;
    let later = || e.admin("clock", json!({"advance_ms": 1001}));
    e.done("/assets", json!({"items": [{"name": "one", "externalId": "a"}]})).await;
    let listed = || e.done("/assets/list", json!({}));
    assert_eq!(names(&listed().await), [""; 0]);
    assert_eq!(e.done("/assets/search", json!({"search": {"name": "one"}})).await, json!({"items": []}));
    assert_eq!(e.done("/assets/aggregate", json!({})).await["items"][0]["count"], 0);
    assert_eq!(names(&e.done("/assets/byids", json!({"items": [{"externalId": "a"}]})).await), ["one"]);
    assert_eq!(e.post("/assets", json!({"items": [{"name": "x", "externalId": "a"}]})).await.0, 409);
    later().await;
    assert_eq!(names(&listed().await), ["one"]);

    e.done("/assets/update", json!({"items": [{"externalId": "a", "update": {"name": {"set": "two"}}}]})).await;
    assert_eq!(names(&listed().await), ["one"]);
    assert_eq!(names(&e.done("/assets/list", json!({"sort": [{"property": ["name"]}]})).await), ["one"]);
    later().await;
    assert_eq!(names(&listed().await), ["two"]);

    e.done("/assets/delete", json!({"items": [{"externalId": "a"}]})).await;
    assert_eq!(names(&listed().await), ["two"], "gone, but still listed");
    assert_eq!(e.post("/assets/byids", json!({"items": [{"externalId": "a"}]})).await.0, 400);
    later().await;
    assert_eq!(names(&listed().await), [""; 0]);
}

#[tokio::test]
async fn without_a_lag_lists_are_consistent_at_once() {
    let e = Emulator::start().await;
    e.done("/assets", json!({"items": [{"name": "one"}]})).await;
    assert_eq!(names(&e.done("/assets/list", json!({})).await), ["one"]);
}
