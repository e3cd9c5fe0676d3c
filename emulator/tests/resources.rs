//! The generic resources and RAW over HTTP.

mod common;

use cognite_emulator::{Config, Limits};
use common::{Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};

fn names(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().filter_map(|i| i["externalId"].as_str()).collect()
}

#[tokio::test]
async fn ids_pages_and_partitions_are_the_same_every_time() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let e = Emulator::start().await;
        let items: Vec<Value> = (0..25).map(|n| json!({"externalId": format!("e{n}"), "type": "t"})).collect();
        e.done("/events", json!({ "items": items })).await;
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = e.done("/events/list", json!({"limit": 10, "cursor": cursor, "filter": {"type": "t"}})).await;
            seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_i64().unwrap()));
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(seen.len(), 25);
        let mut dealt = Vec::new();
        for part in 1..=3 {
            let (_, page) = e.get(&format!("/events?limit=1000&partition={part}/3&cursor=")).await;
            dealt.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_i64().unwrap()));
        }
        dealt.sort_unstable();
        assert_eq!(dealt, seen);
        runs.push((seen, e.get("/events?limit=1").await.1["nextCursor"].clone()));
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].0[0] > 1 << 52);
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let e = Emulator::start().await;
    let items: Vec<Value> = (0..1001).map(|n| json!({"externalId": format!("a{n}"), "name": "x"})).collect();
    assert_eq!(e.post("/assets", json!({ "items": items })).await.0, 400);
    let (status, body) =
        e.post("/assets", json!({"items": [{"externalId": "a", "name": "x"}, {"externalId": "b"}]})).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(400)));
    let twice = json!({"items": [{"externalId": "a", "name": "x"}, {"externalId": "a", "name": "y"}]});
    let (status, body) = e.post("/assets", twice).await;
    assert_eq!((status, &body["error"]["duplicated"]), (409, &json!([{"externalId": "a"}])));
    let cycle = json!({"items": [
        {"externalId": "a", "name": "x", "parentExternalId": "b"},
        {"externalId": "b", "name": "x", "parentExternalId": "a"},
    ]});
    assert_eq!(e.post("/assets", cycle).await.0, 400);
    assert_eq!(e.post("/assets", json!({"items": [{"name": "x", "labels": [{"externalId": "no"}]}]})).await.0, 400);
    assert_eq!(e.post("/assets", json!({"items": [{"name": "x".repeat(141)}]})).await.0, 400);
    assert_eq!(e.post("/assets", json!({"items": [{"name": "x", "metadata": {"k": 1}}]})).await.0, 400);
    assert_eq!(e.done("/assets/aggregate", json!({})).await["items"][0]["count"], 0);

    e.done("/assets", json!({"items": [{"externalId": "a", "name": "x"}, {"externalId": "b", "name": "x"}]})).await;
    let updates = json!({"items": [
        {"externalId": "a", "update": {"name": {"set": "changed"}}},
        {"externalId": "b", "update": {"externalId": {"set": "a"}}},
    ]});
    assert_eq!(e.post("/assets/update", updates).await.0, 409);
    let (status, body) = e.post("/assets/delete", json!({"items": [{"externalId": "a"}, {"externalId": "no"}]})).await;
    assert_eq!((status, &body["error"]["missing"]), (400, &json!([{"externalId": "no"}])));
    let found = e.done("/assets/byids", json!({"items": [{"externalId": "a"}]})).await;
    assert_eq!(found["items"][0]["name"], "x");
}

#[tokio::test]
async fn filters_and_sorting() {
    let e = Emulator::start().await;
    let items = json!({"items": [
        {"externalId": "r", "name": "root", "source": "b", "metadata": {"k": "1", "l": "2"}},
        {"externalId": "c", "name": "child", "parentExternalId": "r", "source": "a"},
        {"externalId": "g", "name": "grandchild", "parentExternalId": "c"},
    ]});
    e.done("/assets", items).await;
    let root = e.done("/assets/byids", json!({"items": [{"externalId": "r"}]})).await["items"][0]["id"].clone();
    for (filter, wanted) in [
        (json!({"root": true}), vec!["r"]),
        (json!({"root": false}), vec!["c", "g"]),
        (json!({"parentExternalIds": ["c"]}), vec!["g"]),
        (json!({"assetSubtreeIds": [{"externalId": "c"}]}), vec!["c", "g"]),
        (json!({"rootIds": [{"id": root}]}), vec!["r", "c", "g"]),
        (json!({"parentIds": [root]}), vec!["c"]),
        (json!({"metadata": {"l": "2"}}), vec!["r"]),
        (json!({"externalIdPrefix": "g", "createdTime": {"min": 0}}), vec!["g"]),
        (json!({"createdTime": {"max": 0}}), vec![]),
    ] {
        let page = e.done("/assets/list", json!({ "filter": filter })).await;
        assert_eq!(names(&page), wanted, "{filter}");
    }
    for (filter, wanted) in [
        (json!({"equals": {"property": ["metadata", "k"], "value": "1"}}), vec!["r"]),
        (json!({"not": {"exists": {"property": ["source"]}}}), vec!["g"]),
        (
            json!({"or": [{"in": {"property": ["name"], "values": ["root"]}}, {"prefix": {"property": ["name"], "value": "gr"}}]}),
            vec!["r", "g"],
        ),
        (json!({"range": {"property": ["source"], "gt": "a"}}), vec!["r"]),
        (json!({"search": {"property": ["name"], "value": "CHILD"}}), vec!["c", "g"]),
    ] {
        let page = e.done("/assets/list", json!({ "advancedFilter": filter })).await;
        assert_eq!(names(&page), wanted, "{filter}");
    }
    assert_eq!(e.post("/assets/list", json!({"filter": {"nonsense": 1}})).await.0, 400);
    let mut sorted = Vec::new();
    let mut cursor = Value::Null;
    for _ in 0..3 {
        let page = e
            .done(
                "/assets/list",
                json!({"sort": [{"property": ["source"], "order": "asc"}], "limit": 1, "cursor": cursor}),
            )
            .await;
        sorted.extend(names(&page).into_iter().map(str::to_owned));
        cursor = page["nextCursor"].clone();
    }
    assert_eq!((sorted, cursor), (vec!["c".to_owned(), "r".into(), "g".into()], Value::Null));
    let (status, body) = e.get("/assets?root=true&minCreatedTime=1&name=root").await;
    assert_eq!((status, names(&body)), (200, vec!["r"]));
}

#[tokio::test]
async fn ceilings() {
    let limits = Limits { resources: 3, datapoints: 5, ..Limits::default() };
    let e = Emulator::with(Config { limits, ..Config::default() }).await;
    e.numeric_series("s").await;
    let points = |from: i64| json!({"items": [{"externalId": "s", "datapoints": (from..from + 4).map(|t| json!({"timestamp": t, "value": 1})).collect::<Vec<_>>()}]});
    e.done("/timeseries/data", points(0)).await;
    assert_eq!(e.post("/timeseries/data", points(4)).await.0, 507);
    e.done("/timeseries/data/delete", json!({"items": [{"externalId": "s", "inclusiveBegin": 0, "exclusiveEnd": 4}]}))
        .await;
    e.done("/timeseries/data", points(4)).await;
    let rows = json!({"items": [{"key": "a", "columns": {}}]});
    let insert =
        |body: Value| answer(e.request(Method::POST, "/raw/dbs/d/tables/t/rows?ensureParent=true").json(&body));
    assert_eq!(insert(rows.clone()).await.0, 507);
    e.done("/timeseries/delete", json!({"items": [{"externalId": "s"}]})).await;
    assert_eq!(insert(rows).await.0, 200);
    let (_, state) = answer(e.client.get(e.url("/_emulator/state"))).await;
    assert_eq!((&state["datapoints"], &state["rows_total"]), (&json!(0), &json!(3)));
    e.admin("reset", json!({})).await;
    let (_, state) = answer(e.client.get(e.url("/_emulator/state"))).await;
    assert_eq!((&state["bytes_estimated"], &state["rows_total"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn raw_rows_in_pages_and_parts() {
    let e = Emulator::start().await;
    let rows: Vec<Value> = (0..100).map(|n| json!({"key": format!("k{n:03}"), "columns": {"n": n}})).collect();
    assert_eq!(e.post("/raw/dbs/d/tables/t/rows", json!({ "items": rows })).await.0, 404);
    e.done("/raw/dbs/d/tables/t/rows?ensureParent=true", json!({ "items": rows })).await;
    let mut seen = Vec::new();
    let (_, cursors) = e.get("/raw/dbs/d/tables/t/cursors?numberOfCursors=3").await;
    for start in cursors["items"].as_array().unwrap() {
        let mut cursor = start.as_str().unwrap().to_owned();
        loop {
            let (_, page) = e.get(&format!("/raw/dbs/d/tables/t/rows?limit=7&columns=,&cursor={cursor}")).await;
            for row in page["items"].as_array().unwrap() {
                assert_eq!(row["columns"], json!({}));
                seen.push(row["key"].as_str().unwrap().to_owned());
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
    }
    seen.sort();
    assert_eq!(seen, (0..100).map(|n| format!("k{n:03}")).collect::<Vec<_>>());
    assert_eq!(e.get("/raw/dbs/d/tables/t/rows/k007").await.1["columns"]["n"], 7);
    assert_eq!(e.get("/raw/dbs/d/tables/t/rows/none").await.0, 404);
    assert_eq!(e.get("/raw/dbs/d/tables/t/rows?limit=10001").await.0, 400);
    assert_eq!(e.post("/raw/dbs/delete", json!({"items": [{"name": "d"}]})).await.0, 400);
    e.done("/raw/dbs/delete", json!({"items": [{"name": "d"}], "recursive": true})).await;
    assert_eq!(e.get("/raw/dbs").await.1, json!({"items": []}));
}
