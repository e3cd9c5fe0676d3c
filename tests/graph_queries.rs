//! Queries of the graph read to their end, against a service that gives pages of sets within pages of sets, and refuses
//! cursors that do not belong together.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cognite::api::Client;
use cognite::api::operations::OperationRequest;
use cognite::error::{Error, Status};
use cognite::runtime;
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Map, Value, json};

fn operate(server: &Server, name: &str, arguments: &Value) -> Result<Value, Error> {
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let arguments = arguments.to_string();
    let timeout = Duration::from_secs(30);
    let request = OperationRequest { name, arguments: &arguments, timeout, ..OperationRequest::default() };
    let response = runtime::block_on(client.accept_operation(&request)?.run())?;
    Ok(serde_json::from_slice(&response.body).unwrap())
}

fn body(got: &Got) -> Value {
    serde_json::from_slice(&got.body).unwrap()
}

fn refuse(message: &str) -> Reply {
    Reply::Answer("400 Bad Request", String::new(), json!({"error": {"code": 400, "message": message}}).to_string())
}

/// What a set leads to from one instance: so many, of which neighbours share the last with the first.
fn below(name: &str, fan: usize) -> Vec<String> {
    let number: usize = name.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    (0..fan).map(|n| format!("{}x{}", &name[..1], number * fan.saturating_sub(1).max(1) + n)).collect()
}

/// A graph as it is asked for: a set is `{"nodes":{"fan":n}}`, or starts `from` another. A cursor is `parent's page/offset`.
fn graph() -> Server {
    Server::start(None, |got| {
        let asked = body(got);
        let (mut items, mut next) = (Map::new(), Map::new());
        let mut pages: Map<String, Value> = Map::new();
        let with = asked["with"].as_object().unwrap();
        let mut names: Vec<&String> = asked["select"].as_object().unwrap().keys().collect();
        // What is started from comes first.
        while !names.is_empty() {
            let name = names.remove(0);
            let (set, of) = (&with[name], &with[name].as_object().unwrap().values().next().unwrap());
            let (all, page): (Vec<String>, String) = match of["from"].as_str() {
                None => ((0..of["fan"].as_u64().unwrap()).map(|n| format!("r{n}")).collect(), String::new()),
                Some(from) if !pages.contains_key(from) => {
                    assert!(asked["select"].get(from).is_some(), "{from} cannot be paged through");
                    names.push(name);
                    continue;
                }
                Some(from) => {
                    let start = items[from].as_array().unwrap();
                    let fan = of["fan"].as_u64().unwrap() as usize;
                    let mut all: Vec<String> =
                        start.iter().flat_map(|i| below(i["externalId"].as_str().unwrap(), fan)).collect();
                    all.sort();
                    all.dedup();
                    (all, pages[from].as_str().unwrap().to_owned())
                }
            };
            let offset = match asked["cursors"][name].as_str() {
                None => 0,
                Some(cursor) => match cursor.rsplit_once('/').unwrap() {
                    (belongs, offset) if belongs == page => offset.parse().unwrap(),
                    _ => return refuse("this cursor is of another page"),
                },
            };
            let limit = set["limit"].as_u64().unwrap() as usize;
            let some: Vec<Value> = all
                .iter()
                .skip(offset)
                .take(limit)
                .map(|n| json!({"space": "s", "externalId": n, "p": 1.10}))
                .collect();
            if offset + limit < all.len() {
                next.insert(name.clone(), format!("{page}/{}", offset + limit).into());
            }
            items.insert(name.clone(), some.into());
            pages.insert(name.clone(), format!("{page}/{offset}").into());
        }
        ok(&json!({"items": items, "nextCursor": next, "typing": {}}).to_string())
    })
}

fn names(answer: &Value, set: &str) -> Vec<String> {
    answer["items"][set].as_array().unwrap().iter().map(|i| i["externalId"].as_str().unwrap().to_owned()).collect()
}

/// All that a set leads to, without pages.
fn whole(from: &[String], fan: usize) -> Vec<String> {
    let mut all: Vec<String> = from.iter().flat_map(|n| below(n, fan)).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn each_set_is_complete_whatever_the_pages() {
    let server = graph();
    for roots in [0usize, 1, 5, 12] {
        for limits in [[1, 1, 1], [2, 3, 2], [5, 2, 7], [100, 100, 100]] {
            if roots == 12 && limits == [1, 1, 1] {
                continue;
            }
            let query = json!({
                "with": {
                    "a": {"nodes": {"fan": roots}, "limit": limits[0]},
                    "b": {"edges": {"from": "a", "fan": 3}, "limit": limits[1]},
                    "c": {"nodes": {"from": "b", "fan": 2}, "limit": limits[2]},
                    "d": {"nodes": {"from": "a", "fan": 2}, "limit": limits[1]},
                    "z": {"nodes": {"fan": roots * 2}, "limit": limits[2]},
                },
                // What is between is not asked for, but has to be read.
                "select": {"a": {}, "c": {}, "d": {}, "z": {"sources": []}},
            });
            let answer = operate(&server, "data_modeling.instances.query_all", &query).unwrap();
            let a: Vec<String> = (0..roots).map(|n| format!("r{n}")).collect();
            let sorted = |set: &str| {
                let mut all = names(&answer, set);
                all.sort();
                all
            };
            assert_eq!(names(&answer, "a"), a);
            assert_eq!(sorted("d"), whole(&a, 2), "{roots} {limits:?}");
            assert_eq!(sorted("c"), whole(&whole(&a, 3), 2), "{roots} {limits:?}");
            assert_eq!(names(&answer, "z").len(), roots * 2);
            assert!(
                answer["items"].get("b").is_none()
                    && answer.get("more").is_none()
                    && answer.get("nextCursor").is_none()
            );
            assert_eq!(answer["typing"], json!({}));
        }
    }
}

#[test]
fn a_limit_is_kept_for_each_set_and_what_is_left_out_is_told() {
    let server = graph();
    let query = json!({
        "with": {"a": {"nodes": {"fan": 10}, "limit": 4}, "b": {"nodes": {"from": "a", "fan": 3}, "limit": 4}, "c": {"nodes": {"fan": 3}, "limit": 4}},
        "select": {"a": {}, "b": {}, "c": {}},
        "limit": 6,
    });
    let answer = operate(&server, "data_modeling.instances.query_all", &query).unwrap();
    assert_eq!(names(&answer, "a"), ["r0", "r1", "r2", "r3", "r4", "r5"]);
    assert_eq!((names(&answer, "b").len(), names(&answer, "c").len()), (6, 3));
    assert_eq!(answer["more"], json!(["a", "b"]));
    assert!(server.got().len() <= 4, "{}", server.got().len());
}

#[test]
fn what_cannot_be_read_to_its_end_is_refused_before_anything_is_sent() {
    let server = Server::start(None, |_| panic!("nothing is to be sent"));
    let set = |with: Value| json!({"with": with, "select": {"a": {}}});
    for (arguments, told) in [
        (json!({}), "arguments.with"),
        (json!({"with": {"a": {"nodes": {}}}, "select": {}}), "arguments.select"),
        (set(json!({"b": {"nodes": {}}})), "with.a is missing"),
        (set(json!({"a": {"union": ["b", "c"]}})), "several sets"),
        (set(json!({"a": {"nodes": {"from": "a"}}})), "starts from itself"),
        (set(json!({"a": {"nodes": {"from": "b"}}, "b": {"edges": {"from": "a"}}})), "starts from itself"),
        (set(json!({"a": {"nodes": {"from": 5}}})), "no text"),
        (set(json!({"a": {"nodes": {"from": "x"}}})), "with.x is missing"),
        (json!({"with": {"a": {"nodes": {}}}, "select": {"a": {}}, "cursors": {}}), "cursors"),
        (json!({"with": {"a": {"nodes": {}}}, "select": {"a": {}}, "limit": -5}), "limit"),
    ] {
        let e = operate(&server, "data_modeling.instances.query_all", &arguments).unwrap_err();
        assert!(e.status() == Status::InvalidArgument && e.message().contains(told), "{arguments}: {e}");
    }
    let many: Map<String, Value> = (0..51).map(|n| (format!("s{n}"), json!({"nodes": {}}))).collect();
    let e = operate(&server, "data_modeling.instances.query_all", &json!({"with": many, "select": many})).unwrap_err();
    assert!(e.message().contains("50"), "{e}");
}

#[test]
fn a_service_that_goes_in_circles_or_says_nothing_is_found_out() {
    let query = json!({"with": {"a": {"nodes": {}, "limit": 1}}, "select": {"a": {}}});
    for (name, circle) in [("query_all", 1), ("query_all", 3), ("sync_all", 1), ("sync_all", 4)] {
        let n = AtomicUsize::new(0);
        let server = Server::start(None, move |_| {
            let n = n.fetch_add(1, Ordering::SeqCst);
            assert!(n < 50, "an endless list");
            ok(&json!({"items": {"a": [{"n": n}]}, "nextCursor": {"a": format!("c{}", n % circle)}}).to_string())
        });
        let e = operate(&server, &format!("data_modeling.instances.{name}"), &query).unwrap_err();
        assert!(e.status() == Status::Decode && e.message().contains("never end"), "{e}");
    }
    for answer in [
        "{}",
        "<html>",
        r#"{"items":[]}"#,
        r#"{"items":{}}"#,
        r#"{"items":{"a":{}}}"#,
        r#"{"items":{"a":[]},"nextCursor":{"a":7}}"#,
    ] {
        let server = Server::start(None, move |_| ok(answer));
        for name in ["query_all", "sync_all"] {
            let e = operate(&server, &format!("data_modeling.instances.{name}"), &query).unwrap_err();
            assert_eq!(e.status(), Status::Decode, "{answer}: {e}");
        }
    }
    let server = Server::start(None, |got| match body(got).get("cursors") {
        None => ok(r#"{"items":{"a":[1]},"nextCursor":{"a":"x"}}"#),
        Some(_) => refuse("no"),
    });
    let e = operate(&server, "data_modeling.instances.query_all", &query).unwrap_err();
    assert_eq!((e.status(), e.detail().http_status), (Status::Api, 400));
}

#[test]
fn changes_are_read_until_there_are_no_more_and_none_is_cut() {
    // 25 changes of a, 7 of b, in pages of 10 and (of b) of what the service thinks right.
    let server = Server::start(None, |got| {
        let asked = body(got);
        let (mut items, mut next) = (Map::new(), Map::new());
        for (name, total, page) in [("a", 25usize, 10), ("b", 7, 100)] {
            let from = asked["cursors"][name].as_str().map_or(0, |c| c.parse().unwrap());
            let some: Vec<Value> = (from..total.min(from + page)).map(|n| json!({"n": n})).collect();
            next.insert(name.to_owned(), (from + some.len()).to_string().into());
            items.insert(name.to_owned(), some.into());
        }
        ok(&json!({"items": items, "nextCursor": next}).to_string())
    });
    let mut query =
        json!({"with": {"a": {"nodes": {}, "limit": 10}, "b": {"nodes": {}}}, "select": {"a": {}, "b": {}}});
    let sync = |query: &Value| operate(&server, "data_modeling.instances.sync_all", query).unwrap();
    let all = sync(&query);
    assert_eq!((all["items"]["a"].as_array().unwrap().len(), all["items"]["b"].as_array().unwrap().len()), (25, 7));
    assert_eq!((&all["nextCursor"], server.got().len()), (&json!({"a": "25", "b": "7"}), 3));
    query["cursors"] = all["nextCursor"].clone();
    assert_eq!(sync(&query)["items"], json!({"a": [], "b": []}));
    // A limit ends it behind a whole page: what was left out comes next time.
    query["cursors"] = json!({"a": null});
    query["limit"] = 12.into();
    let some = sync(&query);
    assert_eq!((some["items"]["a"].as_array().unwrap().len(), &some["nextCursor"]["a"]), (10, &json!("10")));
}
