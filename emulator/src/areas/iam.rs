//! Groups, security categories, sessions, user profiles, principals, and the project itself.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, insert, int, object, page, paging, put};
use crate::resources::items;
use crate::resources::table::{EXTERNAL_ID, Object};
use crate::state::{State, now_ms};

pub const ORGANIZATION: &str = "emulator";
pub const GROUPS: &str = "groups";
pub const SESSIONS: &str = "sessions";
const PROJECT: &str = "@project";

pub static SETS: &[Set] = &[
    Set {
        path: GROUPS,
        noun: "groups",
        key: &[],
        times: &[],
        required: "name",
        // There are no pages of groups.
        ops: "GET:1000000:1000000 POST delete",
        make: Some(|_, _, row| {
            row.insert("isDeleted".into(), json!(false));
            row.insert("deletedTime".into(), json!(-1));
            row.entry("capabilities").or_insert(json!([]));
            Ok(())
        }),
        ..SET
    },
    Set {
        path: "securitycategories",
        noun: "security categories",
        key: &["name"],
        required: "name",
        times: &[],
        ops: "GET:1000:25 POST delete",
        ..SET
    },
    Set {
        path: SESSIONS,
        noun: "sessions",
        key: &[],
        times: &[],
        filters: "status",
        ops: "GET:1000:25 byids",
        show: Some(|_, row| drop(row.remove("nonce"))),
        ..SET
    },
    Set {
        path: "profiles",
        noun: "user profiles",
        key: &["userIdentifier"],
        numbered: false,
        times: &["lastUpdatedTime"],
        filters: "identityType",
        ops: "GET:1000:25 byids search",
        seed: Some(|state| {
            vec![json!({"userIdentifier": state.config.client_id, "givenName": "Emulator", "surname": "Client",
                "displayName": "Emulator Client", "email": "client@emulator.invalid", "jobTitle": "Client",
                "identityType": "SERVICE_PRINCIPAL"})]
        }),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("POST", SESSIONS, create_session),
    ("POST", "sessions/revoke", revoke),
    ("GET", "profiles/me", |state, _, _| {
        let profiles = crate::generic::set("profiles");
        profiles.map_or(Ok(()), |set| set.plant(state))?;
        let data = state.read();
        let mine = data.table("profiles").and_then(|t| t.get(t.id_of(&state.config.client_id)?));
        mine.map(Reply::ok).ok_or_else(|| ApiError::not_found("No profile"))
    }),
    ("POST", "update", |state, call, _| {
        let body = call.object()?;
        let Some(Value::Object(changes)) = body.get("update") else {
            return Err(crate::generic::missing_field("update"));
        };
        let mut row = project(state);
        for (field, change) in changes {
            if let (Some(Value::Object(old)), Some(Value::Object(new))) = (row.get_mut(field), change.get("modify")) {
                for (inner, change) in new {
                    crate::generic::apply_change(old, inner, change)?;
                }
            } else {
                crate::generic::apply_change(&mut row, field, change)?;
            }
        }
        put(&mut state.write(), PROJECT, EXTERNAL_ID, 1, row.clone())?;
        Ok(Reply::ok(&row))
    }),
    ("GET", "@org/{}/principals", |state, call, params| {
        org(params)?;
        let wanted = call.filled_param("types").map(str::to_ascii_uppercase);
        let all = principals(state).into_iter();
        let of_type = all.filter(|p| wanted.as_ref().is_none_or(|w| p.get("type").and_then(Value::as_str) == Some(w)));
        Ok(Reply::ok(&page(&paging(call)?, 1000, of_type)?))
    }),
    ("POST", "@org/{}/principals/byids", |state, call, params| {
        org(params)?;
        let mut body = call.object()?;
        let ignore = body.get("ignoreUnknownIds").and_then(Value::as_bool) == Some(true);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        let all = principals(state);
        for item in items(&mut body, 100)? {
            let hit = all
                .iter()
                .find(|p| ["id", "externalId"].iter().any(|f| item.contains_key(*f) && p.get(*f) == item.get(*f)));
            match hit {
                Some(principal) => found.push(principal.clone()),
                None => missing.push(Value::Object(item)),
            }
        }
        if !missing.is_empty() && !ignore {
            return Err(ApiError::missing("Principals not found", missing));
        }
        Ok(Reply::ok(&json!({ "items": found })))
    }),
    ("GET", "@principals/me", |state, _, _| Ok(Reply::ok(&principals(state).first()))),
];

fn org(params: &[&str]) -> Result<()> {
    if params.first() == Some(&ORGANIZATION) { Ok(()) } else { Err(ApiError::not_found("No such organization")) }
}

/// The client, and a user who exists on paper.
fn principals(state: &State) -> Vec<Value> {
    let picture = "https://emulator.invalid/picture.png";
    vec![
        json!({"id": state.config.client_id, "type": "SERVICE_ACCOUNT", "name": "Emulator Client", "externalId": "emulator-client",
            "description": "", "createdBy": {"orgId": ORGANIZATION, "userId": "emulator-user"}, "createdTime": 0,
            "lastUpdatedTime": 0, "pictureUrl": picture}),
        json!({"id": "emulator-user", "type": "USER", "name": "Emulator User", "email": "user@emulator.invalid",
            "givenName": "Emulator", "familyName": "User", "pictureUrl": picture}),
    ]
}

/// What is known of the project.
pub fn project(state: &State) -> Object {
    let stored = state.read().table(PROJECT).and_then(|t| t.get(1)).cloned();
    let name = &state.config.project;
    stored.unwrap_or_else(|| {
        object(json!({"name": name, "urlName": name, "organization": ORGANIZATION, "userProfilesConfiguration": {"enabled": false}}))
    })
}

fn create_session(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let list = items(&mut body, 1)?;
    let mut made = Vec::new();
    let mut data = state.write();
    for item in list {
        let kind = match (item.get("clientId"), item.get("tokenExchange"), item.get("oneshotTokenExchange")) {
            (Some(_), None, None) => "CLIENT_CREDENTIALS",
            (None, Some(Value::Bool(true)), None) => "TOKEN_EXCHANGE",
            (None, None, Some(Value::Bool(true))) => "ONESHOT_TOKEN_EXCHANGE",
            _ => return Err(ApiError::bad("One of clientId, tokenExchange and oneshotTokenExchange must be given")),
        };
        let now = now_ms();
        let number = data.next_id;
        let row = insert(
            &mut data,
            SESSIONS,
            object(json!({"type": kind, "status": "READY", "creationTime": now,
            "expirationTime": now + 86_400_000, "clientId": item.get("clientId").unwrap_or(&json!(state.config.client_id)),
            "nonce": format!("nonce-{number:x}")})),
        )?;
        let shown = |field: &str| row.get(field);
        made.push(json!({"id": shown("id"), "type": shown("type"), "status": shown("status"), "nonce": shown("nonce"), "clientId": shown("clientId")}));
    }
    Ok(Reply::ok(&json!({ "items": made })))
}

fn revoke(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 100)?;
    let mut data = state.write();
    let mut revoked = Vec::new();
    for item in &list {
        let found = int(item, "id").and_then(|id| Some((id, data.table(SESSIONS)?.get(id)?.clone())));
        let Some((id, mut row)) = found else {
            return Err(ApiError::missing("Sessions not found", vec![json!({"id": item.get("id")})]));
        };
        row.insert("status".into(), json!("REVOKED"));
        put(&mut data, SESSIONS, EXTERNAL_ID, id, row.clone())?;
        row.remove("nonce");
        revoked.push(row);
    }
    Ok(Reply::ok(&json!({ "items": revoked })))
}
