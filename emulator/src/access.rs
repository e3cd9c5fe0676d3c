//! Access by capabilities. Without an order everything is allowed; with one, the groups decide that the client is in.

use serde_json::{Value, json};

use crate::areas::GROUPS;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::generic::{rows, text};
use crate::scope::{Scope, allow};
use crate::state::{Data, State};

/// Beginning of a path, capability; the first that fits.
const CAPABILITIES: &[(&str, &str)] = &[
    ("3d", "threedAcl"),
    ("annotations", "annotationsAcl"),
    ("assets", "assetsAcl"),
    ("context/entitymatching", "entitymatchingAcl"),
    ("context", "filesAcl"),
    ("datasets", "datasetsAcl"),
    ("documents", "filesAcl"),
    ("events", "eventsAcl"),
    ("extpipes/config", "extractionConfigsAcl"),
    ("extpipes/runs", "extractionRunsAcl"),
    ("extpipes", "extractionPipelinesAcl"),
    ("files", "filesAcl"),
    ("functions", "functionsAcl"),
    ("geospatial/crs", "geospatialCrsAcl"),
    ("geospatial", "geospatialAcl"),
    ("groups", "groupsAcl"),
    ("hostedextractors", "hostedExtractorsAcl"),
    ("integrations", "integrationsAcl"),
    ("labels", "labelsAcl"),
    ("models/instances", "dataModelInstancesAcl"),
    ("models", "dataModelsAcl"),
    ("postgresgateway", "postgresGatewayAcl"),
    ("profiles", "userProfilesAcl"),
    ("raw", "rawAcl"),
    ("relationships", "relationshipsAcl"),
    ("securitycategories", "securityCategoriesAcl"),
    ("sequences", "sequencesAcl"),
    ("sessions", "sessionsAcl"),
    ("streams/{}/records", "streamRecordsAcl"),
    ("streams", "streamsAcl"),
    ("timeseries/subscriptions", "timeSeriesSubscriptionsAcl"),
    ("timeseries", "timeSeriesAcl"),
    ("transformations", "transformationsAcl"),
    ("workflows", "workflowOrchestrationAcl"),
];

/// Capabilities whose actions go by the verb instead of READ and WRITE.
const BY_VERB: &[&str] = &["threedAcl", "groupsAcl", "securityCategoriesAcl", "sessionsAcl", "streamsAcl"];

/// Last parts of paths that are posted to and only read.
const READING: &[&str] = &[
    "aggregate",
    "byids",
    "content",
    "data",
    "downloadlink",
    "filter",
    "inspect",
    "latest",
    "list",
    "query",
    "reverselookup",
    "search",
    "search-streaming",
    "status",
    "sync",
    "usability",
];

/// What a request needs: capability, and the actions of which one is enough.
fn needed(call: &Call) -> Option<(&'static str, &'static [&'static str])> {
    let path: Vec<&str> = call.segments.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
    let begins = |beginning: &str| {
        let parts: Vec<&str> = beginning.split('/').collect();
        parts.len() <= path.len() && parts.iter().zip(&path).all(|(part, have)| part == have || *part == "{}")
    };
    let (_, acl) = CAPABILITIES.iter().find(|(beginning, _)| begins(beginning))?;
    let last = path.last().copied().unwrap_or("");
    // `/timeseries/data` and `/sequences/data` are written to; below subscriptions and models `data/list` is read.
    let reads = call.method == "GET" || (READING.contains(&last) && !(last == "data" && path.len() == 2));
    let actions: &[&str] = match (BY_VERB.contains(acl), reads, last) {
        (true, true, _) if *acl == "threedAcl" => &["READ"],
        (true, true, _) => &["LIST", "READ"],
        (true, false, "delete" | "revoke") => &["DELETE"],
        (true, false, "update" | "thumbnail") => &["UPDATE"],
        (true, false, _) => &["CREATE"],
        (false, true, _) => &["READ", "LIST"],
        (false, false, "call") => &["RUN", "WRITE"],
        (false, false, "run") => &["WRITE", "RUN"],
        (false, false, "suggest") => &["SUGGEST", "WRITE"],
        (false, false, _) => &["WRITE"],
    };
    Some((acl, actions))
}

/// The capabilities of the groups the client is in. None where nobody ordered groups.
pub fn capabilities(state: &State, data: &Data) -> Option<Vec<Value>> {
    let ordered = state.access();
    let sources = ordered.as_ref()?;
    let mine = rows(data, GROUPS).filter(|(_, group)| sources.iter().any(|s| s == text(group, "sourceId")));
    Some(
        mine.flat_map(|(_, group)| group.get("capabilities").and_then(Value::as_array).cloned().unwrap_or_default())
            .collect(),
    )
}

/// What a client may that was put in no group.
pub fn everything() -> Vec<Value> {
    let mut names: Vec<&str> = CAPABILITIES.iter().map(|(_, acl)| *acl).chain(["projectsAcl"]).collect();
    names.sort_unstable();
    names.dedup();
    let all = names.into_iter().map(|acl| {
        let by_verb = BY_VERB.contains(&acl) || acl == "projectsAcl";
        let actions: &[&str] =
            if by_verb { &["LIST", "READ", "CREATE", "UPDATE", "DELETE"] } else { &["READ", "WRITE"] };
        json!({acl: {"actions": actions, "scope": {"all": {}}}})
    });
    all.collect()
}

/// The scope in which the client may do what the request wants; None where that is everything.
pub fn check(state: &State, call: &Call) -> Result<Option<Scope>> {
    let Some(mine) = state.access().clone() else { return Ok(None) };
    let Some((acl, actions)) = needed(call) else { return Ok(None) };
    let data = state.read();
    let have = capabilities(state, &data).unwrap_or_default();
    let granted = have.iter().filter_map(Value::as_object).flatten().filter(|(name, _)| name.eq_ignore_ascii_case(acl));
    let fits =
        |action: &Value| action.as_str().is_some_and(|have| actions.iter().any(|a| a.eq_ignore_ascii_case(have)));
    let granted =
        granted.filter(|(_, what)| what.get("actions").and_then(Value::as_array).is_some_and(|l| l.iter().any(fits)));
    let scopes: Vec<&Value> = granted.map(|(_, what)| what.get("scope").unwrap_or(&Value::Null)).collect();
    allow(!scopes.is_empty())?;
    Ok(Scope::new(&data, acl, mine, &scopes))
}

/// `{"groups": [sourceId, …]}`, or `{"groups": null}` to allow everything again.
pub fn order(state: &State, body: &[u8]) -> Result<Value> {
    let body: Value = serde_json::from_slice(body).map_err(|e| ApiError::bad(format!("Invalid order: {e}")))?;
    let groups = match body.get("groups") {
        Some(Value::Null) => None,
        Some(Value::Array(list)) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => return Err(ApiError::bad("groups must be a list of source ids, or null")),
    };
    *state.access() = groups;
    Ok(json!({}))
}
