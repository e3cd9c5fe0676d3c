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

/// Per sequence, per row number, the values by column.
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
    found.ok_or_else(|| ApiError::missing("Sequences ids not found", vec![key.to_json()]))
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
        "STRING" => value.is_string(),
        "LONG" => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    };
    let name = text(column, "externalId");
    if fits {
        Ok(())
    } else {
        Err(ApiError::bad(format!("Invalid value for column {name}: expected {}", text(column, "valueType"))))
    }
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
                cells.insert(text(column, "externalId").to_owned(), value.clone());
            }
            fresh.push((id, number, cells));
        }
    }
    data.reserve(fresh.len() as u64, fresh.iter().map(|(_, _, cells)| cells.values().map(weight).sum::<u64>()).sum())?;
    let mut replaced = 0;
    for (id, number, cells) in fresh {
        let row = data.sequence_rows.entry(id).or_default().entry(number);
        replaced += u64::from(matches!(row, std::collections::btree_map::Entry::Occupied(_)));
        row.or_default().extend(cells);
    }
    data.release(replaced, 0);
    Ok(Reply::empty())
}

fn answer(id: i64, sequence: &Object, columns: &[Object], rows: &[(i64, &Object)]) -> Object {
    let shown = |column: &Object| {
        let fields = ["externalId", "name", "valueType"];
        fields.iter().filter_map(|f| Some(((*f).to_owned(), column.get(*f)?.clone()))).collect::<Object>()
    };
    let cells = |row: &Object| {
        columns.iter().map(|c| row.get(text(c, "externalId")).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
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
        let mut gone = 0;
        for number in wanted.iter().filter_map(Value::as_i64) {
            gone += u64::from(data.sequence_rows.get_mut(&id).and_then(|rows| rows.remove(&number)).is_some());
        }
        data.release(gone, 0);
    }
    Ok(Reply::empty())
}

/// The sequence is gone.
pub fn forget(data: &mut Data, id: i64) {
    let gone = data.sequence_rows.remove(&id).map_or(0, |rows| rows.len());
    data.release(gone as u64, 0);
}
