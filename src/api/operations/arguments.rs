//! The arguments of an operation: one JSON object in the API's own names, taken apart into path, query, body, items and
//! what steers the library. Values go on as they are written: numbers keep every digit.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::identifiers::Lists;
use super::table::{Operation, Place, Shape};
use crate::api::outgoing::segment;
use crate::auth::form::{form_encode, from_base64url};
use crate::error::Error;
use crate::http::Class;
use crate::http::url::pairs;

/// More readers than this side by side help nobody: the API itself refuses more than ten or so.
const MOST_PARTITIONS: u64 = 100;

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Default,
    All,
    Exactly(u64),
}

#[derive(Debug)]
pub struct Arguments {
    /// With the parameters filled in and escaped; begins as the row's path does.
    pub path: String,
    /// Encoded, without `?`.
    pub query: String,
    /// Of the body's object, without braces.
    pub members: String,
    pub items: Items,
    pub limit: Limit,
    pub page: Option<usize>,
    pub partitions: Option<usize>,
    pub cursor: Option<String>,
    /// The order matters: only one reader can keep it.
    pub sorted: bool,
    pub filtered: bool,
    /// What is for the library, not for the service.
    pub own: Vec<(String, Box<RawValue>)>,
    /// Of an upload.
    pub content: Vec<u8>,
    /// Another host of organizations.
    pub auth_url: Option<String>,
}

/// A JSON array as it was given, and where its elements lie.
#[derive(Debug)]
pub struct Items {
    text: String,
    spans: Vec<Range<usize>>,
}

impl Items {
    fn none() -> Self {
        Self { text: String::new(), spans: Vec::new() }
    }

    fn of(text: String) -> Result<Self, Error> {
        let fault = || Error::argument("arguments.items must be a list, or one object");
        let start = text.as_ptr() as usize;
        let spans: Vec<_> = if text.starts_with('[') {
            let all: Vec<&RawValue> = serde_json::from_str(&text).map_err(|_| fault())?;
            let span = |v: &&RawValue| {
                let at = v.get().as_ptr() as usize - start;
                at..at + v.get().len()
            };
            all.iter().map(span).collect()
        } else if text.starts_with('{') {
            // A single range, as the list of one element: not a range of numbers.
            std::iter::once(0..text.len()).collect()
        } else {
            return Err(fault());
        };
        // Places are numbers of 32 bits.
        if u32::try_from(spans.len()).is_err() {
            return Err(Error::argument("arguments.items has more than 4294967295 elements"));
        }
        Ok(Self { text, spans })
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The elements, sharing the memory of the whole.
    pub fn take(&mut self) -> Vec<Bytes> {
        let spans = std::mem::take(&mut self.spans);
        let text = Bytes::from(std::mem::take(&mut self.text));
        // Spans of the text by the making of them.
        spans.into_iter().map(|s| if s.end <= text.len() { text.slice(s) } else { Bytes::new() }).collect()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    pub fn get(&self, index: usize) -> Option<&str> {
        self.text.get(self.spans.get(index)?.clone())
    }

    /// The elements of `range`, separated by commas.
    fn joined(&self, range: Range<usize>, into: &mut String) {
        for (n, i) in range.enumerate() {
            if n > 0 {
                into.push(',');
            }
            into.push_str(self.get(i).unwrap_or("null"));
        }
    }
}

impl Arguments {
    /// Checks and takes over what the caller gives; nothing of it is needed afterwards. `own`: names of what is for the
    /// library, separated by commas.
    pub fn read(operation: &Operation, own: &str, text: &str) -> Result<Self, Error> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let mut given = pairs(text).map_err(|e| {
            Error::argument(format!(
                "arguments must be a JSON object (RFC 8259, not NaN or Infinity): line {}, column {}",
                e.line(),
                e.column()
            ))
        })?;
        let mut out = Self {
            path: String::new(),
            query: String::new(),
            members: String::new(),
            items: Items::none(),
            limit: Limit::Default,
            page: None,
            partitions: None,
            cursor: None,
            sorted: false,
            filtered: false,
            own: Vec::new(),
            content: Vec::new(),
            auth_url: None,
        };
        let mut lists = Lists::default();
        let mut identifier = String::new();
        let mut items_given = false;
        let mut names = HashSet::with_capacity(given.len());
        if let Some((name, _)) = given.iter().find(|(name, _)| !names.insert(name.as_str())) {
            return Err(Error::argument(format!("arguments.{name} is given twice")));
        }
        let always = operation.always.filter(|members| {
            let name = members.split(':').next().unwrap_or(members);
            !names.contains(name.trim_matches('"'))
        });
        out.path = path(operation, &given)?;
        add_defaults(operation, &mut given);
        for (name, value) in given {
            if listed(own, &name) {
                out.own.push((name, value));
                continue;
            }
            if operation.shape == Shape::Items && name == "items" {
                items_given = true;
                // Moved, not copied: it may be most of the memory.
                out.items = Items::of(Box::<str>::from(value).into_string())?;
                continue;
            }
            let value = match operation.shape {
                Shape::Items => match lists.take(operation, &name, value) {
                    Some(value) => value,
                    None => continue,
                },
                _ => value,
            };
            let raw = value.get();
            if operation.path_parameters().any(|p| p == name) {
                continue;
            }
            match (operation.shape, name.as_str()) {
                (Shape::List, "limit") => out.limit = limit(raw)?,
                (Shape::List, "pageSize") => out.page = page(raw, operation.page)?,
                (Shape::List, "partitions") => out.partitions = partitions(raw)?,
                (Shape::List, "cursor") => {
                    out.cursor = serde_json::from_str(raw)
                        .map_err(|_| Error::argument("arguments.cursor must be text, or null for the beginning"))?;
                }
                (Shape::Upload, "content") => out.content = content(raw)?,
                (_, "authUrl") if operation.path.starts_with('@') => out.auth_url = Some(auth_url(raw)?),
                (Shape::Upload, name) => out.parameter(operation, name, raw)?,
                (_, name) if listed(operation.query, name) => out.parameter(operation, name, raw)?,
                _ if operation.method == reqwest::Method::GET => out.parameter(operation, &name, raw)?,
                (Shape::Items, name) if listed(operation.identifiers, name) && operation.class() == Class::Read => {
                    check_identifier(operation, name, raw)?;
                    if !identifier.is_empty() && listed(operation.identifiers, "id") {
                        return Err(Error::argument(format!(
                            "arguments hold two identifiers ({identifier} and {name}); give one"
                        )));
                    }
                    member(&mut identifier, name, raw);
                }
                (Shape::One, "limit") if operation.name.ends_with(".search") => {
                    let most = match limit(raw)? {
                        Limit::Exactly(n) => n.to_string(),
                        // As many as any search gives; it has no further pages.
                        _ => "1000".to_owned(),
                    };
                    member(&mut out.members, "limit", &most);
                }
                (_, name) => member(&mut out.members, name, raw),
            }
            out.filtered |= name == "filter";
            out.sorted |= name == "sort" && raw != "null" && raw != "[]";
        }
        if !lists.is_empty() {
            if items_given || !identifier.is_empty() {
                return Err(Error::argument("arguments hold items in two ways; give lists of identifiers or items"));
            }
            out.items = Items::of(lists.items()?)?;
        } else if operation.shape == Shape::Items && !items_given {
            if identifier.is_empty() {
                return Err(Error::argument(format!("arguments.items is missing: {} takes a list", operation.name)));
            }
            out.items = Items::of(format!("{{{identifier}}}"))?;
        } else if !identifier.is_empty() {
            return Err(Error::argument(format!(
                "arguments hold items and an identifier ({identifier}); give one of both"
            )));
        }
        append(&mut out.members, always.unwrap_or_default());
        out.check(operation)?;
        Ok(out)
    }

    fn check(&self, operation: &Operation) -> Result<(), Error> {
        if operation.path.starts_with('@') && self.auth_url.is_none() {
            return Err(Error::argument(
                "arguments.authUrl is missing: this operation is answered by the host of organizations \
                 (https://auth.cognite.com, or your own), which is not the configured one and would get the token",
            ));
        }
        let Some(n) = self.partitions else { return Ok(()) };
        let refuse = |why: &str| Err(Error::argument(format!("arguments.partitions is {n}, {why}")));
        if operation.partitions == Place::Nowhere {
            return refuse("but this operation cannot be read in parts");
        }
        if self.limit != Limit::All && operation.partitions != Place::Cursors {
            return refuse("which needs \"limit\": null: parts cannot share a limit");
        }
        if self.sorted || self.cursor.is_some() {
            return refuse("which cannot be combined with sort or cursor");
        }
        Ok(())
    }

    fn parameter(&mut self, operation: &Operation, name: &str, raw: &str) -> Result<(), Error> {
        let fault = || Error::argument(format!("arguments.{name} cannot be sent in an address"));
        let scalar = |raw: &str| -> Result<String, Error> {
            match raw.as_bytes().first() {
                Some(b'"') => serde_json::from_str(raw).map_err(|_| fault()),
                _ => Ok(raw.to_owned()),
            }
        };
        if raw == "null" {
            return Ok(());
        }
        if !raw.starts_with('[') {
            form_pair(&mut self.query, name, &scalar(raw)?);
            return Ok(());
        }
        let all: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| fault())?;
        if all.iter().any(|v| v.get().starts_with(['{', '['])) {
            return Err(fault());
        }
        let all: Vec<String> = all.iter().map(|v| scalar(v.get())).collect::<Result<_, _>>()?;
        if operation.name == "raw.rows.list" && name == "columns" {
            // Separated by commas; none at all (keys only) is a lone comma.
            let joined = if all.is_empty() { ",".to_owned() } else { all.join(",") };
            form_pair(&mut self.query, name, &joined);
        } else {
            all.iter().for_each(|v| form_pair(&mut self.query, name, v));
        }
        Ok(())
    }

    /// A body of the members, and `more` of them.
    pub fn body(&self, more: &str) -> Vec<u8> {
        let mut out = String::with_capacity(self.members.len() + more.len() + 3);
        out.push_str(&self.members);
        append(&mut out, more);
        format!("{{{out}}}").into_bytes()
    }

    /// A body of some of the items and the members.
    pub fn body_of_items(&self, range: Range<usize>) -> Vec<u8> {
        let first = self.items.spans.get(range.start).map_or(0, |s| s.start);
        let last = range.end.checked_sub(1).and_then(|i| self.items.spans.get(i)).map_or(0, |s| s.end);
        let mut out = String::with_capacity(last.saturating_sub(first) + self.members.len() + 16);
        out.push_str("{\"items\":[");
        self.items.joined(range, &mut out);
        out.push(']');
        append(&mut out, &self.members);
        out.push('}');
        out.into_bytes()
    }

    /// The path with its query, and `more` of it.
    pub fn address(&self, more: &str) -> String {
        let both = match (self.query.as_str(), more) {
            ("", more) => more.to_owned(),
            (query, "") => query.to_owned(),
            (query, more) => format!("{query}&{more}"),
        };
        if both.is_empty() { self.path.clone() } else { format!("{}?{both}", self.path) }
    }
}

fn listed(names: &str, name: &str) -> bool {
    names.split(',').any(|n| n == name)
}

/// Adds members to members.
fn append(into: &mut String, more: &str) {
    if !into.is_empty() && !more.is_empty() && !into.ends_with('{') {
        into.push(',');
    }
    into.push_str(more);
}

fn member(into: &mut String, name: &str, raw: &str) {
    append(into, &serde_json::Value::from(name).to_string());
    into.push(':');
    into.push_str(raw);
}

pub fn form_pair(into: &mut String, name: &str, value: &str) {
    if !into.is_empty() {
        into.push('&');
    }
    form_encode(name, into);
    into.push('=');
    form_encode(value, into);
}

fn check_identifier(operation: &Operation, name: &str, raw: &str) -> Result<(), Error> {
    let first = raw.as_bytes().first();
    let (fits, wanted) = match name {
        // Those of organizations are text.
        "id" if !operation.path.starts_with('@') => (is_whole(raw), "a whole number"),
        "instanceId" => (first == Some(&b'{'), "an object"),
        "id" | "externalId" => (first == Some(&b'"'), "text"),
        _ => (true, ""),
    };
    fits.then_some(()).ok_or_else(|| Error::argument(format!("the identifier {name} must be {wanted}")))
}

fn is_whole(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

type Given = [(String, Box<RawValue>)];

/// What the reference sends of itself when the caller says nothing.
fn add_defaults(operation: &Operation, given: &mut Vec<(String, Box<RawValue>)>) {
    let changes = operation.shape == Shape::Items && operation.class().is_write();
    let unknown = if changes && operation.unknown != Place::Nowhere { "ignoreUnknownIds" } else { "" };
    let own = match operation.name {
        "assets.delete" | "raw.databases.delete" => "recursive",
        "raw.rows.insert" => "ensureParent",
        "data_modeling.instances.apply" => {
            "autoCreateStartNodes,autoCreateEndNodes,+autoCreateDirectRelations,skipOnVersionConflict,replace"
        }
        _ => "",
    };
    for name in own.split(',').chain(unknown.split(',')).filter(|n| !n.is_empty()) {
        let (name, value) = name.strip_prefix('+').map_or((name, "false"), |name| (name, "true"));
        if let (false, Ok(value)) = (given.iter().any(|g| g.0 == name), RawValue::from_string(value.to_owned())) {
            given.push((name.to_owned(), value));
        }
    }
}

/// The row's path with its parameters.
fn path(operation: &Operation, given: &Given) -> Result<String, Error> {
    let mut out = String::new();
    let mut rest = operation.path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if name == "project" {
            // Filled in with the client's.
            out.push_str(before);
            out.push_str("{project}");
            rest = after;
            continue;
        }
        let value = given.iter().find(|(n, _)| n == name).map(|(_, v)| v.get()).ok_or_else(|| {
            let all: Vec<&str> = operation.path_parameters().collect();
            Error::argument(format!("arguments.{name} is missing: {} needs {}", operation.name, all.join(", ")))
        })?;
        let text = match value.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(value).unwrap_or_default(),
            Some(b'0'..=b'9') if value.bytes().all(|b| b.is_ascii_digit()) => value.to_owned(),
            _ => return Err(Error::argument(format!("arguments.{name} must be text or a whole number"))),
        };
        out.push_str(before);
        out.push_str(&segment(&format!("arguments.{name}"), &text)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Bytes as base64, of either alphabet.
fn content(raw: &str) -> Result<Vec<u8>, Error> {
    let text: Option<String> = serde_json::from_str(raw).ok();
    text.and_then(|t| from_base64url(&t.replace('+', "-").replace('/', "_")))
        .ok_or_else(|| Error::argument("arguments.content must be base64 text"))
}

fn auth_url(raw: &str) -> Result<String, Error> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    let text = text.trim_end_matches('/');
    let fits = text.starts_with("https://") || text.starts_with("http://");
    fits.then(|| text.to_owned())
        .ok_or_else(|| Error::argument("arguments.authUrl must be the address of the host of organizations"))
}

fn limit(raw: &str) -> Result<Limit, Error> {
    match raw {
        "null" | "-1" => Ok(Limit::All),
        _ => match raw.parse() {
            Ok(n) if n > 0 => Ok(Limit::Exactly(n)),
            _ => Err(Error::argument("arguments.limit must be a whole number above 0, or null (also -1) for all")),
        },
    }
}

fn page(raw: &str, largest: Option<usize>) -> Result<Option<usize>, Error> {
    let largest = largest.unwrap_or(1);
    match (raw, raw.parse::<usize>()) {
        ("null", _) => Ok(None),
        (_, Ok(n)) if (1..=largest).contains(&n) => Ok(Some(n)),
        _ => Err(Error::argument(format!("arguments.pageSize must be a whole number from 1 to {largest}"))),
    }
}

fn partitions(raw: &str) -> Result<Option<usize>, Error> {
    match (raw, raw.parse::<u64>()) {
        ("null", _) | (_, Ok(0)) => Ok(None),
        (_, Ok(n @ 1..=MOST_PARTITIONS)) => Ok(Some(n as usize)),
        _ => Err(Error::argument(format!("arguments.partitions must be a whole number up to {MOST_PARTITIONS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operations::find;

    fn read(name: &str, arguments: &str) -> Result<Arguments, Error> {
        Arguments::read(find(name).unwrap(), "mode", arguments)
    }

    fn body(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn taken_apart_and_put_together() {
        let a = read("assets.list", r#"{"filter":{"id":123456789012345678901},"limit":null,"advancedFilter":1.50}"#)
            .unwrap();
        assert_eq!(a.limit, Limit::All);
        assert_eq!(
            body(a.body("\"limit\":7")),
            r#"{"filter":{"id":123456789012345678901},"advancedFilter":1.50,"limit":7}"#
        );
        let a = read(
            "raw.rows.insert",
            r#"{"dbName":"a/b","tableName":"ø","ensureParent":true,"items":[{"a":1} , {"b":2}]}"#,
        );
        let a = a.unwrap();
        assert_eq!(a.address(""), "/raw/dbs/a%2Fb/tables/%C3%B8/rows?ensureParent=true");
        assert_eq!(body(a.body_of_items(0..2)), r#"{"items":[{"a":1},{"b":2}]}"#);
        assert_eq!(body(a.body_of_items(1..2)), r#"{"items":[{"b":2}]}"#);
        let mut a = read("assets.delete", r#"{"externalIds":["x"],"ids":[1],"recursive":true,"mode":"m"}"#).unwrap();
        assert_eq!(a.members, r#""recursive":true,"ignoreUnknownIds":false"#);
        assert_eq!(a.items.take(), [&br#"{"id":1}"#[..], br#"{"externalId":"x"}"#]);
        assert_eq!((a.own[0].0.as_str(), a.own[0].1.get()), ("mode", "\"m\""));
        let a = read("assets.retrieve_multiple", r#"{"externalId":"a","ignoreUnknownIds":true}"#).unwrap();
        assert_eq!(body(a.body_of_items(0..1)), r#"{"items":[{"externalId":"a"}],"ignoreUnknownIds":true}"#);
        let a = read("raw.rows.list", r#"{"dbName":"d","tableName":"t","columns":["a","b"],"minLastUpdatedTime":5}"#);
        assert_eq!(
            a.unwrap().address("limit=3"),
            "/raw/dbs/d/tables/t/rows?columns=a%2Cb&minLastUpdatedTime=5&limit=3"
        );
        assert_eq!(body(read("files.count", "{}").unwrap().body("")), r#"{"filter":{}}"#);
        assert_eq!(read("assets.search", r#"{"limit":7}"#).unwrap().members, r#""limit":7"#);
        assert_eq!(read("assets.search", r#"{"limit":null}"#).unwrap().members, r#""limit":1000"#);
        let a = read("raw.rows.list", r#"{"dbName":"d","tableName":"t","columns":[]}"#).unwrap();
        assert_eq!(a.query, "columns=%2C");
        assert_eq!(body(read("assets.count", "{}").unwrap().body("")), r#"{"aggregate":"count"}"#);
        assert_eq!(body(read("assets.count", r#"{"aggregate":"x"}"#).unwrap().body("")), r#"{"aggregate":"x"}"#);
        assert_eq!(
            body(read("assets.count", r#"{"advancedFilter":{"aggregate":1}}"#).unwrap().body("")),
            r#"{"advancedFilter":{"aggregate":1},"aggregate":"count"}"#
        );
        assert_eq!(read("three_d.models.retrieve", r#"{"modelId":12}"#).unwrap().path, "/3d/models/12");
    }

    #[test]
    fn refused_by_name() {
        for (name, arguments, told) in [
            ("assets.list", "[]", "JSON object"),
            ("assets.list", "{\"limit\":NaN}", "column"),
            ("assets.list", "{\"limit\":0}", "limit"),
            ("assets.list", "{\"limit\":-2}", "limit"),
            ("assets.list", "{\"limit\":1.5}", "limit"),
            ("assets.list", "{\"limit\":\"5\"}", "limit"),
            ("assets.search", "{\"limit\":0}", "limit"),
            ("assets.list", "{\"cursor\":5}", "cursor"),
            ("assets.list", "{\"pageSize\":1001}", "1000"),
            ("assets.list", "{\"partitions\":-1}", "partitions"),
            ("assets.list", "{\"partitions\":3}", "limit"),
            ("assets.list", "{\"partitions\":3,\"limit\":null,\"sort\":[{}]}", "sort"),
            ("labels.list", "{\"partitions\":3,\"limit\":null}", "cannot be read in parts"),
            ("assets.list", "{\"a\":1,\"a\":1}", "twice"),
            ("assets.create", "{}", "items"),
            ("assets.create", "{\"items\":5}", "items"),
            ("assets.retrieve", "{\"items\":[],\"id\":1}", "both"),
            ("assets.retrieve", "{\"id\":null}", "id must be"),
            ("assets.retrieve", "{\"id\":\"5\"}", "id must be"),
            ("assets.retrieve", "{\"id\":1.5}", "id must be"),
            ("assets.retrieve", "{\"id\":1e3}", "id must be"),
            ("raw.rows.list", "{\"dbName\":\"d\",\"tableName\":\"t\",\"columns\":[{}]}", "columns"),
            ("assets.retrieve", "{\"externalId\":5}", "externalId must be"),
            ("assets.retrieve", "{\"id\":1,\"externalId\":\"a\"}", "two identifiers"),
            ("assets.delete", "{\"items\":[],\"ids\":[1]}", "two ways"),
            ("raw.rows.retrieve", "{\"dbName\":\"d\",\"tableName\":\"t\"}", "rowKey"),
            ("raw.rows.retrieve", "{\"dbName\":\"..\",\"tableName\":\"t\",\"rowKey\":\"k\"}", "dbName"),
            ("raw.rows.retrieve", "{\"dbName\":true,\"tableName\":\"t\",\"rowKey\":\"k\"}", "dbName"),
        ] {
            let e = read(name, arguments).unwrap_err();
            assert!(e.message().contains(told), "{name} {arguments}: {e}");
        }
    }
}
