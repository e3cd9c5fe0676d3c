//! Workflows. An execution takes its time and completes all its tasks; nothing is run.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, View, int, not_found, object, page, paging, put, remove, rows, strip, text};
use crate::resources::table::{Object, name};
use crate::scope::permit;
use crate::state::{Data, State, now_ms};

const VERSIONS: &str = "workflows/versions";
const EXECUTIONS: &str = "workflows/executions";
const TRIGGERS: &str = "workflows/triggers";
const VERSION_KEY: &[&str] = &["workflowExternalId", "version"];
const ID: &[&str] = &["id"];

pub static SETS: &[Set] = &[
    Set {
        path: "workflows",
        noun: "workflows",
        numbered: false,
        ops: "GET apply:1 delete:100 one",
        created: 200,
        gone: Some(|ctx, _, row| {
            let of = |(id, v): (i64, &Object)| (v.get("workflowExternalId") == row.get("externalId")).then_some(id);
            for table in [VERSIONS, TRIGGERS] {
                let ids: Vec<i64> = rows(ctx.data, table).filter_map(of).collect();
                for id in ids {
                    remove(ctx.data, table, id);
                }
            }
        }),
        ..SET
    },
    Set {
        path: VERSIONS,
        noun: "workflow versions",
        key: VERSION_KEY,
        numbered: false,
        required: "workflowDefinition",
        filters: "workflowFilters",
        ops: "GET apply:1 delete:100 list",
        created: 200,
        make: Some(|ctx, _, row| {
            if ctx.data.table("workflows").and_then(|t| t.id_of(text(row, "workflowExternalId"))).is_none() {
                let unknown = vec![json!({"externalId": row.get("workflowExternalId")})];
                return Err(ApiError::missing("Workflow not found", unknown));
            }
            if let Some(Value::Object(definition)) = row.get_mut("workflowDefinition") {
                definition.insert("hash".into(), json!(format!("{:x}", ctx.id)));
                for task in definition.get_mut("tasks").and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Value::Object(task) = task {
                        task.entry("retries").or_insert(json!(3));
                        task.entry("timeout").or_insert(json!(3600));
                        task.entry("onFailure").or_insert(json!("abortWorkflow"));
                    }
                }
            }
            Ok(())
        }),
        ..SET
    },
    Set {
        path: EXECUTIONS,
        noun: "workflow executions",
        key: ID,
        numbered: false,
        filters: "workflowFilters createdTimeStart>createdTime createdTimeEnd>createdTime status statuses>status",
        ops: "list one",
        show: Some(show_execution),
        ..SET
    },
    Set {
        path: TRIGGERS,
        noun: "triggers",
        numbered: false,
        required: "triggerRule workflowExternalId workflowVersion",
        ops: "GET apply:1 delete:1",
        created: 200,
        make: Some(|ctx, old, row| {
            row.remove("authentication");
            let key = object(
                json!({"workflowExternalId": row.get("workflowExternalId"), "version": row.get("workflowVersion")}),
            );
            let version = name(VERSION_KEY, &key).and_then(|n| ctx.data.table(VERSIONS)?.id_of(&n));
            if version.is_none() {
                return Err(ApiError::missing("Workflow version not found", vec![Value::Object(key)]));
            }
            let paused = old.and_then(|o| o.get("isPaused")).cloned();
            row.insert("isPaused".into(), paused.unwrap_or(json!(false)));
            Ok(())
        }),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("GET", "workflows/{}/versions/{}", |state, _, params| Ok(Reply::ok(&version(&state.read(), params)?))),
    ("POST", "workflows/{}/versions/{}/run", run),
    ("POST", "workflows/executions/{}/cancel", |state, call, params| {
        let body = if call.body.is_empty() { Object::new() } else { call.object()? };
        change(state, params, |row| {
            row.insert("endTime".into(), json!(now_ms()));
            row.insert("reasonForIncompletion".into(), body.get("reason").cloned().unwrap_or(json!("cancelled")));
            row.insert("ended".into(), json!("TERMINATED"));
        })
    }),
    ("POST", "workflows/executions/{}/retry", |state, _, params| {
        change(state, params, |row| {
            for gone in ["ended", "endTime", "reasonForIncompletion"] {
                row.remove(gone);
            }
            row.insert("startTime".into(), json!(now_ms()));
        })
    }),
    ("POST", "workflows/tasks/{}/update", update_task),
    ("POST", "workflows/triggers/{}/pause", |state, _, params| pause(state, params, true)),
    ("POST", "workflows/triggers/{}/resume", |state, _, params| pause(state, params, false)),
    // Triggers never fire here.
    ("GET", "workflows/triggers/{}/history", |state, call, params| {
        trigger(&state.read(), params)?;
        Ok(Reply::ok(&page(&paging(call)?, 1000, std::iter::empty())?))
    }),
];

fn version(data: &Data, params: &[&str]) -> Result<Object> {
    let key = name(VERSION_KEY, &object(json!({"workflowExternalId": params.first(), "version": params.get(1)})));
    let found = key.as_ref().and_then(|k| data.table(VERSIONS)?.id_of(k)).and_then(|id| data.table(VERSIONS)?.get(id));
    let found = found.cloned().ok_or_else(|| not_found("workflow versions", &params.join("/")))?;
    permit(&found).map(|()| found)
}

/// The UUID of the nth thing.
pub fn uuid(number: i64, part: usize) -> String {
    // Ids are large; the lower part of one is as good.
    format!("00000000-0000-4000-{:04x}-{:012x}", 0x8000 + part, number & 0xffff_ffff_ffff)
}

fn run(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = if call.body.is_empty() { Object::new() } else { call.object()? };
    let mut data = state.write();
    let version = version(&data, params)?;
    let (number, now) = (data.next_id, now_ms());
    data.next_id = number + 1;
    let mut row = strip(json!({"id": uuid(number, 0), "engineExecutionId": uuid(number, 1),
        "workflowExternalId": version.get("workflowExternalId"), "version": version.get("version"),
        "workflowDefinition": version.get("workflowDefinition"), "input": body.get("input"),
        "metadata": body.get("metadata").cloned().unwrap_or_else(|| json!({})), "createdTime": now, "startTime": now,
        "number": number, "tasks": {}}));
    put(&mut data, EXECUTIONS, ID, number, row.clone())?;
    show_execution(&View { state, data: &data, now }, &mut row);
    Ok(Reply::json(202, &row))
}

/// A test can order how an execution ends: `{"emulatorStatus": "FAILED"}` or `"TIMED_OUT"` in its input.
fn show_execution(view: &View, row: &mut Object) {
    let began = int(row, "startTime").unwrap_or(0);
    let ordered = row.get("input").and_then(|i| i.get("emulatorStatus")?.as_str().map(str::to_owned));
    let stopped = row.remove("ended");
    let overruled = row.remove("tasks").unwrap_or_default();
    let number = row.remove("number").and_then(|n| n.as_i64()).unwrap_or(0);
    let done = stopped.is_none() && view.stage(began) == 2;
    if done {
        row.insert("endTime".into(), json!(began + view.state.config.job_ms as i64));
    }
    let end = ordered.filter(|s| s == "FAILED" || s == "TIMED_OUT").unwrap_or_else(|| "COMPLETED".into());
    let status = stopped.unwrap_or_else(|| json!(if done { &end } else { "RUNNING" }));
    let task_status = match status.as_str() {
        Some("RUNNING") => "IN_PROGRESS",
        Some("TERMINATED") => "CANCELED",
        Some(other) => other,
        None => "COMPLETED",
    };
    let tasks = row.get("workflowDefinition").and_then(|d| d.get("tasks")?.as_array().cloned()).unwrap_or_default();
    let executed = tasks.iter().enumerate().map(|(n, task)| {
        let id = uuid(number, n + 2);
        let mut shown = json!({"id": id, "externalId": task.get("externalId"), "taskType": task.get("type"),
            "status": task_status, "startTime": began, "input": task.get("parameters").unwrap_or(&json!({})), "output": output(task)});
        if let (Some(Value::Object(change)), Value::Object(shown)) = (overruled.get(&id), &mut shown) {
            shown.extend(change.clone());
        }
        shown
    });
    let executed: Vec<Value> = executed.collect();
    row.insert("executedTasks".into(), json!(executed));
    row.insert("status".into(), status);
}

fn output(task: &Value) -> Value {
    match task.get("type").and_then(Value::as_str) {
        Some("function") => json!({"callId": null, "functionId": null, "response": {}}),
        Some("transformation") => json!({"jobId": null}),
        Some("dynamic") => json!({"dynamicTasks": []}),
        Some("cdf") => json!({"response": {}, "statusCode": 200}),
        Some("simulation") => json!({"runId": null, "logId": null, "statusMessage": null}),
        _ => json!({}),
    }
}

fn change(state: &State, params: &[&str], apply: impl FnOnce(&mut Object)) -> Result<Reply> {
    let wanted = params.first().copied().unwrap_or("");
    let mut data = state.write();
    let id =
        data.table(EXECUTIONS).and_then(|t| t.id_of(wanted)).ok_or_else(|| not_found("workflow executions", wanted))?;
    let mut row = data.table(EXECUTIONS).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    permit(&row)?;
    apply(&mut row);
    put(&mut data, EXECUTIONS, ID, id, row.clone())?;
    show_execution(&View { state, data: &data, now: now_ms() }, &mut row);
    Ok(Reply::ok(&row))
}

fn update_task(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let wanted = params.first().copied().unwrap_or("");
    let number = wanted.rsplit('-').next().and_then(|hex| i64::from_str_radix(hex, 16).ok());
    let execution = number.map(|n| uuid(n, 0)).unwrap_or_default();
    let entry = strip(json!({"status": body.get("status"), "output": body.get("output")}));
    let answer = change(state, &[execution.as_str()], |row| {
        if let Some(Value::Object(tasks)) = row.get_mut("tasks") {
            tasks.insert(wanted.to_owned(), Value::Object(entry));
        }
    })
    .map_err(|_| not_found("tasks", wanted))?;
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut tasks = shown.get("executedTasks").and_then(Value::as_array).into_iter().flatten();
    let task = tasks.find(|t| t.get("id").and_then(Value::as_str) == Some(wanted));
    task.map(Reply::ok).ok_or_else(|| not_found("tasks", wanted))
}

fn trigger(data: &Data, params: &[&str]) -> Result<i64> {
    let wanted = params.first().copied().unwrap_or("");
    let id = data.table(TRIGGERS).and_then(|t| t.id_of(wanted)).ok_or_else(|| not_found("triggers", wanted))?;
    data.table(TRIGGERS).and_then(|t| t.get(id)).map_or(Ok(()), permit).map(|()| id)
}

fn pause(state: &State, params: &[&str], paused: bool) -> Result<Reply> {
    let mut data = state.write();
    let id = trigger(&data, params)?;
    let mut row = data.table(TRIGGERS).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    row.insert("isPaused".into(), json!(paused));
    put(&mut data, TRIGGERS, crate::resources::table::EXTERNAL_ID, id, row)?;
    Ok(Reply::empty())
}
