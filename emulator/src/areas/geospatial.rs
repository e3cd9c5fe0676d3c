//! Geospatial. Geometry is kept as given: spatial filters and transformations are refused, not guessed.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, need, not_found, object, page, put, rows, strip, table_name, text};
use crate::resources::table::{EXTERNAL_ID, Object, name};
use crate::resources::{Node, items, order, parse_filter, sort_keys};
use crate::state::{Data, State, now_ms};

const CRS: &str = "geospatial/crs";
const TYPES: &str = "geospatial/featuretypes";
const FEATURES: &str = "geospatial/featuretypes/{}/features";
const RASTERS: &str = "geospatial/featuretypes/{}/features/{}/rasters/{}";

pub static SETS: &[Set] = &[
    Set {
        path: CRS,
        noun: "coordinate reference systems",
        key: &["srid"],
        numbered: false,
        required: "srid wkt projString",
        ops: "POST byids delete",
        seed: Some(|_| {
            vec![
                json!({"srid": 4326, "wkt": "GEOGCS[\"WGS 84\"]", "projString": "+proj=longlat +datum=WGS84 +no_defs"}),
                json!({"srid": 3857, "wkt": "PROJCS[\"WGS 84 / Pseudo-Mercator\"]", "projString": "+proj=merc +a=6378137 +b=6378137 +units=m"}),
            ]
        }),
        ..SET
    },
    Set {
        path: TYPES,
        noun: "feature types",
        numbered: false,
        required: "externalId properties",
        ops: "POST:100 byids:100 delete:10 list update:100",
        gone: Some(|ctx, _, row| {
            let table = table_name(FEATURES, &[text(row, "externalId")]);
            let all: Vec<i64> = rows(ctx.data, &table).map(|(id, _)| id).collect();
            for id in all {
                crate::generic::remove(ctx.data, &table, id);
            }
        }),
        ..SET
    },
    Set {
        path: FEATURES,
        noun: "features",
        numbered: false,
        parent: TYPES,
        ops: "POST byids delete",
        make: Some(|ctx, _, row| check(ctx, row)),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("GET", CRS, |state, call, _| {
        crate::generic::set(CRS).map_or(Ok(()), |set| set.plant(state))?;
        let data = state.read();
        let custom = ["filterOnlyCustom", "filterCustom"].iter().any(|p| call.param(p) == Some("true"));
        let builtin = |row: &Object| matches!(row.get("srid").and_then(Value::as_i64), Some(4326 | 3857));
        let found: Vec<_> = rows(&data, CRS).map(|(_, row)| row).filter(|row| !custom || !builtin(row)).collect();
        Ok(Reply::ok(&json!({ "items": found })))
    }),
    ("POST", "geospatial/featuretypes/{}/features/list", |state, call, params| {
        let body = call.object()?;
        let found = search(state, params, &body)?;
        Ok(Reply::ok(&page(&body, 1000, found.into_iter().map(Value::Object))?))
    }),
    ("POST", "geospatial/featuretypes/{}/features/search", |state, call, params| {
        let mut body = call.object()?;
        let found = search(state, params, &body)?;
        body.remove("cursor");
        let mut answer = page(&body, 1000, found.into_iter().map(Value::Object))?;
        answer.as_object_mut().map(|a| a.remove("nextCursor"));
        Ok(Reply::ok(&answer))
    }),
    ("POST", "geospatial/featuretypes/{}/features/search-streaming", stream),
    ("POST", "geospatial/featuretypes/{}/features/aggregate", aggregate),
    ("POST", "geospatial/featuretypes/{}/features/update", update),
    ("PUT", RASTERS, put_raster),
    ("POST", RASTERS, |state, _, params| {
        let data = state.read();
        let name = feature(&data, params).map(|_| table_name(RASTERS, params))?;
        let bytes = data.contents.blobs.get(&name).ok_or_else(|| not_found("rasters", &name))?;
        Ok(Reply { status: 200, content_type: "application/octet-stream", body: bytes.to_vec() })
    }),
    ("POST", "geospatial/featuretypes/{}/features/{}/rasters/{}/delete", |state, _, params| {
        let mut data = state.write();
        let (table, id, mut row) = feature(&data, params)?;
        if let Some(old) = data.contents.blobs.remove(&table_name(RASTERS, params)) {
            data.release(0, old.len() as u64);
        }
        row.remove(params.get(2).copied().unwrap_or(""));
        put(&mut data, &table, EXTERNAL_ID, id, row)?;
        Ok(Reply::empty())
    }),
    ("POST", "geospatial/compute", |_, call, _| {
        let body = call.object()?;
        let wanted =
            body.get("output").and_then(Value::as_object).ok_or_else(|| crate::generic::missing_field("output"))?;
        let transformed = wanted.iter().map(|(name, what)| {
            let what =
                what.get("stTransform").ok_or_else(|| ApiError::bad("The emulator computes only stTransform"))?;
            let ewkt = what.pointer("/geometry/ewkt").and_then(Value::as_str).unwrap_or("");
            let same = what.get("srid").is_some_and(|srid| ewkt.starts_with(&format!("SRID={srid};")));
            let refused = || ApiError::bad("The emulator transforms a geometry only to the system it is in");
            same.then(|| (name.clone(), json!(ewkt))).ok_or_else(refused)
        });
        Ok(Reply::ok(&json!({"items": [transformed.collect::<Result<Object>>()?]})))
    }),
];

/// Properties have to be those of the type, and the required ones have to be there.
fn check(ctx: &mut Ctx, row: &Object) -> Result<()> {
    let kind = ctx.params.first().copied().unwrap_or("");
    let kind =
        ctx.data.table(TYPES).and_then(|t| t.get(t.id_of(kind)?)).ok_or_else(|| not_found("feature types", kind))?;
    let properties = kind.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let own = ["externalId", "createdTime", "lastUpdatedTime", "dataSetId", "assetIds"];
    if let Some(field) = row.keys().find(|f| !own.contains(&f.as_str()) && !properties.contains_key(*f)) {
        return Err(ApiError::bad(format!("The feature type has no property {field}")));
    }
    let optional = |p: &Value| p.get("optional").and_then(Value::as_bool) == Some(true);
    let raster = |p: &Value| p.get("type").and_then(Value::as_str) == Some("RASTER");
    match properties.iter().find(|(name, p)| !optional(p) && !raster(p) && !row.contains_key(*name)) {
        Some((name, _)) => Err(crate::generic::missing_field(name)),
        None => Ok(()),
    }
}

fn features(data: &Data, params: &[&str]) -> Result<String> {
    let kind = params.first().copied().unwrap_or("");
    match data.table(TYPES).and_then(|t| t.id_of(kind)) {
        Some(_) => Ok(table_name(FEATURES, params)),
        None => Err(not_found("feature types", kind)),
    }
}

fn feature(data: &Data, params: &[&str]) -> Result<(String, i64, Object)> {
    let table = features(data, params)?;
    let name = params.get(1).copied().unwrap_or("");
    let id = data.table(&table).and_then(|t| t.id_of(name)).ok_or_else(|| not_found("features", name))?;
    let row = data.table(&table).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    Ok((table, id, row))
}

/// The filter in the language the other resources use.
fn translated(filter: &Value, depth: usize) -> Result<Value> {
    let single = filter.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next());
    let Some((op, body)) = single.filter(|_| depth < 20) else {
        return Err(ApiError::bad("Every clause of filter must be an object with exactly one key"));
    };
    let property = || json!([body.get("property").unwrap_or(&Value::Null)]);
    let mut leaf = body.as_object().cloned().unwrap_or_default();
    leaf.insert("property".into(), property());
    Ok(match op.as_str() {
        "and" | "or" => {
            let list = body.as_array().map_or(&[][..], Vec::as_slice);
            json!({op: list.iter().map(|f| translated(f, depth + 1)).collect::<Result<Vec<_>>>()?})
        }
        "not" => json!({"not": translated(body, depth + 1)?}),
        "missing" => json!({"not": {"exists": {"property": property()}}}),
        "equals" | "in" | "range" | "containsAny" => json!({op: leaf}),
        "like" => {
            let pattern = body.get("value").and_then(Value::as_str).unwrap_or("");
            let Some(prefix) = pattern.strip_suffix('%').filter(|p| !p.contains(['%', '_'])) else {
                return Err(ApiError::bad("The emulator knows like only with one % at the end"));
            };
            json!({"prefix": {"property": property(), "value": prefix}})
        }
        _ => return Err(ApiError::bad(format!("The emulator does not evaluate the filter {op}"))),
    })
}

fn search(state: &State, params: &[&str], body: &Object) -> Result<Vec<Object>> {
    let data = state.read();
    let table = features(&data, params)?;
    let filter = body.get("filter").filter(|f| f.as_object().is_some_and(|m| !m.is_empty()));
    let filter = filter.map(|f| parse_filter(&translated(f, 0)?, 0)).transpose()?;
    let keys = sort_keys(body)?;
    let fits = |row: &Object| filter.as_ref().is_none_or(|node: &Node| node.matches(row));
    let mut found: Vec<Object> = rows(&data, &table).map(|(_, row)| row).filter(|row| fits(row)).cloned().collect();
    found.sort_by(|a, b| order(&keys, a, b));
    let wanted = body.get("output").and_then(|o| o.get("properties")).and_then(Value::as_object);
    if let Some(wanted) = wanted {
        found.iter_mut().for_each(|row| row.retain(|field, _| wanted.contains_key(field)));
    }
    Ok(found)
}

fn stream(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let format = body.get("output").and_then(|o| o.get("jsonStreamFormat")).and_then(Value::as_str);
    let mut found = search(state, params, &body)?;
    if let Some(limit) = body.get("limit").and_then(Value::as_u64) {
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let mut out = String::new();
    for row in found {
        let line = Value::Object(row).to_string();
        out += &match format {
            Some("LENGTH_PREFIXED") => format!("{}{line}", line.len()),
            Some("CONCATENATED") => line,
            Some("RECORD_SEPARATOR_DELIMITED") => format!("\u{1e}{line}\n"),
            _ => format!("{line}\n"),
        };
    }
    Ok(Reply { status: 200, content_type: "application/json", body: out.into_bytes() })
}

fn aggregate(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let found = search(state, params, &crate::generic::strip(json!({"filter": body.get("filter")})))?;
    // The older form names one property and several aggregates.
    let older = body.get("aggregates").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut wanted: Object = older.map(|a| (a.to_owned(), json!({a: {"property": body.get("property")}}))).collect();
    wanted.extend(body.get("output").and_then(Value::as_object).cloned().unwrap_or_default());
    let group: Vec<&str> =
        body.get("groupBy").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut groups: Vec<(String, Object, Vec<&Object>)> = Vec::new();
    for row in &found {
        let key: Object = group.iter().map(|f| ((*f).to_owned(), row.get(*f).cloned().unwrap_or_default())).collect();
        let text = Value::Object(key.clone()).to_string();
        match groups.iter_mut().find(|g| g.0 == text) {
            Some(g) => g.2.push(row),
            None => groups.push((text, key, vec![row])),
        }
    }
    if groups.is_empty() && group.is_empty() {
        groups.push((String::new(), Object::new(), Vec::new()));
    }
    let mut answers = Vec::new();
    for (_, mut answer, rows) in groups {
        for (name, what) in &wanted {
            let (op, field) =
                what.as_object().and_then(|m| m.iter().next()).ok_or_else(|| ApiError::bad("Invalid output"))?;
            let field = field.get("property").and_then(Value::as_str).unwrap_or("externalId");
            let values: Vec<f64> = rows.iter().filter_map(|r| r.get(field)?.as_f64()).collect();
            let result = match op.as_str() {
                "count" => Some(rows.iter().filter(|r| r.contains_key(field)).count() as f64),
                "sum" => Some(values.iter().sum()),
                "avg" => (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
                "min" => values.iter().copied().reduce(f64::min),
                "max" => values.iter().copied().reduce(f64::max),
                _ => return Err(ApiError::bad(format!("The emulator does not aggregate {op}"))),
            };
            let shown = if op == "count" { json!(result.map(|n| n as u64)) } else { json!(result) };
            answer.insert(name.clone(), shown);
        }
        answers.push(answer);
    }
    Ok(Reply::ok(&json!({ "items": answers })))
}

/// Fields that are given replace those that are there.
fn update(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    let table = features(&data, params)?;
    let mut changed = Vec::new();
    for item in list {
        let found = name(EXTERNAL_ID, &item).and_then(|n| data.table(&table)?.id_of(&n));
        let id = found.ok_or_else(|| {
            ApiError::missing("Features not found", vec![json!({"externalId": item.get("externalId")})])
        })?;
        let mut row = data.table(&table).and_then(|t| t.get(id)).cloned().unwrap_or_default();
        row.extend(item);
        row.retain(|_, v| !v.is_null());
        row.insert("lastUpdatedTime".into(), json!(now_ms()));
        let mut ctx = Ctx { state, data: &mut data, params, id, given: None, batch: Vec::new(), now: now_ms() };
        check(&mut ctx, &row)?;
        changed.push((id, row));
    }
    for (id, row) in &changed {
        put(&mut data, &table, EXTERNAL_ID, *id, row.clone())?;
    }
    Ok(Reply::ok(&json!({"items": changed.into_iter().map(|(_, row)| row).collect::<Vec<_>>()})))
}

/// Rasters come as lines of x, y and value.
fn put_raster(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let mut data = state.write();
    let (table, id, mut row) = feature(&data, params)?;
    let srid = call.int_param("srid")?.ok_or_else(|| crate::generic::missing_field("srid"))?;
    need(&object(json!({"format": call.param("format")})), "format")?;
    let text = std::str::from_utf8(&call.body).map_err(|_| ApiError::bad("The raster is no text"))?;
    let points: Vec<Vec<f64>> =
        text.lines().map(|l| l.split_whitespace().filter_map(|n| n.parse().ok()).collect()).collect();
    let distinct = |n: usize| {
        let mut all: Vec<f64> = points.iter().filter_map(|p| p.get(n).copied()).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    };
    let (xs, ys) = (distinct(0), distinct(1));
    let step = |all: &[f64]| all.get(1).zip(all.first()).map_or(1.0, |(b, a)| b - a);
    let raster = strip(
        json!({"srid": srid, "width": xs.len(), "height": ys.len(), "numBands": 1, "scaleX": step(&xs), "scaleY": -step(&ys),
        "skewX": 0.0, "skewY": 0.0, "upperLeftX": xs.first(), "upperLeftY": ys.last()}),
    );
    data.reserve(0, call.body.len() as u64)?;
    if let Some(old) = data.contents.blobs.insert(table_name(RASTERS, params), call.body.clone()) {
        data.release(0, old.len() as u64);
    }
    row.insert(params.get(2).copied().unwrap_or("raster").to_owned(), json!(raster));
    put(&mut data, &table, EXTERNAL_ID, id, row)?;
    Ok(Reply::ok(&raster))
}
