//! The API below `/api/v1/projects/{project}/`: finds who serves a path.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::Result;
use crate::resources::{kinds, no_such_path};
use crate::state::State;
use crate::{access, datapoints, generic, raw, resources, scope};

pub fn serve(state: &State, call: &Call) -> Reply {
    route(state, call).into()
}

fn route(state: &State, call: &Call) -> Result<Reply> {
    let scope = access::check(state, call)?;
    scope::within(scope, || find(state, call))
}

fn find(state: &State, call: &Call) -> Result<Reply> {
    let first = call.segments.first().map_or("", String::as_str);
    let second = call.segments.get(1).map_or("", String::as_str);
    match (first, second) {
        ("timeseries", "data") => datapoints::serve(state, call),
        ("raw", "dbs") => raw::serve(state, call),
        _ => match generic::serve(state, call) {
            Some(answer) => answer,
            None => resource(state, call, first),
        },
    }
}

fn resource(state: &State, call: &Call, first: &str) -> Result<Reply> {
    match kinds::kind(first) {
        Some(kind) => resources::serve(state, kind, call),
        None => Err(no_such_path(call)),
    }
}

pub fn inspect(state: &State) -> Reply {
    let project = &state.config.project;
    let mut capabilities: Vec<Value> = access::capabilities(state, &state.read()).unwrap_or_else(access::everything);
    for capability in capabilities.iter_mut().filter_map(Value::as_object_mut) {
        capability.insert("projectScope".into(), json!({"projects": [project]}));
    }
    Reply::ok(&json!({
        "subject": state.config.client_id,
        "projects": [{"projectUrlName": project, "groups": [1]}],
        "capabilities": capabilities,
    }))
}
