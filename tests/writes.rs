//! Operations that change things, against servers on this machine that do as they are told, also badly: what is sent in
//! which order, and what is told of each item.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cognite::api::Client;
use cognite::api::operations::OperationRequest;
use cognite::error::{Error, Status};
use cognite::http::Response;
use cognite::runtime::{self, CancelToken};
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Value, json};

const SPLIT: u32 = 1;

fn request<'a>(name: &'a str, arguments: &'a str) -> OperationRequest<'a> {
    OperationRequest { name, arguments, timeout: Duration::from_secs(20), ..OperationRequest::default() }
}

fn carry_out(server: &Server, request: &OperationRequest<'_>) -> Result<Response, Error> {
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    runtime::block_on(client.accept_operation(request)?.run())
}

fn operate(server: &Server, name: &str, arguments: &Value) -> Result<Value, Error> {
    let response = carry_out(server, &request(name, &arguments.to_string()))?;
    Ok(serde_json::from_slice(&response.body).unwrap())
}

fn plain(got: &Got) -> Vec<u8> {
    let mut plain = Vec::new();
    match got.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&got.body[..]).read_to_end(&mut plain).unwrap()),
        _ => plain.clone_from(&got.body),
    }
    plain
}

fn body(got: &Got) -> Value {
    let plain = plain(got);
    if plain.is_empty() { Value::Null } else { serde_json::from_slice(&plain).unwrap() }
}

/// `POST /assets {"items":…}` of each request, without what stands before the resource.
fn seen(server: &Server) -> Vec<(String, Value)> {
    server.got().iter().map(|g| (g.target.replace("/api/v1/projects/p", ""), body(g))).collect()
}

fn refuse(status: &'static str, error: Value) -> Reply {
    Reply::Answer(status, "x-request-id: rid\r\n".into(), json!({"error": error}).to_string())
}

fn echo(got: &Got) -> Reply {
    ok(&json!({"items": body(got)["items"]}).to_string())
}

fn named(items: impl IntoIterator<Item = u32>) -> Vec<Value> {
    items.into_iter().map(|n| json!({"externalId": format!("a{n}"), "name": "n"})).collect()
}

/// The error's four lists, and its document.
fn places(e: &Error) -> ([usize; 4], Value) {
    let document: Value = serde_json::from_str(&e.to_json_text()).unwrap();
    let lists = ["succeeded", "failed", "unknown", "skipped"];
    (lists.map(|l| document[l].as_array().unwrap().len()), document)
}

#[test]
fn every_class_of_failure_places_the_items_of_its_request() {
    let server = Server::start(None, |got| match body(got)["items"][0]["externalId"].as_str().unwrap() {
        "a1000" => refuse("400 Bad Request", json!({"code": 400, "message": "bad"})),
        "a2000" => refuse("500 Internal Server Error", json!({"code": 500, "message": "boom"})),
        "a3000" => Reply::Close,
        "a4000" => ok("<html>"),
        "a5000" => refuse("409 Conflict", json!({"message": "dup", "duplicated": [{"externalId": "a5001"}]})),
        _ => echo(got),
    });
    let e = operate(&server, "assets.create", &json!({"items": named(0..6500)})).unwrap_err();
    let (counts, document) = places(&e);
    assert_eq!((e.status(), counts), (Status::Partial, [1500, 2000, 3000, 0]));
    assert_eq!(server.got().len(), 7, "all requests were made, each once");
    assert_eq!(document["succeeded"][0], json!({"externalId": "a0", "name": "n"}));
    assert_eq!(document["answered"].as_array().unwrap().len(), 1500);
    assert_eq!(document["duplicated"], json!([{"externalId": "a5001"}]));
    let told: Vec<(&str, u64)> = document["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["statusName"].as_str().unwrap(), r["positions"][0].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("API", 1000), ("API", 2000), ("CONNECTION", 3000), ("DECODE", 4000), ("DUPLICATED", 5000)]);
    assert_eq!(document["requests"][0]["requestId"], "rid");
    assert!(e.detail().in_doubt && !e.detail().retryable);
    assert!(e.message().contains("of 6500 items 1500 succeeded, 2000 failed, 3000 may"), "{e}");
}

#[test]
fn a_failure_of_one_request_keeps_its_own_status() {
    let server = Server::start(None, |got| match got.target.rsplit('/').next().unwrap() {
        "delete" => refuse("400 Bad Request", json!({"message": "nf", "missing": [{"id": 2}]})),
        _ => Reply::Close,
    });
    let e = operate(&server, "assets.delete", &json!({"ids": [1, 2]})).unwrap_err();
    let (counts, document) = places(&e);
    assert_eq!((e.status(), counts), (Status::NotFound, [0, 2, 0, 0]));
    assert_eq!(document["failed"], json!([{"id": 1}, {"id": 2}]));
    let e = operate(&server, "events.create", &json!({"items": [{"externalId": "e"}]})).unwrap_err();
    assert_eq!((e.status(), places(&e).0, e.detail().in_doubt), (Status::Connection, [0, 0, 1, 0], true));
}

#[test]
fn good_items_get_in_when_asked_to_split() {
    let bad = [3u32, 700, 1500];
    let server = Server::start(None, move |got| {
        let sent = body(got)["items"].as_array().unwrap().clone();
        let is_bad = |v: &&Value| bad.iter().any(|b| v["externalId"] == format!("a{b}"));
        match sent.iter().find(is_bad) {
            Some(_) => refuse("422 Unprocessable Entity", json!({"message": "one of them is bad"})),
            None => echo(got),
        }
    });
    let arguments = json!({"items": named(0..2000)}).to_string();
    let e = carry_out(&server, &OperationRequest { flags: SPLIT, ..request("assets.create", &arguments) }).unwrap_err();
    let (counts, document) = places(&e);
    assert_eq!(counts, [1997, 3, 0, 0]);
    assert_eq!(
        document["failed"].as_array().unwrap().iter().map(|v| v["externalId"].clone()).collect::<Vec<_>>(),
        ["a3", "a700", "a1500"]
    );
    assert!(server.got().len() < 80, "{} requests", server.got().len());
}

#[test]
fn edges_wait_for_nodes_that_are_repeated() {
    let first = AtomicUsize::new(0);
    let server = Server::start(None, move |got| match first.fetch_add(1, Ordering::SeqCst) {
        0 => refuse("429 Too Many Requests", json!({"message": "slow down"})),
        _ => echo(got),
    });
    let of = |kind: &str, n: u32| json!({"instanceType": kind, "space": "s", "externalId": format!("{kind}{n}")});
    let items: Vec<Value> = (0..1500).flat_map(|n| [of("edge", n), of("node", n)]).collect();
    let answer = operate(&server, "data_modeling.instances.apply", &json!({"items": items})).unwrap();
    assert_eq!(answer["items"], json!(items), "in the order given");
    let requests = seen(&server);
    let kinds: Vec<String> = requests
        .iter()
        .map(|(_, b)| {
            b["items"].as_array().unwrap().iter().map(|i| &i["instanceType"].as_str().unwrap()[..1]).collect()
        })
        .collect();
    let half = format!("{}{}", "n".repeat(500), "e".repeat(500));
    assert_eq!(kinds, ["n".repeat(1000), "n".repeat(1000), half, "e".repeat(1000)]);
    assert_eq!(requests[0].1["autoCreateDirectRelations"], true);
    assert_eq!(requests[0].1["replace"], false);
}

#[test]
fn edges_are_not_attempted_when_nodes_fail() {
    let server = Server::start(None, |_| refuse("400 Bad Request", json!({"message": "no"})));
    let of = |kind: &str, n: u32| json!({"instanceType": kind, "space": "s", "externalId": format!("{kind}{n}")});
    let items: Vec<Value> = (0..1500).map(|n| of("node", n)).chain((0..10).map(|n| of("edge", n))).collect();
    let e = operate(&server, "data_modeling.instances.apply", &json!({"items": items})).unwrap_err();
    assert_eq!((e.status(), places(&e).0), (Status::Api, [0, 1000, 0, 510]));
    assert_eq!(server.got().len(), 1);
}

#[test]
fn children_of_a_failed_parent_are_not_attempted_but_others_are() {
    let server = Server::start(None, |got| {
        let sent = body(got)["items"].as_array().unwrap().clone();
        match sent.iter().any(|v| v["externalId"] == "c1500") {
            true => refuse("400 Bad Request", json!({"message": "no"})),
            false => echo(got),
        }
    });
    let mut items = vec![json!({"externalId": "root", "name": "r"})];
    items.extend((0..3000).map(|n| json!({"externalId": format!("c{n}"), "name": "c", "parentExternalId": "root"})));
    items.extend(
        (0..3000).map(|n| json!({"externalId": format!("g{n}"), "name": "g", "parentExternalId": format!("c{n}")})),
    );
    items.reverse();
    let e = operate(&server, "assets.create_hierarchy", &json!({"items": items})).unwrap_err();
    // One request of a thousand children failed, and their thousand children were left out.
    assert_eq!((e.status(), places(&e).0), (Status::Partial, [4001, 1000, 0, 1000]));
    // What was sent had its parent among what came before it, or in the same request.
    let (mut there, mut calls) = (BTreeSet::new(), 0);
    for (target, sent) in seen(&server) {
        calls += 1;
        assert_eq!(target, "/assets");
        let sent = sent["items"].as_array().unwrap().clone();
        there.extend(sent.iter().map(|v| v["externalId"].as_str().unwrap().to_owned()));
        for parent in sent.iter().filter_map(|v| v["parentExternalId"].as_str()) {
            assert!(there.contains(parent), "{parent}");
        }
    }
    assert_eq!(calls, 6);
    let e = operate(&server, "assets.create_hierarchy", &json!({"items": [{"name": "a", "parentExternalId": "?"}]}));
    assert_eq!(e.unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(server.got().len(), 6, "nothing is sent of what is no hierarchy");
}

#[test]
fn rows_of_sequences_are_cut_read_and_deleted_in_parts() {
    let server = Server::start(None, |got| {
        let asked = body(got);
        if !got.target.ends_with("/list") {
            return ok("{}");
        }
        let from = asked["cursor"].as_str().map_or(0, |c| c.parse::<u64>().unwrap());
        let to = (from + asked["limit"].as_u64().unwrap()).min(25_000);
        let rows: Vec<Value> = (from..to).map(|n| json!({"rowNumber": n, "values": [1.5]})).collect();
        let more = json!({"id": 7, "columns": [{"externalId": "c"}], "rows": rows});
        let mut answer = more.as_object().unwrap().clone();
        if to < 25_000 {
            answer.insert("nextCursor".into(), to.to_string().into());
        }
        ok(&Value::Object(answer).to_string())
    });
    let rows: Vec<Value> = (0..7000).map(|n| json!({"rowNumber": n, "values": []})).collect();
    let columns: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
    let insert = json!({"items": [{"externalId": "s", "columns": columns, "rows": rows}]});
    assert_eq!(operate(&server, "sequences.data.insert", &insert).unwrap(), json!({"items": []}));
    let mut sizes: Vec<usize> =
        seen(&server).iter().map(|r| r.1["items"][0]["rows"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [334, 3333, 3333]);
    let all = operate(&server, "sequences.data.retrieve", &json!({"externalId": "s", "start": 0})).unwrap();
    assert_eq!((all["rows"].as_array().unwrap().len(), &all["id"]), (25_000, &json!(7)));
    assert!(all.get("nextCursor").is_none());
    let some = operate(&server, "sequences.data.retrieve", &json!({"externalId": "s", "limit": 10_001})).unwrap();
    assert_eq!(some["rows"][10_000]["rowNumber"], 10_000);
    assert_eq!(some["rows"].as_array().unwrap().len(), 10_001);
    let gone = operate(&server, "sequences.data.delete_range", &json!({"externalId": "s", "start": 0})).unwrap();
    assert_eq!(gone["deleted"], 25_000);
    let last = seen(&server).pop().unwrap();
    assert_eq!((last.0.as_str(), last.1["items"][0]["rows"][0].as_u64()), ("/sequences/data/delete", Some(20_000)));
}

#[test]
fn datapoints_are_cut_at_what_a_request_takes() {
    let server =
        Server::start(None, |got| match String::from_utf8(plain(got)).unwrap().contains("\"timestamp\":99999,") {
            true => refuse("400 Bad Request", json!({"message": "no"})),
            false => ok("{}"),
        });
    let points =
        |from: u32, count: u32| (from..from + count).map(|n| json!({"timestamp": n, "value": n})).collect::<Vec<_>>();
    let mut items = vec![json!({"externalId": "big", "datapoints": points(0, 150_000)})];
    items.extend((0..3).map(|n| json!({"id": n, "datapoints": points(0, 30_000)})));
    items.push(json!({"externalId": "big", "datapoints": points(150_000, 10)}));
    items.extend((10..20).map(|n| json!({"id": n, "datapoints": points(0, 1)})));
    let e = operate(&server, "time_series.data.insert", &json!({"items": items})).unwrap_err();
    let mut sizes = Vec::new();
    for (_, sent) in seen(&server) {
        let lists = sent["items"].as_array().unwrap();
        let count: usize = lists.iter().map(|i| i["datapoints"].as_array().unwrap().len()).sum();
        assert!(lists.len() <= 10_000 && count <= 100_000);
        sizes.push((lists.len(), count));
    }
    sizes.sort_unstable();
    // The rest of the big one goes with the first of the others.
    assert_eq!(sizes, [(1, 100_000), (2, 80_010), (12, 60_010)]);
    let (counts, document) = places(&e);
    assert_eq!((e.status(), counts), (Status::Partial, [14, 1, 0, 0]));
    assert_eq!(document["failed"], json!([{"externalId": "big", "firstPoint": 0, "points": 100_000}]));
}

#[test]
fn a_subtree_is_read_whole_or_down_to_a_depth() {
    let server = Server::start(None, |got| {
        let asked = body(got);
        if got.target.ends_with("/byids") {
            return match asked["items"][0]["externalId"] == "root" {
                true => ok("{\"items\":[{\"id\":1}]}"),
                false => ok("{\"items\":[]}"),
            };
        }
        if let Some(parents) = asked["filter"]["parentIds"].as_array() {
            assert!(parents.len() <= 100);
            // Each asset has three children, down to some level.
            let children = parents.iter().filter_map(Value::as_u64).filter(|p| *p < 100);
            let items: Vec<Value> = children.flat_map(|p| (p * 3 - 1..=p * 3 + 1).map(|n| json!({"id": n}))).collect();
            return ok(&json!({"items": items}).to_string());
        }
        assert_eq!(asked["filter"], json!({"assetSubtreeIds": [{"id": 1}]}));
        match asked["cursor"].as_str() {
            None => ok("{\"items\":[{\"id\":5},{\"id\":1}],\"nextCursor\":\"c\"}"),
            Some(_) => ok("{\"items\":[{\"id\":6}]}"),
        }
    });
    let ids = |arguments: Value| {
        let answer = operate(&server, "assets.retrieve_subtree", &arguments).unwrap();
        answer["items"].as_array().unwrap().iter().map(|i| i["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(json!({"externalId": "root"})), [1, 5, 6]);
    assert_eq!(ids(json!({"externalId": "root", "depth": 0})), [1]);
    assert_eq!(ids(json!({"externalId": "root", "depth": 2})), (1..=13).collect::<Vec<_>>());
    assert_eq!(ids(json!({"externalId": "root", "depth": 9})).len(), 301 - 3);
    assert_eq!(ids(json!({"externalId": "nobody"})), [0u64; 0]);
}

#[test]
fn a_tree_that_goes_in_circles_ends() {
    // Whoever is asked for, the children are the same three; and the list of all goes round in a circle of two pages.
    let pages = AtomicUsize::new(0);
    let server = Server::start(None, move |got| {
        let asked = body(got);
        if got.target.ends_with("/byids") {
            return ok("{\"items\":[{\"id\":1}]}");
        }
        if asked["filter"].get("parentIds").is_some() {
            return ok("{\"items\":[{\"id\":2},{\"id\":3},{\"id\":1}]}");
        }
        let n = pages.fetch_add(1, Ordering::SeqCst);
        assert!(n < 20, "an endless list");
        ok(&format!("{{\"items\":[{{\"id\":{n}}}],\"nextCursor\":\"c{}\"}}", n % 2))
    });
    let answer = operate(&server, "assets.retrieve_subtree", &json!({"id": 1, "depth": 1_000_000})).unwrap();
    assert_eq!(answer, json!({"items": [{"id": 1}, {"id": 2}, {"id": 3}]}));
    let e = operate(&server, "assets.retrieve_subtree", &json!({"id": 1})).unwrap_err();
    assert!(e.status() == Status::Decode && e.message().contains("never end"), "{e}");
}

#[test]
fn rows_that_go_in_circles_end() {
    let pages = AtomicUsize::new(0);
    let server = Server::start(None, move |got| {
        if got.target.ends_with("/delete") {
            return ok("{}");
        }
        let n = pages.fetch_add(1, Ordering::SeqCst);
        assert!(n < 20, "an endless list");
        ok(&format!("{{\"rows\":[{{\"rowNumber\":{n}}}],\"nextCursor\":\"c{}\"}}", n % 3))
    });
    for name in ["sequences.data.retrieve", "sequences.data.delete_range"] {
        let e = operate(&server, name, &json!({"externalId": "s", "start": 0})).unwrap_err();
        assert!(e.status() == Status::Decode && e.message().contains("never end"), "{name}: {e}");
    }
}

#[test]
fn a_job_without_a_status_is_not_taken_for_one_that_has_ended() {
    for (begun, seen) in [("{\"id\":1}", "{}"), ("{\"id\":1,\"status\":\"Running\"}", "{\"items\":[{\"id\":1}]}")] {
        let server = Server::start(None, move |got| ok(if got.target.ends_with("/run") { begun } else { seen }));
        let arguments = json!({"externalId": "t", "pollMs": 10});
        let e = operate(&server, "transformations.run_and_wait", &arguments).unwrap_err();
        assert_eq!(e.status(), Status::Decode, "{e}");
    }
}

/// A service whose jobs run for so many looks.
fn jobs(looks: usize, status: &'static str) -> Server {
    let seen = AtomicUsize::new(0);
    Server::start(None, move |got| {
        let status = || if seen.fetch_add(1, Ordering::SeqCst) < looks { "Running" } else { status };
        let target = got.target.replace("/api/v1/projects/p", "");
        match target.as_str() {
            "/sessions" => ok("{\"items\":[{\"id\":1,\"nonce\":\"N\"}]}"),
            "/transformations/run" => ok("{\"id\":12,\"status\":\"Created\"}"),
            "/functions/3/call" => ok("{\"id\":12,\"status\":\"Running\"}"),
            "/workflows/w%201/versions/v/run" => ok("{\"id\":\"e-1\",\"status\":\"running\"}"),
            "/workflows/executions/e-1" => ok(&json!({"id": "e-1", "status": status()}).to_string()),
            "/transformations/jobs/byids" | "/functions/3/calls/byids" => {
                ok(&json!({"items": [{"id": 12, "status": status()}]}).to_string())
            }
            "/functions/3/calls/12/response" => ok("{\"callId\":12,\"response\":{\"sum\":1.10}}"),
            other => panic!("{other}"),
        }
    })
}

#[test]
fn jobs_are_waited_for() {
    for (name, arguments, wanted) in [
        (
            "transformations.run_and_wait",
            json!({"externalId": "t", "pollMs": 10}),
            json!({"id": 12, "status": "Failed"}),
        ),
        (
            "functions.call_and_wait",
            json!({"functionId": 3, "data": {"a": 1}, "pollMs": 10}),
            json!({"id": 12, "status": "Failed", "response": {"sum": 1.1}}),
        ),
        (
            "workflows.executions.run_and_wait",
            json!({"workflowExternalId": "w 1", "version": "v", "input": {"x": 1}, "pollMs": 10}),
            json!({"id": "e-1", "status": "Failed"}),
        ),
    ] {
        let server = jobs(3, "Failed");
        assert_eq!(operate(&server, name, &arguments).unwrap(), wanted);
        let requests = seen(&server);
        let looks = requests.iter().filter(|r| r.0.ends_with("/byids") || r.0.ends_with("/e-1")).count();
        assert_eq!(looks, 4);
        let begun = requests.iter().filter(|r| r.0.ends_with("/run") || r.0.ends_with("/call")).collect::<Vec<_>>();
        assert_eq!(begun.len(), 1);
        let sent = &begun[0].1;
        match name {
            "functions.call_and_wait" => assert_eq!(*sent, json!({"data": {"a": 1}, "nonce": "N"})),
            "transformations.run_and_wait" => assert_eq!(*sent, json!({"externalId": "t"})),
            _ => assert_eq!(*sent, json!({"input": {"x": 1}, "authentication": {"nonce": "N"}})),
        }
    }
    let server = jobs(0, "Completed");
    let given = json!({"functionId": 3, "nonce": "mine", "pollMs": 10});
    operate(&server, "functions.call_and_wait", &given).unwrap();
    assert!(seen(&server).iter().all(|r| r.0 != "/sessions"));
    let e = operate(&server, "transformations.run_and_wait", &json!({"id": 1, "pollMs": 0})).unwrap_err();
    assert!(e.message().contains("pollMs"));
}

#[test]
fn a_wait_ends_with_its_deadline_or_its_token_and_names_the_job() {
    let server = jobs(usize::MAX, "never");
    let arguments = json!({"externalId": "t", "pollMs": 3_600_000}).to_string();
    let started = Instant::now();
    let base = request("transformations.run_and_wait", &arguments);
    let e = carry_out(&server, &OperationRequest { timeout: Duration::from_millis(300), ..base }).unwrap_err();
    assert_eq!((e.status(), e.detail().in_doubt), (Status::Timeout, true));
    assert_eq!(e.detail().extra.as_ref().unwrap()["job"]["id"], 12);
    let token = CancelToken::default();
    let trigger = token.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        trigger.trigger();
    });
    let base = request("transformations.run_and_wait", &arguments);
    let e = carry_out(&server, &OperationRequest { cancel: Some(&token), ..base }).unwrap_err();
    assert_eq!(e.status(), Status::Cancelled);
    assert!(e.message().contains("goes on"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_cancelled_create_tells_what_was_sent_and_what_was_not() {
    let token = CancelToken::default();
    let trigger = Mutex::new(Some(token.clone()));
    let server = Server::start(None, move |got| {
        if body(got)["items"][0]["externalId"] == "a0" {
            return echo(got);
        }
        // All are under way, or wait: cancelled before any is answered.
        std::thread::sleep(Duration::from_millis(300));
        if let Some(t) = trigger.lock().unwrap().take() {
            t.trigger();
        }
        std::thread::sleep(Duration::from_millis(500));
        echo(got)
    });
    let arguments = json!({"items": named(0..12_000)}).to_string();
    let request = OperationRequest { cancel: Some(&token), ..request("assets.create", &arguments) };
    let e = carry_out(&server, &request).unwrap_err();
    let (counts, document) = places(&e);
    assert_eq!((e.status(), counts.iter().sum::<usize>()), (Status::Partial, 12_000));
    let sent = server.got().len();
    assert_eq!(counts[0] + counts[2], sent * 1000, "{counts:?}");
    assert!(counts[0] == 1000 && counts[2] >= 3000 && counts[3] >= 6000, "{counts:?}");
    assert!(document["requests"].as_array().unwrap().iter().all(|r| r["statusName"] == "CANCELLED"));
}

#[test]
fn a_deadline_ends_a_create_in_the_same_way() {
    let number = AtomicUsize::new(0);
    let server = Server::start(None, move |got| {
        if number.fetch_add(1, Ordering::SeqCst) >= 4 {
            std::thread::sleep(Duration::from_secs(4));
        }
        echo(got)
    });
    let arguments = json!({"items": named(0..12_000)}).to_string();
    let request = OperationRequest { timeout: Duration::from_secs(2), ..request("assets.create", &arguments) };
    let e = carry_out(&server, &request).unwrap_err();
    let (counts, document) = places(&e);
    assert_eq!((e.status(), counts), (Status::Partial, [4000, 0, 4000, 4000]), "{e}");
    assert!(document["requests"].as_array().unwrap().iter().all(|r| r["statusName"] == "TIMEOUT"));
}

#[test]
fn arguments_are_refused_before_anything_is_sent() {
    let server = Server::start(None, |_| panic!("nothing is to be sent"));
    let refused = |name: &str, arguments: Value, told: &str| {
        let e = operate(&server, name, &arguments).unwrap_err();
        assert_eq!(e.status(), Status::InvalidArgument, "{name}: {e}");
        assert!(e.message().contains(told), "{name}: {e}");
    };
    refused("assets.update", json!({"items": [{"name": "n"}]}), "externalId");
    refused("assets.update", json!({"items": [{"id": 1}], "mode": "x"}), "replaceIgnoreNull");
    refused("labels.update", json!({"items": []}), "labels has");
    refused("agents.upsert", json!({}), "items");
    refused("geospatial.upsert", json!({}), "geospatial has");
    refused("assets.upsert", json!({"items": [], "mode": "replaceIgnoreNull"}), "upsert");
    refused("assets.upsert", json!({"items": [], "other": 1}), "other");
    refused("assets.retrieve_subtree", json!({"items": [{"id": 1}, {"id": 2}]}), "one root");
    refused("assets.retrieve_subtree", json!({"id": 1, "depth": -1}), "depth");
    refused("assets.retrieve_subtree", json!({"id": 1, "limit": 5}), "limit");
    refused("raw.rows.insert", json!({"dbName": "d", "tableName": "t", "items": [{}]}), "key");
    refused("sequences.data.insert", json!({"items": [{"externalId": "s"}]}), "rows");
    refused("assets.create_hierarchy", json!({"items": [], "ignoreOrphans": 1}), "ignoreOrphans");
    let e = carry_out(&server, &OperationRequest { flags: 2, ..request("assets.create", "{\"items\":[]}") });
    assert!(e.unwrap_err().message().contains("0x2"));
    assert_eq!(operate(&server, "assets.create", &json!({"items": []})).unwrap(), json!({"items": []}));
    assert_eq!(operate(&server, "assets.upsert", &json!({"items": []})).unwrap(), json!({"items": []}));
}

#[test]
fn upserts_update_create_and_update_again() {
    let there = Arc::new(Mutex::new(BTreeSet::from(["a1".to_owned()])));
    let server = Server::start(None, move |got| {
        let mut there = there.lock().unwrap();
        let sent = body(got)["items"].as_array().unwrap().clone();
        let name = |v: &Value| v["externalId"].as_str().unwrap().to_owned();
        if got.target.ends_with("/update") {
            let absent: Vec<Value> =
                sent.iter().map(name).filter(|n| !there.contains(n)).map(|n| json!({"externalId": n})).collect();
            if !absent.is_empty() {
                return refuse("400 Bad Request", json!({"message": "nf", "missing": absent}));
            }
        }
        there.extend(sent.iter().map(name));
        let items: Vec<Value> = sent.iter().map(|v| json!({"externalId": v["externalId"]})).collect();
        ok(&json!({"items": items}).to_string())
    });
    let items = json!([{"externalId": "a0", "name": "n"}, {"externalId": "a1", "description": "d", "source": null}]);
    let answer = operate(&server, "assets.upsert", &json!({"items": items})).unwrap();
    assert_eq!(answer, json!({"items": [{"externalId": "a0"}, {"externalId": "a1"}]}));
    let requests = seen(&server);
    assert_eq!(
        requests.iter().map(|r| r.0.as_str()).collect::<Vec<_>>(),
        ["/assets/update", "/assets", "/assets/update"]
    );
    assert_eq!(requests[1].1, json!({"items": [{"externalId": "a0", "name": "n"}]}));
    assert_eq!(requests[2].1, json!({"items": [{"externalId": "a1", "update": {"description": {"set": "d"}}}]}));
}
