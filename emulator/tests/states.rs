//! Time series that are nodes, and those whose values are states.

mod common;

use cognite_emulator::proto;
use common::{Emulator, answer};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};

fn view(name: &str) -> Value {
    json!({"type": "view", "space": "cdf_cdm", "externalId": name, "version": "v1"})
}

fn node(name: &str, source: &str, properties: Value) -> Value {
    json!({"instanceType": "node", "space": "plant", "externalId": name,
        "sources": [{"source": view(source), "properties": properties}]})
}

fn instance(name: &str) -> Value {
    json!({"space": "plant", "externalId": name})
}

/// A state set, a state time series `valve` and a numeric one `flow`.
async fn plant() -> Emulator {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "plant"}]})).await;
    let states = json!([{"numericValue": 0, "stringValue": "CLOSED"}, {"numericValue": 1, "stringValue": "OPEN", "description": "d"}]);
    let items = json!([
        node("valve states", "CogniteStateSet", json!({ "states": states })),
        node(
            "valve",
            "CogniteTimeSeries",
            json!({"isStep": true, "type": "state", "stateSet": instance("valve states"), "name": "V"})
        ),
        node(
            "flow",
            "CogniteTimeSeries",
            json!({"isStep": false, "type": "numeric", "sourceUnit": "m3/h",
            "unit": {"space": "cdf_cdm_units", "externalId": "temperature:deg_c"}})
        ),
    ]);
    e.done("/models/instances", json!({ "items": items })).await;
    e
}

#[tokio::test]
async fn a_node_has_a_time_series_behind_it() {
    let e = plant().await;
    let found = e.done("/timeseries/byids", json!({"items": [{"instanceId": instance("flow")}]})).await;
    let row = &found["items"][0];
    assert_eq!(
        (&row["instanceId"], &row["type"], &row["unit"]),
        (&instance("flow"), &json!("numeric"), &json!("m3/h"))
    );
    assert_eq!(row["unitExternalId"], "temperature:deg_c");
    let id = row["id"].clone();

    let points = json!([{"timestamp": 5, "value": 1.5}, {"timestamp": 6, "value": 2.5}]);
    let name = instance("flow");
    e.done("/timeseries/data", json!({"items": [{"instanceId": name, "datapoints": points}]})).await;
    let latest = e.done("/timeseries/data/latest", json!({"items": [{"instanceId": name}]})).await;
    assert_eq!((&latest["items"][0]["id"], &latest["items"][0]["datapoints"][0]["value"]), (&id, &json!(2.5)));
    assert_eq!(latest["items"][0]["instanceId"], name);
    let range = json!({"instanceId": name, "inclusiveBegin": 6, "exclusiveEnd": 7});
    e.done("/timeseries/data/delete", json!({"items": [range]})).await;
    let left = e.done("/timeseries/data/list", json!({"items": [{"instanceId": name, "start": 0}]})).await;
    assert_eq!(left["items"][0]["datapoints"], json!([{"timestamp": 5, "value": 1.5}]));

    let missing = json!({"items": [{"instanceId": instance("none"), "datapoints": points}]});
    let (status, body) = e.post("/timeseries/data", missing).await;
    assert_eq!((status, &body["error"]["missing"]), (400, &json!([{"instanceId": instance("none")}])));

    // What the node says is changed on the node; the rest here.
    let update = |update: Value| json!({"items": [{"instanceId": instance("flow"), "update": update}]});
    assert_eq!(e.post("/timeseries/update", update(json!({"name": {"set": "x"}}))).await.0, 400);
    e.done("/timeseries/update", update(json!({"metadata": {"add": {"a": "b"}}}))).await;
    assert_eq!(e.post("/timeseries/delete", json!({"items": [{"id": id}]})).await.0, 400);
    let other = node("flow", "CogniteTimeSeries", json!({"isStep": false, "type": "string"}));
    assert_eq!(e.post("/models/instances", json!({"items": [other]})).await.0, 400, "the type is fixed");
    let renamed = node("flow", "CogniteTimeSeries", json!({"name": "F"}));
    e.done("/models/instances", json!({"items": [renamed]})).await;
    let found = e.done("/timeseries/byids", json!({"items": [{"id": id}]})).await;
    assert_eq!((&found["items"][0]["name"], &found["items"][0]["metadata"]), (&json!("F"), &json!({"a": "b"})));

    let gone = json!({"items": [{"instanceType": "node", "space": "plant", "externalId": "flow"}]});
    e.done("/models/instances/delete", gone).await;
    assert_eq!(e.post("/timeseries/byids", json!({"items": [{"id": id}]})).await.0, 400);
}

#[tokio::test]
async fn a_pending_name_brings_the_datapoints_along() {
    let e = plant().await;
    let id = e.numeric_series("old").await;
    let points = json!([{"timestamp": 5, "value": 1.5}]);
    e.done("/timeseries/data", json!({"items": [{"id": id, "datapoints": points}]})).await;
    let pending = json!({"items": [{"externalId": "old", "pendingInstanceId": instance("new")}]});
    e.done("/timeseries/set-pending-instance-ids", pending.clone()).await;
    assert_eq!(e.post("/timeseries/set-pending-instance-ids", pending).await.0, 409);
    let new = node("new", "CogniteTimeSeries", json!({"isStep": false, "type": "numeric"}));
    e.done("/models/instances", json!({"items": [new]})).await;
    let latest = e.done("/timeseries/data/latest", json!({"items": [{"instanceId": instance("new")}]})).await;
    assert_eq!((&latest["items"][0]["id"], &latest["items"][0]["datapoints"][0]["value"]), (&json!(id), &json!(1.5)));
    assert_eq!(latest["items"][0]["externalId"], "old");
}

#[tokio::test]
async fn states_in_json_and_protobuf() {
    let e = plant().await;
    let insert = |points: Value| json!({"items": [{"instanceId": instance("valve"), "datapoints": points}]});
    for bad in [
        json!([{"timestamp": 1, "numericValue": 7}]),
        json!([{"timestamp": 1, "stringValue": "AJAR"}]),
        json!([{"timestamp": 1, "numericValue": 0, "stringValue": "OPEN"}]),
        json!([{"timestamp": 1, "value": 1}]),
        json!([{"timestamp": 1}]),
    ] {
        assert_eq!(e.post("/timeseries/data", insert(bad.clone())).await.0, 400, "{bad}");
    }
    e.done(
        "/timeseries/data",
        insert(json!([{"timestamp": 0, "numericValue": 0}, {"timestamp": 600, "stringValue": "OPEN"}])),
    )
    .await;
    let point = |timestamp, number: Option<i64>, name: Option<&str>, code: Option<i64>| proto::StateDatapoint {
        timestamp,
        numeric_value: number,
        string_value: name.map(str::to_owned),
        status: code.map(|code| proto::Status { code, symbol: String::new() }),
    };
    let request = proto::InsertionRequest {
        items: vec![proto::InsertionItem {
            reference: Some(proto::Reference::InstanceId(proto::InstanceId {
                space: "plant".into(),
                external_id: "valve".into(),
            })),
            datapoints: Some(proto::Inserted::State(proto::StateDatapoints {
                datapoints: vec![
                    point(700, Some(1), Some("OPEN"), None),
                    point(800, None, None, Some(0x8000_0000)),
                    point(900, None, Some("CLOSED"), None),
                ],
            })),
        }],
    };
    let request = e.request(Method::POST, "/timeseries/data").body(request.encode_to_vec());
    assert_eq!(answer(request.header("content-type", "application/protobuf")).await, (200, json!({})));

    let item =
        json!({"instanceId": instance("valve"), "start": 0, "includeStatus": true, "ignoreBadDataPoints": false});
    let list = e.done("/timeseries/data/list", json!({"items": [item]})).await;
    assert_eq!((&list["items"][0]["type"], &list["items"][0]["isString"]), (&json!("state"), &json!(false)));
    let state =
        |at: i64, number: i64, name: &str| json!({"timestamp": at, "numericValue": number, "stringValue": name});
    assert_eq!(
        list["items"][0]["datapoints"],
        json!([
            state(0, 0, "CLOSED"),
            state(600, 1, "OPEN"),
            state(700, 1, "OPEN"),
            {"timestamp": 800, "status": {"code": 0x8000_0000_u32, "symbol": "Bad"}},
            state(900, 0, "CLOSED"),
        ])
    );
    let aggregates =
        json!(["count", "countBad", "stepInterpolation", "stateCount", "stateTransitions", "stateDuration"]);
    let item = json!({"instanceId": instance("valve"), "start": 0, "granularity": "1s", "aggregates": aggregates});
    let list = e.done("/timeseries/data/list", json!({"items": [item]})).await;
    let sum = |number: i64, name: &str, count: i64, transitions: i64, duration: i64| {
        json!({"numericValue": number, "stringValue": name, "stateCount": count,
            "stateTransitions": transitions, "stateDuration": duration})
    };
    assert_eq!(
        list["items"][0]["datapoints"],
        json!([{"timestamp": 0, "count": 4, "stepInterpolation": {"numericValue": 0, "stringValue": "CLOSED"}, "countBad": 1,
            "stateAggregates": [sum(0, "CLOSED", 2, 2, 600), sum(1, "OPEN", 2, 1, 300)]}])
    );
    let request = e.request(Method::POST, "/timeseries/data/list").header("accept", "application/protobuf");
    let found = request.json(&json!({"items": [item]})).send().await.unwrap().bytes().await.unwrap();
    let found = proto::ListResponse::decode(found).unwrap();
    let Some(proto::Listed::StateAggregate(points)) = &found.items[0].datapoints else { panic!("no state aggregates") };
    assert_eq!((points.datapoints[0].count, points.datapoints[0].state_aggregates[1].state_duration), (4.0, Some(300)));
    assert_eq!((found.items[0].r#type, &found.items[0].instance_id.as_ref().unwrap().space[..]), (3, "plant"));
    for (name, aggregate) in [("valve", "average"), ("flow", "stateCount")] {
        let item = json!({"instanceId": instance(name), "start": 0, "granularity": "1s", "aggregates": [aggregate]});
        assert_eq!(e.post("/timeseries/data/list", json!({"items": [item]})).await.0, 400, "{name} {aggregate}");
    }

    // A state that is no longer in the set has its number only.
    let fewer =
        node("valve states", "CogniteStateSet", json!({"states": [{"numericValue": 0, "stringValue": "SHUT"}]}));
    e.done("/models/instances", json!({"items": [fewer]})).await;
    let list = e
        .done("/timeseries/data/list", json!({"items": [{"instanceId": instance("valve"), "start": 600, "end": 901}]}))
        .await;
    assert_eq!(
        list["items"][0]["datapoints"],
        json!([{"timestamp": 600, "numericValue": 1}, {"timestamp": 700, "numericValue": 1}, state(900, 0, "SHUT")])
    );
    for states in
        [json!([]), json!([{"numericValue": 0, "stringValue": ""}]), json!([{"numericValue": 0.5, "stringValue": "a"}])]
    {
        let bad = node("bad", "CogniteStateSet", json!({ "states": states }));
        assert_eq!(e.post("/models/instances", json!({"items": [bad]})).await.0, 400, "{states}");
    }
}
