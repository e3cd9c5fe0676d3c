//! What is refused, and what follows from what is written, as the description of the API has it.

mod common;

use cognite_emulator::{Config, Limits};
use common::{Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};

async fn status(e: &Emulator, path: &str, body: Value) -> u16 {
    e.post(path, body).await.0
}

fn source(name: &str) -> Value {
    json!({"type": "container", "space": "s", "externalId": name})
}

fn node(name: &str, container: &str, properties: Value) -> Value {
    json!({"items": [{"instanceType": "node", "space": "s", "externalId": name,
        "sources": [{"source": source(container), "properties": properties}]}]})
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|i| i["externalId"].as_str().unwrap().to_owned()).collect()
}

async fn container(e: &Emulator, name: &str, row: Value) -> (u16, Value) {
    let mut all = json!({"space": "s", "externalId": name});
    all.as_object_mut().unwrap().extend(row.as_object().unwrap().clone());
    e.post("/models/containers", json!({"items": [all]})).await
}

#[tokio::test]
async fn schemas_are_checked() {
    let e = Emulator::start().await;
    for name in ["1a", "with space", "cdf", ""] {
        assert_eq!(status(&e, "/models/spaces", json!({"items": [{"space": name}]})).await, 400, "{name}");
    }
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let text = json!({"type": {"type": "text"}});
    for (wrong, row) in [
        ("no properties", json!({"properties": {}})),
        ("reserved", json!({"properties": {"externalId": text}})),
        ("name", json!({"properties": {"a b": text}})),
        ("type", json!({"properties": {"a": {"type": {"type": "string"}}}})),
        ("default", json!({"properties": {"a": {"type": {"type": "int32"}, "defaultValue": "x"}}})),
        ("unit", json!({"properties": {"a": {"type": {"type": "float64", "unit": {"externalId": "mass:none"}}}}})),
        ("index", json!({"properties": {"a": text}, "indexes": {"i": {"properties": ["b"]}}})),
        ("require", json!({"properties": {"a": text}, "constraints": {"r": {"require": source("none")}}})),
        ("used for", json!({"properties": {"a": text}, "usedFor": "both"})),
    ] {
        assert_eq!(container(&e, "c", row).await.0, 400, "{wrong}");
    }
    let row = json!({"properties": {"a": text}});
    let first = container(&e, "c", row.clone()).await.1;
    e.admin("clock", json!({"advance_ms": 5000})).await;
    assert_eq!(container(&e, "c", row).await.1, first, "an upsert that changes nothing leaves the time");
    assert_eq!(container(&e, "c", json!({"properties": {"a": {"type": {"type": "int32"}}}})).await.0, 400);
    // Views of a request may implement each other, but not in a circle.
    let view = |name: &str, parent: Option<&str>| {
        let parent = parent.map(|p| json!({"type": "view", "space": "s", "externalId": p, "version": "1"}));
        json!({"space": "s", "externalId": name, "version": "1", "implements": parent.into_iter().collect::<Vec<_>>(),
            "properties": {"a": {"container": source("c"), "containerPropertyIdentifier": "a"}}})
    };
    e.done("/models/views", json!({"items": [view("B", Some("A")), view("A", None)]})).await;
    assert_eq!(status(&e, "/models/views", json!({"items": [view("A", Some("B"))]})).await, 400);
    assert_eq!(status(&e, "/models/views", json!({"items": [view("Query", None)]})).await, 400);
    // Only an empty space goes.
    assert_eq!(status(&e, "/models/spaces/delete", json!({"items": [{"space": "s"}]})).await, 400);
    e.done("/models/spaces", json!({"items": [{"space": "t"}]})).await;
    let gone = e.done("/models/spaces/delete", json!({"items": [{"space": "t"}, {"space": "u"}]})).await;
    assert_eq!(gone, json!({"items": [{"space": "t"}]}));
    let (_, all) = e.get("/models/spaces?includeGlobal=true").await;
    assert!(all["items"].as_array().unwrap().iter().any(|s| s["space"] == "cdf_cdm" && s["isGlobal"] == true));
}

#[tokio::test]
async fn instances_are_checked() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let properties = json!({"name": {"type": {"type": "text"}, "nullable": false}, "at": {"type": {"type": "timestamp"}},
        "n": {"type": {"type": "int32"}, "defaultValue": 7}, "no": {"type": {"type": "int64"}, "autoIncrement": true},
        "fix": {"type": {"type": "text"}, "immutable": true}});
    let row = json!({"properties": properties, "constraints": {"u": {"properties": ["name"]}}});
    assert_eq!(container(&e, "c", row).await.0, 200);
    let needs =
        json!({"properties": {"a": {"type": {"type": "text"}}}, "constraints": {"r": {"require": source("c")}}});
    assert_eq!(container(&e, "d", needs).await.0, 200);
    assert_eq!(
        container(&e, "e", json!({"usedFor": "edge", "properties": {"a": {"type": {"type": "text"}}}})).await.0,
        200
    );
    e.done(
        "/models/instances",
        node("a", "c", json!({"name": "a", "at": "2024-06-01T00:00:00+02:00", "n": 1, "fix": "f"})),
    )
    .await;
    e.done("/models/instances", node("b", "c", json!({"name": "b", "at": "2024-05-31T23:00:00Z"}))).await;
    for (wrong, body) in [
        ("not unique", node("x", "c", json!({"name": "a"}))),
        ("required", node("x", "c", json!({"n": 1}))),
        ("no time", node("x", "c", json!({"name": "x", "at": "today"}))),
        ("immutable", node("a", "c", json!({"fix": "g"}))),
        ("requires", node("x", "d", json!({"a": "x"}))),
        ("for edges", node("a", "e", json!({"a": "x"}))),
        ("long name", node(&"x".repeat(257), "c", json!({"name": "x"}))),
    ] {
        assert_eq!(status(&e, "/models/instances", body).await, 400, "{wrong}");
    }
    let list = |filter: Value| json!({"filter": filter, "sources": [{"source": source("c")}]});
    let all = e.done("/models/instances/list", list(json!({"matchAll": {}}))).await;
    let of = |n: usize| all["items"][n]["properties"]["s"]["c"].clone();
    assert_eq!((&of(0)["at"], &of(0)["no"]), (&json!("2024-05-31T22:00:00.000+00:00"), &json!(1)));
    assert_eq!((&of(1)["n"], &of(1)["no"]), (&json!(7), &json!(2)));
    // Times are compared as times, however they are written.
    let at = json!({"range": {"property": ["s", "c", "at"], "gte": "2024-06-01T00:30:00+02:00"}});
    assert_eq!(names(&e.done("/models/instances/list", list(at)).await), ["b"]);
    // Replacing gives defaults back.
    let mut whole = node("a", "c", json!({"name": "a", "fix": "f"}));
    whole["replace"] = json!(true);
    e.done("/models/instances", whole).await;
    let one = e.done("/models/instances/byids", json!({"items": [{"instanceType": "node", "space": "s", "externalId": "a"}], "sources": [{"source": source("c")}]})).await;
    assert_eq!(one["items"][0]["properties"]["s"]["c"], json!({"name": "a", "fix": "f", "n": 7, "no": 1}));
    for filter in [
        json!({"equals": {"property": ["s", "c", "none"], "value": 1}}),
        json!({"equals": {"property": ["s", "none", "n"], "value": 1}}),
        json!({"equals": {"property": ["node", "none"], "value": 1}}),
        json!({"equals": {"property": ["s", "c", "n"], "value": "x"}}),
        json!({"range": {"property": ["s", "c", "n"]}}),
        json!({"range": {"property": ["s", "c", "n"], "gt": 1, "gte": 1}}),
        json!({"prefix": {"property": ["s", "c", "n"], "value": "1"}}),
        json!({"nested": {"scope": ["s", "c", "n"], "filter": {"matchAll": {}}}}),
        json!({"and": [{"equals": {"property": ["node", "externalId"], "value": "none"}}, {"bogus": {}}]}),
        json!({"hasData": [source("none")]}),
    ] {
        // Of edges there are none.
        for kind in ["node", "edge"] {
            let body = json!({"instanceType": kind, "filter": filter});
            assert_eq!(status(&e, "/models/instances/list", body).await, 400, "{kind} {filter}");
        }
    }
    // What is deleted is in a space that there is; what a container had goes with it.
    let gone = |space: &str| json!({"items": [{"instanceType": "node", "space": space, "externalId": "none"}]});
    assert_eq!(status(&e, "/models/instances/delete", gone("s")).await, 200);
    assert_eq!(status(&e, "/models/instances/delete", gone("none")).await, 400);
    e.done("/models/containers/delete", json!({"items": [{"space": "s", "externalId": "c"}]})).await;
    assert_eq!(container(&e, "c", json!({"properties": {"name": {"type": {"type": "text"}}}})).await.0, 200);
    assert_eq!(names(&e.done("/models/instances/list", list(json!({"matchAll": {}}))).await), [""; 0]);
}

#[tokio::test]
async fn views_filter_and_assets_have_paths() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    assert_eq!(
        container(&e, "c", json!({"properties": {"a": {"type": {"type": "text"}}, "n": {"type": {"type": "int32"}}}}))
            .await
            .0,
        200
    );
    e.done(
        "/models/views",
        json!({"items": [{"space": "s", "externalId": "V", "version": "1",
        "filter": {"equals": {"property": ["s", "c", "a"], "value": "yes"}},
        "properties": {"n": {"container": source("c"), "containerPropertyIdentifier": "n"}}}]}),
    )
    .await;
    for (name, a, n) in [("x", "yes", 1), ("y", "no", 2), ("z", "yes", 3)] {
        e.done("/models/instances", node(name, "c", json!({"a": a, "n": n}))).await;
    }
    let view = json!({"type": "view", "space": "s", "externalId": "V", "version": "1"});
    let listed = e.done("/models/instances/list", json!({"sources": [{"source": view}]})).await;
    assert_eq!(names(&listed), ["x", "z"]);
    let query = json!({"with": {"r": {"nodes": {"filter": {"hasData": [view]}}}}, "select": {"r": {"limit": 1,
        "sources": [{"source": view, "properties": ["n"]}], "sort": [{"property": ["s", "V/1", "n"], "direction": "descending"}]}}});
    let answer = e.done("/models/instances/query", query).await;
    assert_eq!(names(&json!({"items": answer["items"]["r"]})), ["z"]);
    let search = json!({"view": view, "query": "x", "properties": ["none"]});
    assert_eq!(status(&e, "/models/instances/search", search).await, 400);
    let average = json!({"view": view, "aggregates": [{"avg": {"property": "n"}}]});
    assert_eq!(e.done("/models/instances/aggregate", average).await["items"][0]["aggregates"][0]["value"], 2.0);
    // The hierarchy of assets, moved.
    let asset = json!({"type": "view", "space": "cdf_cdm", "externalId": "CogniteAsset", "version": "v1"});
    let below = |name: &str, parent: Option<&str>| {
        let parent = parent.map(|p| json!({"space": "s", "externalId": p}));
        json!({"items": [{"instanceType": "node", "space": "s", "externalId": name, "sources": [{"source": asset, "properties": {"name": name, "parent": parent}}]}]})
    };
    for (name, parent) in [("r", None), ("m", Some("r")), ("l", Some("m")), ("q", None), ("m", Some("q"))] {
        e.done("/models/instances", below(name, parent)).await;
    }
    let one =
        json!({"items": [{"instanceType": "node", "space": "s", "externalId": "l"}], "sources": [{"source": asset}]});
    let leaf =
        e.done("/models/instances/byids", one).await["items"][0]["properties"]["cdf_cdm"]["CogniteAsset/v1"].clone();
    assert_eq!(names(&json!({"items": leaf["path"]})), ["q", "m", "l"]);
    assert_eq!(leaf["root"]["externalId"], "q");
    // Units are nodes for those who name their space.
    let units = json!({"filter": {"equals": {"property": ["node", "space"], "value": "cdf_cdm_units"}}, "limit": 5});
    assert_eq!(e.done("/models/instances/list", units).await["items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn advanced_filters_have_bounds() {
    let e = Emulator::start().await;
    let leaf = json!({"equals": {"property": ["name"], "value": "x"}});
    let deep = (0..11).fold(leaf.clone(), |inner, _| json!({"not": inner}));
    for filter in [
        json!({"and": vec![leaf.clone(); 101]}),
        deep,
        json!({"equals": {"property": ["none"], "value": "x"}}),
        json!({"equals": {"property": ["metadata", "a", "b"], "value": "x"}}),
        json!({"equals": {"property": ["name"], "value": {"a": 1}}}),
        json!({"in": {"property": ["name"], "values": []}}),
        json!({"in": {"property": ["name"], "values": vec!["x"; 101]}}),
        json!({"range": {"property": ["id"], "gt": 1, "gte": 1}}),
        json!({"containsAny": {"property": ["name"], "values": ["x"]}}),
        json!({"search": {"property": ["source"], "value": "x"}}),
        json!({"search": {"property": ["name"], "value": " "}}),
    ] {
        assert_eq!(status(&e, "/assets/list", json!({"advancedFilter": filter})).await, 400, "{filter}");
    }
    for body in [
        json!({"sort": [{"property": ["none"]}]}),
        json!({"sort": [{"property": ["name"], "order": "up"}]}),
        json!({"filter": {"name": 5}}),
        json!({"filter": {"metadata": {"a": 1}}}),
        json!({"filter": {"createdTime": {"min": "a"}}}),
    ] {
        assert_eq!(status(&e, "/assets/list", body.clone()).await, 400, "{body}");
    }
    assert_eq!(status(&e, "/assets/list", json!({"advancedFilter": leaf})).await, 200);
    // Metadata of events are filtered without regard to case.
    e.done("/events", json!({"items": [{"externalId": "e", "metadata": {"Color": "Red"}}]})).await;
    let red = json!({"advancedFilter": {"equals": {"property": ["metadata", "color"], "value": "RED"}}});
    assert_eq!(names(&e.done("/events/list", red).await), ["e"]);
    for (path, item) in [
        ("/events", json!({"startTime": 2, "endTime": 1})),
        ("/events", json!({"metadata": {"a": "x".repeat(128_001)}})),
        ("/assets", json!({"name": "a", "metadata": {"a": "x".repeat(10_241)}})),
        (
            "/relationships",
            json!({"externalId": "r", "sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "asset", "confidence": 2}),
        ),
        (
            "/relationships",
            json!({"externalId": "r", "sourceExternalId": "a", "sourceType": "thing", "targetExternalId": "b", "targetType": "asset"}),
        ),
    ] {
        assert_eq!(status(&e, path, json!({"items": [item]})).await, 400, "{path} {item}");
    }
    let (code, wrong) = e
        .post("/events/update", json!({"items": [{"externalId": "none", "update": {"type": {"set": "x".repeat(65)}}}]}))
        .await;
    assert_eq!(code, 400);
    assert!(wrong["error"]["message"].as_str().unwrap().contains("type size must be between 0 and 64"), "{wrong}");
}

#[tokio::test]
async fn columns_keep_their_values() {
    let e = Emulator::start().await;
    let column = |name: &str, ty: &str| json!({"externalId": name, "valueType": ty});
    let sequence = |columns: Value| json!({"items": [{"externalId": "q", "columns": columns}]});
    assert_eq!(status(&e, "/sequences", sequence(json!([column("a", "TEXT")]))).await, 400);
    assert_eq!(status(&e, "/sequences", sequence(json!([column("a", "LONG"), column("a", "LONG")]))).await, 400);
    e.done("/sequences", sequence(json!([column("a", "LONG"), column("b", "STRING")]))).await;
    let row = |values: Value| json!({"items": [{"externalId": "q", "columns": ["a", "b"], "rows": [{"rowNumber": 1, "values": values}]}]});
    assert_eq!(status(&e, "/sequences/data", row(json!([1, "x".repeat(257)]))).await, 400);
    assert_eq!(status(&e, "/sequences/data", row(json!([1.5, "x"]))).await, 400);
    e.done("/sequences/data", row(json!([5, "x"]))).await;
    let change = |columns: Value| json!({"items": [{"externalId": "q", "update": {"columns": columns}}]});
    assert_eq!(status(&e, "/sequences/update", change(json!({"remove": [{"externalId": "none"}]}))).await, 400);
    e.done("/sequences/update", change(json!({"modify": [{"externalId": "a", "update": {"externalId": {"set": "z"}}}], "remove": [{"externalId": "b"}]}))).await;
    e.done("/sequences/update", change(json!({"add": [column("b", "STRING")]}))).await;
    let data = e.done("/sequences/data/list", json!({"externalId": "q"})).await;
    assert_eq!(data["rows"][0]["values"], json!([5, null]));
}

#[tokio::test]
async fn records_are_checked() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    let row = json!({"usedFor": "record", "properties": {"a": {"type": {"type": "text"}, "nullable": false}}});
    assert_eq!(container(&e, "r", row).await.0, 200);
    e.done(
        "/streams",
        json!({"items": [{"externalId": "t", "settings": {"template": {"name": "ImmutableTestStream"}}}]}),
    )
    .await;
    let record = |properties: Value| json!({"items": [{"space": "s", "externalId": "x", "sources": [{"source": source("r"), "properties": properties}]}]});
    for (properties, code) in
        [(json!({"a": 1}), 400), (json!({"b": "x"}), 400), (json!({}), 400), (json!({"a": "x"}), 202)]
    {
        assert_eq!(status(&e, "/streams/t/records", record(properties.clone())).await, code, "{properties}");
    }
    assert_eq!(status(&e, "/models/instances", node("n", "r", json!({"a": "x"}))).await, 400);
}

#[tokio::test]
async fn bodies_have_room() {
    let limits = Limits { body: 64 << 20, upload: 65 << 20, ..Limits::default() };
    let e = Emulator::with(Config { limits, ..Config::default() }).await;
    // Small values take forty times their length once they are read.
    let many = format!("{{\"items\": [{}0]}}", "0,".repeat(14 << 20));
    let request = e.request(Method::POST, "/assets/list").header("content-type", "application/json").body(many);
    assert_eq!(answer(request).await.0, 413);
    // Content may be larger than what is read.
    let file = e.done("/files", json!({"name": "f", "externalId": "f"})).await;
    let url = file["uploadUrl"].as_str().unwrap();
    assert_eq!(answer(e.client.put(url).body(vec![b'x'; (64 << 20) + 1])).await.0, 200);
    assert_eq!(e.get("/assets").await.0, 200);
}
