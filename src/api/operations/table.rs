//! The rows of `table.txt`: facts of the service, read once at first use.

use once_cell::sync::Lazy;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::composites;
use crate::config::concurrency::BudgetKey;
use crate::document;
use crate::error::Error;
use crate::http::Class;
use crate::http::body::Sink;
use crate::http::class::classify;

/// Made by build.rs from `table.txt`.
static SQUEEZED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/operations.gz"));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Pages with a cursor, or a single page.
    List,
    /// Any number of items, cut into requests.
    Items,
    /// A single request.
    One,
    /// A single request without a body.
    Bare,
    /// A single request whose answer is no JSON.
    Binary,
    /// A single request whose body is no JSON.
    Upload,
}

/// Where in a request a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Nowhere,
    Query,
    Body,
    /// Of partitions only: as the cursors that the service gives out on request.
    Cursors,
}

#[derive(Debug)]
pub struct Operation {
    pub name: &'static str,
    pub method: Method,
    /// Below the project, with `{parameters}`; with `/` in front below the base URL, with `@` on the host of organizations.
    pub path: &'static str,
    pub shape: Shape,
    /// Most items per request.
    pub items: Option<usize>,
    /// Largest page.
    pub page: Option<usize>,
    pub cursor: Place,
    pub partitions: Place,
    /// Separated by commas.
    pub identifiers: &'static str,
    /// Where `ignoreUnknownIds` goes.
    pub unknown: Place,
    pub budget: Option<&'static str>,
    /// `cdf-version`, with `{default}` for the config's.
    pub version: Option<&'static str>,
    /// The members that ask for that version, separated by commas, see `version`; empty: it is always sent.
    pub when: &'static str,
    /// `Accept`; `nothing`: the answer has no body worth reading.
    pub answers: Option<&'static str>,
    /// Fields of a POST that go into the query, separated by commas.
    pub query: &'static str,
    /// Members of the body unless the caller gives them.
    pub always: Option<&'static str>,
}

static TABLE: Lazy<Vec<Operation>> = Lazy::new(|| {
    let mut sink = Sink::new(true, None, 1 << 20, None);
    let text = sink.take(SQUEEZED).and_then(|()| sink.finish()).unwrap_or_default();
    // Lives as long as the table, which is for ever.
    let text: &'static str = Box::leak(String::from_utf8(text).unwrap_or_default().into_boxed_str());
    text.lines().filter_map(row).collect()
});

fn row(line: &'static str) -> Option<Operation> {
    let mut columns = line.split(' ');
    let mut next = || columns.next();
    let given = |v: &'static str| (v != "-").then_some(v);
    let place = |v: &str| match v {
        "query" => Some(Place::Query),
        "body" => Some(Place::Body),
        "cursors" => Some(Place::Cursors),
        "-" => Some(Place::Nowhere),
        _ => None,
    };
    let version = |v: &'static str| given(v).map(|v| v.split_once('?').unwrap_or((v, ""))).unzip();
    let count = |v: &'static str| given(v).map_or(Some(None), |n| n.parse().ok().map(Some));
    let mut o = Operation {
        name: next()?,
        method: Method::from_bytes(next()?.as_bytes()).ok()?,
        path: next()?,
        shape: match next()? {
            "list" => Shape::List,
            "items" => Shape::Items,
            "one" => Shape::One,
            "bare" => Shape::Bare,
            "binary" => Shape::Binary,
            "upload" => Shape::Upload,
            _ => return None,
        },
        items: count(next()?)?,
        page: count(next()?)?,
        cursor: place(next()?)?,
        partitions: place(next()?)?,
        identifiers: given(next()?).unwrap_or_default(),
        unknown: place(next()?)?,
        // The column of the repeats: decided in http/class, compared by a test.
        budget: next().and_then(|_| next()).map(given)?,
        version: None,
        when: "",
        answers: None,
        query: "",
        always: None,
    };
    let (value, when) = version(next()?);
    (o.version, o.when) = (value, when.unwrap_or_default());
    (o.answers, o.query, o.always) = (given(next()?), given(next()?).unwrap_or_default(), given(next()?));
    Some(o)
}

/// All of them, by name.
pub fn all() -> &'static [Operation] {
    &TABLE
}

/// The operation of that name. `retrieve` and `retrieve_multiple` mean the same where only one of them exists.
pub fn find(name: &str) -> Result<&'static Operation, Error> {
    let exact = |name: &str| TABLE.binary_search_by(|o| o.name.cmp(name)).ok().and_then(|i| TABLE.get(i));
    let (resource, verb) = name.rsplit_once('.').unwrap_or((name, ""));
    let other = match verb {
        "retrieve" => Some("retrieve_multiple"),
        "retrieve_multiple" => Some("retrieve"),
        _ => None,
    };
    exact(name)
        .or_else(|| other.and_then(|verb| exact(&format!("{resource}.{verb}"))))
        .ok_or_else(|| unknown(name, resource))
}

fn unknown(name: &str, resource: &str) -> Error {
    let shown: String = name.chars().take(60).collect();
    let names = || TABLE.iter().map(|o| o.name).chain(composites::all().map(|c| c.name));
    let verbs: Vec<&str> = names()
        .filter_map(|name| name.rsplit_once('.').filter(|(r, _)| *r == resource).map(|(_, verb)| verb))
        .collect();
    let hint = if verbs.is_empty() {
        let near = document::nearest(name, names(), 3);
        format!("nearest: {}; cognite_operations_json() lists all", near.join(", "))
    } else {
        format!("{resource} has: {}", verbs.join(", "))
    };
    Error::argument(format!("there is no operation '{shown}'; {hint}"))
}

impl Operation {
    /// Names of the parameters in the path, in order. The project is the client's.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).filter(|name| *name != "project")
    }

    /// The concurrency limit it counts against.
    pub fn budget_key(&self) -> Option<BudgetKey> {
        self.budget.and_then(|name| BudgetKey::parse(name).ok())
    }

    /// What a repeat does. The path's parameters decide nothing, so any will do.
    pub fn class(&self) -> Class {
        // An organization's paths are formed as a project's are.
        let below = self.path.trim_start_matches(['/', '@']).trim_start_matches("api/v1/orgs/{org}/");
        classify(&self.method, Some(&format!("/api/v1/projects/p/{below}")))
    }

    /// What a caller who says no limit gets, as in the reference.
    pub fn default_limit(&self) -> u64 {
        match self.name {
            "data_modeling.views.list" | "data_modeling.data_models.list" | "data_modeling.containers.list" => 10,
            _ => 25,
        }
    }

    /// For programs that generate bindings. Only what does apply.
    fn to_json(&self) -> Value {
        let mut m = Map::new();
        let mut put = |key: &str, value: Value| m.insert(key.to_owned(), value);
        let names = |list: &str| Value::from(list.split(',').collect::<Vec<_>>());
        let place = |p| if p == Place::Query { "query" } else { "body" };
        put("name", json!(self.name));
        put("method", json!(self.method.as_str()));
        put("path", json!(self.path));
        let shape = match self.shape {
            Shape::List => "list",
            Shape::Items => "items",
            Shape::One | Shape::Bare => "one",
            Shape::Binary => "binary",
            Shape::Upload => "upload",
        };
        put("shape", json!(shape));
        let parameters: Vec<&str> = self.path_parameters().collect();
        if !parameters.is_empty() {
            put("pathParameters", json!(parameters));
        }
        if let Some(n) = self.items {
            put("itemsPerRequest", json!(n));
        }
        if self.shape == Shape::List {
            put("defaultLimit", json!(self.default_limit()));
            put("pageSize", json!(self.page));
            put("pages", json!(self.cursor != Place::Nowhere));
            put("partitions", json!(self.partitions != Place::Nowhere));
        }
        if !self.identifiers.is_empty() {
            put("identifiers", names(self.identifiers));
        }
        if self.unknown != Place::Nowhere {
            put("ignoreUnknownIds", json!(place(self.unknown)));
        }
        if !self.query.is_empty() {
            put("query", names(self.query));
        }
        let retry = match self.class() {
            Class::Read => "read",
            Class::IdempotentWrite => "again",
            Class::Write => "once",
        };
        put("retry", json!(retry));
        if !self.when.is_empty() {
            put("versionWhen", names(self.when));
        }
        for (key, value) in [("budget", self.budget), ("version", self.version), ("answers", self.answers)] {
            if let Some(value) = value {
                put(key, json!(value));
            }
        }
        Value::Object(m)
    }
}

/// `{"operations":[{"name":…},…]}`
pub fn listed() -> Value {
    let mut all: Vec<(&str, Value)> = composites::all().map(|c| (c.name, c.to_json())).collect();
    all.extend(TABLE.iter().filter(|o| composites::named(o.name).is_none()).map(|o| (o.name, o.to_json())));
    all.sort_by_key(|o| o.0);
    json!({"operations": all.into_iter().map(|o| o.1).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("table.txt");

    fn lines() -> Vec<Vec<&'static str>> {
        TEXT.lines().filter(|l| !l.starts_with('#')).map(|l| l.split_whitespace().collect()).collect()
    }

    #[test]
    fn every_row_is_complete_and_its_own() {
        assert_eq!(all().len(), lines().len(), "a row could not be read");
        assert!(all().is_sorted_by(|a, b| a.name < b.name), "a name occurs twice or is out of order");
        for o in all() {
            assert_eq!(o.items.is_some(), o.shape == Shape::Items, "{}", o.name);
            assert_eq!(o.page.is_some(), o.shape == Shape::List, "{}", o.name);
            assert!(o.items.is_none_or(|n| n > 0) && o.page.is_none_or(|n| n > 0), "{}", o.name);
            assert!(o.path.starts_with(['/', '@']) && !o.path.contains('?'), "{}", o.name);
            assert_eq!(o.budget.is_some(), o.budget_key().is_some(), "{}", o.name);
            if let Some(members) = o.always {
                serde_json::from_str::<Map<String, Value>>(&format!("{{{members}}}")).expect(o.name);
            }
        }
    }

    #[test]
    fn the_whole_inventory_is_there() {
        let mut endpoints: Vec<String> =
            all().iter().map(|o| format!("{} {}", o.method, o.path.trim_end_matches('/'))).collect();
        endpoints.sort();
        endpoints.dedup();
        assert_eq!(endpoints.len(), 361);
    }

    #[test]
    fn the_column_retry_tells_what_http_class_decides() {
        for (o, row) in all().iter().zip(lines()) {
            let decided = match o.class() {
                Class::Read => "read",
                Class::IdempotentWrite => "again",
                Class::Write => "once",
            };
            assert_eq!(row[10], decided, "{}", o.name);
        }
    }

    #[test]
    fn names_are_found_and_near_ones_told() {
        assert_eq!(find("assets.list").unwrap().path, "/assets/list");
        assert_eq!(find("assets.retrieve").unwrap().name, "assets.retrieve_multiple");
        assert_eq!(find("labels.retrieve_multiple").unwrap().name, "labels.retrieve");
        for (name, told) in [("asets.list", "assets.list"), ("assets.lst", "list"), ("", "cognite_operations_json")] {
            let e = find(name).unwrap_err();
            assert!(e.message().contains(told), "{name}: {e}");
        }
        assert!(find(&"x.".repeat(10_000)).unwrap_err().message().len() < 4200);
    }
}
