//! Data models written as GraphQL types. Of the language there are types, interfaces, and fields of scalars, other types and
//! lists of them: a field of a type is a direct relation, a list of a type edges. Directives are refused.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::schema::{CONTAINERS, MODELS, VERSIONED, VIEWS, need_space};
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, apply, need, object, text};
use crate::resources::table::{Object, name};
use crate::state::{Data, State, now_ms};

const MAX_TYPES: usize = 1000;
const OPERATION: &str = "upsertGraphQlDmlVersion";

/// Scalars, and what a container calls them.
const SCALARS: [(&str, &str); 14] = [
    ("String", "text"),
    ("Int", "int32"),
    ("Int32", "int32"),
    ("Int64", "int64"),
    ("Float", "float64"),
    ("Float32", "float32"),
    ("Float64", "float64"),
    ("Boolean", "boolean"),
    ("Timestamp", "timestamp"),
    ("Date", "date"),
    ("JSONObject", "json"),
    ("TimeSeries", "timeseries"),
    ("File", "file"),
    ("Sequence", "sequence"),
];

#[derive(Hash)]
struct Field {
    name: String,
    of: String,
    list: bool,
    must: bool,
}

#[derive(Hash)]
struct Type {
    name: String,
    parents: Vec<String>,
    fields: Vec<Field>,
}

/// `dml/graphql`: the one mutation there is.
pub fn publish(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    if !need(&body, "query")?.contains(OPERATION) {
        return Ok(failed("The emulator publishes data models and executes no other GraphQL"));
    }
    let order = body.get("variables").and_then(|v| v.as_object()?.values().find_map(Value::as_object));
    let Some(order) = order else { return Ok(failed("The variables need the data model")) };
    for field in ["space", "externalId", "version", "graphQlDml"] {
        if text(order, field).is_empty() {
            return Ok(failed(&format!(
                "The variables have an invalid value: '{field}' must be a text that is not empty"
            )));
        }
    }
    let Some(types) = parse(text(order, "graphQlDml")) else {
        return Ok(failed("Invalid syntax in provided GraphQL schema"));
    };
    if let Some(wrong) = unknown(&types) {
        return Ok(failed(&wrong));
    }
    let mut data = state.write();
    let gone = removed(&data, order, &types);
    if !gone.is_empty() {
        let error = |view| {
            json!({"kind": "DIFF_ERROR", "message": format!("Can not remove view '{view}' from the data model definition"),
                "hint": "Please publish a new data model version.", "location": {"start": {"line": 1, "column": 1}}})
        };
        let errors: Vec<Value> = gone.iter().map(error).collect();
        return Ok(Reply::ok(&json!({"data": {OPERATION: {"errors": errors, "result": null}}})));
    }
    let mut ctx = Ctx { state, data: &mut data, params: &[], id: 0, given: None, batch: Vec::new(), now: now_ms() };
    let made = store(&mut ctx, order, &types)?;
    let field = |name: &str| made.get(name);
    let time = |name: &str| field(name).map(Value::to_string);
    let result = json!({"space": field("space"), "externalId": field("externalId"), "version": field("version"), "name": field("name"),
        "description": field("description"), "graphQlDml": text(order, "graphQlDml"),
        "createdTime": time("createdTime"), "lastUpdatedTime": time("lastUpdatedTime")});
    Ok(Reply::ok(&json!({"data": {OPERATION: {"errors": null, "result": result}}})))
}

/// GraphQL answers errors with status 200.
pub fn failed(message: &str) -> Reply {
    Reply::ok(&json!({"errors": [{"message": message, "locations": [], "path": []}]}))
}

/// What a type names that is not there.
fn unknown(types: &[Type]) -> Option<String> {
    let there = |wanted: &str| types.iter().any(|t| t.name == wanted);
    let known = |of: &str| there(of) || SCALARS.iter().any(|(scalar, _)| *scalar == of);
    if types.len() > MAX_TYPES {
        return Some(format!("A data model has at most {MAX_TYPES} types"));
    }
    for (n, ty) in types.iter().enumerate() {
        if types.iter().take(n).any(|other| other.name == ty.name) {
            return Some(format!("Type '{}' is there more than once", ty.name));
        }
        if let Some(parent) = ty.parents.iter().find(|p| !there(p) || **p == ty.name) {
            return Some(format!("'{}' cannot implement '{parent}'", ty.name));
        }
        if let Some(field) = ty.fields.iter().find(|f| !known(&f.of)) {
            return Some(format!("Field '{}' of '{}' has the unknown type '{}'", field.name, ty.name, field.of));
        }
    }
    None
}

/// Views of the version that is there that would no longer be in it.
fn removed(data: &Data, order: &Object, types: &[Type]) -> Vec<String> {
    let old = name(VERSIONED, order).and_then(|n| data.table(MODELS)?.get(data.table(MODELS)?.id_of(&n)?));
    let views = old.and_then(|o| o.get("views")?.as_array()).into_iter().flatten();
    let names = views.filter_map(|v| v.get("externalId")?.as_str());
    names.filter(|n| types.iter().all(|t| t.name != *n)).map(str::to_owned).collect()
}

/// Containers, then views with those that are implemented first, then the model.
fn store(ctx: &mut Ctx, order: &Object, types: &[Type]) -> Result<Value> {
    let space = text(order, "space");
    need_space(ctx.data, space)?;
    let containers: Vec<Object> = types.iter().filter_map(|ty| container(space, ty, types)).collect();
    let mut left: Vec<&Type> = types.iter().collect();
    let mut views = Vec::new();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waits = |ty: &&Type| ty.parents.iter().any(|p| left.iter().any(|l| l.name == *p));
        let (later, now): (Vec<&Type>, Vec<&Type>) = left.iter().copied().partition(waits);
        if now.is_empty() {
            return Err(ApiError::bad("The interfaces implement each other in a circle"));
        }
        ordered.extend(now.iter().map(|ty| view(space, ty, types)));
        left = later;
    }
    if !containers.is_empty() {
        apply(ctx, CONTAINERS, containers)?;
    }
    for view in ordered {
        apply(ctx, VIEWS, vec![view])?;
    }
    for ty in types {
        views.push(reference(space, ty));
    }
    let model = json!({"space": space, "externalId": order.get("externalId"), "version": order.get("version"), "name": order.get("name"),
        "description": order.get("description"), "views": views});
    Ok(apply(ctx, MODELS, vec![object(model)])?.into_iter().next().unwrap_or_default())
}

/// Versions of views follow from what they are.
fn reference(space: &str, ty: &Type) -> Value {
    let mut hasher = DefaultHasher::new();
    ty.hash(&mut hasher);
    json!({"type": "view", "space": space, "externalId": ty.name, "version": format!("{:014x}", hasher.finish() >> 8)})
}

/// Fields that do not come from an interface, as far as they are the type's own.
fn own<'a>(ty: &'a Type, types: &'a [Type]) -> impl Iterator<Item = &'a Field> {
    let inherited = |field: &Field| {
        let parents = types.iter().filter(|t| ty.parents.contains(&t.name));
        parents.flat_map(|p| &p.fields).any(|f| f.name == field.name)
    };
    ty.fields.iter().filter(move |f| !inherited(f))
}

fn scalar(field: &Field) -> Option<&'static str> {
    SCALARS.iter().find(|(name, _)| *name == field.of).map(|(_, ty)| *ty)
}

/// None where everything is inherited or an edge.
fn container(space: &str, ty: &Type, types: &[Type]) -> Option<Object> {
    let kept = |field: &Field| match scalar(field) {
        Some(ty) => Some(json!({"type": {"type": ty, "list": field.list}, "nullable": !field.must})),
        None => (!field.list).then(|| json!({"type": {"type": "direct"}, "nullable": true})),
    };
    let properties: Object = own(ty, types).filter_map(|f| Some((f.name.clone(), kept(f)?))).collect();
    let row =
        json!({"space": space, "externalId": ty.name, "name": ty.name, "usedFor": "node", "properties": properties});
    (!properties.is_empty()).then(|| object(row))
}

fn view(space: &str, ty: &Type, types: &[Type]) -> Object {
    let target = |wanted: &str| types.iter().find(|t| t.name == wanted).map(|t| reference(space, t));
    let property = |field: &Field| {
        let edge = scalar(field).is_none() && field.list;
        let mut row = if edge {
            json!({"connectionType": "multi_edge_connection", "direction": "outwards",
                "type": {"space": space, "externalId": format!("{}.{}", ty.name, field.name)}})
        } else {
            json!({"container": {"type": "container", "space": space, "externalId": ty.name}, "containerPropertyIdentifier": field.name})
        };
        if let (Value::Object(row), Some(source)) = (&mut row, target(&field.of)) {
            row.insert("source".into(), source);
        }
        (field.name.clone(), row)
    };
    let parents: Vec<Value> = ty.parents.iter().filter_map(|p| target(p)).collect();
    let properties: Object = own(ty, types).map(property).collect();
    let mut row = object(json!({"name": ty.name, "implements": parents, "properties": properties}));
    row.extend(object(reference(space, ty)).into_iter().filter(|(field, _)| field != "type"));
    row
}

/// None where it is no list of types.
fn parse(text: &str) -> Option<Vec<Type>> {
    let words = words(text)?;
    let mut words = words.iter().map(String::as_str).peekable();
    let mut types = Vec::new();
    while let Some(word) = words.next() {
        if word != "type" && word != "interface" {
            return None;
        }
        let mut ty = Type { name: identifier(words.next())?, parents: Vec::new(), fields: Vec::new() };
        if words.next_if_eq(&"implements").is_some() {
            words.next_if_eq(&"&");
            ty.parents.push(identifier(words.next())?);
            while words.next_if_eq(&"&").is_some() {
                ty.parents.push(identifier(words.next())?);
            }
        }
        if words.next()? != "{" {
            return None;
        }
        while words.next_if_eq(&"}").is_none() {
            let name = identifier(words.next())?;
            if words.next()? != ":" {
                return None;
            }
            let list = words.next_if_eq(&"[").is_some();
            let of = identifier(words.next())?;
            let inner = words.next_if_eq(&"!").is_some();
            if list && words.next()? != "]" {
                return None;
            }
            let must = if list { words.next_if_eq(&"!").is_some() } else { inner };
            ty.fields.push(Field { name, of, list, must });
        }
        types.push(ty);
    }
    Some(types)
}

fn identifier(word: Option<&str>) -> Option<String> {
    word.filter(|w| w.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).map(str::to_owned)
}

/// Names and signs; descriptions, comments and commas are left out. None where something else comes.
fn words(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let quote = if rest.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
                let inside = rest.get(quote.len()..)?;
                inside.find(quote)? + 2 * quote.len()
            }
            '{' | '}' | '[' | ']' | '!' | ':' | '&' => {
                found.push(first.to_string());
                1
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.push(rest.get(..length)?.to_owned());
                length
            }
            _ => return None,
        };
        rest = rest.get(length..)?.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read() {
        let text = "# a plant\ninterface Named { name: String! }\n\"\"\"What \"turns\" well\"\"\"\ntype Pump implements Named {\n  name: String!, \
            tags: [String!]!\n motor: Motor\n parts: [Pump] }\ntype Motor { power: Float }";
        let types = parse(text).unwrap();
        assert_eq!(types.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["Named", "Pump", "Motor"]);
        assert_eq!(unknown(&types), None);
        let kept = container("s", &types[1], &types).unwrap();
        assert_eq!(kept["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["tags", "motor"]);
        assert_eq!(kept["properties"]["tags"], json!({"type": {"type": "text", "list": true}, "nullable": false}));
        let pump = view("s", &types[1], &types);
        assert_eq!(pump["implements"][0]["externalId"], "Named");
        assert_eq!(pump["properties"]["parts"]["type"], json!({"space": "s", "externalId": "Pump.parts"}));
        assert_eq!(pump["properties"]["motor"]["source"]["externalId"], "Motor");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "typ A { b: Int }",
            "type A",
            "type A {",
            "type A { b }",
            "type A { b: }",
            "type A { b: [Int }",
            "type 1 { b: Int }",
            "type A @view { b: Int }",
            "type A { b(c: Int): Int }",
            "\"open",
            "type A { b: Int = 3 }",
            "enum A { B }",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        for text in [
            "type A { b: C }",
            "type A implements B { c: Int }",
            "type A { b: Int } type A { b: Int }",
            "type A implements A { b: Int }",
        ] {
            assert!(unknown(&parse(text).unwrap()).is_some(), "{text}");
        }
    }
}
