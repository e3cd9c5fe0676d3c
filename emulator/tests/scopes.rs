//! Scopes of capabilities: what is inside is there, what is outside is refused by name and left out of lists.

mod common;

use std::collections::BTreeMap;

use cognite_emulator::proto::{InsertionItem, InsertionRequest, Reference};
use common::{Emulator, answer};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};

const BOTH: &str = "READ,WRITE";

/// From now on the client is in one group for each of these, written as actions, capability and scope.
async fn only(e: &Emulator, capabilities: &str) {
    e.admin("access", json!({"groups": null})).await;
    let sources: Vec<&str> = capabilities.split("; ").collect();
    for source in &sources {
        let mut words = source.splitn(3, ' ').map(str::trim);
        let (actions, acl, scope) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let actions: Vec<&str> = actions.split(',').collect();
        let scope: Value = serde_json::from_str(scope).unwrap();
        let capability = json!({acl: {"actions": actions, "scope": scope}});
        e.done("/groups", json!({"items": [{"name": "g", "sourceId": source, "capabilities": [capability]}]})).await;
    }
    e.admin("access", json!({ "groups": sources })).await;
}

/// `STATUS[=COUNT] PATH [BODY]`, where any success is ok.
async fn step(e: &Emulator, line: &str) -> Value {
    let mut words = line.splitn(3, ' ');
    let (wanted, path) = (words.next().unwrap(), words.next().unwrap());
    let (status, answer) = match words.next() {
        Some(body) => e.post(path, serde_json::from_str(body).unwrap()).await,
        None => e.get(path).await,
    };
    let (wanted, count) = wanted.split_once('=').map_or((wanted, None), |(s, n)| (s, n.parse::<usize>().ok()));
    assert!(status.to_string() == wanted || (wanted == "ok" && status < 300), "{line}: {status} {answer}");
    if let Some(count) = count {
        let length = |list: &Value| list.as_array().map_or(0, Vec::len);
        // The answer to a query has a list for each of its sets.
        let have =
            answer["items"].as_object().map_or_else(|| length(&answer["items"]), |m| m.values().map(length).sum());
        assert_eq!(have, count, "{line}: {answer}");
    }
    if status == 403 {
        assert!(answer["error"]["message"].as_str().unwrap().contains("insufficient access rights"));
    }
    answer
}

/// All operations of a resource with rows inside of the data set, in the other one, and without.
async fn each(e: &Emulator, words: &str, a: &str, b: &str) {
    let mut words = words.splitn(3, ' ');
    let (path, acl, more) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let row = |name: &str, set: &str| {
        let mut row: Value = serde_json::from_str(more).unwrap();
        row["externalId"] = json!(name);
        row["dataSetId"] = serde_json::from_str(set).unwrap();
        json!({ "items": [row] })
    };
    let list = if path == "transformations" { "transformations/filter {}".into() } else { format!("{path}/list {{}}") };
    e.admin("access", json!({"groups": null})).await;
    for (name, set) in [("in", a), ("out", b), ("none", "null")] {
        step(e, &format!("ok /{path} {}", row(name, set))).await;
    }
    only(e, &format!(r#"{BOTH} {acl} {{"datasetScope": {{"ids": [{a}]}}}}"#)).await;
    step(e, &format!("200=1 /{list}")).await;
    step(e, &format!("ok=1 /{path} {}", row("new", a))).await;
    for (status, name, to) in [(200, "in", a), (403, "in", b), (403, "in", "null"), (403, "out", a), (403, "none", a)] {
        let set = if to == "null" { json!({"setNull": true}) } else { json!({"set": to.parse::<i64>().unwrap()}) };
        let update = json!({"items": [{"externalId": name, "update": {"dataSetId": set}}]});
        // Labels cannot be updated.
        if path != "labels" {
            step(e, &format!("{status} /{path}/update {update}")).await;
        }
    }
    for (name, set) in [("out2", b), ("none2", "null")] {
        step(e, &format!("403 /{path} {}", row(name, set))).await;
    }
    for (status, name) in [("ok", "new"), ("403", "out"), ("403", "none")] {
        let items = json!({"items": [{"externalId": name}]});
        step(e, &format!("{status} /{path}/byids {items}")).await;
        step(e, &format!("{status} /{path}/delete {items}")).await;
    }
}

/// All that is done with datapoints, of a series inside and one outside.
async fn points(e: &Emulator, capability: &str) {
    only(e, &format!("{BOTH} {capability}")).await;
    step(e, "200=1 /timeseries/list {}").await;
    for (status, name) in [(200, "in"), (403, "out")] {
        for (path, what) in [
            ("data", json!({"datapoints": [{"timestamp": 1, "value": 2}]})),
            ("data/list", json!({})),
            ("data/latest", json!({})),
            ("data/delete", json!({"inclusiveBegin": 1})),
            ("synthetic/query", json!({"expression": format!("ts{{externalId='{name}'}} + 1")})),
        ] {
            let mut item = what;
            item["externalId"] = json!(name);
            step(e, &format!("{status} /timeseries/{path} {}", json!({ "items": [item] }))).await;
        }
        let item = InsertionItem { reference: Some(Reference::ExternalId(name.into())), ..Default::default() };
        let body = InsertionRequest { items: vec![item] }.encode_to_vec();
        let request = e.request(Method::POST, "/timeseries/data").header("content-type", "application/protobuf");
        assert_eq!(answer(request.body(body)).await.0, status);
    }
}

#[tokio::test]
async fn scopes_bound_what_a_client_reaches() {
    let e = Emulator::start().await;
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    for line in include_str!("scopes.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let filled = ids.iter().rev().fold(line.to_owned(), |line, (name, id)| line.replace(&format!("${name}"), id));
        match filled.split_once(' ').unwrap_or((&filled, "")) {
            ("all", _) => drop(e.admin("access", json!({"groups": null})).await),
            ("as", capabilities) => only(&e, capabilities).await,
            ("each", words) => each(&e, words, &ids["a"], &ids["b"]).await,
            ("points", capability) => points(&e, capability).await,
            (name, rest) if name.ends_with(':') => {
                let answer = step(&e, rest).await;
                let id = answer.pointer("/items/0/id").unwrap_or(&answer["id"]).to_string();
                ids.insert(line.split_once(':').unwrap().0, id);
            }
            _ => drop(step(&e, &filled).await),
        }
    }
    assert_eq!(ids.len(), 11);
}
