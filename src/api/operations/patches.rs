//! Whole objects as updates: which properties each resource lets be set, added to or cleared.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::chunks::Item;
use super::raw;
use crate::error::Error;

/// What becomes of properties that the object has, and of those it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Set; left as they are.
    ReplaceIgnoreNull,
    /// Lists and maps added to, others set; left as they are.
    Patch,
    /// Set; cleared.
    Replace,
}

impl Mode {
    pub fn of(name: &str) -> Result<Self, Error> {
        match name {
            "replace_ignore_null" | "replaceIgnoreNull" => Ok(Mode::ReplaceIgnoreNull),
            "patch" => Ok(Mode::Patch),
            "replace" => Ok(Mode::Replace),
            _ => Err(Error::argument("mode must be replaceIgnoreNull, patch or replace")),
        }
    }
}

/// The properties of each resource. Behind a name: `!` cannot be cleared, `[]` a list, `{}` a map that is cleared to an
/// empty one, `{}!` a map that is cleared to null. The part behind `|` is for objects with an instance id, most of whose
/// properties belong to the data model.
const PROPERTIES: &[(&str, &str)] = &[
    ("annotations", "data! status! annotationType!"),
    (
        "assets",
        "externalId! name! description dataSetId metadata{} source parentId! parentExternalId! labels[] geoLocation",
    ),
    ("data_sets", "externalId! name description metadata{} writeProtected!"),
    ("entity_matching", "name! description!"),
    ("events", "externalId! dataSetId startTime endTime description metadata{} assetIds[] source type subtype"),
    (
        "extraction_pipelines",
        "externalId! name! description! dataSetId! schedule! rawTables[] contacts[] metadata{} source! documentation! notificationConfig!",
    ),
    (
        "files",
        "externalId! directory source mimeType metadata{} assetIds[] sourceCreatedTime sourceModifiedTime dataSetId securityCategories[] labels[] geoLocation|externalId metadata{} assetIds[] dataSetId labels[] geoLocation",
    ),
    ("hosted_extractors.destinations", "credentials{}! targetDataSetId"),
    ("hosted_extractors.jobs", "destinationId! sourceId! format! targetStatus! config!"),
    ("hosted_extractors.mappings", "mapping! input published!"),
    // Each type of source has its own.
    ("hosted_extractors.sources eventhub", "host! eventHubName! keyName! keyValue! authentication! consumerGroup"),
    ("hosted_extractors.sources kafka", "bootstrapBrokers! authentication useTls! caCertificate authCertificate"),
    ("hosted_extractors.sources mqtt3", "host! port authentication useTls! caCertificate authCertificate"),
    ("hosted_extractors.sources mqtt5", "host! port authentication useTls! caCertificate authCertificate"),
    ("hosted_extractors.sources rest", "host! scheme! port! authentication caCertificate authCertificate"),
    ("integrations", "name description documentation allowedNotSeenMinutes metadata{}"),
    ("postgres_gateway.users", "credentials"),
    (
        "relationships",
        "sourceType! sourceExternalId! targetType! targetExternalId! confidence startTime endTime dataSetId labels[]",
    ),
    ("sequences", "externalId! name description assetId metadata{} dataSetId"),
    ("simulators.models", "name description"),
    ("three_d.models", "name! metadata{} dataSetId"),
    ("three_d.revisions", "published! rotation! camera! scale! translation! metadata{}"),
    (
        "time_series",
        "externalId! name metadata{} unit unitExternalId assetId description isStep! securityCategories[] dataSetId|externalId! metadata{} assetId dataSetId",
    ),
    ("time_series.subscriptions", "name description timeSeriesIds[] instanceIds[] filter! dataSetId"),
    (
        "transformations",
        "externalId! name! destination! conflictMode! query! sourceOidcCredentials destinationOidcCredentials sourceNonce destinationNonce isPublic! ignoreNullFields! dataSetId tags[]",
    ),
    ("transformations.schedules", "interval! isPaused!"),
];

/// What an object is known by, the first one it has. It is not among what is changed.
const KEYS: [&str; 4] = ["instanceId", "id", "externalId", "username"];

/// An update as it is sent, and its name. A patch (an object with `update`) passes as it is.
pub fn item(api: &str, json: &Bytes, mode: Mode) -> Result<Item, Error> {
    let mut members = raw::members(json).ok_or_else(|| Error::argument("an item of items is not an object"))?;
    // Null is the same as not given.
    members.retain(|_, value| &value[..] != b"null");
    let (key, id) = KEYS
        .into_iter()
        .find_map(|key| members.remove(key).map(|id| (key, id)))
        .ok_or_else(|| Error::argument("an item to be updated has neither id nor externalId nor instanceId"))?;
    let id = String::from_utf8_lossy(&id).into_owned();
    let name = format!("{{\"{key}\":{id}}}");
    if members.contains_key("update") {
        return Ok(Item::named(json.clone(), name));
    }
    // The type of a source stands beside its name, and says which properties it has.
    let kind = if api == "hosted_extractors.sources" { members.remove("type") } else { None };
    let text = kind.as_ref().and_then(|k| serde_json::from_slice::<String>(k).ok());
    let api = text.map_or_else(|| api.to_owned(), |text| format!("{api} {text}"));
    let Some(list) = PROPERTIES.iter().find(|p| p.0 == api) else {
        // Nothing is known of its properties: the service judges what was given.
        return Ok(Item::named(json.clone(), name));
    };
    let list = match list.1.split_once('|') {
        Some((_, few)) if key == "instanceId" => few,
        Some((many, _)) => many,
        None => list.1,
    };
    let update = changes(list, &members, mode);
    let kind = kind.map(|k| format!("\"type\":{},", String::from_utf8_lossy(&k))).unwrap_or_default();
    Ok(Item::named(format!("{{{kind}\"{key}\":{id},\"update\":{{{update}}}}}"), name))
}

fn changes(list: &str, given: &BTreeMap<String, Bytes>, mode: Mode) -> String {
    let mut out = String::new();
    for property in list.split(' ') {
        let name = property.trim_end_matches(['!', '[', ']', '{', '}']);
        let kind = property.get(name.len()..).unwrap_or_default();
        let change = match given.get(name) {
            Some(value) => {
                let verb = if mode == Mode::Patch && !matches!(kind, "" | "!") { "add" } else { "set" };
                format!("{{\"{verb}\":{}}}", String::from_utf8_lossy(value))
            }
            // The key of the object itself is never cleared.
            None if mode == Mode::Replace && !KEYS.contains(&name) => match kind {
                "[]" => "{\"set\":[]}".to_owned(),
                "{}" => "{\"set\":{}}".to_owned(),
                "!" => continue,
                _ => "{\"setNull\":true}".to_owned(),
            },
            None => continue,
        };
        let comma = if out.is_empty() { "" } else { "," };
        out.push_str(&format!("{comma}\"{name}\":{change}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(api: &str, object: Value, mode: Mode) -> Value {
        let item = item(api, &object.to_string().into(), mode).unwrap();
        serde_json::from_slice(&item.json).unwrap()
    }

    #[test]
    fn modes() {
        let asset = json!({"externalId": "a", "name": "n", "metadata": {"k": "v"}, "labels": [1], "source": null});
        let change = |mode| of("assets", asset.clone(), mode);
        assert_eq!(
            change(Mode::ReplaceIgnoreNull),
            json!({"externalId": "a", "update": {"name": {"set": "n"}, "metadata": {"set": {"k": "v"}}, "labels": {"set": [1]}}})
        );
        assert_eq!(
            change(Mode::Patch)["update"],
            json!({"name": {"set": "n"}, "metadata": {"add": {"k": "v"}}, "labels": {"add": [1]}})
        );
        let replaced = change(Mode::Replace)["update"].clone();
        assert_eq!(replaced["source"], json!({"setNull": true}));
        assert!(replaced.get("parentId").is_none() && replaced.get("externalId").is_none());
        let cleared = of("events", json!({"id": 1}), Mode::Replace)["update"].clone();
        assert_eq!((&cleared["metadata"], &cleared["assetIds"]), (&json!({"set": {}}), &json!({"set": []})));
        let secret = of("hosted_extractors.destinations", json!({"externalId": "d"}), Mode::Replace);
        assert_eq!(secret["update"]["credentials"], json!({"setNull": true}));
    }

    #[test]
    fn the_key_is_the_instance_id_then_the_id_then_the_external_id() {
        let read = json!({"id": 5, "externalId": "a5", "name": "n", "rootId": 5, "createdTime": 1});
        assert_eq!(
            of("assets", read, Mode::ReplaceIgnoreNull),
            json!({"id": 5, "update": {"externalId": {"set": "a5"}, "name": {"set": "n"}}})
        );
        let point = json!({"instanceId": {"space": "s", "externalId": "x"}, "id": 5, "name": "n", "assetId": 7});
        assert_eq!(
            of("time_series", point, Mode::ReplaceIgnoreNull),
            json!({"instanceId": {"space": "s", "externalId": "x"}, "update": {"assetId": {"set": 7}}})
        );
        let e = item("assets", &Bytes::from_static(b"{\"name\":\"n\"}"), Mode::Patch).unwrap_err();
        assert!(e.message().contains("externalId"));
    }

    #[test]
    fn patches_pass_as_they_are() {
        let patch = Bytes::from_static(br#"{ "id":1, "update" : {"x":{"set":1.10}} }"#);
        let item = item("unknown", &patch, Mode::Patch).unwrap();
        assert_eq!((&item.json, item.name.unwrap()), (&patch, Bytes::from_static(b"{\"id\":1}")));
        let whole = Bytes::from_static(br#"{"externalId":"x","type":"new"}"#);
        assert_eq!(super::item("hosted_extractors.sources", &whole, Mode::Patch).unwrap().json, whole);
    }

    #[test]
    fn a_source_is_changed_as_its_type_allows() {
        let broker =
            json!({"externalId": "x", "type": "mqtt5", "host": "h", "port": null, "useTls": true, "scheme": "?"});
        let change = |mode| of("hosted_extractors.sources", broker.clone(), mode);
        let set = json!({"host": {"set": "h"}, "useTls": {"set": true}});
        assert_eq!(change(Mode::Patch), json!({"type": "mqtt5", "externalId": "x", "update": set}));
        let cleared = change(Mode::Replace)["update"].clone();
        let null = json!({"setNull": true});
        assert_eq!([&cleared["port"], &cleared["authentication"], &cleared["caCertificate"]], [&null, &null, &null]);
        let rest = json!({"externalId": "x", "type": "rest", "scheme": "https"});
        let rest = of("hosted_extractors.sources", rest, Mode::Replace)["update"].clone();
        assert!(rest["scheme"] == json!({"set": "https"}) && rest.get("port").is_none(), "{rest}");
    }

    #[test]
    fn the_list_can_be_read() {
        for (api, list) in PROPERTIES {
            for property in list.split([' ', '|']) {
                let name = property.trim_end_matches(['!', '[', ']', '{', '}']);
                assert!(name.len() > 1 && name.bytes().all(|b| b.is_ascii_alphabetic()), "{api}: {property}");
                assert!(["", "!", "[]", "{}", "{}!"].contains(&&property[name.len()..]), "{api}: {property}");
            }
        }
    }
}
