//! Lists of a set's rows, in pages.

use serde_json::{Value, json};

use super::write::At;
use super::{Filter, Set, View};
use crate::call::Call;
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::resources::table::Object;
use crate::resources::{order, sort_keys};

const DEFAULT_PAGE: i64 = 100;

/// The body of a list; none is an empty one.
pub fn body(call: &Call) -> Result<Object> {
    if call.body.is_empty() { Ok(Object::new()) } else { call.object() }
}

/// The GET form of a list as if it were a body. What is no filter of the set is an option the emulator does not know.
pub fn query(set: &Set, call: &Call) -> Result<Object> {
    let mut body = Object::new();
    let mut filter = Object::new();
    if let Some(limit) = call.int_param("limit")? {
        body.insert("limit".into(), json!(limit));
    }
    for (key, value) in call.query.iter().filter(|(_, v)| !v.is_empty()) {
        if key == "cursor" || key == "partition" {
            body.insert(key.clone(), json!(value));
        } else if set.filter_field(key).is_some() {
            filter.insert(key.clone(), json!(value));
        }
    }
    body.insert("filter".into(), Value::Object(filter));
    Ok(body)
}

pub fn page_limit(body: &Object, max: usize) -> Result<usize> {
    let top = i64::try_from(max).unwrap_or(i64::MAX);
    let limit = match body.get("limit") {
        None | Some(Value::Null) => DEFAULT_PAGE.min(top),
        Some(value) => value.as_i64().ok_or_else(|| ApiError::bad("limit must be an integer"))?,
    };
    let valid = usize::try_from(limit).ok().filter(|l| (1..=max).contains(l));
    valid.ok_or_else(|| ApiError::bad(format!("limit must be between 1 and {max}, was {limit}")))
}

/// One page of something in a fixed order, and the cursor of the next.
pub fn paged<T>(body: &Object, max: usize, all: impl Iterator<Item = T>) -> Result<(Vec<T>, Option<String>)> {
    let limit = page_limit(body, max)?;
    let cursor = body.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
    let skip = cursor.map(|c| cursor::decode("p", c)).transpose()?.unwrap_or(0).max(0);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let mut rest = all.skip(skip);
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest.next().is_some().then(|| cursor::encode("p", skip.saturating_add(limit) as i64));
    Ok((page, next))
}

/// The same as an answer.
pub fn page(body: &Object, max: usize, all: impl Iterator<Item = Value>) -> Result<Value> {
    Ok(answer(paged(body, max, all)?))
}

pub fn answer((items, next): (Vec<Value>, Option<String>)) -> Value {
    let mut answer = json!({ "items": items });
    if let (Some(next), Value::Object(map)) = (next, &mut answer) {
        map.insert("nextCursor".into(), json!(next));
    }
    answer
}

impl At<'_> {
    pub fn list(&self, view: &View, body: &Object, max: usize) -> Result<Value> {
        let filter = Filter::new(view.data, self.set, body.get("filter"))?;
        let search: Vec<String> = words(body.get("search"));
        let keys = sort_keys(body)?;
        let hit = |row: &Object| {
            let texts = || row.values().filter_map(Value::as_str).map(str::to_lowercase);
            search.iter().all(|word| texts().any(|text| text.contains(word)))
        };
        // The filter sees what the answer shows, so that progress counts.
        let ids = view.data.table(self.table).into_iter().flat_map(|t| t.rows.keys().copied());
        let ids = ids.filter(|id| self.sees(view.data, *id));
        if filter.is_empty() && search.is_empty() && keys.is_empty() {
            // Nothing to look into, so only the rows of the page are taken out.
            let (ids, next) = paged(body, max, ids)?;
            return Ok(answer((ids.iter().filter_map(|id| self.shown(view, *id)).collect(), next)));
        }
        let mut rows = ids.filter_map(|id| self.row(view, id)).filter(|row| filter.matches(row) && hit(row));
        if keys.is_empty() {
            return page(body, max, rows.map(bare));
        }
        let mut all: Vec<Object> = rows.by_ref().collect();
        all.sort_by(|a, b| order(&keys, a, b));
        page(body, max, all.into_iter().map(bare))
    }

    fn row(&self, view: &View, id: i64) -> Option<Object> {
        let mut row = view.data.table(self.table)?.get(id)?.clone();
        if let Some(show) = self.set.show {
            show(view, &mut row);
        }
        Some(row)
    }

    pub fn shown(&self, view: &View, id: i64) -> Option<Value> {
        self.row(view, id).map(bare)
    }
}

/// Fields that begin so are for filters and handlers alone.
fn bare(mut row: Object) -> Value {
    row.retain(|field, _| !field.starts_with('@'));
    Value::Object(row)
}

fn words(search: Option<&Value>) -> Vec<String> {
    let texts = search.and_then(Value::as_object).into_iter().flat_map(|m| m.values()).filter_map(Value::as_str);
    texts.flat_map(|t| t.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>()).collect()
}
