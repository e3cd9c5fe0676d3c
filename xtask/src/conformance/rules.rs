//! Which rule of a server script a request goes to.

use super::compare::equal;
use super::http::{Received, form_pairs};
use crate::json::Json;
use regex_lite::Regex;

/// What a JSON pointer names in a document.
fn pointer<'a>(doc: &'a Json, ptr: &str) -> Option<&'a Json> {
    let mut cur = doc;
    for part in ptr.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        cur = match cur {
            Json::List(l) => l.get(part.parse::<usize>().ok()?)?,
            Json::Map(_) => cur.get(&part)?,
            _ => return None,
        };
    }
    Some(cur)
}

pub fn matches(wanted: &Json, req: &Received) -> bool {
    wanted.as_map().unwrap_or(&[]).iter().all(|(name, want)| holds(name, want, req))
}

fn holds(name: &str, want: &Json, req: &Received) -> bool {
    let is = |have: &str| want.as_str() == Some(have);
    let members = want.as_map().unwrap_or(&[]);
    match name {
        "method" => is(&req.method),
        "path" => is(req.path()),
        "path_regex" => {
            let pattern = format!("^(?:{})$", want.as_str().unwrap_or(""));
            Regex::new(&pattern).is_ok_and(|re| re.is_match(req.path()))
        }
        "listener" => is(req.listener),
        "host" => is(&req.host),
        "query" => members.iter().all(|(k, v)| req.query_value(k).as_deref() == v.as_str()),
        "headers" => members.iter().all(|(k, v)| req.header(k) == v.as_str()),
        "json" => {
            let doc = req.json().unwrap_or(Json::Null);
            members.iter().all(|(ptr, v)| pointer(&doc, ptr).is_some_and(|have| equal(v, have)))
        }
        "json_absent" => {
            let doc = req.json().unwrap_or(Json::Null);
            let absent = |p: &Json| pointer(&doc, p.as_str().unwrap_or("")).is_none_or(|v| *v == Json::Null);
            want.as_list().unwrap_or(&[]).iter().all(absent)
        }
        "form" => {
            let form = form_pairs(&String::from_utf8_lossy(&req.body));
            let last = |k: &str| form.iter().rev().find(|(n, _)| n == k).map(|(_, v)| v.as_str());
            members.iter().all(|(k, v)| last(k) == v.as_str())
        }
        // A condition this replayer does not know must not count as fulfilled.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let req = Received {
            method: "POST".into(),
            target: "/a/list?x=1&x=2".into(),
            body: br#"{"a":[{"b/c":1.0}],"n":null}"#.to_vec(),
            ..Received::default()
        };
        let yes = |t: &str| matches(&Json::parse(t).unwrap(), &req);
        assert!(yes(r#"{"method":"POST","path":"/a/list","path_regex":".*/list"}"#));
        assert!(yes(r#"{"query":{"x":"2","y":null},"json":{"/a/0/b~1c":1},"json_absent":["/n","/q"]}"#));
        assert!(!yes(r#"{"path_regex":"/li"}"#) && !yes(r#"{"json":{"/a/1":1}}"#) && !yes(r#"{"unheard_of":1}"#));
    }
}
