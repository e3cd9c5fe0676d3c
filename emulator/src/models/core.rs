//! The part of the core data model that other services stand on, as containers and views that are always there.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::generic::object;
use crate::resources::table::{Object, name};

pub const SPACE: &str = "cdf_cdm";

/// Name, parents, and properties as `name type`: `!` must have a value, `[]` is a list.
const MODEL: &[(&str, &str, &str)] = &[
    ("CogniteDescribable", "", "name text, description text, tags text[], aliases text[]"),
    (
        "CogniteSourceable",
        "",
        "sourceId text, sourceContext text, source direct, sourceCreatedTime timestamp, sourceUpdatedTime timestamp, \
         sourceCreatedUser text, sourceUpdatedUser text",
    ),
    ("CogniteSourceSystem", "CogniteDescribable", "version text, manufacturer text"),
    ("CogniteUnit", "CogniteDescribable", "symbol text, quantity text, source text, sourceReference text"),
    (
        "CogniteAsset",
        "CogniteDescribable CogniteSourceable",
        "parent direct, root direct, path direct[], pathLastUpdatedTime timestamp, assetClass direct, type direct",
    ),
    (
        "CogniteEquipment",
        "CogniteDescribable CogniteSourceable",
        "asset direct, serialNumber text, manufacturer text, equipmentType direct, files direct[]",
    ),
    (
        "CogniteFile",
        "CogniteDescribable CogniteSourceable",
        "assets direct[], mimeType text, directory text, isUploaded boolean, uploadedTime timestamp, category direct",
    ),
    (
        "CogniteSchedulable",
        "",
        "startTime timestamp, endTime timestamp, scheduledStartTime timestamp, scheduledEndTime timestamp",
    ),
    (
        "CogniteActivity",
        "CogniteDescribable CogniteSourceable CogniteSchedulable",
        "assets direct[], equipment direct[], timeSeries direct[]",
    ),
    ("CogniteAssetClass", "CogniteDescribable", "code text, standard text"),
    ("CogniteAssetType", "CogniteDescribable", "code text, standard text, assetClass direct"),
    (
        "CogniteEquipmentType",
        "CogniteDescribable",
        "code text, equipmentClass text, standard text, standardReference text",
    ),
    ("CogniteFileCategory", "CogniteDescribable", "code text!, standard text, standardReference text"),
    (
        "Cognite3DObject",
        "CogniteDescribable",
        "xMin float64, xMax float64, yMin float64, yMax float64, zMin float64, zMax float64",
    ),
    ("CogniteStateSet", "CogniteDescribable", "states json[]!"),
    (
        "CogniteTimeSeries",
        "CogniteDescribable CogniteSourceable",
        "isStep boolean!, type enum!, stateSet direct, sourceUnit text, unit direct, assets direct[], equipment direct[]",
    ),
];

type Rows = BTreeMap<String, Object>;

pub fn find(rows: &'static Rows, name: &str) -> Option<&'static Object> {
    rows.get(name)
}

/// The spaces that are always there.
pub fn spaces() -> Vec<Value> {
    let space =
        |name: &&str| json!({"space": name, "name": name, "isGlobal": true, "createdTime": 0, "lastUpdatedTime": 0});
    [SPACE, crate::areas::UNIT_SPACE].iter().map(space).collect()
}

pub fn containers() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let container = |(label, _, fields): &(&str, &str, &str)| {
            let properties: Object = fields.split(", ").map(property).collect();
            let used_for = match *label {
                "CogniteDescribable" | "CogniteSourceable" => "all",
                _ => "node",
            };
            object(json!({"space": SPACE, "externalId": label, "name": label, "usedFor": used_for, "isGlobal": true,
                "properties": properties, "constraints": {}, "indexes": {}, "createdTime": 0, "lastUpdatedTime": 0}))
        };
        let key = |row: &Object| name(&["space", "externalId"], row).unwrap_or_default();
        MODEL.iter().map(container).map(|row| (key(&row), row)).collect()
    })
}

fn property(text: &str) -> (String, Value) {
    let (name, ty) = text.split_once(' ').unwrap_or((text, "text"));
    let plain = ty.trim_end_matches(['!', '[', ']']);
    let mut ty = json!({"type": plain, "list": ty.contains('[')});
    if let (Value::Object(inner), "enum") = (&mut ty, plain) {
        inner.insert("values".into(), json!({"numeric": {}, "string": {}, "state": {}}));
    }
    let must = text.ends_with('!');
    let row = json!({"type": ty, "nullable": !must, "immutable": false, "autoIncrement": false,
        "constraintState": {"nullability": "current"}});
    (name.to_owned(), row)
}

pub fn views() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let view = |(label, parents, fields): &(&str, &str, &str)| {
            let names = fields.split(", ").filter_map(|f| f.split(' ').next());
            let mapped = |field: &str| {
                let container = json!({"type": "container", "space": SPACE, "externalId": label});
                (field.to_owned(), json!({"container": container, "containerPropertyIdentifier": field}))
            };
            let parent = |name: &str| json!({"type": "view", "space": SPACE, "externalId": name, "version": "v1"});
            object(json!({"space": SPACE, "externalId": label, "version": "v1", "name": label,
                "implements": parents.split_whitespace().map(parent).collect::<Vec<_>>(),
                "properties": names.map(mapped).collect::<Object>(), "createdTime": 0, "lastUpdatedTime": 0}))
        };
        let key = |row: &Object| name(&["space", "externalId", "version"], row).unwrap_or_default();
        MODEL.iter().map(view).map(|row| (key(&row), row)).collect()
    })
}
