//! Contextualization jobs: diagrams, entity matching, vision. They read plain text and compare words; nothing is learnt.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::areas::files::plain_text;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, View, find, insert, int, not_found, object, page, rows, strip, text};
use crate::resources::table::{Identifier, Object};
use crate::state::{Data, State, now_ms};

const JOBS: &str = "@jobs";
const MODELS: &str = "context/entitymatching";

pub static SETS: &[Set] = &[Set {
    path: MODELS,
    noun: "entity matching models",
    times: &["createdTime"],
    filters: "featureType classifier originalId name description",
    ops: "byids delete update list one GET",
    unknown: 404,
    show: Some(|view, row| {
        progress(view, row);
        for inner in ["sources", "targets", "trueMatches"] {
            row.remove(inner);
        }
    }),
    ..SET
}];

pub static SPECIALS: &[Special] = &[
    ("POST", "context/diagram/detect", |state, call, _| begin(state, call, "detect", "items")),
    ("POST", "context/diagram/convert", |state, call, _| begin(state, call, "convert", "items")),
    ("POST", "context/vision/extract", |state, call, _| begin(state, call, "vision", "features")),
    ("GET", "context/diagram/detect/{}", |state, _, params| finished(state, "detect", params)),
    ("GET", "context/diagram/convert/{}", |state, _, params| finished(state, "convert", params)),
    ("GET", "context/vision/extract/{}", |state, _, params| finished(state, "vision", params)),
    ("GET", "context/entitymatching/jobs/{}", |state, _, params| finished(state, "predict", params)),
    ("POST", "context/diagram/detect/status", |state, call, _| {
        let body = call.object()?;
        let data = state.read();
        let view = View { state, data: &data, now: now_ms() };
        let wanted =
            body.get("items").and_then(Value::as_array).ok_or_else(|| crate::generic::missing_field("items"))?;
        let one = |id: &Value| {
            let id = id.as_i64().or_else(|| id.get("jobId")?.as_i64()).unwrap_or(0);
            job(&view, "detect", id).ok_or_else(|| ApiError::missing("Jobs not found", vec![json!({ "id": id })]))
        };
        let found = wanted.iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(Reply::ok(&json!({ "items": found })))
    }),
    ("POST", MODELS, |state, call, _| fit(state, call.object()?)),
    ("POST", "context/entitymatching/refit", refit),
    ("POST", "context/entitymatching/predict", predict),
    ("GET", "context/entitymatching/jobs", |state, call, _| {
        let data = state.read();
        let view = View { state, data: &data, now: now_ms() };
        let found = rows(&data, JOBS).filter_map(|(id, _)| job(&view, "predict", id)).map(|j| json!(summary(j)));
        Ok(Reply::ok(&page(&crate::generic::paging(call)?, 1000, found)?))
    }),
];

fn progress(view: &View, row: &mut Object) {
    let began = int(row, "createdTime").unwrap_or(0);
    let stage = view.stage(began);
    row.insert("status".into(), json!(["Queued", "Running", "Completed"].get(stage)));
    row.insert("startTime".into(), json!(began));
    row.insert("statusTime".into(), json!(began + stage as i64 * view.state.config.job_ms as i64 / 2));
}

/// What there is to say of a job without its results.
fn summary(mut job: Object) -> Object {
    job.remove("items");
    job
}

fn file(data: &Data, item: &Value) -> Result<i64> {
    let named = [("id", "fileId"), ("externalId", "fileExternalId"), ("instanceId", "fileInstanceId")];
    let named = named.iter().filter_map(|(key, field)| Some(((*key).to_owned(), item.get(*field)?.clone()))).collect();
    let key = Identifier::parse(&named)?;
    let id = data.table("files").and_then(|t| t.resolve(&key));
    super::files::permit(data, id)?;
    id.ok_or_else(|| ApiError::missing("Files ids not found", vec![key.to_json()]))
}

fn begin(state: &State, call: &Call, kind: &str, required: &str) -> Result<Reply> {
    let mut body = call.object()?;
    let mut data = state.write();
    let Some(Value::Array(items)) = body.get_mut("items") else { return Err(crate::generic::missing_field("items")) };
    if items.is_empty() || items.len() > 50 {
        return Err(ApiError::bad(format!("items must hold between 1 and 50 elements, has {}", items.len())));
    }
    for item in items {
        let id = file(&data, item)?;
        if let Value::Object(item) = item {
            item.insert("fileId".into(), json!(id));
        }
    }
    if !body.contains_key(required) {
        return Err(crate::generic::missing_field(required));
    }
    body.insert("kind".into(), json!(kind));
    body.insert("createdTime".into(), json!(now_ms()));
    let row = insert(&mut data, JOBS, body)?;
    answer(state, &data, kind, &row)
}

/// The answer to the order of a job.
fn answer(state: &State, data: &Data, kind: &str, row: &Object) -> Result<Reply> {
    let view = View { state, data, now: now_ms() };
    Ok(Reply::ok(&job(&view, kind, int(row, "id").unwrap_or(0)).unwrap_or_default()))
}

fn finished(state: &State, kind: &str, params: &[&str]) -> Result<Reply> {
    let data = state.read();
    let name = params.first().copied().unwrap_or("");
    let view = View { state, data: &data, now: now_ms() };
    let found = name.parse().ok().and_then(|id| job(&view, kind, id));
    found.map(|row| Reply::ok(&row)).ok_or_else(|| not_found("jobs", name))
}

/// A job with its results, once it is done.
fn job(view: &View, kind: &str, id: i64) -> Option<Object> {
    let mut row = view.data.table(JOBS)?.get(id).filter(|row| text(row, "kind") == kind)?.clone();
    progress(view, &mut row);
    for inner in ["id", "kind", "entities", "sources", "targets"] {
        row.remove(inner);
    }
    row.insert("jobId".into(), json!(id));
    let stored = view.data.table(JOBS)?.get(id)?;
    let given = row.remove("items");
    let given = given.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let done = text(&row, "status") == "Completed";
    let items: Vec<Value> = match kind {
        "predict" if done => matches(stored),
        "predict" => Vec::new(),
        _ => given.iter().map(|item| result(view.data, kind, stored, item, done)).collect(),
    };
    row.insert("items".into(), json!(items));
    Some(row)
}

fn result(data: &Data, kind: &str, job: &Object, item: &Value, done: bool) -> Value {
    let mut shown = object(item.clone());
    shown.remove("annotations");
    let id = int(&shown, "fileId").unwrap_or(0);
    match kind {
        "detect" if done => {
            shown.insert("annotations".into(), json!(detected(plain_text(data, id).unwrap_or(""), job)));
            shown.insert("pageCount".into(), json!(1));
        }
        "detect" => drop(shown.insert("annotations".into(), json!([]))),
        "convert" if done => {
            shown.insert("results".into(), json!([{"page": 1, "errorMessage": "The emulator draws no diagrams"}]));
        }
        "convert" => drop(shown.insert("results".into(), json!([]))),
        _ => drop(shown.insert("predictions".into(), json!({}))),
    }
    Value::Object(shown)
}

/// Entities whose name stands in the text, each on the page as a whole.
fn detected(content: &str, job: &Object) -> Vec<Value> {
    let field = job.get("searchField").and_then(Value::as_str).unwrap_or("name");
    let entities = job.get("entities").and_then(Value::as_array).into_iter().flatten();
    let corner = |x: f64, y: f64| json!({"x": x, "y": y});
    let region = json!({"shape": "rectangle", "page": 1,
        "vertices": [corner(0.0, 0.0), corner(0.0, 1.0), corner(1.0, 1.0), corner(1.0, 0.0)]});
    let found = entities.filter_map(|entity| {
        let names = entity.get(field)?;
        let all = names.as_array().map_or_else(|| vec![names], |l| l.iter().collect());
        let name = all.into_iter().filter_map(Value::as_str).find(|n| !n.is_empty() && content.contains(n))?;
        Some(json!({"text": name, "confidence": 1.0, "region": region, "entities": [entity]}))
    });
    found.collect()
}

fn fit(state: &State, body: Object) -> Result<Reply> {
    for required in ["sources", "targets"] {
        if !body.contains_key(required) {
            return Err(crate::generic::missing_field(required));
        }
    }
    let mut data = state.write();
    let name = body.get("externalId").and_then(Value::as_str);
    if name.is_some_and(|n| data.table(MODELS).is_some_and(|t| t.id_of(n).is_some())) {
        return Err(ApiError::duplicated(409, "Already in use: models", vec![json!({ "externalId": name })]));
    }
    let mut row = strip(Value::Object(body));
    for field in ["name", "description"] {
        row.entry(field).or_insert(json!(""));
    }
    row.entry("featureType").or_insert(json!("simple"));
    row.entry("classifier").or_insert(json!("randomforest"));
    row.insert("createdTime".into(), json!(now_ms()));
    let mut row = insert(&mut data, MODELS, row)?;
    if let Some(show) = SETS.first().and_then(|s| s.show) {
        show(&View { state, data: &data, now: now_ms() }, &mut row);
    }
    Ok(Reply::ok(&row))
}

fn model(data: &Data, body: &Object) -> Result<Object> {
    let key = ["id", "externalId"].iter().find_map(|f| Some((*f, body.get(*f)?)));
    let (field, value) = key.ok_or_else(|| crate::generic::missing_field("id"))?;
    let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let id = find(data, MODELS, true, &name);
    let row = id.and_then(|id| data.table(MODELS)?.get(id)).cloned();
    row.ok_or_else(|| ApiError::missing("Model not found", vec![json!({field: value})]))
}

fn refit(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let mut old = model(&state.read(), &body)?;
    let original = old.remove("id").unwrap_or_default();
    old.remove("externalId");
    body.remove("id");
    body.remove("externalId");
    if let Some(name) = body.remove("newExternalId") {
        body.insert("externalId".into(), name);
    }
    old.extend(strip(Value::Object(body)));
    old.insert("originalId".into(), original);
    fit(state, old)
}

fn predict(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let mut data = state.write();
    let model = model(&data, &body)?;
    for field in ["sources", "targets", "matchFields"] {
        if let Some(value) = model.get(field).filter(|_| body.get(field).is_none_or(Value::is_null)) {
            body.insert(field.into(), value.clone());
        }
    }
    body.remove("id");
    body.insert("kind".into(), json!("predict"));
    body.insert("createdTime".into(), json!(now_ms()));
    let row = insert(&mut data, JOBS, body)?;
    answer(state, &data, "predict", &row)
}

fn words(entity: &Value, field: &str) -> HashSet<String> {
    let text = entity.get(field).and_then(Value::as_str).unwrap_or("").to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The score is the share of words that two names have in common.
fn matches(job: &Object) -> Vec<Value> {
    let list = |name: &str| job.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = job.get("matchFields").and_then(|m| m.get(0));
    let field = |side: &str| fields.and_then(|f| f.get(side)?.as_str()).unwrap_or("name").to_owned();
    let count = job.get("numMatches").and_then(Value::as_u64).unwrap_or(1) as usize;
    let threshold = job.get("scoreThreshold").and_then(Value::as_f64).unwrap_or(0.0);
    let targets = list("targets");
    let scored = list("sources").into_iter().map(|source| {
        let wanted = words(&source, &field("source"));
        let mut found: Vec<(f64, &Value)> = targets
            .iter()
            .map(|target| {
                let have = words(target, &field("target"));
                let all = wanted.union(&have).count();
                (if all == 0 { 0.0 } else { wanted.intersection(&have).count() as f64 / all as f64 }, target)
            })
            .filter(|(score, _)| *score > 0.0 && *score >= threshold)
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let shown: Vec<Value> =
            found.into_iter().take(count).map(|(score, target)| json!({"score": score, "target": target})).collect();
        json!({"source": source, "matches": shown})
    });
    scored.collect()
}
