//! Lists of identifiers in the place of items: `{"ids":[1,2],"externalIds":["a"]}`.

use serde_json::value::RawValue;

use super::table::Operation;
use crate::error::Error;

/// What the lists are called, what each element becomes, and the identifier that an operation must know for it. Sent in
/// this order.
const LISTS: [(&str, &str, &str); 8] = [
    ("ids", "id", "id"),
    ("externalIds", "externalId", "externalId"),
    ("instanceIds", "instanceId", "instanceId"),
    ("keys", "key", "key"),
    ("names", "name", "name"),
    ("spaces", "space", "space"),
    ("nodes", "node", "instanceType"),
    ("edges", "edge", "instanceType"),
];

/// The lists that were given, as one.
#[derive(Default)]
pub struct Lists(Vec<(usize, Box<RawValue>)>);

impl Lists {
    /// Takes the argument if it is such a list.
    pub fn take(&mut self, operation: &Operation, name: &str, value: Box<RawValue>) -> Option<Box<RawValue>> {
        let known = |id: &str| operation.identifiers.split(',').any(|n| n == id);
        match LISTS.iter().position(|l| l.0 == name && known(l.2)) {
            Some(at) => {
                self.0.push((at, value));
                None
            }
            None => Some(value),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `[{"id":1},{"externalId":"a"}]`.
    pub fn items(mut self) -> Result<String, Error> {
        self.0.sort_by_key(|l| l.0);
        let mut out = String::from("[");
        for (at, list) in self.0 {
            let (name, key, _) = LISTS.get(at).copied().unwrap_or_default();
            let fault = |what: &str| Error::argument(format!("arguments.{name} must be a list of {what}"));
            let all: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| fault("identifiers"))?;
            for raw in all.into_iter().map(RawValue::get) {
                if out.len() > 1 {
                    out.push(',');
                }
                match (key, raw.as_bytes().first()) {
                    ("node" | "edge", Some(b'{')) => {
                        let rest = raw.get(1..).unwrap_or_default().trim_start();
                        let comma = if rest == "}" { "" } else { "," };
                        out.push_str(&format!("{{\"instanceType\":\"{key}\"{comma}{rest}"));
                    }
                    ("instanceId", Some(b'{')) => out.push_str(&format!("{{\"instanceId\":{raw}}}")),
                    ("id", Some(b'0'..=b'9')) if raw.bytes().all(|b| b.is_ascii_digit()) => {
                        out.push_str(&format!("{{\"id\":{raw}}}"));
                    }
                    ("node" | "edge" | "instanceId", _) => return Err(fault("{\"space\",\"externalId\"}")),
                    ("id", _) => return Err(fault("whole numbers")),
                    (_, Some(b'"')) => out.push_str(&format!("{{\"{key}\":{raw}}}")),
                    _ => return Err(fault("texts")),
                }
            }
        }
        out.push(']');
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operations::find;

    fn items(name: &str, given: &[(&str, &str)]) -> Result<String, Error> {
        let mut lists = Lists::default();
        for (list, value) in given {
            let value = RawValue::from_string((*value).to_owned()).unwrap();
            assert!(lists.take(find(name).unwrap(), list, value).is_none(), "{list}");
        }
        lists.items()
    }

    #[test]
    fn lists_become_items_in_one_order() {
        assert_eq!(
            items("assets.delete", &[("externalIds", "[\"a\"]"), ("ids", "[1, 9007199254740993]")]).unwrap(),
            r#"[{"id":1},{"id":9007199254740993},{"externalId":"a"}]"#
        );
        assert_eq!(items("raw.rows.delete", &[("keys", "[\"k\"]")]).unwrap(), r#"[{"key":"k"}]"#);
        assert_eq!(items("assets.delete", &[("ids", "[]")]).unwrap(), "[]");
        assert_eq!(
            items("data_modeling.instances.delete", &[("edges", "[{}]"), ("nodes", "[ {\"space\":\"s\"} ]")]).unwrap(),
            r#"[{"instanceType":"node","space":"s"},{"instanceType":"edge"}]"#
        );
    }

    #[test]
    fn what_is_no_identifier_is_refused_by_name() {
        for (name, list, value) in [
            ("assets.delete", "ids", "[\"5\"]"),
            ("assets.delete", "ids", "[-1]"),
            ("assets.delete", "ids", "[1.5]"),
            ("assets.delete", "ids", "5"),
            ("assets.delete", "externalIds", "[5]"),
            ("assets.delete", "externalIds", "[null]"),
            ("data_modeling.instances.delete", "nodes", "[\"a\"]"),
        ] {
            let e = items(name, &[(list, value)]).unwrap_err();
            assert!(e.message().contains(list), "{e}");
        }
        let mut lists = Lists::default();
        let value = RawValue::from_string("[1]".into()).unwrap();
        assert!(lists.take(find("labels.delete").unwrap(), "ids", value).is_some() && lists.is_empty());
    }
}
