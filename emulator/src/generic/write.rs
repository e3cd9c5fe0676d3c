//! Create, update and delete of a set's rows. Each request is checked as a whole before anything is changed.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Ctx, Set, View, missing_field, put, remove};
use crate::error::{ApiError, Result};
use crate::resources::references;
use crate::resources::table::{Object, map_weight, name};
use crate::scope;
use crate::state::Data;

/// A set with its table's name.
pub struct At<'a> {
    pub set: &'static Set,
    pub table: &'a str,
}

/// The `items` of a request within the limit. Bare numbers are ids.
pub fn items(body: &mut Object, limit: usize) -> Result<Vec<Object>> {
    if let Some(Value::Array(list)) = body.get_mut("items") {
        for item in list.iter_mut().filter(|v| v.is_number()) {
            *item = json!({ "id": item });
        }
    }
    crate::resources::items(body, limit)
}

impl At<'_> {
    /// The part of an item that names a row.
    fn named(&self, item: &Object) -> Result<(Object, Option<i64>)> {
        let only = |field: &str| item.get(field).map(|v| Object::from_iter([(field.to_owned(), v.clone())]));
        let id = item.get("id").filter(|_| self.set.numbered).filter(|v| !v.is_null());
        let key: Object = self
            .set
            .key
            .iter()
            .filter_map(|f| Some(((*f).to_owned(), item.get(*f).filter(|v| !v.is_null())?.clone())))
            .collect();
        match (id, !key.is_empty() && key.len() == self.set.key.len()) {
            (Some(_), true) => {
                Err(ApiError::bad(format!("Only one of id and {} can be given", self.set.key.join(", "))))
            }
            (Some(id), false) => {
                let number = id.as_i64().or_else(|| id.as_str()?.parse().ok());
                let number = number.ok_or_else(|| ApiError::bad("id must be an integer"))?;
                Ok((only("id").unwrap_or_default(), Some(number)))
            }
            (None, true) => Ok((key, None)),
            (None, false) => Err(ApiError::bad(format!("Items of {} need {}", self.set.noun, self.set.key.join(", ")))),
        }
    }

    fn lookup(&self, data: &Data, key: &Object, id: Option<i64>) -> Option<i64> {
        let table = data.table(self.table)?;
        match id {
            Some(id) => table.rows.contains_key(&id).then_some(id),
            None => table.id_of(&name(self.set.key, key)?),
        }
    }

    /// What belongs to a row is within the scope of that row.
    pub fn sees(&self, data: &Data, id: i64) -> bool {
        !self.set.parent.is_empty() || data.table(self.table).and_then(|t| t.get(id)).is_none_or(scope::sees)
    }

    fn permit(&self, row: &Object) -> Result<()> {
        scope::allow(!self.set.parent.is_empty() || scope::sees(row))
    }

    /// Row ids in the order asked for. Unknown names are an error unless ignored.
    pub fn resolve(&self, data: &Data, items: &[Object], ignore_unknown: bool) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(items.len());
        let (mut seen, mut missing, mut twice) = (HashSet::new(), Vec::new(), Vec::new());
        for item in items {
            let (key, id) = self.named(item)?;
            match self.lookup(data, &key, id) {
                Some(id) if seen.insert(id) => ids.push(id),
                Some(_) => twice.push(Value::Object(key)),
                None => missing.push(Value::Object(key)),
            }
        }
        if !missing.is_empty() && !ignore_unknown {
            let error = ApiError::missing(format!("Not found in {}", self.set.noun), missing);
            return Err(ApiError { status: self.set.unknown, ..error });
        }
        if !twice.is_empty() {
            return Err(ApiError::duplicated(400, "Duplicated ids in the request", twice));
        }
        scope::allow(ids.iter().all(|id| self.sees(data, *id)))?;
        Ok(ids)
    }

    /// With `apply`, rows that are there are replaced instead of refused.
    pub fn create(&self, ctx: &mut Ctx, items: Vec<Object>, apply: bool) -> Result<Vec<Value>> {
        let set = self.set;
        let (mut seen, mut twice, mut existing) = (HashSet::new(), Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(items.len());
        for item in items {
            let row: Object = item.into_iter().filter(|(_, v)| !v.is_null()).collect();
            if let Some(field) = set.required.split_whitespace().find(|f| !row.contains_key(*f)) {
                return Err(missing_field(field));
            }
            references(ctx.data, &row)?;
            let mut old = None;
            if let Some(text) = name(set.key, &row) {
                let key = || {
                    Value::Object(
                        set.key.iter().filter_map(|f| Some(((*f).to_owned(), row.get(*f)?.clone()))).collect(),
                    )
                };
                if !seen.insert(text.clone()) {
                    twice.push(key());
                }
                old = ctx.data.table(self.table).and_then(|t| t.id_of(&text));
                if old.is_some() && !apply {
                    existing.push(key());
                }
            } else if !set.numbered {
                let missing = set.key.iter().find(|f| !row.contains_key(**f));
                return Err(missing_field(missing.copied().unwrap_or("id")));
            }
            rows.push((old, row));
        }
        if !twice.is_empty() {
            return Err(ApiError::duplicated(409, format!("Duplicated in the request: {}", set.noun), twice));
        }
        if !existing.is_empty() {
            return Err(ApiError::duplicated(409, format!("Already in use: {}", set.noun), existing));
        }
        if apply {
            ctx.batch = rows.iter().map(|(_, row)| row.clone()).collect();
        }
        let mut ready = Vec::with_capacity(rows.len());
        for (old, mut row) in rows {
            ctx.id = old.unwrap_or_else(|| {
                let id = ctx.data.next_id;
                ctx.data.next_id = id + 1;
                id
            });
            let before = old.and_then(|id| ctx.data.table(self.table)?.get(id).cloned());
            ctx.given = if set.numbered { row.insert("id".into(), json!(ctx.id)) } else { None };
            for field in set.times {
                let kept = before.as_ref().filter(|_| *field == "createdTime").and_then(|b| b.get(*field).cloned());
                row.insert((*field).into(), kept.unwrap_or_else(|| json!(ctx.now)));
            }
            if let Some(make) = set.make {
                make(ctx, before.as_ref(), &mut row)?;
            }
            before.iter().chain([&row]).try_for_each(|row| self.permit(row))?;
            ready.push((ctx.id, row));
        }
        let ids: Vec<i64> = ready.iter().map(|(id, _)| *id).collect();
        // All or nothing: the room for all is asked for first.
        let room = (ready.len() as u64, ready.iter().map(|(_, row)| map_weight(row)).sum());
        ctx.data.reserve(room.0, room.1)?;
        ctx.data.release(room.0, room.1);
        for (id, row) in ready {
            put(ctx.data, self.table, set.key, id, row)?;
        }
        Ok(self.all(ctx, &ids))
    }

    fn all(&self, ctx: &Ctx, ids: &[i64]) -> Vec<Value> {
        let view = View { state: ctx.state, data: ctx.data, now: ctx.now };
        ids.iter().filter_map(|id| self.shown(&view, *id)).collect()
    }

    pub fn update(&self, ctx: &mut Ctx, items: &[Object]) -> Result<Vec<Value>> {
        let ids = self.resolve(ctx.data, items, false)?;
        let mut changed = Vec::with_capacity(ids.len());
        for (id, item) in ids.iter().zip(items) {
            let Some(Value::Object(changes)) = item.get("update") else { return Err(missing_field("update")) };
            let Some(old) = ctx.data.table(self.table).and_then(|t| t.get(*id)) else { continue };
            let mut row = old.clone();
            for (field, change) in changes.iter().filter(|(_, c)| !c.is_null()) {
                apply_change(&mut row, field, change)?;
            }
            self.permit(&row)?;
            references(ctx.data, &row)?;
            if let Some(text) = name(self.set.key, &row)
                && ctx.data.table(self.table).and_then(|t| t.id_of(&text)).is_some_and(|owner| owner != *id)
            {
                let taken = vec![json!({ "externalId": text })];
                return Err(ApiError::duplicated(409, format!("Already in use: {}", self.set.noun), taken));
            }
            if self.set.times.contains(&"lastUpdatedTime") {
                row.insert("lastUpdatedTime".into(), json!(ctx.now));
            }
            changed.push((*id, row));
        }
        for (id, row) in changed {
            put(ctx.data, self.table, self.set.key, id, row)?;
        }
        Ok(self.all(ctx, &ids))
    }

    pub fn delete(&self, ctx: &mut Ctx, items: &[Object], ignore_unknown: bool) -> Result<()> {
        for id in self.resolve(ctx.data, items, ignore_unknown)? {
            self.forget(ctx, id);
        }
        Ok(())
    }

    fn forget(&self, ctx: &mut Ctx, id: i64) {
        let row = remove(ctx.data, self.table, id);
        if let (Some(gone), Some(row)) = (self.set.gone, row) {
            gone(ctx, id, &row);
        }
    }

    pub fn drop(&self, ctx: &mut Ctx, items: &[Object]) -> Result<Vec<Value>> {
        let mut dropped = Vec::new();
        for item in items {
            let (key, id) = self.named(item)?;
            scope::allow(self.lookup(ctx.data, &key, id).is_none_or(|id| self.sees(ctx.data, id)))?;
        }
        for item in items {
            let (key, id) = self.named(item)?;
            if let Some(id) = self.lookup(ctx.data, &key, id) {
                self.forget(ctx, id);
                dropped.push(Value::Object(key));
            }
        }
        Ok(dropped)
    }
}

/// `set`, `setNull`, and for lists and maps `add` and `remove`. A change without any of these is the new value.
pub fn apply_change(row: &mut Object, field: &str, change: &Value) -> Result<()> {
    let Value::Object(how) = change else {
        row.insert(field.into(), change.clone());
        return Ok(());
    };
    if let Some(new) = how.get("set") {
        if new.is_null() {
            row.remove(field)
        } else {
            row.insert(field.into(), new.clone())
        };
    } else if how.get("setNull").is_some_and(|v| v != &Value::Bool(false)) {
        row.remove(field);
    } else if how.contains_key("add") || how.contains_key("remove") {
        let gone = how.get("remove").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match (how.get("add"), row.get_mut(field)) {
            (Some(Value::Object(new)), Some(Value::Object(map))) => {
                map.retain(|key, _| !gone.iter().any(|g| g.as_str() == Some(key)));
                map.extend(new.clone());
            }
            (None, Some(Value::Object(map))) => map.retain(|key, _| !gone.iter().any(|g| g.as_str() == Some(key))),
            (add, Some(Value::Array(list))) => {
                list.retain(|v| !gone.contains(v));
                for new in add.and_then(Value::as_array).into_iter().flatten().filter(|v| !gone.contains(v)) {
                    if !list.contains(new) {
                        list.push(new.clone());
                    }
                }
            }
            (Some(new), None) => {
                row.insert(field.into(), new.clone());
            }
            (None, None) => {}
            _ => return Err(ApiError::bad(format!("The update of {field} takes set or setNull"))),
        }
    } else if how.contains_key("modify") {
        return Err(ApiError::bad(format!("The emulator does not modify {field}")));
    } else {
        row.insert(field.into(), change.clone());
    }
    Ok(())
}
