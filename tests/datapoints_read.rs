//! What a query tells when some of its requests fail, and how states are sent: against a service that fails to order.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::sync::Arc;

use cognite::api::Client;
use cognite::api::datapoints::column::{Column, Key, Values};
use cognite::api::datapoints::columns::Columns;
use cognite::api::datapoints::insert::{self, Options};
use cognite::api::datapoints::{Work, latest, read};
use cognite::error::{Error, Status};
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Value, json};

fn body(got: &Got) -> Value {
    let mut plain = Vec::new();
    match got.header("content-encoding") {
        Some("gzip") => {
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&got.body[..]), &mut plain).unwrap();
        }
        _ => plain.clone_from(&got.body),
    }
    serde_json::from_slice(&plain).unwrap()
}

fn items(got: &Got) -> Vec<Value> {
    body(got)["items"].as_array().unwrap().clone()
}

fn id(item: &Value) -> i64 {
    item["id"].as_i64().unwrap()
}

fn unknown(ids: &[i64]) -> Reply {
    let missing: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let body = json!({"error": {"code": 400, "message": "Time series not found", "missing": missing}});
    Reply::Answer("400 Bad Request", String::new(), body.to_string())
}

fn partial(error: &Error) -> Arc<Columns> {
    Arc::clone(error.detail().partial.as_ref().unwrap()).downcast().unwrap()
}

fn run(work: Result<Work, Error>) -> Error {
    cognite::runtime::block_on(work.unwrap()).expect_err("it fails")
}

#[test]
fn the_latest_of_some_are_there_when_others_fail() {
    // Three requests at once; series 150 and 250 do not exist.
    let server = Server::start(None, |got| {
        let asked = items(got);
        let missing: Vec<i64> = asked.iter().map(id).filter(|id| [150, 250].contains(id)).collect();
        if !missing.is_empty() {
            return unknown(&missing);
        }
        let one = |item: &Value| json!({"id": id(item), "isString": false, "datapoints": [{"timestamp": 7, "value": id(item)}]});
        ok(&json!({"items": asked.iter().map(one).collect::<Vec<_>>()}).to_string())
    });
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let all: Vec<Value> = (1..=300).map(|id| json!({ "id": id })).collect();
    let query = json!({"items": all, "before": 10}).to_string();
    let error = run(latest::work(&client, query.as_bytes(), &read::Limits::default()));
    assert_eq!(error.status(), Status::NotFound);
    let mut missing = error.detail().missing.clone().unwrap();
    missing.sort_by_key(id);
    assert_eq!(missing, [json!({"id": 150}), json!({"id": 250})]);
    let columns = partial(&error);
    let had: Vec<usize> = columns.series.iter().filter(|s| s.complete && s.found).map(|s| s.item).collect();
    assert_eq!(had, (0..100).collect::<Vec<_>>());
    assert_eq!((columns.series.len(), columns.series[99].points.numbers[0]), (300, 100.0));
    let items = error.detail().items.clone().unwrap();
    assert_eq!([items.succeeded.len(), items.failed.len(), items.unknown.len(), items.skipped.len()], [100, 200, 0, 0]);
    // A series of its own may be missing: that one is left out, the other is told.
    let query = json!({"items": [{"id": 1}, {"id": 2, "ignoreUnknownIds": true}, {"id": 3}], "before": 10}).to_string();
    let server = Server::start(None, |got| {
        assert_eq!(body(got)["ignoreUnknownIds"], true);
        ok(&json!({"items": [{"id": 1, "datapoints": []}]}).to_string())
    });
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let error = run(latest::work(&client, query.as_bytes(), &read::Limits::default()));
    assert_eq!((error.status(), error.detail().http_status), (Status::NotFound, 400));
    assert_eq!(error.detail().missing, Some(vec![json!({"id": 3})]));
}

#[test]
fn each_series_says_whether_it_may_be_missing() {
    let query = r#"{"items":[{"id":1,"ignoreUnknownIds":true},{"id":2}],"start":0,"end":10,"limit":5}"#;
    let server = Server::start(None, |got| unknown(&items(got).iter().map(id).collect::<Vec<_>>()));
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let error = run(read::work(&client, query.as_bytes(), &read::Limits::default()));
    assert_eq!(error.detail().missing, Some(vec![json!({"id": 2})]));
    assert!(server.got().iter().all(|got| body(got)["ignoreUnknownIds"] == false));
    // A 404 that names no series may mean anything, such as a wrong address.
    let server = Server::start(None, |_| Reply::Answer("404 Not Found", String::new(), "{}".into()));
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let query = r#"{"id":1,"start":0,"end":10,"ignoreUnknownIds":true}"#;
    assert_eq!(run(read::work(&client, query.as_bytes(), &read::Limits::default())).detail().http_status, 404);
}

#[test]
fn a_damaged_answer_leaves_no_half_series() {
    let server = Server::start(None, |_| {
        let points = json!([{"timestamp": 7, "value": 1}, {"timestamp": 8, "value": {}}]);
        ok(&json!({"items": [{"id": 1, "datapoints": [{"timestamp": 7, "value": 1}]}, {"id": 2, "datapoints": points}]}).to_string())
    });
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let error = run(latest::work(&client, br#"{"items":[{"id":1},{"id":2}]}"#, &read::Limits::default()));
    assert_eq!(error.status(), Status::Decode);
    let columns = partial(&error);
    assert_eq!(
        columns.series.iter().map(|s| (s.complete, s.points.len())).collect::<Vec<_>>(),
        [(true, 1), (false, 0)]
    );
    assert!(columns.series.iter().all(|s| s.points.is_whole()));
}

/// Two requests at a time, and ranges that are cut in two: both series are asked for before the first refusal ends it.
#[test]
fn all_that_are_missing_are_told_however_few_requests_there_are_at_a_time() {
    let server = Server::start(None, |got| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        unknown(&items(got).iter().map(id).collect::<Vec<_>>())
    });
    let client = Client::new(&config(&server.url("http"), "concurrency_settings: {datapoints: {read: 2}}\n")).unwrap();
    let query = br#"{"items":[{"id":1},{"id":2}],"start":0,"end":1700000000000}"#;
    let error = run(read::work(&client, query, &read::Limits::default()));
    let mut missing = error.detail().missing.clone().unwrap();
    missing.sort_by_key(id);
    assert_eq!(missing, [json!({"id": 1}), json!({"id": 2})]);
    assert_eq!(server.got().len(), 2);
}

#[test]
fn states_go_with_the_version_that_has_them() {
    for (settings, sent) in [("", "beta"), ("api_subversion: beta-2\n", "beta-2")] {
        let server = Server::start(None, |_| ok("{}"));
        let client = Client::new(&config(&server.url("http"), settings)).unwrap();
        let key = |name| Key::Instance { space: "s", external_id: name };
        let of = |name, values| Column { key: key(name), timestamps: &[1, 2], values, status: None, validity: None };
        for (column, version) in [
            (of("a", Values::StateNumbers(&[1, 0])), sent),
            (of("b", Values::Numbers(&[1.0, 0.0])), if settings.is_empty() { "20230101" } else { sent }),
        ] {
            insert::blocking(&client, &[column], &Options::default()).unwrap();
            let got = server.got();
            let last = got.last().unwrap();
            assert_eq!(last.header("cdf-version"), Some(version));
            assert_eq!(last.header("content-type"), Some("application/protobuf"));
        }
    }
}
