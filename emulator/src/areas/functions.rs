//! Functions: nothing is run. A call takes its time, and its response is the data it was given.

use serde_json::{Value, json};

use crate::areas::iam::SESSIONS;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, View, find, insert, int, not_found, put, rows, strip, table_name, text};
use crate::resources::table::Object;
use crate::state::{Data, State, now_ms};

const CALLS: &str = "functions/{}/calls";

pub static SETS: &[Set] = &[
    Set {
        path: "functions",
        noun: "functions",
        times: &["createdTime"],
        required: "name fileId",
        filters: "name owner fileId status externalIdPrefix createdTime metadata runtime",
        ops: "POST:1 byids:10 delete:10 list:10000 GET one",
        make: Some(|ctx, _, row| {
            if ctx.data.table("files").and_then(|t| t.get(int(row, "fileId")?)).is_none() {
                return Err(ApiError::missing("File not found", vec![json!({ "id": row.get("fileId") })]));
            }
            for (field, value) in [
                ("owner", json!("emulator")),
                ("runtime", json!("py312")),
                ("runtimeVersion", json!("Python 3.12")),
                ("functionPath", json!("handler.py")),
                ("cpu", json!(0.25)),
                ("memory", json!(1.0)),
                ("secrets", json!({})),
                ("envVars", json!({})),
                ("metadata", json!({})),
            ] {
                row.entry(field).or_insert(value);
            }
            if let Some(Value::Object(secrets)) = row.get_mut("secrets") {
                secrets.values_mut().for_each(|v| *v = json!("***"));
            }
            Ok(())
        }),
        show: Some(|view, row| {
            let stage = view.stage(int(row, "createdTime").unwrap_or(0));
            row.insert("status".into(), json!(["Queued", "Deploying", "Ready"].get(stage)));
        }),
        ..SET
    },
    Set {
        path: "functions/schedules",
        noun: "schedules",
        key: &[],
        times: &["createdTime"],
        required: "name cronExpression",
        filters: "name functionId functionExternalId FunctionId>functionId FunctionExternalId>functionExternalId createdTime cronExpression",
        ops: "POST:1 byids:10000 delete:10000 list:10000 GET one",
        make: Some(|ctx, _, row| {
            let name = row.get("functionExternalId").and_then(Value::as_str);
            let by_name = name.and_then(|n| ctx.data.table("functions")?.id_of(n));
            let id = by_name.or_else(|| int(row, "functionId"));
            let Some(id) = id.filter(|id| ctx.data.table("functions").is_some_and(|t| t.get(*id).is_some())) else {
                return Err(ApiError::missing("Function not found", vec![json!({ "id": row.get("functionId") })]));
            };
            row.insert("functionId".into(), json!(id));
            // The session that the nonce is of.
            let nonce = row.get("nonce").filter(|n| n.is_string());
            let session =
                nonce.and_then(|n| rows(ctx.data, SESSIONS).find(|(_, s)| s.get("nonce") == Some(n)).map(|(id, _)| id));
            row.insert("sessionId".into(), json!(session.unwrap_or(ctx.id)));
            row.insert("when".into(), json!("According to the schedule"));
            Ok(())
        }),
        show: Some(|_, row| {
            row.remove("nonce");
            row.remove("data");
        }),
        ..SET
    },
    Set {
        path: CALLS,
        noun: "calls",
        key: &[],
        parent: "functions",
        filters: "scheduleId status startTime endTime",
        ops: "byids:10000 list GET one",
        show: Some(show_call),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("GET", "functions/status", |_, _, _| Ok(Reply::ok(&json!({"status": "activated"})))),
    ("POST", "functions/status", |_, _, _| Ok(Reply::json(202, &json!({"status": "activated"})))),
    ("GET", "functions/limits", |_, _, _| {
        Ok(Reply::ok(&json!({"timeoutMinutes": 10, "cpuCores": {"min": 0.1, "max": 3.0, "default": 0.25},
            "memoryGb": {"min": 0.1, "max": 5.0, "default": 1.0}, "runtimes": ["py310", "py311", "py312", "py313"],
            "responseSizeMb": 1})))
    }),
    ("GET", "functions/schedules/{}/input_data", |state, _, params| {
        let data = state.read();
        let row = params.first().and_then(|p| data.table("functions/schedules")?.get(p.parse().ok()?));
        let row = row.ok_or_else(|| not_found("schedules", params.first().copied().unwrap_or("")))?;
        Ok(Reply::ok(&json!({"id": row.get("id"), "data": row.get("data").unwrap_or(&json!({}))})))
    }),
    ("POST", "functions/{}/call", call_function),
    ("GET", "functions/{}/calls/{}/logs", |state, _, params| {
        let row = one_call(&state.read(), params)?;
        Ok(Reply::ok(&json!({"items": [{"timestamp": row.get("startTime"), "message": "The emulator runs no code"}]})))
    }),
    ("GET", "functions/{}/calls/{}/response", |state, _, params| {
        let data = state.read();
        let mut row = one_call(&data, params)?;
        let input = row.get("data").cloned();
        show_call(&View { state, data: &data, now: now_ms() }, &mut row);
        let response = input.filter(|_| text(&row, "status") == "Completed");
        Ok(Reply::ok(&strip(
            json!({"functionId": row.get("functionId"), "callId": row.get("id"), "response": response}),
        )))
    }),
];

/// A test can order how a call ends: `{"emulatorStatus": "Failed"}` or `"Timeout"` in its data.
fn show_call(view: &View, row: &mut Object) {
    let began = int(row, "startTime").unwrap_or(0);
    let ordered = row.remove("data").and_then(|d| Some(d.get("emulatorStatus")?.as_str()?.to_owned()));
    if view.stage(began) < 2 {
        row.insert("status".into(), json!("Running"));
        return;
    }
    row.insert("endTime".into(), json!(began + view.state.config.job_ms as i64));
    let status = ordered.filter(|s| s == "Failed" || s == "Timeout").unwrap_or_else(|| "Completed".into());
    if status == "Failed" {
        row.insert("error".into(), json!({"message": "Ordered by the data of the call", "trace": ""}));
    }
    row.insert("status".into(), json!(status));
}

fn call_function(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = if call.body.is_empty() { Object::new() } else { call.object()? };
    let name = params.first().copied().unwrap_or("");
    let mut data = state.write();
    let id = find(&data, "functions", true, name).ok_or_else(|| not_found("functions", name))?;
    let now = now_ms();
    let input = body.get("data").cloned().unwrap_or_else(|| json!({}));
    let table = table_name(CALLS, params);
    let mut row =
        insert(&mut data, &table, crate::generic::object(json!({"functionId": id, "startTime": now, "data": input})))?;
    if let Some(mut function) = data.table("functions").and_then(|t| t.get(id)).cloned() {
        function.insert("lastCalled".into(), json!(now));
        put(&mut data, "functions", crate::resources::table::EXTERNAL_ID, id, function)?;
    }
    show_call(&View { state, data: &data, now }, &mut row);
    Ok(Reply::json(201, &row))
}

fn one_call(data: &Data, params: &[&str]) -> Result<Object> {
    let (function, call) = (params.first().copied().unwrap_or(""), params.get(1).copied().unwrap_or(""));
    let row = call.parse().ok().and_then(|id| data.table(&table_name(CALLS, &[function]))?.get(id));
    row.cloned().ok_or_else(|| not_found("calls", call))
}
