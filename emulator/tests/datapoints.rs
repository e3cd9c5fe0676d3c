//! Datapoints over HTTP, as JSON and as protobuf.

mod common;

use cognite_emulator::proto;
use common::{Emulator, answer};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};

fn numbers(body: &Value) -> Vec<f64> {
    body["items"][0]["datapoints"].as_array().unwrap().iter().map(|d| d["value"].as_f64().unwrap()).collect()
}

async fn list(e: &Emulator, item: Value) -> Value {
    e.done("/timeseries/data/list", json!({ "items": [item] })).await
}

#[tokio::test]
async fn protobuf_in_and_out() {
    let e = Emulator::start().await;
    let id = e.numeric_series("n").await;
    e.done("/timeseries", json!({"items": [{"externalId": "t", "isString": true, "unit": "u"}]})).await;
    let status = |code: i64, symbol: &str| Some(proto::Status { code, symbol: symbol.into() });
    let number =
        |timestamp, value, status, null_value| proto::NumericDatapoint { timestamp, value, status, null_value };
    let request = proto::InsertionRequest {
        items: vec![
            proto::InsertionItem {
                reference: Some(proto::Reference::Id(id)),
                datapoints: Some(proto::Inserted::Numeric(
                    proto::NumericDatapoints {
                        datapoints: vec![
                            number(2, 0.1 + 0.2, None, false),
                            number(1, 0.0, status(0, "BadNoData"), true),
                            number(3, -1.5, status(0x4000_0000, ""), false),
                        ],
                    }
                    .encode_to_vec()
                    .into(),
                )),
            },
            proto::InsertionItem {
                reference: Some(proto::Reference::ExternalId("t".into())),
                datapoints: Some(proto::Inserted::String(proto::StringDatapoints {
                    datapoints: vec![proto::StringDatapoint {
                        timestamp: 5,
                        value: "æ".into(),
                        status: None,
                        null_value: false,
                    }],
                })),
            },
        ],
    };
    let request = e.request(Method::POST, "/timeseries/data").body(request.encode_to_vec());
    assert_eq!(answer(request.header("content-type", "application/protobuf")).await, (200, json!({})));

    let query = json!({
        "items": [{"externalId": "n"}, {"externalId": "t"}],
        "start": 0, "includeStatus": true, "ignoreBadDataPoints": false,
    });
    let request =
        e.request(Method::POST, "/timeseries/data/list").header("accept", "application/protobuf").json(&query);
    let found = request.send().await.unwrap();
    assert_eq!(found.headers()["content-type"], "application/protobuf");
    let found = proto::ListResponse::decode(found.bytes().await.unwrap()).unwrap();
    assert_eq!((found.items[0].r#type, found.items[1].r#type, found.items[1].unit.as_str()), (1, 2, "u"));
    let Some(proto::Listed::Numeric(have)) = &found.items[0].datapoints else { panic!("no numbers") };
    let have = proto::NumericDatapoints::decode(have.clone()).unwrap();
    let wanted = vec![
        number(1, 0.0, status(0x809B_0000, "BadNoData"), true),
        number(2, 0.1 + 0.2, None, false),
        number(3, -1.5, status(0x4000_0000, "Uncertain"), false),
    ];
    assert_eq!(have.datapoints, wanted);
    let as_json = e.done("/timeseries/data/list", query).await;
    assert_eq!(
        as_json["items"][0]["datapoints"],
        json!([
            {"timestamp": 1, "status": {"code": 0x809B_0000_u32, "symbol": "BadNoData"}},
            {"timestamp": 2, "value": 0.1 + 0.2},
            {"timestamp": 3, "value": -1.5, "status": {"code": 0x4000_0000, "symbol": "Uncertain"}},
        ])
    );
    assert_eq!(as_json["items"][1]["datapoints"], json!([{"timestamp": 5, "value": "æ"}]));

    // An aggregate that is not defined is NaN, one that was not asked for is left at zero.
    let query =
        json!({"items": [{"id": id, "aggregates": ["interpolation", "count"], "granularity": "1s", "start": 0}]});
    let request =
        e.request(Method::POST, "/timeseries/data/list").header("accept", "application/protobuf").json(&query);
    let found = proto::ListResponse::decode(request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let Some(proto::Listed::Aggregate(have)) = &found.items[0].datapoints else { panic!("no aggregates") };
    let point = &have.datapoints[0];
    assert!(point.interpolation.is_nan());
    assert_eq!((point.count, point.sum), (1.0, 0.0));
}

#[tokio::test]
async fn pages_follow_the_cursor() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    let points: Vec<Value> = (0..95).map(|t| json!({"timestamp": t * 1000, "value": t})).collect();
    e.done("/timeseries/data", json!({"items": [{"externalId": "n", "datapoints": points}]})).await;
    for (aggregates, granularity, pages) in [(Value::Null, Value::Null, 10), (json!(["sum"]), json!("5s"), 2)] {
        let (mut seen, mut cursor, mut count) = (0.0, Value::Null, 0);
        loop {
            let item = json!({
                "externalId": "n", "start": 0, "end": 95_000, "limit": 10,
                "cursor": cursor, "aggregates": aggregates, "granularity": granularity,
            });
            let page = list(&e, item).await;
            let points = page["items"][0]["datapoints"].as_array().unwrap();
            seen += points.iter().filter_map(|p| p["value"].as_f64().or(p["sum"].as_f64())).sum::<f64>();
            count += 1;
            cursor = page["items"][0]["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!((seen, count), ((0..95).sum::<i32>().into(), pages));
    }
    let page = list(&e, json!({"externalId": "n", "start": 0, "end": 95_000, "limit": 1})).await;
    let cursor = &page["items"][0]["nextCursor"];
    e.numeric_series("other").await;
    let (status, _) =
        e.post("/timeseries/data/list", json!({"items": [{"externalId": "other", "cursor": cursor}]})).await;
    assert_eq!(status, 400, "a cursor belongs to its time series");
    assert_eq!(e.post("/timeseries/data/list", json!({"items": [{"externalId": "n", "cursor": "x"}]})).await.0, 400);
}

#[tokio::test]
async fn limits_of_a_request() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    for (item, status) in [
        (json!({"limit": 100_000}), 200),
        (json!({"limit": 100_001}), 400),
        (json!({"limit": 10_000, "aggregates": ["sum"], "granularity": "1d"}), 200),
        (json!({"limit": 10_001, "aggregates": ["sum"], "granularity": "1d"}), 400),
        (json!({"aggregates": ["sum"]}), 400),
        (json!({"granularity": "1d"}), 400),
        (json!({"aggregates": ["mode"], "granularity": "1d"}), 400),
        (json!({"start": 5, "end": 5}), 400),
        (json!({"start": "1w-ago", "end": "now"}), 200),
        (json!({"end": "yesterday"}), 400),
        (json!({"targetUnit": "temperature:k"}), 400),
    ] {
        let mut item = item;
        item["externalId"] = json!("n");
        let (have, body) = e.post("/timeseries/data/list", json!({ "items": [item.clone()] })).await;
        assert_eq!(have, status, "{item}: {body}");
    }
    let two = json!({"limit": 60_000, "items": [{"externalId": "n"}, {"externalId": "n", "start": 1}]});
    assert_eq!(e.post("/timeseries/data/list", two).await.0, 400);
    let many: Vec<Value> = (0..100_001).map(|t| json!({"timestamp": t, "value": 0})).collect();
    let (status, _) = e.post("/timeseries/data", json!({"items": [{"externalId": "n", "datapoints": many}]})).await;
    assert_eq!(status, 400);
    let one = |point: Value| json!({"items": [{"externalId": "n", "datapoints": [point]}]});
    for (point, words) in [
        (json!({"timestamp": 1, "value": "x"}), "Expected numeric value"),
        (json!({"timestamp": 1, "value": "NaN"}), "Expected numeric value"),
        (json!({"timestamp": 1, "value": 1e101}), "outside"),
        (json!({"timestamp": 1}), "Missing value"),
        (json!({"timestamp": -2_208_988_800_001_i64, "value": 1}), "1900"),
        (json!({"timestamp": 1, "value": 1, "status": {"symbol": "Odd"}}), "Invalid status code symbol"),
        (json!({"timestamp": 1, "value": 1, "status": {"code": 0, "symbol": "Bad"}}), "do not match"),
        (json!({"timestamp": 1.5, "value": 1}), "parse"),
    ] {
        let (status, body) = e.post("/timeseries/data", one(point.clone())).await;
        let message = body["error"]["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(words), "{point}: {status} {message}");
    }
    let twice = json!({"items": [{"externalId": "n", "datapoints": []}, {"externalId": "n", "datapoints": []}]});
    assert_eq!(e.post("/timeseries/data", twice).await.0, 422);
    let (status, body) = e.post("/timeseries/data", json!({"items": [{"id": 7, "datapoints": []}]})).await;
    assert_eq!((status, &body["error"]["missing"]), (400, &json!([{"id": 7}])));
}

#[tokio::test]
async fn before_1970_and_relative_times() {
    let e = Emulator::start().await;
    e.numeric_series("n").await;
    let points = json!([{"timestamp": -2_208_988_800_000_i64, "value": 1}, {"timestamp": -1, "value": 2}, {"timestamp": 0, "value": 3}]);
    e.done("/timeseries/data", json!({"items": [{"externalId": "n", "datapoints": points}]})).await;
    assert_eq!(numbers(&list(&e, json!({"externalId": "n"})).await), [3.0]);
    assert_eq!(numbers(&list(&e, json!({"externalId": "n", "start": -2_208_988_800_000_i64})).await), [1.0, 2.0, 3.0]);
    let latest = e.done("/timeseries/data/latest", json!({"items": [{"externalId": "n", "before": "0"}]})).await;
    assert_eq!(numbers(&latest), [2.0]);
    let latest = e.done("/timeseries/data/latest", json!({"items": [{"externalId": "n", "before": "10w-ago"}]})).await;
    assert_eq!(numbers(&latest), [3.0]);
}
