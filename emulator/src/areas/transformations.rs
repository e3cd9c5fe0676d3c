//! Transformations. Jobs progress and end; what they would write is not written.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{
    SET, Set, Special, View, insert, int, missing_field, need, not_found, page, paging, put, remove, rows, strip, text,
};
use crate::resources::table::{EXTERNAL_ID, Identifier, Object};
use crate::state::{Data, State, now_ms};

const TABLE: &str = "transformations";
const JOBS: &str = "transformations/jobs";
const NOTIFICATIONS: &str = "transformations/notifications";
const SCHEDULES: &str = "transformations/schedules";
/// The transformation of a schedule, for scopes: no answer shows it.
const OF: &str = "@transformationId";

pub static SETS: &[Set] = &[
    Set {
        path: TABLE,
        noun: "transformations",
        required: "externalId name ignoreNullFields",
        filters: "isPublic conflictMode createdTime lastUpdatedTime dataSetIds>dataSetId tags",
        ops: "POST byids update delete filter=list GET",
        created: 200,
        make: Some(|_, _, row| {
            for (field, value) in [
                ("query", json!("")),
                ("destination", json!({"type": "assets"})),
                ("conflictMode", json!("upsert")),
                ("isPublic", json!(true)),
            ] {
                row.entry(field).or_insert(value);
            }
            row.insert("owner".into(), json!("emulator"));
            Ok(())
        }),
        show: Some(show_transformation),
        gone: Some(|ctx, id, _| {
            remove(ctx.data, SCHEDULES, id);
            let of = |(n, row): (i64, &Object)| (int(row, "transformationId") == Some(id)).then_some(n);
            let notifications: Vec<i64> = rows(ctx.data, NOTIFICATIONS).filter_map(of).collect();
            for n in notifications {
                remove(ctx.data, NOTIFICATIONS, n);
            }
        }),
        ..SET
    },
    Set {
        path: SCHEDULES,
        noun: "schedules",
        required: "interval",
        ops: "GET POST:5 byids update:5 delete:5",
        make: Some(|ctx, _, row| {
            let name = ctx
                .given
                .take()
                .map_or_else(|| strip(json!({"externalId": row.get("externalId")})), |id| strip(json!({ "id": id })));
            let (id, transformation) = named(ctx.data, &name)?;
            if ctx.data.table(SCHEDULES).is_some_and(|t| t.get(id).is_some()) {
                return Err(ApiError::duplicated(409, "The transformation has a schedule", vec![json!(name)]));
            }
            // A schedule goes by the names of its transformation.
            ctx.id = id;
            row.insert("id".into(), json!(id));
            row.insert(OF.into(), json!(id));
            row.insert("externalId".into(), transformation.get("externalId").cloned().unwrap_or(Value::Null));
            row.entry("isPaused").or_insert(json!(false));
            Ok(())
        }),
        ..SET
    },
    Set {
        path: JOBS,
        noun: "jobs",
        key: &[],
        filters: "transformationId transformationExternalId",
        ops: "GET byids",
        show: Some(show_job),
        ..SET
    },
    Set {
        path: NOTIFICATIONS,
        noun: "notifications",
        key: &[],
        required: "destination",
        filters: "transformationId transformationExternalId destination",
        ops: "GET POST delete",
        created: 200,
        make: Some(|ctx, _, row| {
            let (id, transformation) = named(ctx.data, &reference(row))?;
            row.insert("transformationId".into(), json!(id));
            row.insert(
                "transformationExternalId".into(),
                transformation.get("externalId").cloned().unwrap_or(Value::Null),
            );
            Ok(())
        }),
        ..SET
    },
    Set {
        path: "transformations/externaldata",
        noun: "external data sources",
        numbered: false,
        required: "format",
        ops: "GET POST delete",
        show: Some(|_, row| {
            if let Some(secrets) =
                row.get_mut("settings").and_then(|o| o.get_mut("credentials")).and_then(Value::as_object_mut)
            {
                secrets.remove("clientSecret");
            }
        }),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("POST", "transformations/run", run),
    ("POST", "transformations/cancel", cancel),
    ("POST", "transformations/query/run", preview),
    ("GET", "transformations/jobs/{}/metrics", |state, call, params| {
        let data = state.read();
        let id = params.first().copied().unwrap_or("");
        let mut row =
            id.parse().ok().and_then(|id| data.table(JOBS)?.get(id)).cloned().ok_or_else(|| not_found("jobs", id))?;
        crate::scope::permit(&row)?;
        show_job(&View { state, data: &data, now: now_ms() }, &mut row);
        let time = row.get("finishedTime").into_iter();
        let items = time.map(|t| json!({"timestamp": t, "name": "requests", "count": 0}));
        Ok(Reply::ok(&page(&paging(call)?, 1000, items)?))
    }),
    ("GET", "transformations/schema/{}", schema),
    ("POST", "transformations/externaldata/usability", |state, call, _| {
        let body = call.object()?;
        let name = need(&body, "externalId")?;
        let there = state.read().table("transformations/externaldata").is_some_and(|t| t.id_of(name).is_some());
        Ok(Reply::ok(&strip(json!({"externalId": {"externalId": name}, "usableVersion": there.then_some("1")}))))
    }),
];

/// Other fields that name a transformation, as an identifier.
fn reference(row: &Object) -> Object {
    strip(json!({"id": row.get("transformationId"), "externalId": row.get("transformationExternalId")}))
}

fn named(data: &Data, item: &Object) -> Result<(i64, Object)> {
    let key = Identifier::parse(item)?;
    let table = data.table(TABLE);
    let found = table.and_then(|t| t.resolve(&key)).and_then(|id| Some((id, table?.get(id)?.clone())));
    let found = found.ok_or_else(|| ApiError::missing("Transformation not found", vec![key.to_json()]))?;
    crate::scope::permit(&found.1).map(|()| found)
}

fn show_transformation(view: &View, row: &mut Object) {
    for side in ["source", "destination"] {
        let capital = if side == "source" { "Source" } else { "Destination" };
        let secret = row.remove(&format!("{side}OidcCredentials"));
        row.insert(format!("has{capital}OidcCredentials"), json!(secret.is_some()));
        if let Some(nonce) = row.remove(&format!("{side}Nonce")) {
            let session = json!({"clientId": nonce.get("clientId"), "sessionId": nonce.get("sessionId"), "projectName": nonce.get("cdfProjectName")});
            row.insert(format!("{side}Session"), json!(strip(session)));
        }
    }
    row.insert("ownerIsCurrentUser".into(), json!(true));
    let id = int(row, "id");
    let last = rows(view.data, JOBS).filter(|(_, job)| int(job, "transformationId") == id).last();
    if let Some((_, job)) = last {
        let mut job = job.clone();
        show_job(view, &mut job);
        let running = matches!(text(&job, "status"), "Created" | "Running");
        row.insert(if running { "runningJob" } else { "lastFinishedJob" }.into(), json!(job));
    }
    if let Some(schedule) = id.and_then(|id| view.data.table(SCHEDULES)?.get(id)) {
        let shown: Object = schedule.clone().into_iter().filter(|(field, _)| field != OF).collect();
        row.insert("schedule".into(), json!(shown));
    }
}

/// A test can order a failure: the word emulator_fail in the query.
fn show_job(view: &View, row: &mut Object) {
    let began = int(row, "createdTime").unwrap_or(0);
    let whole = view.state.config.job_ms as i64;
    let stage = if row.contains_key("error") { 2 } else { view.stage(began) };
    if stage >= 1 {
        row.insert("startedTime".into(), json!(began + whole / 2));
    }
    if stage == 2 {
        row.insert("finishedTime".into(), json!(began + whole));
        if text(row, "query").contains("emulator_fail") {
            row.entry("error").or_insert(json!("Ordered by the query"));
        }
    }
    let done = if row.contains_key("error") { "Failed" } else { "Completed" };
    row.insert("lastSeenTime".into(), json!(view.now));
    row.insert("status".into(), json!(["Created", "Running", done].get(stage)));
}

fn run(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let mut data = state.write();
    let (id, transformation) = named(&data, &body)?;
    let now = now_ms();
    let view = View { state, data: &data, now };
    let open = |row: &Object| {
        let mut row = row.clone();
        show_job(&view, &mut row);
        int(&row, "transformationId") == Some(id) && matches!(text(&row, "status"), "Created" | "Running")
    };
    if rows(&data, JOBS).any(|(_, row)| open(row)) {
        return Err(ApiError::bad("The transformation is already running"));
    }
    let field = |name: &str| transformation.get(name);
    let project = &state.config.project;
    let number = data.next_id;
    let job = strip(json!({"uuid": super::workflows::uuid(number, 0), "transformationId": id,
        "transformationExternalId": field("externalId"), "sourceProject": project, "destinationProject": project,
        "destination": field("destination"), "conflictMode": field("conflictMode"), "query": field("query"),
        "createdTime": now, "ignoreNullFields": field("ignoreNullFields")}));
    let mut job = insert(&mut data, JOBS, job)?;
    show_job(&View { state, data: &data, now }, &mut job);
    Ok(Reply::ok(&job))
}

fn cancel(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let mut data = state.write();
    let (id, _) = named(&data, &body)?;
    let now = now_ms();
    let mut stopped = Vec::new();
    for (job, row) in rows(&data, JOBS).filter(|(_, row)| int(row, "transformationId") == Some(id)) {
        let mut shown = row.clone();
        show_job(&View { state, data: &data, now }, &mut shown);
        if matches!(text(&shown, "status"), "Created" | "Running") {
            let mut row = row.clone();
            row.insert("error".into(), json!("Job cancelled by the user."));
            stopped.push((job, row));
        }
    }
    for (job, row) in stopped {
        put(&mut data, JOBS, EXTERNAL_ID, job, row)?;
    }
    Ok(Reply::empty())
}

/// `select * from db.table` shows rows of RAW, `select 1 as a, 'x' as b` its literals. Other SQL is not understood.
fn preview(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let query = need(&body, "query")?.trim();
    let limit = usize::try_from(int(&body, "limit").unwrap_or(1000)).unwrap_or(1000);
    let unknown = || ApiError::bad("The emulator runs only SELECT * FROM db.table and SELECT of literals with names");
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<Object> = match words.as_slice() {
        [select, "*", from, table, ..]
            if select.eq_ignore_ascii_case("select") && from.eq_ignore_ascii_case("from") =>
        {
            let (db, table) = table.split_once('.').ok_or_else(unknown)?;
            let plain = |name: &str| name.trim_matches('`').to_owned();
            let data = state.read();
            let shown = |(key, columns): (&String, &Object)| {
                let mut row = Object::from_iter([("key".to_owned(), json!(key))]);
                row.extend(columns.clone());
                row
            };
            data.raw.rows(&plain(db), &plain(table))?.take(limit).map(shown).collect()
        }
        [select, ..] if select.eq_ignore_ascii_case("select") => {
            let list = query.get(6..).unwrap_or("");
            let one = |part: &str| {
                let words: Vec<&str> = part.split_whitespace().collect();
                let [value, "as" | "AS", name] = words.as_slice() else { return None };
                Some(((*name).to_owned(), serde_json::from_str(&value.replace('\'', "\"")).ok()?))
            };
            vec![list.split(',').map(one).collect::<Option<Object>>().ok_or_else(unknown)?]
        }
        _ => return Err(unknown()),
    };
    let column = |(name, value): (&String, &Value)| {
        let ty = match value {
            Value::Number(n) if n.is_f64() => "double",
            Value::Number(_) => "bigint",
            Value::Bool(_) => "boolean",
            _ => "string",
        };
        json!({"name": name, "sqlType": ty.to_uppercase(), "type": {"type": ty}, "nullable": true})
    };
    let columns: Vec<Value> = found.first().into_iter().flatten().map(column).collect();
    if body.get("convertToString").and_then(Value::as_bool) == Some(true) {
        let texts = found.iter_mut().flat_map(|row| row.values_mut()).filter(|v| !v.is_string() && !v.is_null());
        texts.for_each(|value| *value = json!(value.to_string()));
    }
    Ok(Reply::ok(&json!({"schema": {"items": columns}, "results": {"items": found}})))
}

/// Columns of the simple destinations; those of data modeling depend on a view.
const COLUMNS: &[(&str, &str)] = &[
    ("assets", "id externalId name! description metadata source parentExternalId dataSetId labels"),
    ("asset_hierarchy", "externalId! name! description metadata source parentExternalId! dataSetId labels"),
    ("events", "id externalId startTime endTime type subtype description metadata assetIds source dataSetId"),
    ("timeseries", "id externalId name isString metadata unit assetId isStep description dataSetId"),
    ("sequences", "id externalId name description assetId metadata columns! dataSetId"),
    ("files", "id externalId name! directory source mimeType metadata assetIds dataSetId labels"),
    ("datapoints", "id externalId timestamp! value!"),
    ("string_datapoints", "id externalId timestamp! value!"),
    ("raw", "key!"),
    ("labels", "externalId! name! description dataSetId"),
    ("relationships", "externalId! sourceExternalId! sourceType! targetExternalId! targetType! labels dataSetId"),
    ("data_sets", "id externalId name description metadata writeProtected"),
    ("instances", "externalId! space"),
    ("nodes", "externalId! space"),
    ("edges", "externalId! space startNode! endNode! type"),
    ("sequence_rows", "rowNumber!"),
];

fn schema(_: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let wanted = params.first().copied().unwrap_or("");
    let (_, columns) = COLUMNS.iter().find(|(name, _)| *name == wanted).ok_or_else(|| missing_field("schemaType"))?;
    let columns = columns.split(' ').map(|column| {
        let (name, nullable) = column.strip_suffix('!').map_or((column, true), |c| (c, false));
        let ty = match name {
            _ if name.ends_with("Time") || name == "timestamp" => "timestamp",
            "id" | "dataSetId" | "assetId" | "rowNumber" => "bigint",
            "isString" | "isStep" | "writeProtected" => "boolean",
            _ => "string",
        };
        let shape = match ty {
            "bigint" => json!({"type": "long"}),
            _ if name == "metadata" => {
                json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true})
            }
            _ => json!({"type": ty}),
        };
        let sql = if name == "metadata" { "MAP<STRING, STRING>".to_owned() } else { ty.to_uppercase() };
        json!({"name": name, "sqlType": sql, "type": shape, "nullable": nullable})
    });
    Ok(Reply::ok(&page(&paging(call)?, 1000, columns)?))
}
