//! Placeholders: the values that differ from run to run, put into a vector before it and taken out of what it gave.

use crate::json::Json;
use std::fs;

pub struct Places {
    /// Name and value, in the order in which they are filled in.
    values: Vec<(String, String)>,
    redirect_port: u16,
    fixtures: String,
}

pub struct Ports {
    pub http: u16,
    pub tls: u16,
    pub closed: u16,
    pub free: u16,
    /// Only when the vector wants one: arranging it takes sockets and time.
    pub stuck: Option<u16>,
}

impl Places {
    pub fn new(ports: &Ports, tmp: &str, fixtures: &str) -> Places {
        let mut values = vec![
            ("base_url", format!("http://127.0.0.1:{}", ports.http)),
            ("base_netloc", format!("127.0.0.1:{}", ports.http)),
            ("tls_url", format!("https://127.0.0.1:{}", ports.tls)),
            ("tls_netloc", format!("127.0.0.1:{}", ports.tls)),
            ("closed_url", format!("http://127.0.0.1:{}", ports.closed)),
            ("redirect_netloc", format!("localhost:{}", ports.free)),
            ("tmp", tmp.to_string()),
            ("fixtures", fixtures.to_string()),
        ];
        if let Some(port) = ports.stuck {
            values.push(("stuck_url", format!("http://127.0.0.1:{port}")));
        }
        let values = values.into_iter().map(|(k, v)| (format!("{{{{{k}}}}}"), v)).collect();
        Places { values, redirect_port: ports.free, fixtures: fixtures.to_string() }
    }

    /// Fails only when a fixture named by the text cannot be read.
    pub fn fill_text(&self, text: &str) -> Result<String, String> {
        if !text.contains("{{") {
            return Ok(text.to_string());
        }
        let mut s = text.to_string();
        for (name, value) in &self.values {
            s = s.replace(name, value);
        }
        s = s.replace("{{redirect_port}}", &self.redirect_port.to_string());
        while let Some(start) = s.find("{{file:") {
            let end = s[start..].find("}}").ok_or("a {{file:...}} placeholder without end")? + start;
            let path = format!("{}/{}", self.fixtures, &s[start + 7..end]);
            let content = fs::read_to_string(&path).map_err(|e| format!("fixture {path}: {e}"))?;
            s.replace_range(start..end + 2, &content);
        }
        Ok(s)
    }

    pub fn fill(&self, value: &Json) -> Result<Json, String> {
        map_texts(value, &|s| self.fill_text(s))
    }

    pub fn unfill_text(&self, text: &str) -> String {
        let mut s = text.to_string();
        let mut longest_first: Vec<_> = self.values.iter().collect();
        longest_first.sort_by_key(|(_, v)| std::cmp::Reverse(v.len()));
        for (name, value) in longest_first {
            if s.contains(value.as_str()) {
                s = s.replace(value.as_str(), name);
            }
        }
        s
    }

    pub fn unfill(&self, value: &Json) -> Json {
        map_texts(value, &|s| Ok(self.unfill_text(s))).unwrap_or(Json::Null)
    }
}

fn map_texts(value: &Json, f: &dyn Fn(&str) -> Result<String, String>) -> Result<Json, String> {
    Ok(match value {
        Json::Str(s) => Json::Str(f(s)?),
        Json::List(l) => Json::List(l.iter().map(|v| map_texts(v, f)).collect::<Result<_, _>>()?),
        Json::Map(m) => Json::Map(m.iter().map(|(k, v)| Ok((f(k)?, map_texts(v, f)?))).collect::<Result<_, String>>()?),
        _ => value.clone(),
    })
}
