//! Every API that is rows with a key, and the one table of routes.
//!
//! A set is a row of `areas`: path, key, limits, operations. What the row cannot say are its few hooks.

mod filter;
mod read;
mod write;

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::resources::table::{EXTERNAL_ID, Object, Table, map_weight};
use crate::scope;
use crate::state::{Data, State, now_ms};

pub use filter::Filter;
pub use read::{answer, page, paged};
pub use write::apply_change;

/// A request that no row of a set covers. The parameters are the path segments that `{}` stands for.
pub type Handler = fn(&State, &Call, &[&str]) -> Result<Reply>;

/// Method, path below the project, who answers.
pub type Special = (&'static str, &'static str, Handler);

/// Completes and checks a row before it is stored; `old` is what it replaces.
pub type Make = fn(&mut Ctx, old: Option<&Object>, row: &mut Object) -> Result<()>;

/// Dresses a row for an answer: progress, secrets left out.
pub type Show = fn(&View, row: &mut Object);

pub struct Set {
    /// Below the project, `{}` for parameters. With those filled in it is also the name of the table.
    pub path: &'static str,
    /// For messages.
    pub noun: &'static str,
    /// Fields that name a row.
    pub key: &'static [&'static str],
    /// Whether rows get a number as id; where not, the key is the only name.
    pub numbered: bool,
    /// Fields of createdTime and lastUpdatedTime that rows get.
    pub times: &'static [&'static str],
    /// Set whose row the last parameter of the path names.
    pub parent: &'static str,
    /// Names of fields, separated by spaces.
    pub required: &'static str,
    /// Filters, separated by spaces: a field, or `key>field` where the names differ.
    pub filters: &'static str,
    /// Operations with their limits, see `OPS`; `name=operation` where the path has another name. Behind a second
    /// colon the page size of a list that asks for none.
    pub ops: &'static str,
    pub created: u16,
    /// Status where a name is not known.
    pub unknown: u16,
    /// Rows that are there from the start.
    pub seed: Option<fn(&State) -> Vec<Value>>,
    pub make: Option<Make>,
    pub show: Option<Show>,
    /// Clears up after a row that was deleted.
    pub gone: Option<fn(&mut Ctx, id: i64, row: &Object)>,
}

/// What most sets are.
pub const SET: Set = Set {
    path: "",
    noun: "",
    key: EXTERNAL_ID,
    numbered: true,
    times: &["createdTime", "lastUpdatedTime"],
    parent: "",
    required: "",
    filters: "",
    ops: "",
    created: 201,
    unknown: 400,
    seed: None,
    make: None,
    show: None,
    gone: None,
};

/// A change of data in the making.
pub struct Ctx<'a> {
    pub state: &'a State,
    pub data: &'a mut Data,
    pub params: &'a [&'a str],
    pub id: i64,
    /// What a new row had as its id, where the API numbers rows.
    pub given: Option<Value>,
    /// The rows of an upsert, which may refer to each other.
    pub batch: Vec<Object>,
    pub now: i64,
}

/// Data as an answer sees it.
pub struct View<'a> {
    pub state: &'a State,
    pub data: &'a Data,
    pub now: i64,
}

impl View<'_> {
    /// How far something has come that began then: 0 just now, 1 at work, 2 done.
    pub fn stage(&self, began: i64) -> usize {
        let whole = i64::try_from(self.state.config.job_ms).unwrap_or(i64::MAX);
        match self.now.saturating_sub(began) {
            gone if gone >= whole => 2,
            gone if gone.saturating_mul(2) >= whole => 1,
            _ => 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Create,
    /// Creates or replaces.
    Apply,
    List,
    One,
    ByIds,
    /// Those of the names that exist.
    Some,
    Update,
    Delete,
    /// Deletes what is there and answers with its keys.
    Drop,
    Search,
}

/// Name in a set's row, method, rest of the path, operation.
const OPS: &[(&str, &str, &str, Op)] = &[
    ("GET", "GET", "", Op::List),
    ("POST", "POST", "", Op::Create),
    ("one", "GET", "{}", Op::One),
    ("apply", "POST", "", Op::Apply),
    ("list", "POST", "list", Op::List),
    ("byids", "POST", "byids", Op::ByIds),
    ("some", "POST", "byids", Op::Some),
    ("update", "POST", "update", Op::Update),
    ("delete", "POST", "delete", Op::Delete),
    ("drop", "POST", "delete", Op::Drop),
    ("search", "POST", "search", Op::Search),
];

enum Target {
    /// The operation, its limit, and the usual size of a page.
    Set(&'static Set, Op, usize, usize),
    Special(Handler),
}

struct Route {
    method: &'static str,
    pattern: Vec<&'static str>,
    target: Target,
}

/// Literal segments come before parameters, so the first that fits is the right one.
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let mut routes = Vec::new();
    for set in crate::areas::SETS.iter().copied().flatten() {
        for op in set.ops.split_whitespace() {
            let (op, limit) = op.split_once(':').unwrap_or((op, "1000"));
            let (limit, page) = limit.split_once(':').unwrap_or((limit, "100"));
            let number = |text: &str| text.parse().unwrap_or(1000);
            let (name, op) = op.split_once('=').map_or((None, op), |(name, op)| (Some(name), op));
            let Some((_, method, rest, op)) = OPS.iter().find(|o| o.0 == op) else { continue };
            let mut pattern: Vec<&str> = set.path.split('/').collect();
            pattern.extend(name.or(Some(*rest)).filter(|r| !r.is_empty()));
            let target = Target::Set(set, *op, number(limit), number(page));
            routes.push(Route { method, pattern, target });
        }
    }
    for (method, path, handler) in crate::areas::SPECIALS.iter().copied().flatten().copied().flatten() {
        routes.push(Route { method, pattern: path.split('/').collect(), target: Target::Special(*handler) });
    }
    routes.sort_by_key(|r| r.pattern.iter().map(|part| *part == "{}").collect::<Vec<_>>());
    routes
});

/// None where no route fits.
pub fn serve(state: &State, call: &Call) -> Option<Result<Reply>> {
    let mut segments = call.segments.as_slice();
    // Some clients end a path with a slash.
    if let [rest @ .., last] = segments
        && last.is_empty()
    {
        segments = rest;
    }
    let fits = |route: &&Route| {
        route.method == call.method
            && route.pattern.len() == segments.len()
            && route.pattern.iter().zip(segments).all(|(part, segment)| *part == "{}" || part == segment)
    };
    let route = ROUTES.iter().find(fits)?;
    let params: Vec<&str> =
        route.pattern.iter().zip(segments).filter(|(p, _)| **p == "{}").map(|(_, s)| s.as_str()).collect();
    Some(match &route.target {
        Target::Special(handler) => handler(state, call, &params),
        Target::Set(set, op, limit, page) => set.serve(state, call, &params, *op, (*limit, *page)),
    })
}

/// Makes or replaces rows of the set at a path, with its checks.
pub fn apply(ctx: &mut Ctx, path: &str, rows: Vec<Object>) -> Result<Vec<Value>> {
    let set = set(path).ok_or_else(|| not_found("sets", path))?;
    write::At { set, table: path }.create(ctx, rows, true)
}

/// The set at a path, for those that look into another's rows.
pub fn set(path: &str) -> Option<&'static Set> {
    crate::areas::SETS.iter().copied().flatten().find(|s| s.path == path)
}

/// The name of a table: the path with its parameters.
pub fn table_name(path: &str, params: &[&str]) -> String {
    let mut params = params.iter();
    let part = |part| if part == "{}" { params.next().copied().unwrap_or(part) } else { part };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A row that a path segment names, by number or by key.
pub fn find(data: &Data, table: &str, numbered: bool, text: &str) -> Option<i64> {
    let table = data.table(table)?;
    let by_id = text.parse().ok().filter(|id| numbered && table.rows.contains_key(id));
    by_id.or_else(|| table.id_of(text))
}

pub fn not_found(noun: &str, name: &str) -> ApiError {
    ApiError::not_found(format!("Not found in {noun}: {name}"))
}

/// Stores a row and takes room for it.
pub fn put(data: &mut Data, table: &str, key: &'static [&'static str], id: i64, row: Object) -> Result<()> {
    let weight = map_weight(&row);
    let fresh = data.table(table).is_none_or(|t| t.get(id).is_none());
    data.reserve(u64::from(fresh), weight)?;
    let freed = data.keyed_table(table, key).put(id, row, weight);
    data.release(0, freed);
    Ok(())
}

/// Forgets a row and gives its room back.
pub fn remove(data: &mut Data, table: &str, id: i64) -> Option<Object> {
    let row = data.existing_table(table)?.remove(id)?;
    data.release(1, row.weight);
    Some(row.value)
}

/// Adds a row with the next number as its id.
pub fn insert(data: &mut Data, table: &str, mut row: Object) -> Result<Object> {
    let id = data.next_id;
    row.insert("id".into(), json!(id));
    put(data, table, EXTERNAL_ID, id, row.clone())?;
    data.next_id = id + 1;
    Ok(row)
}

pub fn object(value: Value) -> Object {
    match value {
        Value::Object(map) => map,
        _ => Object::new(),
    }
}

/// An object without its nulls.
pub fn strip(value: Value) -> Object {
    object(value).into_iter().filter(|(_, v)| !v.is_null()).collect()
}

/// Limit and cursor of a GET list as a body has them.
pub fn paging(call: &Call) -> Result<Object> {
    Ok(object(json!({"limit": call.int_param("limit")?, "cursor": call.filled_param("cursor")})))
}

pub fn text<'a>(row: &'a Object, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or("")
}

pub fn int(row: &Object, field: &str) -> Option<i64> {
    row.get(field).and_then(Value::as_i64)
}

/// A field that must be there, as text.
pub fn need<'a>(row: &'a Object, field: &str) -> Result<&'a str> {
    let found = row.get(field).and_then(Value::as_str);
    found.ok_or_else(|| missing_field(field))
}

pub fn missing_field(field: &str) -> ApiError {
    ApiError::bad(format!("Missing required field {field}"))
}

impl Set {
    fn serve(
        &'static self,
        state: &State,
        call: &Call,
        params: &[&str],
        op: Op,
        (limit, page): (usize, usize),
    ) -> Result<Reply> {
        let now = now_ms();
        self.plant(state)?;
        let own = self.path.split('/').filter(|p| *p == "{}").count();
        let (own, rest) = params.split_at_checked(own).unwrap_or((params, &[]));
        let table = table_name(self.path, own);
        self.parent(&state.read(), own)?;
        let at = write::At { set: self, table: &table };
        match op {
            Op::Create | Op::Apply | Op::Update | Op::Delete | Op::Drop => {
                let mut body = call.object()?;
                let items = write::items(&mut body, limit)?;
                let mut data = state.write();
                let mut ctx = Ctx { state, data: &mut data, params: own, id: 0, given: None, batch: Vec::new(), now };
                match op {
                    Op::Update => Ok(Reply::ok(&json!({"items": at.update(&mut ctx, &items)?}))),
                    Op::Delete => at.delete(&mut ctx, &items, ignores_unknown(&body, call)).map(|()| Reply::empty()),
                    Op::Drop => Ok(Reply::ok(&json!({"items": at.drop(&mut ctx, &items)?}))),
                    _ => {
                        let made = at.create(&mut ctx, items, op == Op::Apply)?;
                        Ok(Reply::json(self.created, &json!({ "items": made })))
                    }
                }
            }
            Op::List | Op::Search => {
                let mut body = if call.method == "GET" { read::query(self, call)? } else { read::body(call)? };
                if body.get("limit").is_none_or(Value::is_null) {
                    body.insert("limit".into(), json!(page.min(limit)));
                }
                let data = state.read();
                let view = View { state, data: &data, now };
                Ok(Reply::ok(&at.list(&view, &body, limit)?))
            }
            Op::ByIds | Op::Some => {
                let mut body = call.object()?;
                let items = write::items(&mut body, limit)?;
                let data = state.read();
                let ids = at.resolve(&data, &items, op == Op::Some || ignores_unknown(&body, call))?;
                let view = View { state, data: &data, now };
                Ok(Reply::ok(&json!({"items": ids.iter().filter_map(|id| at.shown(&view, *id)).collect::<Vec<_>>()})))
            }
            Op::One => {
                let data = state.read();
                let view = View { state, data: &data, now };
                let name = rest.join("/");
                let found = find(&data, &table, self.numbered, &name);
                scope::allow(found.is_none_or(|id| at.sees(&data, id)))?;
                let found = found.and_then(|id| at.shown(&view, id));
                found.map(|row| Reply::ok(&row)).ok_or_else(|| not_found(self.noun, &name))
            }
        }
    }

    /// The row above has to exist.
    fn parent(&self, data: &Data, params: &[&str]) -> Result<()> {
        let (Some((last, above)), Some(parent)) = (params.split_last(), set(self.parent)) else { return Ok(()) };
        let table = table_name(parent.path, above);
        match find(data, &table, parent.numbered, last) {
            Some(id) => {
                scope::allow(write::At { set: parent, table: &table }.sees(data, id))?;
                parent.parent(data, above)
            }
            None => Err(not_found(parent.noun, last)),
        }
    }

    /// Puts the rows in place that are there from the start.
    pub fn plant(&'static self, state: &State) -> Result<()> {
        let Some(seed) = self.seed else { return Ok(()) };
        if state.read().table(self.path).is_some() {
            return Ok(());
        }
        let rows = seed(state);
        let mut data = state.write();
        let now = now_ms();
        if data.table(self.path).is_none() {
            data.keyed_table(self.path, self.key);
            for row in rows {
                let mut row = object(row);
                let id = data.next_id;
                data.next_id = id + 1;
                if self.numbered {
                    row.insert("id".into(), json!(id));
                }
                for field in self.times {
                    row.insert((*field).into(), json!(now));
                }
                put(&mut data, self.path, self.key, id, row)?;
            }
        }
        Ok(())
    }
}

/// The flag is in the body, for workflows in the query, and once spelt in snake case by a client.
fn ignores_unknown(body: &Object, call: &Call) -> bool {
    let set = |name: &str| body.get(name).and_then(Value::as_bool) == Some(true) || call.param(name) == Some("true");
    set("ignoreUnknownIds") || set("ignore_unknown_ids")
}

/// Rows of a table with their ids, none if there is no such table.
pub fn rows<'a>(data: &'a Data, table: &str) -> impl Iterator<Item = (i64, &'a Object)> + use<'a> {
    data.table(table).into_iter().flat_map(Table::iter)
}
