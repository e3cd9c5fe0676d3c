//! Rows of sequences.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::generic::{Special, int, missing_field, text};
use crate::resources::items;
use crate::resources::table::{Identifier, Object, weight};
use crate::state::{Data, State};

const MAX_ROWS: i64 = 10_000;

const MAX_TEXT: usize = 256;
const MAX_NUMBER: f64 = 1e100;

/// Per sequence, per row number, the values by the ids of the columns.
pub type Rows = HashMap<i64, BTreeMap<i64, Object>>;

pub static SPECIALS: &[Special] = &[
    ("POST", "sequences/data", insert),
    ("POST", "sequences/data/list", list),
    ("POST", "sequences/data/latest", latest),
    ("POST", "sequences/data/delete", delete),
];

fn find<'a>(data: &'a Data, item: &Object) -> Result<(i64, &'a Object)> {
    let key = Identifier::parse(item)?;
    let table = data.table("sequences");
    let found = table.and_then(|t| t.resolve(&key)).and_then(|id| Some((id, table?.get(id)?)));
    let found = found.ok_or_else(|| ApiError::missing("Sequences ids not found", vec![key.to_json()]))?;
    crate::scope::permit(found.1).map(|()| found)
}

/// The sequence's columns by name: all, or those asked for in that order.
fn columns(sequence: &Object, wanted: Option<&Value>) -> Result<Vec<Object>> {
    let all = sequence.get("columns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let all: Vec<&Object> = all.collect();
    let Some(wanted) = wanted.and_then(Value::as_array) else { return Ok(all.into_iter().cloned().collect()) };
    let one = |name: &Value| {
        let column = all.iter().find(|c| c.get("externalId") == Some(name)).map(|c| (*c).clone());
        column.ok_or_else(|| ApiError::missing("Columns not found", vec![json!({ "externalId": name })]))
    };
    wanted.iter().map(one).collect()
}

fn checked(column: &Object, value: &Value) -> Result<()> {
    let fits = match text(column, "valueType") {
        _ if value.is_null() => true,
        "STRING" => value.as_str().is_some_and(|t| t.chars().count() <= MAX_TEXT),
        "LONG" => value.is_i64(),
        _ => value.as_f64().is_some_and(|n| n.abs() <= MAX_NUMBER),
    };
    let name = text(column, "externalId");
    if fits {
        Ok(())
    } else {
        Err(ApiError::bad(format!("Invalid value for column {name}: expected {}", text(column, "valueType"))))
    }
}

/// What the values of a column are kept under: its name may change.
fn place(column: &Object) -> String {
    column.get("id").map(Value::to_string).unwrap_or_default()
}

fn bytes(row: &Object) -> u64 {
    row.values().map(weight).sum()
}

fn insert(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    let mut fresh = Vec::new();
    for item in &list {
        let (id, sequence) = find(&data, item)?;
        let columns = columns(sequence, Some(item.get("columns").ok_or_else(|| missing_field("columns"))?))?;
        for row in item.get("rows").and_then(Value::as_array).ok_or_else(|| missing_field("rows"))? {
            let number = row.get("rowNumber").and_then(Value::as_i64).ok_or_else(|| missing_field("rowNumber"))?;
            if number < 0 {
                return Err(ApiError::bad(format!("rowNumber must not be negative, was {number}")));
            }
            let values = row.get("values").and_then(Value::as_array).ok_or_else(|| missing_field("values"))?;
            if values.len() != columns.len() {
                return Err(ApiError::bad(format!(
                    "Row {number} has {} values for {} columns",
                    values.len(),
                    columns.len()
                )));
            }
            let mut cells = Object::new();
            for (column, value) in columns.iter().zip(values) {
                checked(column, value)?;
                cells.insert(place(column), value.clone());
            }
            fresh.push((id, number, cells));
        }
    }
    if fresh.len() as i64 > MAX_ROWS {
        return Err(ApiError::bad(format!("A request inserts at most {MAX_ROWS} rows, has {}", fresh.len())));
    }
    data.reserve(fresh.len() as u64, fresh.iter().map(|(_, _, cells)| bytes(cells)).sum())?;
    let (mut replaced, mut freed) = (0, 0);
    for (id, number, cells) in fresh {
        let rows = data.sequence_rows.entry(id).or_default();
        replaced += u64::from(rows.contains_key(&number));
        let row = rows.entry(number).or_default();
        for (column, value) in cells {
            freed += row.insert(column, value).as_ref().map_or(0, weight);
        }
    }
    data.release(replaced, freed);
    Ok(Reply::empty())
}

fn answer(id: i64, sequence: &Object, columns: &[Object], rows: &[(i64, &Object)]) -> Object {
    let shown = |column: &Object| {
        let fields = ["externalId", "name", "valueType"];
        fields.iter().filter_map(|f| Some(((*f).to_owned(), column.get(*f)?.clone()))).collect::<Object>()
    };
    let cells =
        |row: &Object| columns.iter().map(|c| row.get(&place(c)).cloned().unwrap_or_default()).collect::<Vec<_>>();
    let mut out = Object::new();
    out.insert("id".into(), json!(id));
    if let Some(name) = sequence.get("externalId") {
        out.insert("externalId".into(), name.clone());
    }
    out.insert("columns".into(), json!(columns.iter().map(shown).collect::<Vec<_>>()));
    let rows = rows.iter().map(|(number, row)| json!({"rowNumber": number, "values": cells(row)}));
    out.insert("rows".into(), json!(rows.collect::<Vec<_>>()));
    out
}

fn list(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let data = state.read();
    let (id, sequence) = find(&data, &body)?;
    let columns = columns(sequence, body.get("columns"))?;
    let limit = int(&body, "limit").unwrap_or(100);
    if !(1..=MAX_ROWS).contains(&limit) {
        return Err(ApiError::bad(format!("limit must be between 1 and {MAX_ROWS}, was {limit}")));
    }
    let cursor = body.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
    let start = cursor.map(|c| cursor::decode("e", c)).transpose()?.or_else(|| int(&body, "start")).unwrap_or(0);
    // The end is exclusive; below zero it is the end of the sequence.
    let end = int(&body, "end").filter(|e| *e >= 0).unwrap_or(i64::MAX);
    let empty = BTreeMap::new();
    let rows = data.sequence_rows.get(&id).unwrap_or(&empty);
    let mut rest = rows.range(start..end.max(start)).map(|(n, row)| (*n, row));
    let page: Vec<(i64, &Object)> = rest.by_ref().take(limit as usize).collect();
    let mut out = answer(id, sequence, &columns, &page);
    if let Some((next, _)) = rest.next() {
        out.insert("nextCursor".into(), json!(cursor::encode("e", next)));
    }
    Ok(Reply::ok(&out))
}

fn latest(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let data = state.read();
    let (id, sequence) = find(&data, &body)?;
    let columns = columns(sequence, body.get("columns"))?;
    let before = int(&body, "before").unwrap_or(i64::MAX);
    let last = data.sequence_rows.get(&id).and_then(|rows| rows.range(..before).next_back());
    let rows: Vec<_> = last.map(|(n, row)| (*n, row)).into_iter().collect();
    Ok(Reply::ok(&answer(id, sequence, &columns, &rows)))
}

fn delete(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    for item in &list {
        let (id, _) = find(&data, item)?;
        let wanted = item.get("rows").and_then(Value::as_array).ok_or_else(|| missing_field("rows"))?;
        for number in wanted.iter().filter_map(Value::as_i64) {
            if let Some(row) = data.sequence_rows.get_mut(&id).and_then(|rows| rows.remove(&number)) {
                data.release(1, bytes(&row));
            }
        }
    }
    Ok(Reply::empty())
}

/// The sequence is gone.
pub fn forget(data: &mut Data, id: i64) {
    let gone = data.sequence_rows.remove(&id).unwrap_or_default();
    data.release(gone.len() as u64, gone.values().map(bytes).sum());
}

/// The sequence changed: what columns had that it no longer has, goes.
pub fn forget_columns(data: &mut Data, id: i64) {
    let columns = data.table("sequences").and_then(|t| t.get(id)?.get("columns")?.as_array());
    let kept: Vec<String> = columns.into_iter().flatten().filter_map(Value::as_object).map(place).collect();
    let mut freed = 0;
    for row in data.sequence_rows.get_mut(&id).into_iter().flat_map(BTreeMap::values_mut) {
        row.retain(|column, value| {
            let keep = kept.contains(column);
            freed += if keep { 0 } else { weight(value) };
            keep
        });
    }
    data.release(0, freed);
}
