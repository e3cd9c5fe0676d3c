//! What the sets and their special rules promise, where an SDK would not look.

mod common;

use cognite_emulator::{Config, Limits};
use common::{Emulator, answer};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn rows_of_a_set() {
    let e = Emulator::start().await;
    let job = |n: usize| json!({"externalId": format!("i{n:02}"), "extractor": {"externalId": "x"}});
    let path = "/integrations";
    e.done(path, json!({"items": (0..20).map(job).collect::<Vec<_>>()})).await;
    e.done(path, json!({"items": (20..30).map(job).collect::<Vec<_>>()})).await;
    // Pages by cursor, each row once and in order.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = e.get(&format!("{path}?limit=7&cursor={cursor}")).await;
        let names = page["items"].as_array().unwrap().iter().map(|i| i["externalId"].as_str().unwrap().to_owned());
        seen.extend(names);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..30).map(|n| format!("i{n:02}")).collect::<Vec<_>>());
    // Limits of items and pages.
    assert_eq!(e.post(path, json!({"items": (40..61).map(job).collect::<Vec<_>>()})).await.0, 400);
    assert_eq!(e.get(&format!("{path}?limit=101")).await.0, 400);
    assert_eq!(e.get(&format!("{path}?cursor=nonsense")).await.0, 400);
    // Names that are taken, doubled or unknown, with the lists clients read.
    let (status, body) = e.post(path, json!({"items": [job(3), job(70)]})).await;
    assert_eq!((status, &body["error"]["duplicated"]), (409, &json!([{"externalId": "i03"}])));
    let (status, body) = e.post(path, json!({"items": [job(70), job(70)]})).await;
    assert_eq!((status, &body["error"]["duplicated"]), (409, &json!([{"externalId": "i70"}])));
    let ids = json!([{"externalId": "i05"}, {"externalId": "none"}]);
    let (status, body) = e.post("/integrations/byids", json!({ "items": ids })).await;
    assert_eq!((status, &body["error"]["missing"]), (400, &json!([{"externalId": "none"}])));
    let found = e.done("/integrations/byids", json!({"items": ids, "ignoreUnknownIds": true})).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(e.post("/integrations/delete", json!({ "items": ids })).await.0, 400);
    e.done("/integrations/delete", json!({"items": ids, "ignoreUnknownIds": true})).await;
    // Updates: set, setNull, and the field that is required.
    let update = |change: Value| json!({"items": [{"externalId": "i06", "update": {"name": change}}]});
    assert_eq!(e.done("/integrations/update", update(json!({"set": "n"}))).await["items"][0]["name"], "n");
    assert_eq!(e.done("/integrations/update", update(json!({"setNull": true}))).await["items"][0].get("name"), None);
    let (status, body) = e.post(path, json!({"items": [{"externalId": "x"}]})).await;
    assert_eq!((status, &body["error"]["message"]), (400, &json!("Missing required field extractor")));
    assert_eq!(e.post("/simulators/models/list", json!({"filter": {"nonsense": 1}})).await.0, 400);
}

#[tokio::test]
async fn what_leads_out_is_kept() {
    let e = Emulator::start().await;
    let sap = "/writeback/sap";
    let instance =
        json!({"externalId": "i", "gatewayUrl": "https://s", "client": "100", "username": "u", "password": "hidden"});
    let made = e.done(&format!("{sap}/instances"), json!({ "items": [instance] })).await;
    assert_eq!((&made["items"][0]["username"], made["items"][0].get("password")), (&json!("u"), None));
    let endpoint = |of: &str| json!({"items": [{"externalId": "e", "endpointType": "t", "instanceId": of}]});
    assert_eq!(e.post(&format!("{sap}/endpoints"), endpoint("none")).await.0, 400);
    e.done(&format!("{sap}/endpoints"), endpoint("i")).await;
    assert_eq!(e.get(&format!("{sap}/endpoints")).await.1["items"][0]["instanceId"], "i");

    let sink = json!({"type": "email", "externalId": "s", "emailAddress": "a@b"});
    let subscription =
        json!({"items": [{"externalId": "x", "sink": {"type": "email", "externalId": "s"}, "filter": {}}]});
    assert_eq!(e.post("/processes/signals/subscriptions", subscription.clone()).await.0, 400);
    e.done("/processes/signals/sinks", json!({ "items": [sink] })).await;
    e.done("/processes/signals/subscriptions", subscription).await;
    let found = e.done("/processes/signals/subscriptions/list", json!({})).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn simulators_of_ones_own() {
    let e = Emulator::start().await;
    let model = |of: &str| json!({"items": [{"externalId": "m", "simulatorExternalId": of, "name": "m", "dataSetId": 1, "type": "t"}]});
    let data_set = e.done("/datasets", json!({"items": [{"externalId": "d"}]})).await["items"][0]["id"].clone();
    let mut own = model("own");
    own["items"][0]["dataSetId"] = data_set.clone();
    assert_eq!(e.post("/simulators/models", own.clone()).await.0, 400);
    e.done("/simulators", json!({"items": [{"externalId": "own", "name": "own"}]})).await;
    e.done("/simulators/models", own).await;
    assert_eq!(e.done("/simulators/models/aggregate", json!({"aggregate": "count"})).await["items"][0]["count"], 1);
    let connector =
        json!({"items": [{"externalId": "c", "simulatorExternalId": "own", "dataSetId": data_set, "heartbeat": 1}]});
    let log = e.done("/simulators/integrations", connector).await["items"][0]["logId"].clone();
    let entry = json!({"timestamp": 1, "message": "m", "severity": "Debug"});
    e.done("/simulators/logs/update", json!({"items": [{"id": log, "update": {"data": {"add": [entry]}}}]})).await;
    assert_eq!(
        e.done("/simulators/logs/byids", json!({"items": [{"id": log}]})).await["items"][0]["data"],
        json!([entry])
    );
    assert_eq!(e.post("/simulators/run/callback", json!({"items": [{"id": 1, "status": "success"}]})).await.0, 400);
}

#[tokio::test]
async fn jobs_progress() {
    let e = Emulator::with(Config { job_ms: 400, ..Config::default() }).await;
    e.done(
        "/transformations",
        json!({"items": [{"externalId": "t", "name": "t", "ignoreNullFields": true, "query": "emulator_fail"}]}),
    )
    .await;
    let job = e.done("/transformations/run", json!({"externalId": "t"})).await;
    assert_eq!(job["status"], "Created");
    assert_eq!(e.post("/transformations/run", json!({"externalId": "t"})).await.0, 400);
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    let ids = json!({"items": [{"id": job["id"]}]});
    assert_eq!(e.done("/transformations/jobs/byids", ids.clone()).await["items"][0]["status"], "Running");
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    let ended = e.done("/transformations/jobs/byids", ids).await["items"][0].clone();
    assert_eq!((&ended["status"], &ended["error"]), (&json!("Failed"), &json!("Ordered by the query")));
}

#[tokio::test]
async fn content_of_files() {
    let limits = Limits { bytes: 100_000, body: 60_000, upload: 60_000, ..Limits::default() };
    let e = Emulator::with(Config { limits, ..Config::default() }).await;
    let made = e.done("/files", json!({"name": "f", "externalId": "f"})).await;
    let put = |url: &Value, bytes: Vec<u8>| answer(e.client.put(url.as_str().unwrap()).body(bytes));
    assert_eq!(e.post("/files/downloadlink", json!({"items": [{"externalId": "f"}]})).await.0, 400);
    assert_eq!(put(&made["uploadUrl"], b"0123456789".to_vec()).await.0, 200);
    let links = e.done("/files/downloadlink", json!({"items": [{"externalId": "f"}]})).await;
    let link = links["items"][0]["downloadUrl"].as_str().unwrap();
    let part = e.client.get(link).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().as_ref()), (206, &b"345"[..]));
    // Parts may come in any order; all have to be there.
    let (_, parts) = answer(
        e.request(Method::POST, "/files/multiuploadlink?parts=2").json(&json!({"items": [{"externalId": "f"}]})),
    )
    .await;
    let parts = &parts["items"][0];
    assert_eq!(put(&parts["uploadUrls"][1], b"b".to_vec()).await.0, 200);
    let complete = json!({"externalId": "f", "uploadId": parts["uploadId"]});
    assert_eq!(e.post("/files/completemultipartupload", complete.clone()).await.0, 400);
    assert_eq!(put(&parts["uploadUrls"][0], b"a".to_vec()).await.0, 200);
    assert_eq!(e.post("/files/completemultipartupload", complete.clone()).await.0, 200);
    assert_eq!(e.client.get(link).send().await.unwrap().bytes().await.unwrap().as_ref(), b"ab");
    assert_eq!(e.post("/files/completemultipartupload", complete).await.0, 400);
    assert_eq!(put(&parts["uploadUrls"][0], b"a".to_vec()).await.0, 404);
    // Content counts against the ceilings, and what is deleted does not.
    assert_eq!(put(&made["uploadUrl"], vec![0; 60_001]).await.0, 413);
    assert_eq!(put(&made["uploadUrl"], vec![0; 60_000]).await.0, 200);
    let second = e.done("/files", json!({"name": "g"})).await;
    assert_eq!(put(&second["uploadUrl"], vec![0; 60_000]).await.0, 507);
    e.done("/files/delete", json!({"items": [{"externalId": "f"}]})).await;
    assert_eq!(put(&second["uploadUrl"], vec![0; 60_000]).await.0, 200);
    assert_eq!(e.client.get(link).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn groups_decide_once_ordered() {
    let e = Emulator::start().await;
    let read_assets = json!([{"assetsAcl": {"actions": ["READ"], "scope": {"all": {}}}}, {"sessionsAcl": {"actions": ["CREATE"], "scope": {"all": {}}}}]);
    e.done("/groups", json!({"items": [{"name": "g", "sourceId": "team", "capabilities": read_assets}]})).await;
    e.admin("access", json!({"groups": ["team"]})).await;
    assert_eq!(e.post("/assets/list", json!({})).await.0, 200);
    let (status, body) = e.post("/assets", json!({"items": [{"name": "a"}]})).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!(403)));
    assert!(body["error"]["message"].as_str().unwrap().contains("insufficient access rights"));
    assert_eq!(e.post("/events/list", json!({})).await.0, 403);
    assert_eq!(e.post("/timeseries/data", json!({"items": []})).await.0, 403);
    assert_eq!(e.post("/sessions", json!({"items": [{"tokenExchange": true}]})).await.0, 200);
    assert_eq!(e.get("/sessions").await.0, 403);
    let (_, inspected) = answer(e.client.get(e.url("/api/v1/token/inspect")).bearer_auth(&e.token)).await;
    assert_eq!(inspected["capabilities"].as_array().unwrap().len(), 2);
    e.admin("access", json!({"groups": null})).await;
    assert_eq!(e.post("/events/list", json!({})).await.0, 200);
}

/// Whatever is sent to any endpoint, there is an answer below 500.
#[tokio::test]
async fn nothing_brings_the_areas_down() {
    let e = Emulator::start().await;
    e.done("/models/spaces", json!({"items": [{"space": "s"}]})).await;
    e.done("/timeseries", json!({"items": [{"externalId": "s"}]})).await;
    let odd = [
        json!(null),
        json!(-1),
        json!(i64::MAX),
        json!(1e300),
        json!(""),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": {"b": []}}),
        json!(true),
    ];
    let mut count = 0;
    for line in include_str!("endpoints.txt").lines() {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let Some(body) = words.next().filter(|_| method == "POST" && !path.starts_with('@')) else { continue };
        let body: Value = serde_json::from_str(body).unwrap();
        let path = path.replace(['{', '}'], "");
        for value in &odd {
            let mut bodies = vec![value.clone()];
            for key in body.as_object().into_iter().flat_map(|m| m.keys()) {
                let mut changed = body.clone();
                changed[key] = value.clone();
                bodies.push(changed);
            }
            for key in body["items"][0].as_object().into_iter().flat_map(|m| m.keys()) {
                let mut changed = body.clone();
                changed["items"][0][key] = value.clone();
                bodies.push(changed);
            }
            for body in bodies {
                let (status, answer) = e.post(&path, body.clone()).await;
                assert!(status < 500, "{path} {body}: {status} {answer}");
                count += 1;
            }
        }
    }
    assert!(count > 5000, "{count}");
    for expression in ["", "(", "1+", "ts{", "ts{externalId:'s", "((((((((((", "pow(", "1e", "ts{id:9}", "-"] {
        let (status, _) = e.post("/timeseries/synthetic/query", json!({"items": [{"expression": expression}]})).await;
        assert_eq!(status, 400, "{expression}");
    }
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(e.post("/timeseries/synthetic/query", json!({"items": [{"expression": deep}]})).await.0, 400);
    let nested = (0..100).fold(json!({"matchAll": {}}), |inner, _| json!({ "not": inner }));
    // Also where there is nothing to filter.
    assert_eq!(e.post("/models/instances/list", json!({"filter": nested})).await.0, 400);
}
