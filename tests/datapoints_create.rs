//! Inserts that make the series they find missing, against a service that others use at the same time, that loses answers,
//! and that knows of new series a moment later only.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cognite::api::Client;
use cognite::api::datapoints::column::{Column, Key, Values};
use cognite::api::datapoints::create::Template;
use cognite::api::datapoints::insert::{self, Options};
use cognite::api::datapoints::points::Points;
use cognite::error::{Error, Status};
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Value, json};

/// What happens to a request that makes series.
#[derive(Clone, Copy, PartialEq)]
enum Making {
    Good,
    /// The first time somebody else has just made `b`.
    OtherFirst,
    /// The same, but it is not told which.
    OtherUnnamed,
    /// Done, and the answer is lost the first time.
    Lost,
    /// Not done, and the connection breaks the first time.
    Dropped,
    Forbidden,
}

#[derive(Default)]
struct Service {
    series: BTreeSet<String>,
    made: Vec<Value>,
    tries: usize,
    inserts: usize,
    written: usize,
    /// Inserts that do not see a new series yet.
    blind: usize,
}

fn body(got: &Got) -> Value {
    let mut plain = Vec::new();
    match got.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&got.body[..]).read_to_end(&mut plain).unwrap()),
        _ => plain.clone_from(&got.body),
    }
    serde_json::from_slice(&plain).unwrap()
}

fn name(item: &Value) -> Value {
    let known = ["externalId", "instanceId", "id"].iter().find(|n| item.get(**n).is_some()).unwrap();
    match *known {
        "externalId" if item.get("space").is_some() => {
            json!({"instanceId": {"space": item["space"], "externalId": item["externalId"]}})
        }
        known => json!({known: item[known]}),
    }
}

fn refuse(status: &'static str, error: &Value) -> Reply {
    Reply::Answer(status, String::new(), json!({"error": error}).to_string())
}

fn serve(making: Making, blind: usize) -> (Server, Arc<Mutex<Service>>) {
    let service = Arc::new(Mutex::new(Service { blind, ..Service::default() }));
    let shared = Arc::clone(&service);
    let server = Server::start(None, move |got| {
        let mut s = shared.lock().unwrap();
        let body = body(got);
        let names: Vec<Value> = body["items"].as_array().unwrap().iter().map(name).collect();
        if got.target.ends_with("/timeseries/data") {
            s.inserts += 1;
            let hidden = s.blind > 0 && !s.series.is_empty();
            if hidden {
                s.blind -= 1;
            }
            let missing: Vec<&Value> = names.iter().filter(|n| hidden || !s.series.contains(&n.to_string())).collect();
            if !missing.is_empty() {
                return refuse("400 Bad Request", &json!({"code": 400, "message": "m", "missing": missing}));
            }
            s.written += body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["datapoints"].as_array().unwrap().len())
                .sum::<usize>();
            return ok("{}");
        }
        s.tries += 1;
        let first = s.tries == 1;
        match making {
            Making::Forbidden => return refuse("403 Forbidden", &json!({"code": 403, "message": "no"})),
            Making::OtherFirst | Making::OtherUnnamed if first => {
                s.series.insert(json!({"externalId": "b"}).to_string());
            }
            Making::Dropped if first => return Reply::Close,
            _ => {}
        }
        let there: Vec<&Value> = names.iter().filter(|n| s.series.contains(&n.to_string())).collect();
        if !there.is_empty() && got.target.ends_with("/timeseries") {
            return match making {
                Making::OtherUnnamed => {
                    refuse("409 Conflict", &json!({"code": 409, "message": "m", "duplicated": [{}]}))
                }
                _ => refuse("409 Conflict", &json!({"code": 409, "message": "m", "duplicated": there})),
            };
        }
        let modified: Vec<Value> =
            names.iter().map(|n| json!({"wasModified": !s.series.contains(&n.to_string())})).collect();
        s.series.extend(names.iter().map(Value::to_string));
        s.made.extend(body["items"].as_array().unwrap().iter().cloned());
        match making {
            Making::Lost if first => Reply::Close,
            _ => ok(&json!({"items": modified}).to_string()),
        }
    });
    (server, service)
}

fn write(server: &Server, keys: &[Key<'_>], later: bool) -> Result<Value, Error> {
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let (times, values) = ([1, 2, 3], [1.0, 2.0, 3.0]);
    let column = |key: &Key<'_>| -> Column<'static> {
        let leaked: Key<'static> = match key {
            Key::Id(id) => Key::Id(*id),
            Key::External(e) => Key::External(e.to_string().leak()),
            Key::Instance { space, external_id } => {
                Key::Instance { space: space.to_string().leak(), external_id: external_id.to_string().leak() }
            }
        };
        Column {
            key: leaked,
            timestamps: times.to_vec().leak(),
            values: Values::Numbers(values.to_vec().leak()),
            status: None,
            validity: None,
        }
    };
    let columns: Vec<Column<'_>> = keys.iter().map(column).collect();
    let options = Options {
        timeout: Duration::from_secs(20),
        json: true,
        create: Some(Template::parse(br#"{"timeSeries":{"unit":"bar"}}"#).unwrap()),
        ..Options::default()
    };
    let response = if later {
        let mut points = Points::default();
        columns.iter().for_each(|c| points.add(c).unwrap());
        cognite::runtime::block_on(insert::accept(&client, &points, &options).unwrap().run())
    } else {
        insert::blocking(&client, &columns, &options)
    }?;
    Ok(serde_json::from_slice(&response.body).unwrap())
}

const ABC: [Key<'static>; 3] = [Key::External("a"), Key::External("b"), Key::External("c")];

#[test]
fn what_is_missing_is_made_once() {
    for later in [false, true] {
        let (server, service) = serve(Making::Good, 0);
        let told = write(&server, &ABC, later).unwrap();
        assert_eq!(told, json!({"series": 3, "points": 9, "requests": 1, "created": 3}));
        let s = service.lock().unwrap();
        assert_eq!((s.made.len(), s.inserts, s.written), (3, 2, 9));
        assert_eq!(s.made[0], json!({"externalId": "a", "isString": false, "unit": "bar"}));
        drop(s);
        let told = write(&server, &ABC, later).unwrap();
        assert_eq!((&told["created"], service.lock().unwrap().inserts), (&json!(0), 3));
    }
}

#[test]
fn what_somebody_else_made_meanwhile_is_not_made_twice() {
    for making in [Making::OtherFirst, Making::OtherUnnamed] {
        let (server, service) = serve(making, 0);
        let told = write(&server, &ABC, false).unwrap();
        assert_eq!((&told["created"], &told["points"]), (&json!(2), &json!(9)));
        let s = service.lock().unwrap();
        assert_eq!((s.made.len(), s.written), (2, 9));
    }
}

#[test]
fn a_lost_answer_leaves_nothing_undone_and_nothing_double() {
    for making in [Making::Lost, Making::Dropped] {
        let (server, service) = serve(making, 0);
        let told = write(&server, &ABC, false).unwrap();
        assert_eq!(told["points"], json!(9));
        let s = service.lock().unwrap();
        assert_eq!((s.made.len(), s.series.len(), s.written), (3, 3, 9), "{}", s.tries);
    }
}

#[test]
fn nodes_are_waited_for() {
    let (server, service) = serve(Making::Good, 3);
    let keys = [Key::Instance { space: "s", external_id: "x" }, Key::External("a")];
    let told = write(&server, &keys, false).unwrap();
    assert_eq!((&told["created"], &told["points"]), (&json!(2), &json!(6)));
    let s = service.lock().unwrap();
    assert_eq!((s.made.len(), s.inserts, s.written), (2, 5, 6));
    assert_eq!(s.made[0]["sources"][0]["properties"]["type"], json!("numeric"));
}

#[test]
fn what_cannot_be_made_is_told_and_nothing_is_in_doubt() {
    let (server, service) = serve(Making::Forbidden, 0);
    let e = write(&server, &ABC, false).unwrap_err();
    assert!(e.message().contains("could not be created"), "{e}");
    assert!(!e.detail().in_doubt && e.detail().items.as_ref().unwrap().failed.len() == 3);
    assert_eq!(e.detail().extra.as_ref().unwrap()["created"], json!(0));
    assert_eq!(service.lock().unwrap().written, 0);
    let (server, service) = serve(Making::Good, 0);
    let e = write(&server, &[Key::External("a"), Key::Id(5)], false).unwrap_err();
    assert_eq!((e.status(), service.lock().unwrap().tries), (Status::NotFound, 0));
}
