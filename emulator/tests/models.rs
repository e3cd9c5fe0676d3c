//! Data modeling where more than the store is behind it: models written as types, units, files.

mod common;

use common::{Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};

async fn publish(e: &Emulator, dml: &str) -> Value {
    let order = json!({"space": "s", "externalId": "m", "version": "1", "graphQlDml": dml});
    let query = "mutation M($d: GraphQlDmlVersionUpsert!) { upsertGraphQlDmlVersion(graphQlDmlVersion: $d) { result { version } } }";
    e.done("/dml/graphql", json!({"query": query, "variables": {"d": order}})).await
}

#[tokio::test]
async fn a_model_is_written_as_types() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let wrong = publish(&e, "typ Pump { power: Float }").await;
    assert_eq!(wrong["errors"][0]["message"], "Invalid syntax in provided GraphQL schema");
    let dml = "interface Thing { name: String! } type Pump implements Thing { name: String! power: Float drives: Pump parts: [Thing] }";
    assert_eq!(publish(&e, dml).await["data"]["upsertGraphQlDmlVersion"]["result"]["version"], "1");
    let key = json!({"items": [{"space": "s", "externalId": "m", "version": "1"}]});
    let model = e.done("/models/datamodels/byids?inlineViews=true", key).await;
    let pump = model["items"][0]["views"].as_array().unwrap().iter().find(|v| v["externalId"] == "Pump").unwrap();
    let properties = &pump["properties"];
    assert_eq!(properties["name"]["container"]["externalId"], "Thing");
    assert_eq!(
        (&properties["name"]["nullable"], &properties["power"]["type"]["type"]),
        (&json!(false), &json!("float64"))
    );
    assert_eq!(properties["drives"]["type"]["source"]["externalId"], "Pump");
    assert_eq!(properties["parts"]["type"]["externalId"], "Pump.parts");
    let view = json!({"type": "view", "space": "s", "externalId": "Pump", "version": pump["version"]});
    let node = json!({"instanceType": "node", "space": "s", "externalId": "p", "sources": [{"source": view, "properties": {"name": "P", "power": 2.5}}]});
    e.done("/models/instances", json!({ "items": [node] })).await;
    let found = e.done("/models/instances/list", json!({"sources": [{ "source": view }]})).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    // In the same version no type may go.
    let fewer = publish(&e, "interface Thing { name: String! }").await;
    let errors = fewer["data"]["upsertGraphQlDmlVersion"]["errors"].as_array().unwrap().clone();
    assert_eq!((errors.len(), &errors[0]["kind"]), (1, &json!("DIFF_ERROR")));
    let other = e.done("/dml/graphql", json!({"query": "{ listPump { items { name } } }"})).await;
    assert!(other["errors"][0]["message"].as_str().unwrap().contains("no other GraphQL"));
}

#[tokio::test]
async fn values_come_in_the_unit_asked_for() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let pressure = json!({"type": {"type": "float64", "list": false, "unit": {"externalId": "pressure:bar"}}});
    e.done("/models/containers", json!({"items": [{"space": "s", "externalId": "c", "properties": {"p": pressure}}]}))
        .await;
    let container = json!({"type": "container", "space": "s", "externalId": "c"});
    e.done(
        "/models/views",
        json!({"items": [{"space": "s", "externalId": "v", "version": "1", "properties":
        {"p": {"container": container, "containerPropertyIdentifier": "p"}}}]}),
    )
    .await;
    let view = json!({"type": "view", "space": "s", "externalId": "v", "version": "1"});
    let node = json!({"instanceType": "node", "space": "s", "externalId": "n", "sources": [{"source": view, "properties": {"p": 1.5}}]});
    e.done("/models/instances", json!({ "items": [node] })).await;
    let units = |unit: &str| json!([{"property": "p", "unit": {"externalId": unit}}]);
    let source = json!({"source": view, "targetUnits": units("pressure:pa")});
    let key = json!([{"instanceType": "node", "space": "s", "externalId": "n"}]);
    let got =
        e.done("/models/instances/byids", json!({"items": key, "sources": [source], "includeTyping": true})).await;
    assert_eq!(got["items"][0]["properties"]["s"]["v/1"]["p"], 150_000.0);
    assert_eq!(got["typing"]["s"]["v/1"]["p"]["type"]["unit"]["externalId"], "pressure:pa");
    let plain = e.done("/models/instances/byids", json!({"items": key, "sources": [{ "source": view }]})).await;
    assert_eq!(plain["items"][0]["properties"]["s"]["v/1"]["p"], 1.5);
    let query = json!({"with": {"a": {"nodes": {}}}, "select": {"a": {"sources": [{"source": view, "properties": ["p"], "targetUnits": units("pressure:pa")}]}}});
    assert_eq!(
        e.done("/models/instances/query", query).await["items"]["a"][0]["properties"]["s"]["v/1"]["p"],
        150_000.0
    );
    let mean = json!({"view": view, "aggregates": [{"avg": {"property": "p"}}], "targetUnits": units("pressure:pa")});
    assert_eq!(e.done("/models/instances/aggregate", mean).await["items"][0]["aggregates"][0]["value"], 150_000.0);
    for wrong in ["temperature:deg_c", "nothing"] {
        let source = json!({"source": view, "targetUnits": units(wrong)});
        assert_eq!(e.post("/models/instances/byids", json!({"items": key, "sources": [source]})).await.0, 400);
    }
    let sorted = json!({"with": {"a": {"nodes": {}, "backfillSort": [{"property": ["node", "externalId"]}]}}, "select": {"a": {}}});
    assert_eq!(e.post("/models/instances/sync", sorted).await.0, 400);
    // Only what has data in the sources is answered.
    e.done("/models/instances", json!({"items": [{"instanceType": "node", "space": "s", "externalId": "bare"}]})).await;
    let bare = json!([{"instanceType": "node", "space": "s", "externalId": "bare"}]);
    assert_eq!(e.done("/models/instances/byids", json!({ "items": bare })).await["items"].as_array().unwrap().len(), 1);
    let got = e.done("/models/instances/byids", json!({"items": bare, "sources": [{ "source": view }]})).await;
    assert_eq!(got["items"], json!([]));
}

#[tokio::test]
async fn a_node_has_a_file_behind_it() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let view = json!({"type": "view", "space": "cdf_cdm", "externalId": "CogniteFile", "version": "v1"});
    let node = |name: &str| {
        json!({"items": [{"instanceType": "node", "space": "s", "externalId": "f", "sources":
        [{"source": view, "properties": {"name": name, "mimeType": "text/plain"}}]}]})
    };
    e.done("/models/instances", node("a.txt")).await;
    let key = json!({"items": [{"instanceId": {"space": "s", "externalId": "f"}}]});
    let file = e.done("/files/byids", key.clone()).await["items"][0].clone();
    assert_eq!(
        (&file["name"], &file["mimeType"], &file["uploaded"]),
        (&json!("a.txt"), &json!("text/plain"), &json!(false))
    );
    let link = e.done("/files/uploadlink", key.clone()).await["uploadUrl"].as_str().unwrap().to_owned();
    assert_eq!(e.client.put(link).body("hello").send().await.unwrap().status().as_u16(), 200);
    assert_eq!(e.done("/files/byids", key.clone()).await["items"][0]["uploaded"], true);
    let source =
        json!({"items": [{"instanceType": "node", "space": "s", "externalId": "f"}], "sources": [{ "source": view }]});
    let shown =
        e.done("/models/instances/byids", source).await["items"][0]["properties"]["cdf_cdm"]["CogniteFile/v1"].clone();
    assert_eq!(shown["isUploaded"], true);
    assert!(shown["uploadedTime"].as_str().unwrap().contains('T'));
    // A new name keeps file and content.
    e.done("/models/instances", node("b.txt")).await;
    let renamed = e.done("/files/byids", key.clone()).await["items"][0].clone();
    assert_eq!((&renamed["id"], &renamed["name"], &renamed["uploaded"]), (&file["id"], &json!("b.txt"), &json!(true)));
    // The files API changes its own fields and no more.
    let update = |field: &str| json!({"items": [{"id": file["id"], "update": {field: {"set": {}}}}]});
    e.done("/files/update", update("metadata")).await;
    let mime = json!({"items": [{"id": file["id"], "update": {"mimeType": {"set": "a/b"}}}]});
    assert_eq!(e.post("/files/update", mime).await.0, 400);
    assert_eq!(e.post("/files/delete", key.clone()).await.0, 400);
    let link = e.done("/files/downloadlink", key.clone()).await["items"][0]["downloadUrl"].as_str().unwrap().to_owned();
    assert_eq!(e.client.get(&link).send().await.unwrap().text().await.unwrap(), "hello");
    e.done("/models/instances/delete", json!({"items": [{"instanceType": "node", "space": "s", "externalId": "f"}]}))
        .await;
    assert_eq!(e.post("/files/byids", key).await.0, 400);
    assert_eq!(answer(e.client.request(Method::GET, link)).await.0, 404);
}
