//! What leads out of CDF: writing back to SAP, and signals. These are rows; nothing is sent anywhere.

use serde_json::{Value, json};

use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, text};
use crate::resources::table::Object;

const INSTANCES: &str = "writeback/sap/instances";
const MAPPINGS: &str = "writeback/sap/mappings";
const SINKS: &str = "processes/signals/sinks";
const SINK: &[&str] = &["type", "externalId"];
const MEMBERS: &str = "GET:1000 POST:100 byids:100 delete:100";

pub static SETS: &[Set] = &[
    Set {
        path: INSTANCES,
        noun: "SAP instances",
        numbered: false,
        required: "gatewayUrl client username password",
        ops: MEMBERS,
        created: 200,
        // The secret goes in and never comes out.
        show: Some(|_, row| drop(row.remove("password"))),
        ..SET
    },
    Set {
        path: MAPPINGS,
        noun: "SAP mappings",
        numbered: false,
        required: "expression",
        ops: MEMBERS,
        created: 200,
        ..SET
    },
    Set {
        path: "writeback/sap/endpoints",
        noun: "SAP endpoints",
        numbered: false,
        required: "endpointType instanceId",
        ops: MEMBERS,
        created: 200,
        make: Some(|ctx, _, row| {
            known(ctx, INSTANCES, row, "instanceId")?;
            if row.contains_key("mappingId") { known(ctx, MAPPINGS, row, "mappingId") } else { Ok(()) }
        }),
        ..SET
    },
    Set {
        path: SINKS,
        noun: "signal sinks",
        key: SINK,
        numbered: false,
        ops: "GET:1000 POST:100 byids:100 delete:100 update:100",
        created: 200,
        ..SET
    },
    Set {
        path: "processes/signals/subscriptions",
        noun: "signal subscriptions",
        numbered: false,
        required: "sink filter",
        ops: "POST:100 list:1000 delete:100 update:100",
        created: 200,
        make: Some(|ctx, _, row| {
            let sink = row.get("sink").and_then(Value::as_object);
            let name = sink.and_then(|s| crate::resources::table::name(SINK, s));
            let there = name.is_some_and(|n| ctx.data.table(SINKS).is_some_and(|t| t.id_of(&n).is_some()));
            if there { Ok(()) } else { Err(ApiError::missing("Signal sink not found", vec![json!(row.get("sink"))])) }
        }),
        ..SET
    },
];

fn known(ctx: &Ctx, table: &str, row: &Object, field: &str) -> Result<()> {
    let name = text(row, field);
    if ctx.data.table(table).is_some_and(|t| t.id_of(name).is_some()) {
        return Ok(());
    }
    Err(ApiError::missing(format!("{field} not found"), vec![json!({ "externalId": name })]))
}
