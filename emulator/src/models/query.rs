//! Queries that walk the graph, and their form for those that follow changes.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::filter::Eval;
use super::instances::{Instance, Key, check_sources, filtered, shown, sort, typing, with_units};
use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::resources::table::Object;
use crate::scope::reads_space;
use crate::state::State;

const MAX_LIMIT: u64 = 10_000;
const DEFAULT_LIMIT: u64 = 100;
const MAX_DEPTH: usize = 50;

type Sources = Vec<(Object, Option<Vec<String>>)>;

struct Query<'a> {
    eval: Eval<'a>,
    with: Object,
    cursors: Object,
    /// With the deleted ones, and without limits: changes are chosen from the whole.
    sync: bool,
    results: HashMap<String, Set<'a>>,
    open: HashSet<String>,
}

#[derive(Clone)]
struct Set<'a> {
    rows: Vec<&'a Instance>,
    /// Edges were walked from their end to their start.
    inwards: bool,
}

pub fn query(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    serve(state, call, false)
}

pub fn sync(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    serve(state, call, true)
}

fn serve(state: &State, call: &Call, sync: bool) -> Result<Reply> {
    let body = call.object()?;
    let part = |name: &str| body.get(name).and_then(Value::as_object).cloned();
    let with = part("with").ok_or_else(|| crate::generic::missing_field("with"))?;
    let select = part("select").ok_or_else(|| crate::generic::missing_field("select"))?;
    let cursors = part("cursors").unwrap_or_default();
    if let Some(wrong) = with.values().find_map(unfit) {
        return Err(ApiError::bad(wrong));
    }
    let data = state.read();
    let eval = Eval::new(&data, body.get("parameters"));
    let mut query = Query { eval, with, cursors, sync, results: HashMap::new(), open: HashSet::new() };
    let (mut items, mut next, mut types) = (Object::new(), Object::new(), Object::new());
    for (name, wanted) in &select {
        let sources = sources(wanted);
        let references: Vec<Object> = sources.iter().map(|(s, _)| s.clone()).collect();
        check_sources(&query.eval, &references)?;
        let mut set = query.set(name, 0)?.rows;
        let expression = query.with.get(name).cloned().unwrap_or_default();
        let limit = match wanted.get("limit").filter(|l| !l.is_null()) {
            Some(_) => limit(wanted)?.min(limit(&expression)?),
            None => limit(&expression)?,
        };
        let more = if sync {
            let cursor = query.cursors.get(name).and_then(Value::as_str);
            let after = cursor.map(|c| cursor::decode("y", c)).transpose()?;
            let seen = after.map_or(0, |n| u64::try_from(n).unwrap_or(0));
            set.retain(|i| i.seq > seen && (i.deleted.is_none() || after.is_some()));
            set.sort_by_key(|i| i.seq);
            let reached =
                if set.len() > limit { set.get(limit - 1).map_or(seen, |i| i.seq) } else { data.instances.seq };
            set.truncate(limit);
            Some(cursor::encode("y", reached as i64))
        } else {
            let skip = query.skip(name)?;
            sort(&query.eval, wanted.get("sort"), &mut set)?;
            let rest = set.len().saturating_sub(skip);
            set = set.into_iter().skip(skip).take(limit).collect();
            (rest > limit).then(|| cursor::encode("q", skip.saturating_add(limit) as i64))
        };
        let shown: Result<Vec<Value>> = set.into_iter().map(|i| shown(&query.eval, i, &sources)).collect();
        items.insert(name.clone(), json!(shown?));
        next.extend(more.map(|cursor| (name.clone(), json!(cursor))));
        types.insert(name.clone(), typing(&query.eval, &references)?);
    }
    let mut answer = json!({"items": items, "nextCursor": next});
    if let (Some(true), Value::Object(map)) = (body.get("includeTyping").and_then(Value::as_bool), &mut answer) {
        map.insert("typing".into(), Value::Object(types));
    }
    Ok(Reply::ok(&answer))
}

fn limit(expression: &Value) -> Result<usize> {
    let limit = expression.get("limit").and_then(Value::as_u64).unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::bad(format!("limit must be between 1 and {MAX_LIMIT}, was {limit}")));
    }
    Ok(limit as usize)
}

/// What an expression asks for that does not go together.
fn unfit(expression: &Value) -> Option<&'static str> {
    let sorted = expression.get("backfillSort").and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    let phases = expression.get("mode").or_else(|| expression.get("syncMode")).and_then(Value::as_str);
    (sorted && !matches!(phases, Some("twoPhase" | "two_phase")))
        .then_some("Backfill sort can only be used with two-phase sync.")
}

fn sources(select: &Value) -> Sources {
    let list = select.get("sources").and_then(Value::as_array).into_iter().flatten();
    let one = |s: &Value| {
        let names = s.get("properties").and_then(Value::as_array);
        let names = names.map(|l| l.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        Some((with_units(s.get("source")?.as_object()?, s.get("targetUnits")), names))
    };
    list.filter_map(one).collect()
}

impl<'a> Query<'a> {
    fn set(&mut self, name: &str, depth: usize) -> Result<Set<'a>> {
        if let Some(found) = self.results.get(name) {
            return Ok(found.clone());
        }
        if depth > MAX_DEPTH || !self.open.insert(name.to_owned()) {
            return Err(ApiError::bad(format!("Result expression {name} depends on itself")));
        }
        let expression = self.with.get(name).cloned();
        let expression = expression.ok_or_else(|| ApiError::bad(format!("Unknown result expression: {name}")))?;
        let found = self.evaluate(&expression, depth)?;
        self.open.remove(name);
        self.results.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn evaluate(&mut self, expression: &Value, depth: usize) -> Result<Set<'a>> {
        for kind in ["union", "unionAll", "intersection"] {
            if let Some(parts) = expression.get(kind).and_then(Value::as_array) {
                return self.combine(kind, parts, expression, depth);
            }
        }
        let mut found = match (expression.get("nodes"), expression.get("edges")) {
            (Some(nodes), None) => self.nodes(nodes, depth)?,
            (None, Some(edges)) => self.edges(edges, depth)?,
            _ => return Err(ApiError::bad("A result expression needs one of nodes and edges")),
        };
        sort(&self.eval, expression.get("sort"), &mut found.rows)?;
        Ok(found)
    }

    /// How much of a result was on the pages before.
    fn skip(&self, name: &str) -> Result<usize> {
        let cursor = self.cursors.get(name).and_then(Value::as_str).map(|c| cursor::decode("q", c)).transpose()?;
        Ok(cursor.unwrap_or(0).max(0) as usize)
    }

    /// What the next expressions start from: the page of this one that is being answered.
    fn from(&mut self, name: &Value, depth: usize) -> Result<Set<'a>> {
        let name = name.as_str().ok_or_else(|| ApiError::bad("from must be a string"))?;
        let mut set = self.set(name, depth + 1)?;
        if !self.sync {
            let expression = self.with.get(name).cloned().unwrap_or_default();
            let skip = self.skip(name)?.min(set.rows.len());
            set.rows.drain(..skip);
            set.rows.truncate(limit(&expression)?);
        }
        Ok(set)
    }

    fn all(&self, edge: bool, filter: Option<&Value>) -> Vec<&'a Instance> {
        let instances = &self.eval.data.instances;
        let mut rows: Vec<&Instance> = instances.listed(edge, filter).collect();
        if self.sync {
            rows.extend(instances.gone.values().filter(|i| i.key.0 == edge && reads_space(&i.key.1)));
        }
        rows
    }

    fn find(&self, reference: Option<&Value>) -> Option<&'a Instance> {
        let data = self.eval.data;
        let found = data.instances.node(reference?);
        let found = found.or_else(|| {
            let part = |field: &str| Some(reference?.get(field)?.as_str()?.to_owned());
            data.instances.gone.get(&(false, part("space")?, part("externalId")?)).filter(|_| self.sync)
        });
        found.filter(|i| reads_space(&i.key.1))
    }

    fn nodes(&mut self, nodes: &Value, depth: usize) -> Result<Set<'a>> {
        let filter = nodes.get("filter");
        let Some(from) = nodes.get("from").filter(|f| !f.is_null()) else {
            return Ok(Set {
                rows: filtered(&self.eval, self.all(false, filter).into_iter(), filter, &[])?,
                inwards: false,
            });
        };
        let start = self.from(from, depth)?;
        let mut found: Vec<&Instance> = match nodes.get("through").filter(|t| !t.is_null()) {
            Some(through) => {
                let path = through_path(through)?;
                self.eval.type_of(&json!(path))?;
                let inwards = nodes.get("direction").and_then(Value::as_str) == Some("inwards");
                let targets = |row: &Instance| -> Result<Vec<Value>> {
                    let value = self.eval.value(row, &path)?;
                    Ok(value.map_or_else(Vec::new, |v| v.as_array().cloned().unwrap_or_else(|| vec![v])))
                };
                let mut found = Vec::new();
                if inwards {
                    let wanted: Vec<Value> = start.rows.iter().map(|i| i.reference()).collect();
                    for row in self.all(false, filter) {
                        if targets(row)?.iter().any(|t| wanted.contains(t)) {
                            found.push(row);
                        }
                    }
                } else {
                    for row in &start.rows {
                        found.extend(targets(row)?.iter().filter_map(|t| self.find(Some(t))));
                    }
                }
                found
            }
            None => {
                let source = nodes.get("chainTo").and_then(Value::as_str) == Some("source");
                let end = if source == start.inwards { "endNode" } else { "startNode" };
                start
                    .rows
                    .iter()
                    .filter_map(|edge| if edge.key.0 { self.find(edge.ends.get(end)) } else { Some(*edge) })
                    .collect()
            }
        };
        let mut seen = HashSet::new();
        found.retain(|i| seen.insert(&i.key));
        Ok(Set { rows: filtered(&self.eval, found.into_iter(), filter, &[])?, inwards: false })
    }

    fn edges(&mut self, edges: &Value, depth: usize) -> Result<Set<'a>> {
        let inwards = edges.get("direction").and_then(Value::as_str) == Some("inwards");
        let filter = edges.get("filter");
        let all = filtered(&self.eval, self.all(true, filter).into_iter(), filter, &[])?;
        let Some(from) = edges.get("from").filter(|f| !f.is_null()) else { return Ok(Set { rows: all, inwards }) };
        let start = self.from(from, depth)?;
        let (near, far) = if inwards { ("endNode", "startNode") } else { ("startNode", "endNode") };
        let mut by_near: HashMap<String, Vec<&Instance>> = HashMap::new();
        for edge in all {
            by_near.entry(edge.ends.get(near).map(reference_name).unwrap_or_default()).or_default().push(edge);
        }
        let each = edges.get("limitEach").and_then(Value::as_u64).map_or(usize::MAX, |n| n as usize);
        let distance = edges.get("maxDistance").and_then(Value::as_u64).unwrap_or(1);
        let (mut found, mut seen): (Vec<&Instance>, HashSet<Key>) = (Vec::new(), HashSet::new());
        let mut front: Vec<Value> = start
            .rows
            .iter()
            .map(|i| if i.key.0 { i.ends.get(far).cloned().unwrap_or_default() } else { i.reference() })
            .collect();
        let prepared =
            |name: &str| edges.get(name).filter(|f| !f.is_null()).map(|f| self.eval.prepared(f, 0)).transpose();
        let (node_filter, end_filter) = (prepared("nodeFilter")?, prepared("terminationFilter")?);
        let passes =
            |filter: &Value, node: Option<&Instance>| node.map_or(Ok(false), |node| self.eval.matches(node, filter, 0));
        for _ in 0..distance.min(MAX_DEPTH as u64 * 20) {
            let mut next = Vec::new();
            for node in &front {
                let here = by_near.get(&reference_name(node)).map_or(&[][..], Vec::as_slice);
                for edge in here.iter().take(each) {
                    let target = self.find(edge.ends.get(far));
                    if !node_filter.as_ref().map_or(Ok(true), |f| passes(f, target))? || !seen.insert(edge.key.clone())
                    {
                        continue;
                    }
                    found.push(edge);
                    if !end_filter.as_ref().map_or(Ok(false), |f| passes(f, target))? {
                        next.extend(edge.ends.get(far).cloned());
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            front = next;
        }
        Ok(Set { rows: found, inwards })
    }

    fn combine(&mut self, kind: &str, parts: &[Value], expression: &Value, depth: usize) -> Result<Set<'a>> {
        let part = |this: &mut Self, value: &Value| match value {
            Value::String(_) => this.from(value, depth),
            inner => this.evaluate(inner, depth + 1),
        };
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("The query is nested too deeply"));
        }
        let mut sets = Vec::new();
        for value in parts {
            sets.push(part(self, value)?.rows);
        }
        let mut except = HashSet::new();
        for value in expression.get("except").and_then(Value::as_array).into_iter().flatten() {
            except.extend(part(self, value)?.rows.into_iter().map(|i| i.key.clone()));
        }
        let (first, others) = sets.split_first().map_or((Vec::new(), &[][..]), |(f, o)| (f.clone(), o));
        let mut rows: Vec<&Instance> = match kind {
            "intersection" => {
                first.into_iter().filter(|i| others.iter().all(|o| o.iter().any(|j| j.key == i.key))).collect()
            }
            _ => first.into_iter().chain(others.iter().flatten().copied()).collect(),
        };
        let mut seen = HashSet::new();
        rows.retain(|i| !except.contains(&i.key) && (kind == "unionAll" || seen.insert(i.key.clone())));
        Ok(Set { rows, inwards: false })
    }
}

fn reference_name(reference: &Value) -> String {
    let part = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or("");
    format!("{}\u{1}{}", part("space"), part("externalId"))
}

/// `{source, identifier}`, `{view, identifier}` or the property as a list.
fn through_path(through: &Value) -> Result<Vec<Value>> {
    if let Some(path) = through.as_array() {
        return Ok(path.clone());
    }
    let source = through.get("source").or_else(|| through.get("view")).or_else(|| through.get("container"));
    let source = source.and_then(Value::as_object).ok_or_else(|| ApiError::bad("through needs source"))?;
    let name = crate::generic::text(source, "externalId");
    let name = match source.get("version").and_then(Value::as_str) {
        Some(version) => format!("{name}/{version}"),
        None => name.to_owned(),
    };
    let identifier = through.get("identifier").cloned().ok_or_else(|| ApiError::bad("through needs identifier"))?;
    Ok(vec![source.get("space").cloned().unwrap_or_default(), json!(name), identifier])
}
