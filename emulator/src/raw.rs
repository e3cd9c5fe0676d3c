//! RAW: databases of tables of rows. Rows are kept in key order.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::resources::table::{Object, map_weight};
use crate::resources::{flag, items, no_such_path};
use crate::scope::{allow, holds};
use crate::state::{Data, State, now_ms};

const MAX_NAMES: usize = 1000;
const MAX_ROWS: usize = 10_000;
const MAX_DELETED: usize = 1000;
const MAX_KEY: usize = 1024;

#[derive(Default, Clone)]
pub struct Raw {
    dbs: BTreeMap<String, Database>,
}

type Database = BTreeMap<String, RawTable>;
type RawTable = BTreeMap<String, RawRow>;

#[derive(Clone)]
struct RawRow {
    columns: Object,
    updated: i64,
    weight: u64,
}

impl Raw {
    pub fn counts(&self) -> Value {
        let tables: usize = self.dbs.values().map(BTreeMap::len).sum();
        let rows: usize = self.dbs.values().flat_map(|db| db.values()).map(BTreeMap::len).sum();
        json!({"databases": self.dbs.len(), "tables": tables, "rows": rows})
    }

    /// Keys and columns of a table.
    pub fn rows(&self, db: &str, table: &str) -> Result<impl Iterator<Item = (&String, &Object)>> {
        Ok(self.table(db, table)?.iter().map(|(key, row)| (key, &row.columns)))
    }

    fn table(&self, db: &str, name: &str) -> Result<&RawTable> {
        self.db(db)?.get(name).ok_or_else(|| no_table(db, name))
    }

    fn db(&self, name: &str) -> Result<&Database> {
        self.dbs.get(name).ok_or_else(|| no_db(name))
    }
}

fn no_db(name: &str) -> ApiError {
    ApiError::not_found(format!("Database named {name} not found"))
}

fn no_table(db: &str, name: &str) -> ApiError {
    ApiError::not_found(format!("Table named {name} not found in database {db}"))
}

fn has_db(db: &str) -> bool {
    holds("db", |v| v == db)
}

fn has_table(db: &str, table: &str) -> bool {
    has_db(db) || holds("table", |v| *v == json!([db, table]))
}

/// Whether a table of the database, if not all, is within the scope of the request.
fn knows_db(db: &str) -> bool {
    has_db(db) || holds("table", |v| v.get(0).is_some_and(|d| d == db))
}

pub fn serve(state: &State, call: &Call) -> Result<Reply> {
    let rest: Vec<&str> = call.segments.iter().skip(2).map(String::as_str).collect();
    match rest.as_slice() {
        [db, "tables"] => allow(knows_db(db))?,
        [db, "tables", table, "rows" | "cursors", ..] => allow(has_table(db, table))?,
        _ => {}
    }
    match (call.method.as_str(), rest.as_slice()) {
        ("GET", []) => page_of_names(call, state.read().raw.dbs.keys().filter(|db| knows_db(db))),
        ("POST", []) => create_dbs(&mut state.write(), call),
        ("POST", ["delete"]) => delete_dbs(&mut state.write(), call),
        ("GET", [db, "tables"]) => page_of_names(call, state.read().raw.db(db)?.keys().filter(|t| has_table(db, t))),
        ("POST", [db, "tables"]) => create_tables(&mut state.write(), call, db),
        ("POST", [db, "tables", "delete"]) => delete_tables(&mut state.write(), call, db),
        ("GET", [db, "tables", table, "rows"]) => list(&state.read(), call, db, table),
        ("POST", [db, "tables", table, "rows"]) => insert(state, call, db, table),
        ("POST", [db, "tables", table, "rows", "delete"]) => delete_rows(&mut state.write(), call, db, table),
        ("GET", [db, "tables", table, "rows", key]) => {
            let data = state.read();
            match data.raw.table(db, table)?.get(*key) {
                Some(row) => Ok(Reply::ok(&ShownRow { key, row, columns: None })),
                None => Err(ApiError::not_found(format!("Row with key {key} not found"))),
            }
        }
        ("GET", [db, "tables", table, "cursors"]) => cursors(&state.read(), call, db, table),
        _ => Err(no_such_path(call)),
    }
}

fn names(call: &Call, max_length: usize) -> Result<(Vec<String>, Object)> {
    let mut body = call.object()?;
    let list = items(&mut body, MAX_NAMES)?;
    let names = list.iter().map(|item| match item.get("name") {
        Some(Value::String(name)) if (1..=max_length).contains(&name.chars().count()) => Ok(name.clone()),
        _ => Err(ApiError::bad(format!("name must be a string of 1 to {max_length} characters"))),
    });
    Ok((names.collect::<Result<_>>()?, body))
}

fn named(names: &[String]) -> Value {
    Value::Array(names.iter().map(|name| json!({ "name": name })).collect())
}

fn refuse_existing<'a>(what: &str, found: impl Iterator<Item = &'a String>) -> Result<()> {
    let found: Vec<String> = found.cloned().collect();
    if found.is_empty() {
        return Ok(());
    }
    let Value::Array(list) = named(&found) else { return Ok(()) };
    Err(ApiError::duplicated(400, format!("{what} already created: {}", found.join(", ")), list))
}

fn create_dbs(data: &mut Data, call: &Call) -> Result<Reply> {
    let (names, _) = names(call, 32)?;
    allow(names.iter().all(|name| knows_db(name)))?;
    refuse_existing("Databases", names.iter().filter(|n| data.raw.dbs.contains_key(*n)))?;
    data.reserve(names.len() as u64, 0)?;
    data.raw.dbs.extend(names.iter().map(|n| (n.clone(), Database::new())));
    Ok(Reply::json(201, &json!({"items": named(&names)})))
}

fn delete_dbs(data: &mut Data, call: &Call) -> Result<Reply> {
    let (names, body) = names(call, 32)?;
    allow(names.iter().all(|name| has_db(name)))?;
    let recursive = flag(&body, "recursive")?;
    for name in &names {
        if !data.raw.db(name)?.is_empty() && !recursive {
            return Err(ApiError::bad(format!("Database {name} is not empty; delete its tables or set recursive")));
        }
    }
    for name in &names {
        for (_, table) in data.raw.dbs.remove(name).into_iter().flatten() {
            forget(data, table);
        }
        data.release(1, 0);
    }
    Ok(Reply::empty())
}

fn forget(data: &mut Data, table: RawTable) {
    data.release(1 + table.len() as u64, table.values().map(|row| row.weight).sum());
}

fn create_tables(data: &mut Data, call: &Call, db: &str) -> Result<Reply> {
    let (names, _) = names(call, 64)?;
    allow(names.iter().all(|name| has_table(db, name)))?;
    let ensure = call.filled_param("ensureParent") == Some("true");
    let existing = data.raw.dbs.get(db);
    if existing.is_none() && !ensure {
        return Err(no_db(db));
    }
    refuse_existing("Tables", names.iter().filter(|n| existing.is_some_and(|d| d.contains_key(*n))))?;
    data.reserve(names.len() as u64 + u64::from(existing.is_none()), 0)?;
    let tables = data.raw.dbs.entry(db.to_owned()).or_default();
    tables.extend(names.iter().map(|n| (n.clone(), RawTable::new())));
    Ok(Reply::json(201, &json!({"items": named(&names)})))
}

fn delete_tables(data: &mut Data, call: &Call, db: &str) -> Result<Reply> {
    let (names, _) = names(call, 64)?;
    allow(names.iter().all(|name| has_table(db, name)))?;
    for name in &names {
        data.raw.table(db, name)?;
    }
    for name in &names {
        if let Some(table) = data.raw.dbs.get_mut(db).and_then(|d| d.remove(name)) {
            forget(data, table);
        }
    }
    Ok(Reply::empty())
}

fn page_of_names<'a>(call: &Call, all: impl Iterator<Item = &'a String>) -> Result<Reply> {
    let limit = page_limit(call, 25, MAX_NAMES)?;
    let after = call.filled_param("cursor").map(|c| cursor::decode_text("n", c)).transpose()?;
    let mut rest = all.filter(|name| after.as_ref().is_none_or(|a| *name > a));
    let page: Vec<String> = rest.by_ref().take(limit).cloned().collect();
    let mut answer = json!({"items": named(&page)});
    if let (Some(last), Some(_), Value::Object(map)) = (page.last(), rest.next(), &mut answer) {
        map.insert("nextCursor".into(), json!(cursor::encode_text("n", last)));
    }
    Ok(Reply::ok(&answer))
}

fn page_limit(call: &Call, default: i64, max: usize) -> Result<usize> {
    let limit = call.int_param("limit")?.unwrap_or(default);
    let valid = usize::try_from(limit).ok().filter(|l| (1..=max).contains(l));
    valid.ok_or_else(|| ApiError::bad(format!("limit must be between 1 and {max}, was {limit}")))
}

/// Where a chain of pages is: part of the table, time range and the last key seen.
struct Place {
    part: u64,
    parts: u64,
    min: Option<i64>,
    max: Option<i64>,
    after: Option<String>,
}

impl Place {
    fn decode(text: &str) -> Result<Self> {
        let text = cursor::decode_text("r", text)?;
        let value: Value = serde_json::from_str(&text).map_err(|_| cursor::invalid())?;
        let number = |n: usize| value.get(n).and_then(Value::as_i64);
        let (Some(part), Some(parts)) = (value.get(0).and_then(Value::as_u64), value.get(1).and_then(Value::as_u64))
        else {
            return Err(cursor::invalid());
        };
        let after = value.get(4).and_then(Value::as_str).map(str::to_owned);
        Ok(Self { part, parts: parts.max(1), min: number(2), max: number(3), after })
    }

    fn encode(&self, after: Option<&str>) -> String {
        cursor::encode_text("r", &json!([self.part, self.parts, self.min, self.max, after]).to_string())
    }

    /// The lower bound is exclusive, the upper one inclusive.
    fn holds(&self, key: &str, row: &RawRow) -> bool {
        (self.parts == 1 || hash(key) % self.parts == self.part)
            && self.min.is_none_or(|m| row.updated > m)
            && self.max.is_none_or(|m| row.updated <= m)
    }
}

/// FNV-1a: the same rows in the same part on every run.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

struct ShownRow<'a> {
    key: &'a str,
    row: &'a RawRow,
    columns: Option<&'a [&'a str]>,
}

impl Serialize for ShownRow<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("key", self.key)?;
        map.serialize_entry("lastUpdatedTime", &self.row.updated)?;
        match self.columns {
            None => map.serialize_entry("columns", &self.row.columns)?,
            Some(wanted) => {
                let chosen = wanted.iter().filter_map(|name| Some((*name, self.row.columns.get(*name)?)));
                map.serialize_entry("columns", &chosen.collect::<BTreeMap<_, _>>())?;
            }
        }
        map.end()
    }
}

fn list(data: &Data, call: &Call, db: &str, name: &str) -> Result<Reply> {
    let table = data.raw.table(db, name)?;
    let limit = page_limit(call, 25, MAX_ROWS)?;
    let place = match call.filled_param("cursor") {
        Some(text) => Place::decode(text)?,
        None => Place {
            part: 0,
            parts: 1,
            min: call.int_param("minLastUpdatedTime")?,
            max: call.int_param("maxLastUpdatedTime")?,
            after: None,
        },
    };
    // A lone comma asks for keys only.
    let wanted: Option<Vec<&str>> =
        call.filled_param("columns").map(|text| text.split(',').filter(|c| !c.is_empty()).collect());
    let from = place.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rows = table.range::<str, _>((from, Bound::Unbounded)).filter(|(key, row)| place.holds(key, row));
    let page: Vec<ShownRow> =
        rows.by_ref().take(limit).map(|(key, row)| ShownRow { key, row, columns: wanted.as_deref() }).collect();
    let next = rows.next().and(page.last()).map(|last| place.encode(Some(last.key)));
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Page<'a> {
        items: Vec<ShownRow<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_cursor: Option<String>,
    }
    Ok(Reply::ok(&Page { items: page, next_cursor: next }))
}

fn cursors(data: &Data, call: &Call, db: &str, name: &str) -> Result<Reply> {
    data.raw.table(db, name)?;
    let count = call.int_param("numberOfCursors")?.unwrap_or(10);
    if !(1..=10_000).contains(&count) {
        return Err(ApiError::bad(format!("numberOfCursors must be between 1 and 10000, was {count}")));
    }
    let (min, max) = (call.int_param("minLastUpdatedTime")?, call.int_param("maxLastUpdatedTime")?);
    let parts = count.unsigned_abs();
    let place = |part| Place { part, parts, min, max, after: None }.encode(None);
    Ok(Reply::ok(&json!({"items": (0..parts).map(place).collect::<Vec<_>>()})))
}

fn insert(state: &State, call: &Call, db: &str, name: &str) -> Result<Reply> {
    let list = items(&mut call.object()?, MAX_ROWS)?;
    let now = now_ms();
    let mut rows = Vec::with_capacity(list.len());
    for mut item in list {
        let key = match item.remove("key") {
            Some(Value::String(key)) if key.chars().count() <= MAX_KEY => key,
            Some(Value::String(_)) => return Err(ApiError::bad(format!("key is longer than {MAX_KEY} characters"))),
            _ => return Err(ApiError::bad("Missing required field key")),
        };
        let columns: Map<String, Value> = match item.remove("columns") {
            Some(Value::Object(columns)) => columns,
            _ => return Err(ApiError::bad("Missing required field columns")),
        };
        let weight = map_weight(&columns) + key.len() as u64;
        rows.push((key, RawRow { columns, updated: now, weight }));
    }
    let ensure = call.filled_param("ensureParent") == Some("true");
    let mut data = state.write();
    if !ensure {
        data.raw.table(db, name)?;
    } else if db.is_empty() || db.chars().count() > 32 || name.is_empty() || name.chars().count() > 64 {
        return Err(ApiError::bad("Names of databases have 1 to 32 characters, those of tables 1 to 64"));
    }
    let has_db = data.raw.dbs.contains_key(db);
    let table = data.raw.dbs.get(db).and_then(|d| d.get(name));
    let parents = u64::from(!has_db) + u64::from(table.is_none());
    let fresh = rows.iter().filter(|(key, _)| table.is_none_or(|t| !t.contains_key(key))).count();
    data.reserve(fresh as u64 + parents, rows.iter().map(|(_, row)| row.weight).sum())?;
    let table = data.raw.dbs.entry(db.to_owned()).or_default().entry(name.to_owned()).or_default();
    let (mut freed, mut added) = (0, 0_u64);
    for (key, row) in rows {
        match table.insert(key, row) {
            Some(old) => freed += old.weight,
            None => added += 1,
        }
    }
    // A key given twice took room for two rows.
    data.release((fresh as u64).saturating_sub(added), freed);
    Ok(Reply::empty())
}

fn delete_rows(data: &mut Data, call: &Call, db: &str, name: &str) -> Result<Reply> {
    let list = items(&mut call.object()?, MAX_DELETED)?;
    data.raw.table(db, name)?;
    let Some(table) = data.raw.dbs.get_mut(db).and_then(|d| d.get_mut(name)) else { return Err(no_table(db, name)) };
    let (mut rows, mut bytes) = (0, 0);
    for item in &list {
        let key = item.get("key").and_then(Value::as_str).ok_or_else(|| ApiError::bad("Missing required field key"))?;
        if let Some(row) = table.remove(key) {
            rows += 1;
            bytes += row.weight;
        }
    }
    data.release(rows, bytes);
    Ok(Reply::empty())
}
