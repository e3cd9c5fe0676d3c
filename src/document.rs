//! Text from outside (YAML or JSON) to one value tree: size capped, duplicate keys refused, merges resolved.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Value as Yaml;
use std::fmt;

use crate::error::Error;

/// Largest settings or credentials text taken, in bytes.
pub(crate) const MAX_TEXT: usize = 256 << 10;

/// Deepest nesting of maps and lists taken.
const MAX_DEPTH: usize = 64;

/// A mapping as parsed, and what only its text could tell.
#[derive(Debug)]
pub struct Document {
    pub map: Map<String, Value>,
    /// Top-level keys that only hold a mapping merged elsewhere by `<<`: templates, not settings.
    pub templates: Vec<String>,
}

/// Parses YAML or JSON whose root must be a mapping. `what` names the text in errors; the text itself, which may
/// hold secrets, is never quoted.
pub fn parse_mapping(text: &[u8], what: &str) -> Result<Document, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::config(format!("{what} has {} bytes; at most {MAX_TEXT} are taken", text.len())));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text)
        .map_err(|e| Error::argument(format!("{what} is not valid UTF-8 (byte {})", e.valid_up_to())))?;
    let mut json_fault = None;
    if text.trim_start().starts_with('{') {
        match serde_json::from_str::<Strict>(text) {
            Ok(Strict(value)) => return as_document(value, Vec::new(), what),
            // YAML's flow style reads more than JSON does (comments, trailing commas), so it gets its chance.
            Err(fault) => json_fault = Some(place(fault.line(), fault.column())),
        }
    }
    if too_deep(text) {
        return Err(Error::config(format!("{what} is nested more than {MAX_DEPTH} levels deep")));
    }
    if let Some(line) = foreign_tag(text) {
        return Err(Error::config(format!("{what} holds a YAML tag (!…) at line {line}; tags are not supported")));
    }
    let mut yaml: Yaml = serde_yaml::from_str(text).map_err(|fault| {
        let at = json_fault.clone().or_else(|| fault.location().map(|l| place(l.line(), l.column())));
        let kind = if json_fault.is_some() { "JSON" } else { "YAML or JSON" };
        let hint = yaml_hint(&fault.to_string());
        Error::config(format!("{what} is not valid {kind}{}{hint}", at.map(|a| format!(" at {a}")).unwrap_or_default()))
    })?;
    let mut sources = Vec::new();
    merge_sources(&yaml, &mut sources, 0);
    let templates = match &yaml {
        Yaml::Mapping(m) => m
            .iter()
            .filter(|(k, v)| k.as_str() != Some("<<") && v.is_mapping() && sources.contains(v))
            .filter_map(|(k, _)| k.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    yaml.apply_merge()
        .map_err(|_| Error::config(format!("{what}: a merge key (<<) needs a mapping or a list of mappings")))?;
    as_document(from_yaml(yaml, what, 0)?, templates, what)
}

fn place(line: usize, column: usize) -> String {
    format!("line {line}, column {column}")
}

/// Whether brackets or `- - -` chains nest deeper than is taken. The YAML parser's time grows with the square of the
/// depth, so this is asked before it sees the text. Brackets inside quotes count too: no settings hold that many.
fn too_deep(text: &str) -> bool {
    let mut depth = 0usize;
    let mut dashes = 0usize;
    for b in text.bytes() {
        match b {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match b {
            b'-' | b'?' | b':' => dashes += 1,
            b' ' | b'\t' => {}
            _ => dashes = 0,
        }
        if depth > MAX_DEPTH || dashes > 4 * MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The line of the first tag outside YAML's core set. The parser drops such tags of collections without a word, so
/// they are looked for where a node can begin; text in quotes that looks just like that must be written differently.
fn foreign_tag(text: &str) -> Option<usize> {
    const CORE: [&str; 7] = ["str", "int", "float", "bool", "null", "map", "seq"];
    text.lines()
        .position(|line| {
            line.match_indices("!!").any(|(at, _)| {
                let name: String = line[at + 2..].chars().take_while(|c| !c.is_whitespace()).collect();
                let before = line[..at].trim_end();
                (before.is_empty() || before.ends_with([':', '-', '[', '{', ','])) && !CORE.contains(&name.as_str())
            })
        })
        .map(|n| n + 1)
}

/// The parser's own sentence can quote the text, so only known harmless facts are passed on.
fn yaml_hint(fault: &str) -> &'static str {
    if fault.contains("more than one document") {
        ": it holds more than one document"
    } else if fault.contains("duplicate") {
        ": a key is given twice"
    } else if fault.contains("repetition limit") || fault.contains("recursion limit") {
        ": it is nested or repeated too deeply"
    } else {
        ""
    }
}

fn as_document(value: Value, templates: Vec<String>, what: &str) -> Result<Document, Error> {
    match value {
        Value::Object(map) => Ok(Document { map, templates }),
        other => Err(Error::config(format!("{what} must be a mapping of keys to values, not {}", kind_of(&other)))),
    }
}

fn merge_sources(value: &Yaml, into: &mut Vec<Yaml>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Yaml::Mapping(m) => {
            for (k, v) in m {
                match v {
                    Yaml::Mapping(_) if k.as_str() == Some("<<") => into.push(v.clone()),
                    Yaml::Sequence(list) if k.as_str() == Some("<<") => into.extend(list.iter().cloned()),
                    _ => merge_sources(v, into, depth + 1),
                }
            }
        }
        Yaml::Sequence(list) => list.iter().for_each(|v| merge_sources(v, into, depth + 1)),
        _ => {}
    }
}

fn from_yaml(value: Yaml, what: &str, depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::config(format!("{what} is nested more than {MAX_DEPTH} levels deep")));
    }
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(b) => Value::Bool(b),
        Yaml::String(s) => Value::String(s),
        Yaml::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64().and_then(Number::from_f64)) {
            (Some(u), _, _) => Value::Number(u.into()),
            (_, Some(i), _) => Value::Number(i.into()),
            (_, _, Some(f)) => Value::Number(f),
            _ => return Err(Error::config(format!("{what} holds a number that is infinite or not a number"))),
        },
        Yaml::Sequence(list) => {
            Value::Array(list.into_iter().map(|v| from_yaml(v, what, depth + 1)).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(m) => {
            let mut out = Map::new();
            for (k, v) in m {
                let Yaml::String(key) = k else {
                    return Err(Error::config(format!("{what} holds a key that is not text; put it in quotes")));
                };
                out.insert(key, from_yaml(v, what, depth + 1)?);
            }
            Value::Object(out)
        }
        Yaml::Tagged(_) => return Err(Error::config(format!("{what} holds a YAML tag (!…); tags are not supported"))),
    })
}

/// A JSON value that refuses a key given twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(v)) = seq.next_element()? {
            out.push(v);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some((k, Strict(v))) = map.next_entry::<String, Strict>()? {
            if out.insert(k, v).is_some() {
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(out))
    }
}

/// What kind of value it is, for error texts. Never the value: it may be a secret.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// `unknown key 'projct' in the config; did you mean 'project'?`, or the whole list when nothing is near.
pub fn unknown_key(key: &str, valid: &[&str], what: &str) -> Error {
    let near = nearest(key, valid.iter().copied(), 1).pop().filter(|v| distance(key, v) <= 1 + v.len() / 3);
    let shown: String = key.chars().take(60).collect();
    match near {
        Some(v) => Error::config(format!("unknown key '{shown}' in {what}; did you mean '{v}'?")),
        None => Error::config(format!("unknown key '{shown}' in {what}; valid keys: {}", valid.join(", "))),
    }
}

/// Those of `valid` that look most like `key`, the nearest first.
pub fn nearest<'a>(key: &str, valid: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut all: Vec<(usize, &str)> = valid.map(|v| (distance(key, v), v)).collect();
    all.sort_unstable();
    all.into_iter().take(most).map(|(_, v)| v).collect()
}

/// Levenshtein distance over characters, letter case and '-' against '_' counted as equal.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| -> Vec<char> {
        s.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let best = (corner + usize::from(ca != cb)).min(row[j + 1] + 1).min(left + 1);
            corner = row[j + 1];
            left = best;
            row[j + 1] = best;
        }
        row[0] = i + 1;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, Error> {
        parse_mapping(text.as_bytes(), "the text")
    }

    #[test]
    fn yaml_and_json_give_the_same_tree() {
        let a = parse("\u{feff}a: 1\r\nb: [x, null, 2.5]\r\n").unwrap();
        let b = parse("{\n\t\"a\": 1, \"b\": [\"x\", null, 2.5]\n}").unwrap();
        assert_eq!(a.map, b.map);
        assert!(parse("{\"a\": 1,}").is_ok(), "flow style takes a trailing comma");
    }

    #[test]
    fn merged_templates_are_told_apart() {
        let d = parse("base: &b\n  x: 1\nother:\n  x: 2\n<<: *b\n").unwrap();
        assert_eq!(d.templates, ["base"]);
        assert_eq!(d.map["x"], 1);
    }

    #[test]
    fn refused() {
        for (text, word) in [
            ("", "mapping"),
            ("- a\n", "mapping"),
            ("null", "mapping"),
            ("a: 1\na: 2\n", "twice"),
            ("{\"a\": 1, \"a\": 2}", "not valid JSON"),
            ("a: 1\n---\nb: 1\n", "document"),
            ("a: !!python/object/apply:os.getcwd []\n", "tag"),
            ("{\"a\" \"b\"}", "line 1"),
            ("1: x\n", "quotes"),
            ("a: .nan\n", "number"),
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.message().contains(word), "{text:?}: {e}");
        }
        let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(parse(&deep).is_err());
        assert!(parse(&format!("{{\"a\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000))).is_err());
        for chain in ["- ", "[", "? ", "a: {b: ", "- a: ", "&a ", "!!str ", "\"", "'", "#", ": ", "a:\n "] {
            let _ = parse(&chain.repeat(MAX_TEXT / chain.len()));
            let _ = parse(&format!("x: {}", chain.repeat(MAX_TEXT / chain.len() - 2)));
        }
        let staircase: String = (0..700).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(parse(&staircase).is_err());
        assert!(parse(&" ".repeat(MAX_TEXT + 1)).unwrap_err().message().contains("at most"));
        assert!(parse_mapping(b"a: \xff", "t").unwrap_err().message().contains("UTF-8"));
    }

    #[test]
    fn errors_never_quote_the_text() {
        for text in ["token: \"canary", "{\"token\": \"canary\" x}", "canary"] {
            assert!(!parse(text).unwrap_err().message().contains("canary"), "{text}");
        }
    }

    #[test]
    fn near_keys_are_named() {
        let valid = ["project", "client_name", "base_url"];
        assert!(unknown_key("projct", &valid, "it").message().contains("did you mean 'project'"));
        assert!(unknown_key("Client-Name", &valid, "it").message().contains("did you mean 'client_name'"));
        assert!(unknown_key("zzzzzzzz", &valid, "it").message().contains("valid keys: project, client_name"));
    }
}
