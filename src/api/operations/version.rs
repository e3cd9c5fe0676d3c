//! `cdf-version` of a request, where it depends on what is asked for.

use serde_json::{Map, Value};

use super::table::Operation;

/// The header's value for a request with these members; `None`: the config's.
pub fn version(operation: &Operation, members: &str, default: &str) -> Option<String> {
    let wanted = operation.version.filter(|_| asked_for(operation.when, members))?;
    let suffix = wanted.strip_prefix("{default}").unwrap_or_default();
    // A config may name the preview itself.
    let named = !suffix.is_empty() && default.ends_with(suffix);
    Some(if named { default.to_owned() } else { wanted.replace("{default}", default) })
}

/// Any of `member` (given, and not null) and `member=value` (that, or a list that holds it); a member's members behind dots.
fn asked_for(when: &str, members: &str) -> bool {
    if when.is_empty() {
        return true;
    }
    let Ok(given) = serde_json::from_str::<Map<String, Value>>(&format!("{{{members}}}")) else { return false };
    when.split(',').any(|condition| {
        let (path, value) = condition.split_once('=').unzip();
        let mut path = path.unwrap_or(condition).split('.');
        let first = path.next().and_then(|name| given.get(name));
        let found = path.fold(first, |found, name| found?.get(name)).filter(|v| !v.is_null());
        let is =
            |v: &Value| value.is_none_or(|wanted| v.as_str().map_or_else(|| v.to_string(), str::to_owned) == wanted);
        found.is_some_and(|v| is(v) || v.as_array().is_some_and(|list| list.iter().any(is)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operations::find;

    #[test]
    fn asked_for_by_arguments() {
        let sent = |name: &str, members: &str| version(find(name).unwrap(), members, "20230101");
        let alpha = Some("20230101-alpha".to_owned());
        assert_eq!(sent("assets.list", ""), None);
        assert_eq!(sent("agents.list", ""), Some("beta".to_owned()));
        assert_eq!(sent("limits.list", ""), alpha);
        for name in ["list", "query", "sync"].map(|verb| format!("data_modeling.instances.{verb}")) {
            assert_eq!(sent(&name, ""), None);
            assert_eq!(sent(&name, r#""debug":{"profile":true,"includePlan":false}"#), None);
            assert_eq!(sent(&name, r#""limit":1,"debug":{"includePlan":true}"#), alpha);
        }
        assert_eq!(sent("diagrams.detect", r#""patternMode":null"#), None);
        assert_eq!(sent("diagrams.detect", r#""patternMode":false"#), Some("20230101-beta".to_owned()));
        assert_eq!(sent("vision.extract", r#""features":["TextDetection"]"#), None);
        for features in
            [r#"["TextDetection","IndustrialObjectDetection"]"#, r#""PersonalProtectiveEquipmentDetection""#]
        {
            assert_eq!(sent("vision.extract", &format!("\"features\":{features}")), Some("beta".to_owned()));
        }
        // Not doubled.
        let detect = find("diagrams.detect").unwrap();
        assert_eq!(version(detect, r#""configuration":{}"#, "x-beta"), Some("x-beta".to_owned()));
    }
}
