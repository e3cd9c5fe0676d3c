//! Small areas: Postgres gateway, limits, meters, agents and tools, GraphQL.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, need, object, put};
use crate::resources::items;
use crate::resources::table::Object;
use crate::state::{State, now_ms};

const USERS: &str = "postgresgateway";
const USERNAME: &[&str] = &["username"];

pub static SETS: &[Set] = &[
    Set {
        path: USERS,
        noun: "Postgres users",
        key: USERNAME,
        numbered: false,
        ops: "GET:100 byids:10 delete:1 update:1",
        show: Some(|_, row| drop(row.remove("credentials"))),
        ..SET
    },
    Set {
        path: "postgresgateway/tables/{}",
        noun: "Postgres tables",
        key: &["tablename"],
        numbered: false,
        times: &["createdTime"],
        parent: USERS,
        required: "type options",
        ops: "GET:100 POST:10 byids:10 delete:10",
        created: 200,
        make: Some(|_, _, row| {
            row.entry("columns").or_insert(json!({}));
            Ok(())
        }),
        ..SET
    },
    Set {
        path: "limits/values",
        noun: "limits",
        key: &["limitId"],
        numbered: false,
        times: &[],
        filters: "*",
        ops: "GET list one",
        seed: Some(|_| {
            let limits = [
                ("atlas.monthly_ai_tokens", 1_000_000_i64),
                ("files.storage_bytes", 1_i64 << 40),
                ("streams.streams", 10),
            ];
            limits.iter().map(|(id, value)| json!({"limitId": id, "value": value})).collect()
        }),
        ..SET
    },
    Set {
        path: "metering/meters",
        noun: "meters",
        key: &["meterId"],
        numbered: false,
        times: &[],
        ops: "list byids:100",
        seed: Some(|_| ["atlas.ai_tokens", "files.bytes"].iter().map(|id| json!({ "meterId": id })).collect()),
        show: Some(|view, row| {
            row.insert("datapoints".into(), json!([{"timestamp": view.now, "average": 0.0}]));
        }),
        ..SET
    },
    Set {
        path: "ai/agents",
        noun: "agents",
        numbered: false,
        required: "externalId name",
        ops: "GET apply:1 byids delete",
        make: Some(|_, _, row| {
            row.entry("runtimeVersion").or_insert(json!("1.0.0"));
            row.insert("ownerId".into(), json!("emulator"));
            Ok(())
        }),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("POST", USERS, create_user),
    ("POST", "ai/agents/chat", |state, call, _| {
        let body = call.object()?;
        let agent = need(&body, "agentExternalId")?;
        if state.read().table("ai/agents").and_then(|t| t.id_of(agent)).is_none() {
            return Err(ApiError::missing("Agent not found", vec![json!({ "externalId": agent })]));
        }
        let asked = body.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
        Ok(Reply::ok(
            &json!({"agentExternalId": agent, "response": {"type": "result", "cursor": format!("chat-{asked}"),
            "messages": [{"role": "agent", "content": {"type": "text", "text": NO_MODEL}}]}}),
        ))
    }),
    ("POST", "ai/tools/documents/ask", |state, call, _| {
        let mut body = call.object()?;
        need(&body, "question")?;
        let list = body.remove("fileIds").unwrap_or_default();
        body.insert("items".into(), list);
        files(state, &mut body, 100)?;
        Ok(Reply::ok(&json!({"content": [{"text": NO_MODEL, "references": []}]})))
    }),
    ("POST", "ai/tools/documents/summarize", |state, call, _| {
        let mut found = files(state, &mut call.object()?, 1)?;
        for item in &mut found {
            item.insert("summary".into(), json!(NO_MODEL));
        }
        Ok(Reply::ok(&json!({ "items": found })))
    }),
    ("POST", "userapis/spaces/{}/datamodels/{}/versions/{}/graphql", no_graphql),
];

const NO_MODEL: &str = "The emulator has no language model and cannot answer.";

/// The files named; unknown ones are refused unless that is switched off.
fn files(state: &State, body: &mut Object, limit: usize) -> Result<Vec<Object>> {
    let ignore = body.get("ignoreUnknownIds").and_then(Value::as_bool) == Some(true);
    let list = items(body, limit)?;
    let data = state.read();
    let table = data.table("files");
    let there = |item: &Object| {
        let key = crate::resources::table::Identifier::parse(item).ok();
        key.is_some_and(|k| table.and_then(|t| t.resolve(&k)).is_some())
    };
    let (found, missing): (Vec<_>, Vec<_>) = list.into_iter().partition(there);
    if !missing.is_empty() && !ignore {
        return Err(ApiError::missing("Files not found", missing.into_iter().map(Value::Object).collect()));
    }
    Ok(found)
}

fn no_graphql(_: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    need(&call.object()?, "query")?;
    Ok(crate::models::graphql_failed("The emulator does not execute GraphQL"))
}

fn create_user(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1)?;
    let mut data = state.write();
    let mut made = Vec::new();
    for item in list {
        let nonce = item.get("credentials").and_then(|c| c.get("nonce")).and_then(Value::as_str);
        nonce.ok_or_else(|| crate::generic::missing_field("credentials.nonce"))?;
        let (id, now) = (data.next_id, now_ms());
        data.next_id = id + 1;
        let row = object(
            json!({"username": format!("user_{id:x}"), "sessionId": id, "createdTime": now, "lastUpdatedTime": now}),
        );
        put(&mut data, USERS, USERNAME, id, row.clone())?;
        let mut shown = row;
        shown.insert("host".into(), json!("postgres.emulator.invalid"));
        shown.insert("password".into(), json!(format!("password-{id:x}")));
        made.push(shown);
    }
    Ok(Reply::ok(&json!({ "items": made })))
}
