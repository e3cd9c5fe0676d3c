//! Operations by name, against servers on this machine that do as they are told, also badly.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cognite::api::Client;
use cognite::api::operations::{OperationRequest, Shape, table};
use cognite::error::{Error, Status};
use cognite::ffi::pages::COGNITE_OPERATION_UNCHECKED as UNCHECKED;
use cognite::http::Response;
use cognite::runtime;
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Value, json};

fn client(server: &Server) -> Arc<Client> {
    Client::new(&config(&server.url("http"), "")).unwrap()
}

fn request<'a>(name: &'a str, arguments: &'a str) -> OperationRequest<'a> {
    OperationRequest { name, arguments, timeout: Duration::from_secs(20), ..OperationRequest::default() }
}

fn operate(client: &Arc<Client>, name: &str, arguments: &str) -> Result<Response, Error> {
    runtime::block_on(client.accept_operation(&request(name, arguments))?.run())
}

/// All pages, or what ended them.
fn pages(client: &Arc<Client>, name: &str, arguments: &str, ahead: u32, flags: u32) -> Result<Vec<Response>, Error> {
    let pages = client.pages(&OperationRequest { flags, ..request(name, arguments) }, ahead)?;
    let mut out = Vec::new();
    loop {
        match runtime::block_on(pages.next()?) {
            Ok(page) => out.push(page),
            Err(e) if e.status() == Status::Empty => return Ok(out),
            Err(e) => {
                let again = runtime::block_on(pages.next()?).unwrap_err();
                assert_eq!(again.message(), e.message());
                return Err(e);
            }
        }
    }
}

fn refused(status: &'static str) -> Reply {
    Reply::Answer(status, String::new(), String::new())
}

fn body(got: &Got) -> Value {
    let mut plain = Vec::new();
    match got.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&got.body[..]).read_to_end(&mut plain).unwrap()),
        _ => plain.clone_from(&got.body),
    }
    if plain.is_empty() { Value::Null } else { serde_json::from_slice(&plain).unwrap() }
}

fn numbers(items: &Value) -> Vec<u64> {
    items.as_array().unwrap().iter().map(|i| i["id"].as_u64().unwrap()).collect()
}

fn ids(response: &Response) -> Vec<u64> {
    numbers(&serde_json::from_slice::<Value>(&response.body).unwrap()["items"])
}

/// A list of `total` items, paged as asked; each part is every so-manieth of it. `page`: no page is larger.
fn honest(total: u64, page: u64) -> Server {
    Server::start(None, move |got| {
        let asked = if got.method == "GET" { query(&got.target) } else { body(got) };
        let number = |v: &Value| v.as_u64().or_else(|| v.as_str().and_then(|t| t.parse().ok()));
        let limit = number(&asked["limit"]).unwrap_or(25).min(page) as usize;
        let (part, of) = match asked["partition"].as_str().and_then(|p| p.split_once('/')) {
            Some((part, of)) => (part.parse::<u64>().unwrap() - 1, of.parse::<u64>().unwrap()),
            None => (0, 1),
        };
        let from = asked["cursor"].as_str().filter(|c| !c.is_empty()).map_or(0, |c| c[1..].parse().unwrap());
        let all: Vec<u64> = (0..total).filter(|n| n % of == part).collect();
        let items: Vec<Value> = all.iter().skip(from).take(limit).map(|n| json!({"id": n, "x": "]}\"\\"})).collect();
        let next = from + items.len();
        match next < all.len() {
            true => ok(&json!({"items": items, "nextCursor": format!("c{next}")}).to_string()),
            false => ok(&json!({"items": items}).to_string()),
        }
    })
}

fn query(target: &str) -> Value {
    let mut out = serde_json::Map::new();
    for (name, value) in cognite::auth::form::form_pairs(target.split_once('?').map_or("", |(_, q)| q)) {
        out.insert(name, value.into());
    }
    Value::Object(out)
}

#[test]
fn lists_are_complete_whatever_their_length() {
    for total in [0, 1, 7, 99, 100, 101, 250] {
        for page in [1, 7, 100, 1000] {
            if total / page > 60 {
                continue;
            }
            let server = honest(total, page);
            let client = client(&server);
            for name in ["assets.list", "transformations.jobs.list"] {
                for limit in [1, 7, 99, 100, 250, 251] {
                    let all: Vec<u64> = (0..total.min(limit)).collect();
                    let r = operate(&client, name, &format!("{{\"limit\":{limit},\"pageSize\":100}}")).unwrap();
                    assert_eq!(ids(&r), all, "{name} {total} {page} {limit}");
                }
                let all: Vec<u64> = (0..total).collect();
                assert_eq!(ids(&operate(&client, name, "{\"limit\":null,\"pageSize\":100}").unwrap()), all);
                for (ahead, flags) in [(0, 0), (1, 0), (3, 0), (2, UNCHECKED)] {
                    let got = pages(&client, name, "{\"pageSize\":100}", ahead, flags).unwrap();
                    let seen: Vec<u64> = got.iter().flat_map(ids).collect();
                    assert_eq!(seen, all, "{name} {total} {page} {ahead} {flags}");
                }
            }
        }
    }
}

#[test]
fn parts_are_read_side_by_side_and_kept_in_order() {
    for (total, page, parts) in [(0u64, 5, 3u64), (100, 7, 1), (100, 7, 4), (100, 7, 13), (3, 7, 5)] {
        let server = honest(total, page);
        let client = client(&server);
        let arguments = format!("{{\"limit\":null,\"partitions\":{parts}}}");
        let wanted: Vec<u64> = (0..parts).flat_map(|p| (0..total).filter(move |n| n % parts == p)).collect();
        assert_eq!(ids(&operate(&client, "assets.list", &arguments).unwrap()), wanted);
        let mut seen: Vec<u64> =
            pages(&client, "assets.list", &arguments, 1, 0).unwrap().iter().flat_map(ids).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..total).collect::<Vec<_>>());
        // In the first request of a part the cursor is null, in the form of a query empty.
        let first = server.got().into_iter().find(|g| body(g)["partition"] == format!("1/{parts}")).unwrap();
        assert_eq!(
            body(&first),
            json!({"limit": 1000, "cursor": null, "partition": format!("1/{parts}"), "filter": {}})
        );
    }
}

#[test]
fn a_raw_table_is_read_from_several_cursors() {
    let server = Server::start(None, |got| {
        let asked = query(&got.target);
        if got.target.contains("/cursors?") {
            assert_eq!((&asked["numberOfCursors"], &asked["minLastUpdatedTime"]), (&json!("3"), &json!("5")));
            assert_eq!(asked["columns"], Value::Null);
            return ok(r#"{"items":["a0","b0","c0"]}"#);
        }
        assert_eq!((&asked["columns"], &asked["minLastUpdatedTime"]), (&json!("x,y"), &Value::Null));
        let cursor = asked["cursor"].as_str().unwrap();
        let (chain, page) = cursor.split_at(1);
        let next = match page {
            "3" => String::new(),
            n => format!(",\"nextCursor\":\"{chain}{}\"", n.parse::<u32>().unwrap() + 1),
        };
        ok(&format!("{{\"items\":[{{\"key\":\"{cursor}\"}}]{next}}}"))
    });
    let client = client(&server);
    let arguments =
        r#"{"dbName":"d","tableName":"t","columns":["x","y"],"minLastUpdatedTime":5,"limit":null,"partitions":3}"#;
    let r = operate(&client, "raw.rows.list", arguments).unwrap();
    let keys: Vec<String> = ["a", "b", "c"].iter().flat_map(|c| (0..4).map(move |n| format!("{c}{n}"))).collect();
    let items: Vec<Value> = keys.iter().map(|k| json!({"key": k})).collect();
    assert_eq!(serde_json::from_slice::<Value>(&r.body).unwrap(), json!({"items": items}));
    assert_eq!(pages(&client, "raw.rows.list", arguments, 1, 0).unwrap().len(), 12);
}

/// Lists that lie: none is endless, none is short without a word.
#[test]
fn lists_that_cannot_be_trusted() {
    let first = |answers: &'static [&'static str]| {
        let n = AtomicUsize::new(0);
        Server::start(None, move |_| ok(answers[n.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)]))
    };
    let decode = |answers, arguments: &str, told: &str| {
        for (ahead, flags) in [(0, 0), (2, 0), (1, UNCHECKED)] {
            let server = first(answers);
            let e = pages(&client(&server), "assets.list", arguments, ahead, flags).unwrap_err();
            assert!(e.status() == Status::Decode && e.message().contains(told), "{answers:?}: {e}");
        }
        let e = operate(&client(&first(answers)), "assets.list", arguments).unwrap_err();
        assert!(e.status() == Status::Decode && e.message().contains(told), "{answers:?}: {e}");
    };
    let all = "{\"limit\":null}";
    // The same cursor again, at once and in circles of any length.
    decode(&[r#"{"items":[1],"nextCursor":"a"}"#], all, "never end");
    decode(&["{}"], all, "no items");
    decode(&["{\"items\":[1],\"nextCursor\":\"a\"}", "{\"nextCursor\":null}"], all, "no items");
    decode(&["<html>"], all, "no list of items");
    decode(&[r#"{"items":[1],"nextCursor":7}"#], all, "no list of items");
    decode(&[r#"{"items":{"a":1}}"#], all, "no list of items");
    for circle in [2usize, 3, 10] {
        let n = AtomicUsize::new(0);
        let server = Server::start(None, move |_| {
            let n = n.fetch_add(1, Ordering::SeqCst);
            assert!(n < 100, "an endless list");
            ok(&format!("{{\"items\":[{n}],\"nextCursor\":\"c{}\"}}", n % circle))
        });
        let e = operate(&client(&server), "assets.list", all).unwrap_err();
        assert!(e.message().contains("never end"), "{e}");
    }
    // The parts of a RAW table without a list of where they begin.
    let server = first(&["{}"]);
    let arguments = r#"{"dbName":"d","tableName":"t","limit":null,"partitions":3}"#;
    assert_eq!(operate(&client(&server), "raw.rows.list", arguments).unwrap_err().status(), Status::Decode);
    let server = Server::start(None, |_| refused("403 Forbidden"));
    let e = pages(&client(&server), "raw.rows.list", arguments, 1, 0).unwrap_err();
    assert_eq!((e.detail().http_status, server.got().len()), (403, 1), "told twice, asked once");
    // A list without pages that is as long as an answer can be.
    let full: Vec<Value> = (0..1000).map(|n| json!({"id": n})).collect();
    let server = Server::start(None, move |_| ok(&json!({"items": full}).to_string()));
    let e = operate(&client(&server), "entity_matching.list", all).unwrap_err();
    assert!(e.status() == Status::Decode && e.message().contains("may be more"), "{e}");
    assert_eq!(ids(&operate(&client(&server), "entity_matching.list", "{\"limit\":1000}").unwrap()).len(), 1000);
    // An empty cursor is one like any other: what it leads to is not left out, and it leads there once.
    let empty = &[r#"{"items":[{"id":1}],"nextCursor":""}"#, r#"{"items":[{"id":2}]}"#];
    for (ahead, flags) in [(1, 0), (1, UNCHECKED)] {
        let got = pages(&client(&first(empty)), "assets.list", all, ahead, flags).unwrap();
        assert_eq!(got.iter().flat_map(ids).collect::<Vec<_>>(), [1, 2]);
    }
    decode(&[r#"{"items":[1],"nextCursor":""}"#], all, "never end");
    // More than asked for, with a limit: cut. A cursor behind what was cut would skip the rest.
    let greedy = &[r#"{"items":[{"id":0},{"id":1},{"id":2}],"nextCursor":"a"}"#];
    let r = operate(&client(&first(greedy)), "assets.list", "{\"limit\":2}").unwrap();
    assert_eq!(String::from_utf8(r.body).unwrap(), r#"{"items":[{"id":0},{"id":1}]}"#);
    let p = pages(&client(&first(greedy)), "assets.list", "{\"limit\":2}", 1, 0).unwrap();
    assert_eq!(p.len(), 1);
    assert_eq!(String::from_utf8(p[0].body.clone()).unwrap(), r#"{"items":[{"id":0},{"id":1}]}"#);
    let index = p[0].index.as_ref().unwrap();
    assert_eq!(
        index.items.iter().map(|(a, b)| &p[0].body[*a as usize..*b as usize]).collect::<Vec<_>>(),
        [b"{\"id\":0}", b"{\"id\":1}"]
    );
    // An empty page with a cursor is not the end.
    let gap = &[r#"{"items":[],"nextCursor":"a"}"#, r#"{"items":[{"id":7}]}"#];
    assert_eq!(ids(&operate(&client(&first(gap)), "assets.list", all).unwrap()), [7]);
    // A failure in the middle is a failure, and tells.
    let broken = Server::start(None, |got| match body(got)["cursor"].is_null() {
        true => ok(r#"{"items":[{"id":1}],"nextCursor":"a"}"#),
        false => refused("403 Forbidden"),
    });
    let e = pages(&client(&broken), "assets.list", all, 1, 0).unwrap_err();
    assert_eq!((e.status(), e.detail().http_status), (Status::Api, 403));
}

#[test]
fn pages_in_memory_are_bounded_and_the_reading_ends_with_them() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let server = Server::start(None, move |_| {
        let n = seen.fetch_add(1, Ordering::SeqCst);
        ok(&format!("{{\"items\":[{n}],\"nextCursor\":\"c{n}\"}}"))
    });
    let client = client(&server);
    for (ahead, flags) in [(0, 0), (1, 0), (3, UNCHECKED)] {
        asked.store(0, Ordering::SeqCst);
        let pages = client.pages(&OperationRequest { flags, ..request("assets.list", "{}") }, ahead).unwrap();
        for taken in 1..4 {
            runtime::block_on(pages.next().unwrap()).unwrap();
            std::thread::sleep(Duration::from_millis(80));
            assert_eq!(asked.load(Ordering::SeqCst), taken + ahead as usize, "{ahead} ahead");
        }
        drop(pages);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(asked.load(Ordering::SeqCst), 3 + ahead as usize);
    }
    for (arguments, ahead, flags, told) in [
        ("{}", 17, 0, "at most"),
        ("{\"limit\":5}", 1, UNCHECKED, "limit"),
        ("{\"limit\":null,\"partitions\":2}", 0, 0, "prefetch"),
        ("{}", 1, 1 << 20, "flags"),
    ] {
        let e = client.pages(&OperationRequest { flags, ..request("assets.list", arguments) }, ahead).err().unwrap();
        assert!(e.status() == Status::InvalidArgument && e.message().contains(told), "{e}");
    }
    let e = client.pages(&request("assets.create", "{\"items\":[]}"), 1).err().unwrap();
    assert!(e.message().contains("no list"), "{e}");
}

#[test]
fn one_deadline_for_the_whole_operation() {
    let n = AtomicUsize::new(0);
    let server = Server::start(None, move |_| {
        std::thread::sleep(Duration::from_millis(40));
        ok(&format!("{{\"items\":[1],\"nextCursor\":\"c{}\"}}", n.fetch_add(1, Ordering::SeqCst)))
    });
    let client = client(&server);
    let started = Instant::now();
    let late = OperationRequest { timeout: Duration::from_millis(300), ..request("assets.list", "{\"limit\":null}") };
    let e = runtime::block_on(client.accept_operation(&late).unwrap().run()).unwrap_err();
    assert_eq!(e.status(), Status::Timeout, "{e}");
    assert!(e.message().contains("the operation did not end within 300 ms") && e.message().contains("attempts"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// What reads items has to be answered with some, if only with none of them.
#[test]
fn a_read_that_is_answered_with_something_else_is_no_empty_result() {
    for answer in ["{}", "{\"items\":null}", "[]", "", "<html>", "{\"items\":[1}"] {
        let server = Server::start(None, move |_| ok(answer));
        let e = operate(&client(&server), "assets.retrieve_multiple", "{\"ids\":[1]}").unwrap_err();
        assert_eq!(e.status(), Status::Decode, "{answer}: {e}");
    }
}

#[test]
fn many_arguments_take_no_longer_than_their_number() {
    let server = Server::start(None, |_| ok("{}"));
    let many: Vec<String> = (0..200_000).map(|n| format!("\"a{n}\":1")).collect();
    let started = Instant::now();
    let e = operate(&client(&server), "assets.search", &format!("{{{},\"a7\":1}}", many.join(","))).unwrap_err();
    assert!(e.message().contains("a7 is given twice"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn reads_in_chunks_keep_their_order_and_fail_at_once() {
    let server = Server::start(None, |got| {
        let asked = body(got);
        assert!(asked["items"].as_array().unwrap().len() <= 1000);
        let first = asked["items"][0]["id"].as_u64().unwrap();
        // The first request is answered last.
        std::thread::sleep(Duration::from_millis(if first == 0 { 120 } else { 0 }));
        if numbers(&asked["items"]).contains(&9999) {
            return refused("400 Bad Request");
        }
        ok(&json!({"items": asked["items"]}).to_string())
    });
    let client = client(&server);
    let items = |n: u64| (0..n).map(|i| json!({"id": i})).collect::<Vec<_>>();
    for n in [0, 1, 999, 1000, 1001, 4321] {
        let r = operate(&client, "assets.retrieve_multiple", &json!({"items": items(n)}).to_string()).unwrap();
        assert_eq!(ids(&r), (0..n).collect::<Vec<_>>());
    }
    assert!(server.got().iter().all(|g| body(g).get("ignoreUnknownIds").is_none()));
    let arguments = json!({"items": items(12_000), "ignoreUnknownIds": true}).to_string();
    let e = operate(&client, "assets.retrieve_multiple", &arguments).unwrap_err();
    assert!(e.message().contains("items 9000 to 9999"), "{e}");
    assert!(body(server.got().last().unwrap())["ignoreUnknownIds"] == true);
}

/// An item as small as it can be.
fn item(o: &table::Operation, key: &str, name: &str) -> Value {
    match o.name {
        "raw.rows.insert" => json!({"key": name}),
        "sequences.data.insert" => json!({"externalId": name, "columns": ["c"], "rows": [{"rowNumber": 1}]}),
        "sequences.data.delete" => json!({"externalId": name, "rows": [1]}),
        "time_series.data.insert" => json!({"externalId": name, "datapoints": [{"timestamp": 1, "value": 1}]}),
        _ => json!({key: name}),
    }
}

/// Minimal arguments: a value for each parameter of the path, that has to be escaped, and two items where there are items.
fn minimal(o: &table::Operation) -> Value {
    let mut arguments = serde_json::Map::new();
    for name in o.path_parameters() {
        let number = name.ends_with("Id") && !matches!(name, "streamId" | "limitId" | "executionId" | "taskId");
        let value =
            if number || name == "id" || name == "pageNumber" { json!(7) } else { json!(format!("{name} ø/.")) };
        arguments.insert(name.to_owned(), value);
    }
    if o.shape == Shape::Items {
        let key = o.identifiers.split(',').next().filter(|k| !k.is_empty()).unwrap_or("externalId");
        arguments.insert("items".to_owned(), json!([item(o, key, "a"), item(o, key, "b")]));
    }
    for name in o.query.split(',').filter(|n| !n.is_empty()) {
        arguments.insert(name.to_owned(), json!(true));
    }
    Value::Object(arguments)
}

/// What each operation sends: method, address, body, and the headers that are its own. Compared with the record, which a
/// change of the table changes too: `RECORD=1 cargo test --test operations` writes it anew, to be read before it is kept.
#[test]
fn every_operation_is_sent_as_recorded() {
    let server = Server::start(None, |_| ok(r#"{"items":[],"rows":[]}"#));
    let client = client(&server);
    let mut sent = String::new();
    for o in table::all() {
        let before = server.got().len();
        let mut lines = Vec::new();
        let mut arguments = minimal(o);
        if o.path.starts_with('@') {
            arguments["authUrl"] = server.url("http").into();
        }
        if o.shape == Shape::Upload {
            arguments["content"] = "+/8=".into();
        }
        operate(&client, o.name, &arguments.to_string()).unwrap_or_else(|e| panic!("{}: {e}", o.name));
        for got in &server.got()[before..] {
            let target = got.target.strip_prefix("/api/v1/projects/p/").map_or(got.target.clone(), |t| format!("/{t}"));
            let (body, mut own) = match o.shape {
                Shape::Upload => (Value::from(got.body.clone()), String::new()),
                _ => (body(got), String::new()),
            };
            for (name, usual) in [
                ("accept", "application/json"),
                ("authorization", "Bearer canary-token"),
                ("cdf-version", "20230101"),
                ("content-type", "application/json"),
            ] {
                let value = got.header(name).unwrap_or("none");
                if value != usual {
                    own.push_str(&format!(" {name}={value}"));
                }
            }
            let body = if body.is_null() { String::new() } else { format!(" {body}") };
            lines.push(format!("{}: {} {target}{own}{body}\n", o.name, got.method));
        }
        lines.sort();
        sent.extend(lines);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/operations.txt");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(path, &sent).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    for (got, wanted) in sent.lines().zip(recorded.lines()) {
        assert_eq!(got, wanted);
    }
    assert_eq!(sent.lines().count(), recorded.lines().count());
}

/// One item more than a request takes makes a request more, and no page asks for more than a page may hold.
#[test]
fn every_limit_is_kept() {
    let server = Server::start(None, |_| ok(r#"{"items":[],"rows":[]}"#));
    let client = client(&server);
    for o in table::all() {
        let mut arguments = minimal(o);
        let before = server.got().len();
        if o.path.starts_with('@') {
            arguments["authUrl"] = server.url("http").into();
        }
        match (o.shape, o.items, o.page) {
            (Shape::Items, Some(most), _) => {
                arguments["items"] = (0..most + 1).map(|n| item(o, "externalId", &n.to_string())).collect();
                operate(&client, o.name, &arguments.to_string()).unwrap();
                let mut sizes: Vec<usize> =
                    server.got()[before..].iter().map(|g| body(g)["items"].as_array().unwrap().len()).collect();
                sizes.sort_unstable();
                assert_eq!(sizes, [1, most], "{}", o.name);
            }
            (Shape::List, _, Some(largest)) => {
                arguments["limit"] = Value::Null;
                operate(&client, o.name, &arguments.to_string()).unwrap();
                let got = server.got()[before].clone();
                let asked =
                    if got.method == "GET" { query(&got.target)["limit"].clone() } else { body(&got)["limit"].clone() };
                assert_eq!(asked.as_str().map_or(asked.to_string(), str::to_owned), largest.to_string(), "{}", o.name);
            }
            _ => {}
        }
    }
}
