//! How many requests of a kind may be on their way at a time: the kinds by category and operation, and their limits.

use std::fmt;

use serde_json::{Map, Value, json};

use super::global::count;
use crate::document::{kind_of, unknown_key};
use crate::error::Error;

/// Category, operation, default limit; a category's operations stand together.
const TABLE: [(&str, &str, u32); 23] = [
    ("general", "read", 5),
    ("general", "write", 4),
    ("general", "delete", 2),
    ("raw", "read", 5),
    ("raw", "write", 2),
    ("raw", "delete", 2),
    ("datapoints", "read", 5),
    ("datapoints", "write", 5),
    ("datapoints", "delete", 5),
    ("data_modeling", "read", 1),
    ("data_modeling", "write", 1),
    ("data_modeling", "delete", 1),
    ("data_modeling", "search", 2),
    ("data_modeling", "read_schema", 2),
    ("data_modeling", "write_schema", 1),
    ("files", "read", 4),
    ("files", "write", 2),
    ("files", "delete", 2),
    ("files", "upload", 5),
    ("files", "download", 5),
    ("files", "open_files", 15),
    ("records", "read", 1),
    ("records", "write", 2),
];

/// Requests of this kind are counted for themselves, but against the limit of records.write.
const RECORDS_DELETE: usize = TABLE.len();
const RECORDS_WRITE: usize = TABLE.len() - 1;

/// The kinds there are.
pub const KINDS: usize = TABLE.len() + 1;

/// A kind of requests that are limited together: `general.read`, `data_modeling.write_schema`, …
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BudgetKey(usize);

impl BudgetKey {
    /// Local files held open; counted for the process, whatever they are sent to.
    pub fn open_files() -> Self {
        Self(20)
    }

    /// From `category.operation`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once('.') {
            Some(("records", "delete")) => Ok(Self(RECORDS_DELETE)),
            Some((category, operation)) => Self::limited(category, operation),
            None => Err(Error::config("a concurrency budget is named category.operation, as in general.read")),
        }
    }

    /// One that has a limit of its own, or an error that names the nearest.
    pub fn limited(category: &str, operation: &str) -> Result<Self, Error> {
        if let Some(at) = TABLE.iter().position(|(c, o, _)| (*c, *o) == (category, operation)) {
            return Ok(Self(at));
        }
        let operations: Vec<&str> = TABLE.iter().filter(|(c, ..)| *c == category).map(|(_, o, _)| *o).collect();
        if operations.is_empty() {
            let mut categories: Vec<&str> = TABLE.iter().map(|(c, ..)| *c).collect();
            categories.dedup();
            return Err(unknown_key(category, &categories, NAME));
        }
        Err(unknown_key(operation, &operations, &format!("{NAME}.{category}")))
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..KINDS).map(Self)
    }

    pub fn index(self) -> usize {
        self.0
    }

    /// Whose limit it is counted against.
    fn limit(self) -> usize {
        if self.0 == RECORDS_DELETE { RECORDS_WRITE } else { self.0 }
    }
}

impl fmt::Display for BudgetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (category, operation, _) = TABLE[self.limit()];
        write!(f, "{category}.{}", if self.0 == RECORDS_DELETE { "delete" } else { operation })
    }
}

impl fmt::Debug for BudgetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const NAME: &str = "concurrency_settings";

/// A limit for each kind; 0: not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits([u32; TABLE.len()]);

impl Limits {
    /// Those of the reference.
    pub fn standard() -> Self {
        Self(TABLE.map(|(.., limit)| limit))
    }

    pub fn get(&self, key: BudgetKey) -> u32 {
        self.0[key.limit()]
    }

    /// 0 takes a client's own limit away; it is refused where there is nothing beneath (`given` of at least 1).
    pub fn set(&mut self, key: BudgetKey, given: u32, least: u64) -> Result<(), Error> {
        self.0[key.limit()] = count(&format!("{NAME}.{key}"), &given.into(), least)?;
        Ok(())
    }

    /// From a mapping of categories to mappings of operations to limits; what is not named stays. null: as in `without`.
    pub fn merge(&mut self, value: &Value, without: &Self) -> Result<(), Error> {
        if value.is_null() {
            *self = *without;
            return Ok(());
        }
        for (category, operations) in mapping(NAME, value)? {
            if !TABLE.iter().any(|(c, ..)| c == category) {
                BudgetKey::limited(category, "")?;
            }
            for (operation, limit) in mapping(&format!("{NAME}.{category}"), operations)? {
                let key = BudgetKey::limited(category, operation)?;
                self.0[key.0] = match limit {
                    Value::Null => without.0[key.0],
                    limit => count(&format!("{NAME}.{key}"), limit, 1)?,
                };
            }
        }
        Ok(())
    }

    /// The same mapping, of the limits that are given; null if none is.
    pub fn to_json(self) -> Value {
        let mut out = Map::new();
        for ((category, operation, _), limit) in TABLE.iter().zip(self.0).filter(|(_, limit)| *limit > 0) {
            let operations = out.entry(*category).or_insert_with(|| json!({}));
            if let Value::Object(operations) = operations {
                operations.insert((*operation).to_owned(), limit.into());
            }
        }
        if out.is_empty() { Value::Null } else { Value::Object(out) }
    }
}

fn mapping<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::config(format!("{key} must be a mapping, not {}", kind_of(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_a_limit() {
        let standard = Limits::standard();
        for key in BudgetKey::all() {
            assert_eq!(BudgetKey::parse(&key.to_string()).unwrap(), key);
            assert!(standard.get(key) > 0);
        }
        let of = |text| standard.get(BudgetKey::parse(text).unwrap());
        assert_eq!((of("general.read"), of("data_modeling.search"), of("files.open_files")), (5, 2, 15));
        assert_eq!((of("records.read"), of("records.write"), of("records.delete")), (1, 2, 2));
        assert_eq!(BudgetKey::open_files().to_string(), "files.open_files");
        assert_ne!(BudgetKey::parse("records.delete").unwrap(), BudgetKey::parse("records.write").unwrap());
    }

    #[test]
    fn refused_by_name() {
        let mut limits = Limits::standard();
        for (given, word) in [
            (json!({"generl": {"read": 1}}), "did you mean 'general'"),
            (json!({"general": {"raed": 1}}), "did you mean 'read'"),
            (json!({"records": {"delete": 1}}), "'delete' in concurrency_settings.records"),
            (json!({"general": {"read": 0}}), "concurrency_settings.general.read"),
            (json!({"general": {"read": -1}}), "concurrency_settings.general.read"),
            (json!({"general": {"read": 1_000_001}}), "concurrency_settings.general.read"),
            (json!({"general": {"read": "3"}}), "concurrency_settings.general.read"),
            (json!({"general": 3}), "concurrency_settings.general must be a mapping"),
            (json!({"genral": {}}), "did you mean 'general'"),
            (json!([]), "concurrency_settings must be a mapping"),
        ] {
            let e = limits.merge(&given, &Limits::standard()).unwrap_err();
            assert!(e.message().contains(word), "{given}: {e}");
        }
        assert!(BudgetKey::parse("general").is_err() && BudgetKey::parse("").is_err());
        assert!(limits.set(BudgetKey::open_files(), 0, 1).is_err());
    }

    #[test]
    fn what_is_not_named_stays() {
        let mut limits = Limits::standard();
        limits.merge(&json!({"raw": {"write": 9}}), &Limits::standard()).unwrap();
        let shown = limits.to_json();
        assert_eq!((&shown["raw"]["write"], &shown["raw"]["read"]), (&9.into(), &5.into()));
        limits.merge(&json!({"raw": {"write": null}}), &Limits::standard()).unwrap();
        assert_eq!(limits, Limits::standard());
        let mut own = Limits::default();
        assert_eq!(own.to_json(), Value::Null);
        own.merge(&json!({"raw": {"write": 9}}), &Limits::default()).unwrap();
        assert_eq!(own.to_json(), json!({"raw": {"write": 9}}));
        let again = &own.to_json();
        own.merge(&Value::Null, &Limits::default()).unwrap();
        own.merge(again, &Limits::default()).unwrap();
        assert_eq!(&own.to_json(), again);
    }
}
