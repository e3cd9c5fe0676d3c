//! The API below `/api/v1/projects/{project}/`: finds who serves a path.

use serde_json::json;

use crate::call::{Call, Reply};
use crate::error::Result;
use crate::resources::{kinds, no_such_path};
use crate::state::State;
use crate::{datapoints, generic, raw, resources};

pub fn serve(state: &State, call: &Call) -> Reply {
    route(state, call).into()
}

fn route(state: &State, call: &Call) -> Result<Reply> {
    if let Some(answer) = generic::serve(state, call) {
        return answer;
    }
    let first = call.segments.first().map_or("", String::as_str);
    let second = call.segments.get(1).map_or("", String::as_str);
    match (first, second) {
        ("timeseries", "data") => datapoints::serve(state, call),
        ("raw", "dbs") => raw::serve(state, call),
        _ => match kinds::kind(first) {
            Some(kind) => resources::serve(state, kind, call),
            None => Err(no_such_path(call)),
        },
    }
}

pub fn inspect(state: &State) -> Reply {
    const ACLS: &[&str] = &[
        "assetsAcl",
        "eventsAcl",
        "timeSeriesAcl",
        "sequencesAcl",
        "filesAcl",
        "rawAcl",
        "datasetsAcl",
        "labelsAcl",
        "relationshipsAcl",
        "groupsAcl",
        "projectsAcl",
    ];
    let project = &state.config.project;
    let capabilities: Vec<_> = ACLS
        .iter()
        .map(|acl| {
            let actions =
                if matches!(*acl, "groupsAcl" | "projectsAcl") { ["LIST", "READ"] } else { ["READ", "WRITE"] };
            json!({*acl: {"actions": actions, "scope": {"all": {}}}, "projectScope": {"projects": [project]}})
        })
        .collect();
    Reply::ok(&json!({
        "subject": state.config.client_id,
        "projects": [{"projectUrlName": project, "groups": [1]}],
        "capabilities": capabilities,
    }))
}
