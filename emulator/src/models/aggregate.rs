//! Aggregates of instances, in groups.

use serde_json::{Value, json};

use super::filter::{Eval, Values};
use super::instances::{Instance, in_unit, in_view, typing};
use super::schema::ViewMap;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::resources::table::Object;
use crate::state::State;

const MAX_GROUPS: usize = 1000;

pub fn aggregate(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let data = state.read();
    let eval = Eval::new(&data, None);
    let (view, rows) = in_view(&eval, &body)?;
    let map = eval.view(&view)?;
    let value = |row: &Instance, name: &str| -> Result<Option<Value>> {
        match map.fields.get(name) {
            Some((container, field)) => {
                row.in_container(container, field).map(|v| in_unit(&map, &view, name, v)).transpose()
            }
            None if ["externalId", "space"].contains(&name) => Ok(row.own(name)),
            None => Err(ApiError::bad(format!("Unknown property: {name}"))),
        }
    };
    let names = |field: &str| body.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let group_by: Vec<&str> = names("groupBy").collect();
    let mut groups: Vec<(Object, Vec<&Instance>)> = Vec::new();
    for row in rows {
        let mut group = Object::new();
        for name in &group_by {
            group.insert((*name).to_owned(), value(row, name)?.unwrap_or_default());
        }
        match groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, list)) => list.push(row),
            None => groups.push((group, vec![row])),
        }
    }
    if groups.is_empty() && group_by.is_empty() {
        groups.push((Object::new(), Vec::new()));
    }
    let limit = body.get("limit").and_then(Value::as_u64).map_or(100, |n| n as usize).min(MAX_GROUPS);
    let kind = body.get("instanceType").cloned().unwrap_or(json!("node"));
    let mut answers = Vec::new();
    for (group, rows) in groups.into_iter().take(limit) {
        let mut found = Vec::new();
        for wanted in body.get("aggregates").and_then(Value::as_array).into_iter().flatten() {
            let single = wanted.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next());
            let (op, what) =
                single.ok_or_else(|| ApiError::bad("Every aggregate must be an object with exactly one key"))?;
            let name = what.get("property").and_then(Value::as_str);
            if op != "count" && !name.is_some_and(|n| is_number(&map, n)) {
                return Err(ApiError::bad(format!("{op} needs a property that is a number")));
            }
            let mut values = Vec::new();
            for row in &rows {
                values.extend(name.map_or(Ok(Some(json!(1))), |n| value(row, n))?);
            }
            found.push(one(op, what, name, &values)?);
        }
        let mut row = json!({"instanceType": kind, "aggregates": found});
        if let (false, Value::Object(row)) = (group.is_empty(), &mut row) {
            row.insert("group".into(), Value::Object(group));
        }
        answers.push(row);
    }
    let mut answer = json!({ "items": answers });
    if let (Some(true), Value::Object(map)) = (body.get("includeTyping").and_then(Value::as_bool), &mut answer) {
        map.insert("typing".into(), typing(&eval, &[view])?);
    }
    Ok(Reply::ok(&answer))
}

fn is_number(view: &ViewMap, name: &str) -> bool {
    let ty = view.definitions.get(name).and_then(|p| p.get("type")?.get("type")?.as_str());
    matches!(ty, Some("int32" | "int64" | "float32" | "float64"))
}

fn one(op: &str, what: &Value, name: Option<&str>, values: &[Value]) -> Result<Value> {
    let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    let result = match op {
        "count" => json!(values.len()),
        "sum" => json!(numbers.iter().sum::<f64>()),
        "avg" => json!((!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)),
        "min" => json!(numbers.iter().copied().reduce(f64::min)),
        "max" => json!(numbers.iter().copied().reduce(f64::max)),
        "histogram" => {
            let interval = what.get("interval").and_then(Value::as_f64).filter(|i| *i > 0.0);
            let interval = interval.ok_or_else(|| ApiError::bad("interval must be above 0"))?;
            let mut starts: Vec<f64> = numbers.iter().map(|n| (n / interval).floor() * interval).collect();
            starts.sort_by(f64::total_cmp);
            let mut buckets: Vec<(f64, u64)> = Vec::new();
            for start in starts {
                match buckets.last_mut().filter(|(s, _)| *s == start) {
                    Some((_, count)) => *count += 1,
                    None => buckets.push((start, 1)),
                }
            }
            let buckets: Vec<Value> =
                buckets.into_iter().map(|(start, count)| json!({"start": start, "count": count})).collect();
            return Ok(json!({"aggregate": op, "property": name, "interval": interval, "buckets": buckets}));
        }
        _ => return Err(ApiError::bad(format!("Unknown aggregate: {op}"))),
    };
    let mut row = json!({"aggregate": op, "value": result});
    if let (Some(name), Value::Object(row)) = (name, &mut row) {
        row.insert("property".into(), json!(name));
    }
    Ok(row)
}
