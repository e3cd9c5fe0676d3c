//! Extraction pipelines, hosted extractors and integrations.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, int, need, page, paging, remove, rows, strip, text};
use crate::resources::items;
use crate::resources::table::{EXTERNAL_ID, Object};
use crate::state::{Data, State, now_ms};

const RUNS: &str = "extpipes/runs";
const CONFIGS: &str = "extpipes/config";
const JOBS: &str = "hostedextractors/jobs";
const MEMBERS: &str = "GET:100 POST:10 byids:100 byIds=byids:100 delete:100 update:10";

pub static SETS: &[Set] = &[
    Set {
        path: "extpipes",
        noun: "extraction pipelines",
        required: "externalId name dataSetId",
        ops: "GET POST byids update delete list one",
        created: 200,
        show: Some(|_, row| {
            for field in ["lastSuccess", "lastFailure", "lastSeen"] {
                row.entry(field).or_insert(json!(0));
            }
            if row.get("metadata").and_then(Value::as_object).is_some_and(Object::is_empty) {
                row.remove("metadata");
            }
        }),
        gone: Some(|ctx, _, row| {
            for table in [RUNS, CONFIGS] {
                for id in of_pipeline(ctx.data, table, text(row, "externalId")) {
                    remove(ctx.data, table, id);
                }
            }
        }),
        ..SET
    },
    Set { path: RUNS, noun: "runs", filters: RUN_FILTERS, ops: "list", ..SET },
    Set {
        path: "hostedextractors/sources",
        noun: "sources",
        numbered: false,
        required: "type",
        ops: MEMBERS,
        created: 200,
        show: Some(|_, row| {
            // Secrets go in and never come out.
            if let Some(Value::Object(login)) = row.get_mut("authentication") {
                for secret in ["password", "keyValue", "value", "clientSecret"] {
                    login.remove(secret);
                }
            }
            row.remove("keyValue");
        }),
        ..SET
    },
    Set {
        path: "hostedextractors/destinations",
        noun: "destinations",
        numbered: false,
        ops: MEMBERS,
        created: 200,
        make: Some(|ctx, _, row| {
            if row.contains_key("credentials") {
                row.insert("sessionId".into(), json!(ctx.id));
            }
            Ok(())
        }),
        show: Some(|_, row| drop(row.remove("credentials"))),
        ..SET
    },
    Set {
        path: "hostedextractors/mappings",
        noun: "mappings",
        numbered: false,
        required: "mapping published",
        ops: MEMBERS,
        created: 200,
        make: Some(|_, _, row| {
            row.entry("input").or_insert_with(|| json!({"type": "json"}));
            Ok(())
        }),
        ..SET
    },
    Set {
        path: JOBS,
        noun: "jobs",
        numbered: false,
        required: "sourceId destinationId format",
        filters: "source>sourceId destination>destinationId",
        ops: MEMBERS,
        created: 200,
        make: Some(make_job),
        show: Some(|view, row| {
            let running = text(row, "targetStatus") == "running";
            let began = int(row, "lastUpdatedTime").unwrap_or(0);
            let status = ["waiting", "connected", "running"].get(view.stage(began)).copied().unwrap_or("running");
            row.insert("status".into(), json!(if running { status } else { "paused" }));
        }),
        ..SET
    },
    Set {
        path: "integrations",
        noun: "integrations",
        numbered: false,
        required: "extractor",
        ops: "GET:100 POST:20 byids:100 delete:100 update:20",
        created: 200,
        make: Some(|_, _, row| {
            row.entry("tasks").or_insert_with(|| json!([]));
            Ok(())
        }),
        ..SET
    },
    // Extractors report these themselves; none runs here.
    Set { path: "integrations/errors", noun: "errors", key: &[], filters: "externalId task", ops: "GET:100", ..SET },
];

const RUN_FILTERS: &str = "externalId statuses>status createdTime message";

pub static SPECIALS: &[Special] = &[
    ("POST", RUNS, create_runs),
    ("GET", RUNS, list_runs),
    ("GET", CONFIGS, get_config),
    ("POST", CONFIGS, set_config),
    ("POST", "extpipes/config/revert", revert_config),
    ("GET", "extpipes/config/revisions", list_configs),
    ("GET", "hostedextractors/jobs/logs", |state, call, _| job_reports(state, call, &["connected", "ok"])),
    ("GET", "hostedextractors/jobs/metrics", |state, call, _| job_reports(state, call, &[])),
];

fn make_job(ctx: &mut Ctx, _: Option<&Object>, row: &mut Object) -> Result<()> {
    for (field, table) in [("sourceId", "hostedextractors/sources"), ("destinationId", "hostedextractors/destinations")]
    {
        let name = need(row, field)?;
        if ctx.data.table(table).and_then(|t| t.id_of(name)).is_none() {
            return Err(ApiError::missing(format!("{field} not found"), vec![json!({ "externalId": name })]));
        }
    }
    row.entry("targetStatus").or_insert_with(|| json!("running"));
    Ok(())
}

/// What a job that never gets a message would report.
fn job_reports(state: &State, call: &Call, logs: &[&str]) -> Result<Reply> {
    let data = state.read();
    let mut found = Vec::new();
    for (_, row) in rows(&data, JOBS) {
        let asked = |param: &str, field: &str| call.filled_param(param).is_none_or(|v| text(row, field) == v);
        if !(asked("job", "externalId") && asked("source", "sourceId") && asked("destination", "destinationId")) {
            continue;
        }
        let (name, time) = (text(row, "externalId"), int(row, "createdTime"));
        for kind in logs {
            found.push(json!({"jobExternalId": name, "type": kind, "createdTime": time}));
        }
        if logs.is_empty() {
            found.push(json!({"jobExternalId": name, "timestamp": time, "sourceMessages": 0, "cdfInputValues": 0,
                "cdfRequests": 0, "transformFailures": 0, "cdfWriteFailures": 0, "cdfSkippedValues": 0,
                "cdfFailedValues": 0, "cdfUploadedValues": 0}));
        }
    }
    Ok(Reply::ok(&page(&paging(call)?, 1000, found.into_iter())?))
}

fn of_pipeline(data: &Data, table: &str, name: &str) -> Vec<i64> {
    rows(data, table).filter(|(_, row)| text(row, "externalId") == name).map(|(id, _)| id).collect()
}

fn known(data: &Data, name: &str) -> Result<i64> {
    let found = data.table("extpipes").and_then(|t| t.id_of(name).and_then(|id| Some((id, t.get(id)?))));
    let unknown = || ApiError::missing("Extraction pipeline not found", vec![json!({ "externalId": name })]);
    let (id, row) = found.ok_or_else(unknown)?;
    crate::scope::permit(row).map(|()| id)
}

fn create_runs(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    for item in &list {
        known(&data, need(item, "externalId")?)?;
        if !matches!(need(item, "status")?, "success" | "failure" | "seen") {
            return Err(ApiError::bad("status must be success, failure or seen"));
        }
    }
    let mut made = Vec::new();
    for item in list {
        let time = int(&item, "createdTime").unwrap_or_else(now_ms);
        let row = json!({"externalId": item.get("externalId"), "status": item.get("status"),
            "message": item.get("message").unwrap_or(&Value::Null), "createdTime": time});
        let row = crate::generic::insert(&mut data, RUNS, strip(row))?;
        let pipeline = known(&data, text(&row, "externalId"))?;
        let mut changed = data.table("extpipes").and_then(|t| t.get(pipeline)).cloned().unwrap_or_default();
        let moment = match text(&row, "status") {
            "success" => "lastSuccess",
            "failure" => "lastFailure",
            _ => "lastSeen",
        };
        changed.insert(moment.into(), json!(time));
        changed.insert("lastSeen".into(), json!(time));
        if let Some(message) = row.get("message") {
            changed.insert("lastMessage".into(), message.clone());
        }
        crate::generic::put(&mut data, "extpipes", EXTERNAL_ID, pipeline, changed)?;
        made.push(row);
    }
    Ok(Reply::ok(&json!({ "items": made })))
}

fn list_runs(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let name = asked_pipeline(call)?;
    let data = state.read();
    known(&data, name)?;
    let found = of_pipeline(&data, RUNS, name);
    let table = data.table(RUNS);
    let found = found.iter().filter_map(|id| table?.get(*id)).map(|row| json!(row));
    Ok(Reply::ok(&page(&paging(call)?, 1000, found)?))
}

fn asked_pipeline(call: &Call) -> Result<&str> {
    call.param("externalId").ok_or_else(|| ApiError::bad("The query parameter externalId is missing"))
}

fn configs(data: &Data, name: &str) -> Vec<Object> {
    rows(data, CONFIGS).filter(|(_, row)| text(row, "externalId") == name).map(|(_, row)| row.clone()).collect()
}

fn no_config(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no such configuration of extraction pipeline {name}"))
}

fn without_id(mut row: Object) -> Object {
    row.remove("id");
    row
}

fn get_config(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let name = asked_pipeline(call)?;
    let data = state.read();
    known(&data, name)?;
    let (revision, at) = (call.int_param("revision")?, call.int_param("activeAtTime")?);
    let fits = |row: &Object| {
        revision.is_none_or(|r| int(row, "revision") == Some(r))
            && at.is_none_or(|t| int(row, "createdTime") <= Some(t))
    };
    let found = configs(&data, name).into_iter().rev().find(fits);
    found.map(|row| Reply::ok(&without_id(row))).ok_or_else(|| no_config(name))
}

fn add_config(data: &mut Data, name: &str, config: &Value, description: &Value) -> Result<Reply> {
    known(data, name)?;
    let revision = configs(data, name).last().and_then(|row| int(row, "revision")).unwrap_or(0) + 1;
    let row = json!({"externalId": name, "config": config, "description": description, "revision": revision, "createdTime": now_ms()});
    let row = crate::generic::insert(data, CONFIGS, strip(row))?;
    Ok(Reply::ok(&without_id(row)))
}

fn set_config(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let field = |name: &str| body.get(name).unwrap_or(&Value::Null);
    add_config(&mut state.write(), need(&body, "externalId")?, field("config"), field("description"))
}

fn revert_config(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let name = need(&body, "externalId")?;
    let mut data = state.write();
    let all = configs(&data, name);
    // Without a number it is the one before the last.
    let wanted = int(&body, "revision").or_else(|| int(all.last()?, "revision").map(|n| n - 1));
    let old = all.iter().find(|row| int(row, "revision") == wanted).ok_or_else(|| no_config(name))?;
    let field = |name: &str| old.get(name).unwrap_or(&Value::Null);
    add_config(&mut data, name, field("config"), field("description"))
}

fn list_configs(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let name = asked_pipeline(call)?;
    let data = state.read();
    known(&data, name)?;
    let found = configs(&data, name).into_iter().rev().map(|mut row| {
        row.remove("config");
        json!(without_id(row))
    });
    Ok(Reply::ok(&page(&paging(call)?, 1000, found)?))
}
