//! The emulator against the API description, if that is at hand: `COGNITE_OPENAPI`, or
//! `../shared/contract/openapi.json` seen from the project's root.

mod common;

use std::path::{Path, PathBuf};

use cognite_emulator::Config;
use common::{Emulator, answer};
use serde_json::{Value, json};

fn document() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/contract/openapi.json");
    let path = std::env::var_os("COGNITE_OPENAPI").map_or(beside, PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: there is no API description at {}; set COGNITE_OPENAPI", path.display());
    None
}

async fn report(e: &Emulator) -> Value {
    answer(e.client.get(e.url("/_emulator/violations"))).await.1
}

#[tokio::test]
async fn answers_fit_the_description() {
    let Some(path) = document() else { return };
    let e = Emulator::with(Config { openapi: Some(path), job_ms: 0, ..Config::default() }).await;
    e.done("/datasets", json!({"items": [{"externalId": "d", "name": "d"}]})).await;
    let data_set = e.done("/datasets/byids", json!({"items": [{"externalId": "d"}]})).await["items"][0]["id"].clone();
    let file = e.done("/files", json!({"name": "f", "externalId": "f"})).await["id"].clone();
    e.done("/extpipes", json!({"items": [{"externalId": "p", "name": "p", "dataSetId": data_set}]})).await;
    e.done("/extpipes/runs", json!({"items": [{"externalId": "p", "status": "success"}]})).await;
    e.done("/transformations", json!({"items": [{"externalId": "t", "name": "t", "ignoreNullFields": true}]})).await;
    e.done("/transformations/run", json!({"externalId": "t"})).await;
    e.done("/functions/list", json!({})).await;
    e.done("/workflows", json!({"items": [{"externalId": "w"}]})).await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let properties = json!({"a": {"type": {"type": "text"}}});
    e.done("/models/containers", json!({"items": [{"space": "s", "externalId": "c", "properties": properties}]})).await;
    let mapped = json!({"a": {"container": {"type": "container", "space": "s", "externalId": "c"}, "containerPropertyIdentifier": "a"}});
    e.done(
        "/models/views",
        json!({"items": [{"space": "s", "externalId": "v", "version": "1", "properties": mapped}]}),
    )
    .await;
    let view = json!({"type": "view", "space": "s", "externalId": "v", "version": "1"});
    let node = json!({"instanceType": "node", "space": "s", "externalId": "n", "sources": [{"source": view, "properties": {"a": "x"}}]});
    e.done("/models/instances", json!({"items": [node]})).await;
    e.done("/models/instances/list", json!({"sources": [{"source": view}], "instanceType": "node"})).await;
    e.done("/3d/models", json!({"items": [{"name": "m"}]})).await;
    e.done("/assets", json!({"items": [{"name": "a"}]})).await;
    e.done("/assets/list", json!({"limit": 10})).await;
    assert!(file.is_i64());
    let report = report(&e).await;
    println!("{} requests, {} violations", report["requests"], report["violations"]);
    assert!(report["requests"].as_u64().unwrap() >= 17, "{report}");
    // The description wants at least one element in a list of what was deleted, even if nothing was.
    let known = |item: &&Value| item["errors"] != json!(["/deleted: [] has less than 1 item"]);
    let items: Vec<&Value> = report["items"].as_array().unwrap().iter().filter(known).collect();
    assert_eq!(items, Vec::<&Value>::new());

    // And it would tell: a field of the wrong type, accepted here or not, is a violation of the request.
    e.post("/assets", json!({"items": [{"name": 5}]})).await;
    let report = self::report(&e).await;
    assert_eq!(report["by_side"]["request"], 1, "{report}");
}
