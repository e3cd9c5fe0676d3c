//! Simulators. There is one from the start, with one connector; a run takes its time and succeeds without computing anything.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, View, insert, int, need, object, rows, strip, text};
use crate::resources::items;
use crate::resources::table::Object;
use crate::state::{Data, State, now_ms};

const SIMULATOR: &str = "emulated-simulator";
const INTEGRATION: &str = "emulated-integration";
const SIMULATORS: &str = "simulators";
const MODELS: &str = "simulators/models";
const MODEL_REVISIONS: &str = "simulators/models/revisions";
const ROUTINES: &str = "simulators/routines";
const ROUTINE_REVISIONS: &str = "simulators/routines/revisions";
const RUNS: &str = "simulators/runs";
const LOGS: &str = "simulators/logs";

pub static SETS: &[Set] = &[
    Set {
        path: SIMULATORS,
        noun: "simulators",
        required: "externalId name",
        ops: "list POST:1 update:1 delete:1",
        seed: Some(|_| {
            vec![json!({"externalId": SIMULATOR, "name": "Emulated simulator", "fileExtensionTypes": ["txt"],
                "modelTypes": [{"name": "Steady state", "key": "SteadyState"}], "modelDependencies": [],
                "stepFields": [{"stepType": "get/set", "fields": [{"name": "address", "label": "Address", "info": "Where the value is"}]},
                    {"stepType": "command", "fields": [{"name": "command", "label": "Command", "info": "What to do"}]}],
                "unitQuantities": [{"name": "temperature", "label": "Temperature", "units": [{"label": "C", "name": "C"}]}]})]
        }),
        ..SET
    },
    Set {
        path: "simulators/integrations",
        noun: "simulator integrations",
        required: "externalId simulatorExternalId dataSetId",
        filters: "simulatorExternalIds>simulatorExternalId active",
        ops: "list POST:1 update:1 delete:1",
        make: Some(|ctx, _, row| {
            known_simulator(ctx, row)?;
            let log = log(ctx.data, row)?;
            row.insert("logId".into(), log);
            row.insert("active".into(), json!(true));
            Ok(())
        }),
        seed: Some(|_| {
            vec![
                json!({"externalId": INTEGRATION, "simulatorExternalId": SIMULATOR, "dataSetId": 1, "heartbeat": now_ms(),
                "connectorVersion": "1.0.0", "simulatorVersion": "1.0", "licenseStatus": "AVAILABLE", "active": true, "logId": 1,
                "licenseLastCheckedTime": 0, "connectorStatus": "IDLE", "connectorStatusUpdatedTime": 0}),
            ]
        }),
        ..SET
    },
    Set {
        path: MODELS,
        noun: "simulator models",
        required: "externalId simulatorExternalId name dataSetId type",
        filters: "simulatorExternalIds>simulatorExternalId externalIdPrefix dataSetIds>dataSetId",
        ops: "POST:1 byids:1 list delete:1 update",
        make: Some(|ctx, _, row| known_simulator(ctx, row)),
        gone: Some(|ctx, _, row| forget(ctx, &[MODEL_REVISIONS, ROUTINES], "modelExternalId", row)),
        ..SET
    },
    Set {
        path: MODEL_REVISIONS,
        noun: "simulator model revisions",
        required: "externalId modelExternalId fileId",
        filters: "modelExternalIds>modelExternalId simulatorExternalIds>simulatorExternalId createdTime lastUpdatedTime allVersions>@versions",
        ops: "POST:1 byids:100 list",
        make: Some(|ctx, _, row| {
            let fields = ["simulatorExternalId", "dataSetId"];
            inherit(ctx, row, MODELS, "modelExternalId", &fields)?;
            number(ctx, row, MODEL_REVISIONS, "modelExternalId")?;
            let log = log(ctx.data, row)?;
            row.insert("logId".into(), log);
            row.entry("externalDependencies").or_insert(json!([]));
            Ok(())
        }),
        show: Some(|view, row| {
            let done = view.stage(int(row, "createdTime").unwrap_or(0)) == 2;
            row.insert("status".into(), json!(if done { "success" } else { "unknown" }));
        }),
        ..SET
    },
    Set {
        path: ROUTINES,
        noun: "simulator routines",
        required: "externalId modelExternalId simulatorIntegrationExternalId name",
        filters: "modelExternalIds>modelExternalId simulatorIntegrationExternalIds>simulatorIntegrationExternalId simulatorExternalIds>simulatorExternalId kind",
        ops: "POST:1 list delete:1",
        make: Some(|ctx, _, row| inherit(ctx, row, MODELS, "modelExternalId", &["simulatorExternalId", "dataSetId"])),
        gone: Some(|ctx, _, row| forget(ctx, &[ROUTINE_REVISIONS], "routineExternalId", row)),
        ..SET
    },
    Set {
        path: ROUTINE_REVISIONS,
        noun: "simulator routine revisions",
        times: &["createdTime"],
        required: "externalId routineExternalId configuration script",
        filters: "routineExternalIds>routineExternalId modelExternalIds>modelExternalId simulatorIntegrationExternalIds>simulatorIntegrationExternalId \
            simulatorExternalIds>simulatorExternalId createdTime allVersions>@versions kind",
        ops: "POST:1 byids:20 list:20:20",
        make: Some(|ctx, _, row| {
            let fields = ["simulatorExternalId", "dataSetId", "modelExternalId", "simulatorIntegrationExternalId"];
            inherit(ctx, row, ROUTINES, "routineExternalId", &fields)?;
            number(ctx, row, ROUTINE_REVISIONS, "routineExternalId")?;
            Ok(())
        }),
        ..SET
    },
    Set {
        path: RUNS,
        noun: "simulation runs",
        key: &[],
        filters: "status runType simulatorIntegrationExternalIds>simulatorIntegrationExternalId simulatorExternalIds>simulatorExternalId \
            modelExternalIds>modelExternalId routineExternalIds>routineExternalId createdTime simulationTime \
            routineRevisionExternalIds>routineRevisionExternalId modelRevisionExternalIds>modelRevisionExternalId",
        ops: "byids:1 list",
        show: Some(show_run),
        ..SET
    },
    Set { path: LOGS, noun: "simulator logs", key: &[], ops: "byids:100 update:1", ..SET },
];

pub static SPECIALS: &[Special] = &[
    ("POST", "simulators/models/aggregate", |state, call, _| count(state, call, MODELS)),
    ("POST", "simulators/routines/aggregate", |state, call, _| count(state, call, ROUTINES)),
    ("POST", "simulators/run", run),
    ("POST", "simulators/run/callback", callback),
    ("POST", "simulators/runs/data/list", |state, call, _| {
        let list = items(&mut call.object()?, 1000)?;
        let data = state.read();
        let found = list.iter().map(|item| {
            let run = int(item, "runId").and_then(|id| data.table(RUNS)?.get(id));
            let run =
                run.ok_or_else(|| ApiError::missing("Runs not found", vec![json!({"runId": item.get("runId")})]))?;
            let revision = latest(&data, ROUTINE_REVISIONS, "externalId", text(run, "routineRevisionExternalId"));
            let given = revision.as_ref().and_then(|r| r.get("configuration")?.get("inputs")?.as_array().cloned());
            // Constants go in as they are; nothing comes out.
            let input = |i: &Value| {
                let field = |name: &str| i.get(name);
                field("value")?;
                Some(strip(json!({"referenceId": field("referenceId"), "value": field("value"), "valueType": field("valueType"),
                    "unit": field("unit"), "overridden": false})))
            };
            let inputs: Vec<Object> = given.unwrap_or_default().iter().filter_map(input).collect();
            // What a connector told is what there was.
            let told = |field: &str| run.get(field).filter(|v| v.is_array()).cloned();
            let inputs = told("@inputs").unwrap_or_else(|| json!(inputs));
            Ok(json!({"runId": item.get("runId"), "inputs": inputs, "outputs": told("@outputs").unwrap_or(json!([]))}))
        });
        Ok(Reply::ok(&json!({"items": found.collect::<Result<Vec<_>>>()?})))
    }),
    ("POST", "simulators/models/revisions/data/list", |state, call, _| {
        let list = items(&mut call.object()?, 1000)?;
        let data = state.read();
        let found = list.iter().map(|item| {
            let name = need(item, "modelRevisionExternalId")?;
            let row = latest(&data, MODEL_REVISIONS, "externalId", name);
            let row = row.ok_or_else(|| ApiError::missing("Model revisions not found", vec![json!(item)]))?;
            let field = |name: &str| row.get(name);
            Ok(json!({"modelRevisionExternalId": name, "flowsheets": [], "info": {}, "createdTime": field("createdTime"),
                "lastUpdatedTime": field("lastUpdatedTime"), "dataSetId": field("dataSetId")}))
        });
        Ok(Reply::ok(&json!({"items": found.collect::<Result<Vec<_>>>()?})))
    }),
];

/// The newest row with that value in a field.
fn latest(data: &Data, table: &str, field: &str, value: &str) -> Option<Object> {
    rows(data, table).filter(|(_, row)| text(row, field) == value).last().map(|(_, row)| row.clone())
}

fn inherit(ctx: &Ctx, row: &mut Object, table: &str, field: &str, fields: &[&str]) -> Result<()> {
    let above = latest(ctx.data, table, "externalId", text(row, field));
    let above = above
        .ok_or_else(|| ApiError::missing(format!("{field} not found"), vec![json!({"externalId": row.get(field)})]))?;
    for field in fields {
        row.insert((*field).into(), above.get(*field).cloned().unwrap_or_default());
    }
    Ok(())
}

fn known_simulator(ctx: &Ctx, row: &Object) -> Result<()> {
    let wanted = text(row, "simulatorExternalId");
    // The one that is there from the start may not have been asked for yet.
    if wanted == SIMULATOR || ctx.data.table(SIMULATORS).is_some_and(|t| t.id_of(wanted).is_some()) {
        return Ok(());
    }
    Err(ApiError::missing("Simulator not found", vec![json!({ "externalId": wanted })]))
}

/// Without `allVersions` only the newest of each is listed.
fn number(ctx: &mut Ctx, row: &mut Object, table: &str, field: &str) -> Result<()> {
    let all = rows(ctx.data, table).filter(|(_, old)| old.get(field) == row.get(field));
    let all: Vec<(i64, Object)> = all.map(|(id, old)| (id, old.clone())).collect();
    row.insert("versionNumber".into(), json!(all.len() + 1));
    row.insert("createdByUserId".into(), json!("emulator"));
    row.insert("@versions".into(), json!([true, false]));
    if let Some((id, mut old)) = all.into_iter().last() {
        old.insert("@versions".into(), json!([true]));
        crate::generic::put(ctx.data, table, crate::resources::table::EXTERNAL_ID, id, old)?;
    }
    Ok(())
}

fn forget(ctx: &mut Ctx, tables: &[&str], field: &str, row: &Object) {
    let name = text(row, "externalId");
    for table in tables {
        let ids: Vec<i64> = rows(ctx.data, table).filter(|(_, r)| text(r, field) == name).map(|(id, _)| id).collect();
        for id in ids {
            crate::generic::remove(ctx.data, table, id);
        }
    }
}

/// Connectors write into it.
fn log(data: &mut Data, row: &Object) -> Result<Value> {
    let now = now_ms();
    let log = json!({"dataSetId": row.get("dataSetId"), "data": [], "severity": "Information", "createdTime": now, "lastUpdatedTime": now});
    let log = insert(data, LOGS, object(log))?;
    Ok(log.get("id").cloned().unwrap_or_default())
}

fn show_run(view: &View, row: &mut Object) {
    let stage = view.stage(int(row, "createdTime").unwrap_or(0));
    row.entry("status").or_insert(json!(["ready", "running", "success"].get(stage)));
}

fn count(state: &State, call: &Call, path: &str) -> Result<Reply> {
    let body = call.object()?;
    if need(&body, "aggregate")? != "count" {
        return Err(ApiError::bad("aggregate must be count"));
    }
    let set = crate::generic::set(path).ok_or_else(|| crate::generic::not_found("sets", path))?;
    let data = state.read();
    let filter = crate::generic::Filter::new(&data, set, body.get("filter"))?;
    let count = rows(&data, path).filter(|(_, row)| filter.matches(row)).count();
    Ok(Reply::ok(&json!({"items": [{ "count": count }]})))
}

/// What a connector tells of a run; from then on that is how it stands.
fn callback(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1)?;
    let mut data = state.write();
    let mut told = Vec::new();
    for item in list {
        let id = int(&item, "id").ok_or_else(|| crate::generic::missing_field("id"))?;
        let Some(mut row) = data.table(RUNS).and_then(|t| t.get(id)).cloned() else {
            return Err(ApiError::missing("Runs not found", vec![json!({ "id": id })]));
        };
        for field in ["status", "statusMessage", "simulationTime"] {
            row.extend(item.get(field).map(|v| (field.to_owned(), v.clone())));
        }
        row.insert("lastUpdatedTime".into(), json!(now_ms()));
        let mut kept = row.clone();
        for (field, name) in [("inputs", "@inputs"), ("outputs", "@outputs")] {
            kept.extend(item.get(field).map(|v| (name.to_owned(), v.clone())));
        }
        crate::generic::put(&mut data, RUNS, &[], id, kept)?;
        row.retain(|field, _| !field.starts_with('@'));
        told.push(row);
    }
    Ok(Reply::ok(&json!({ "items": told })))
}

fn run(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1)?;
    let mut data = state.write();
    let mut made = Vec::new();
    for item in list {
        let by_revision = item.get("routineRevisionExternalId").and_then(Value::as_str);
        let revision = match by_revision {
            Some(name) => latest(&data, ROUTINE_REVISIONS, "externalId", name),
            None => latest(&data, ROUTINE_REVISIONS, "routineExternalId", need(&item, "routineExternalId")?),
        };
        let revision = revision.ok_or_else(|| ApiError::missing("Routine revision not found", vec![json!(item)]))?;
        let field = |name: &str| revision.get(name);
        let model = match item.get("modelRevisionExternalId").and_then(Value::as_str) {
            Some(name) => latest(&data, MODEL_REVISIONS, "externalId", name),
            None => latest(&data, MODEL_REVISIONS, "modelExternalId", text(&revision, "modelExternalId")),
        };
        let model = model.ok_or_else(|| ApiError::bad("The model has no revision"))?;
        let now = now_ms();
        let log = log(&mut data, &revision)?;
        let row = strip(json!({"dataSetId": field("dataSetId"), "simulatorExternalId": field("simulatorExternalId"),
            "simulatorIntegrationExternalId": field("simulatorIntegrationExternalId"), "modelExternalId": field("modelExternalId"),
            "modelRevisionExternalId": model.get("externalId"), "routineExternalId": field("routineExternalId"),
            "routineRevisionExternalId": field("externalId"), "runTime": item.get("runTime"), "simulationTime": now,
            "runType": "external", "userId": "emulator", "logId": log, "createdTime": now, "lastUpdatedTime": now}));
        let mut row = insert(&mut data, RUNS, row)?;
        show_run(&View { state, data: &data, now }, &mut row);
        made.push(row);
    }
    Ok(Reply::json(201, &json!({ "items": made })))
}
