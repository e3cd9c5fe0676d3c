//! One answer of the script on the wire, with its faults.

use super::http::{Conn, Received, percent_encoded};
use super::server::Shared;
use crate::json::Json;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

/// False: the connection is to be closed (dropping it does that).
pub fn answer(shared: &Shared, conn: &mut Conn, req: &Received, spec: &Json) -> io::Result<bool> {
    let number = |v: &Json, name: &str| v.get(name).and_then(Json::as_f64);
    shared.pause(number(spec, "delay_ms").unwrap_or(0.0));
    let fault = spec.get("fault").cloned().unwrap_or(Json::Null);
    let kind = fault.text_of("kind").unwrap_or("");
    match kind {
        "close_before_response" => return Ok(false),
        "reset_before_response" => return reset(conn),
        "never" => return hold(shared, conn),
        "garbage" => {
            conn.send(fault.text_of("text").unwrap_or("").as_bytes())?;
            return Ok(false);
        }
        _ => {}
    }

    let page = spec.get("authorize").map(|fields| authorize(fields, req));
    let spec = page.as_ref().unwrap_or(spec);
    let status = spec.get("status").and_then(Json::as_usize).unwrap_or(200);
    let bodiless = status == 204 || status == 304;
    let chunked = spec.get("chunked").is_some_and(Json::is_true);
    let closes = spec.get("close").is_some_and(Json::is_true);
    let (mut body, content_type) = body_of(spec)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    let extra: Vec<(String, &Json)> =
        spec.get("headers").and_then(Json::as_map).unwrap_or(&[]).iter().map(|(k, v)| (k.to_lowercase(), v)).collect();
    if let Some(t) = content_type
        && !extra.iter().any(|(k, _)| k == "content-type")
    {
        headers.push(("content-type".into(), t.into()));
    }
    if spec.text_of("encode") == Some("gzip") {
        let mut z = GzEncoder::new(Vec::new(), Compression::default());
        z.write_all(&body)?;
        body = z.finish()?;
        headers.push(("content-encoding".into(), "gzip".into()));
    }
    for (k, v) in extra {
        for one in v.as_list().unwrap_or(std::slice::from_ref(v)) {
            headers.push((k.clone(), reflect(one.as_str().unwrap_or(""), req)));
        }
    }
    if chunked {
        headers.push(("transfer-encoding".into(), "chunked".into()));
    } else if !bodiless && req.method != "HEAD" {
        let announced = if kind == "content_length" { fault.get("value").and_then(Json::as_usize) } else { None };
        headers.push(("content-length".into(), announced.unwrap_or(body.len()).to_string()));
    }
    if closes {
        headers.push(("connection".into(), "close".into()));
    }
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (k, v) in &headers {
        head.push_str(&format!("{k}: {v}\r\n"));
    }
    head.push_str("\r\n");
    let mut head = head.into_bytes();

    let after = fault.get("after_bytes").and_then(Json::as_usize).unwrap_or(0);
    match kind {
        "partial_headers" => {
            conn.send(&head[..after.min(head.len())])?;
            Ok(false)
        }
        "close_mid_body" | "reset_mid_body" => {
            head.extend_from_slice(&body[..after.min(body.len())]);
            conn.send(&head)?;
            thread::sleep(Duration::from_millis(30));
            if kind == "reset_mid_body" { reset(conn) } else { Ok(false) }
        }
        "drip" => {
            conn.send(&head)?;
            for part in body.chunks(fault.get("chunk").and_then(Json::as_usize).unwrap_or(1).max(1)) {
                conn.send(part)?;
                shared.pause(number(&fault, "interval_ms").unwrap_or(0.0));
            }
            Ok(true)
        }
        "" | "content_length" => {
            if chunked {
                conn.send(&head)?;
                for part in body.chunks(spec.get("chunk_size").and_then(Json::as_usize).unwrap_or(16).max(1)) {
                    let mut framed = format!("{:x}\r\n", part.len()).into_bytes();
                    framed.extend_from_slice(part);
                    framed.extend_from_slice(b"\r\n");
                    conn.send(&framed)?;
                }
                conn.send(b"0\r\n\r\n")?;
            } else {
                if !bodiless {
                    head.extend_from_slice(&body);
                }
                conn.send(&head)?;
            }
            Ok(kind.is_empty() && !closes && !spec.get("close_silently").is_some_and(Json::is_true))
        }
        _ => Err(io::Error::other(format!("unknown fault {kind}"))),
    }
}

/// Closing with linger 0 sends a reset instead of an orderly end.
fn reset(conn: &Conn) -> io::Result<bool> {
    SockRef::from(conn.socket()).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}

/// Holds the connection until the peer hangs up or the vector ends.
fn hold(shared: &Shared, conn: &mut Conn) -> io::Result<bool> {
    conn.socket().set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut byte = [0; 1];
    while !shared.stopped() {
        match conn.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    Ok(false)
}

fn body_of(spec: &Json) -> io::Result<(Vec<u8>, Option<&'static str>)> {
    let bytes = |text: Option<&str>| STANDARD.decode(text.unwrap_or("")).map_err(io::Error::other);
    if let Some(v) = spec.get("json") {
        return Ok((v.write_spaced().into_bytes(), Some("application/json")));
    }
    if let Some(t) = spec.text_of("text") {
        return Ok((t.as_bytes().to_vec(), Some("text/plain; charset=utf-8")));
    }
    if spec.get("base64").is_some() {
        return Ok((bytes(spec.text_of("base64"))?, Some("application/octet-stream")));
    }
    if let Some(fill) = spec.get("fill") {
        let of = |name| fill.get(name).and_then(Json::as_usize).unwrap_or(0);
        return Ok((vec![of("byte") as u8; of("count")], Some("application/octet-stream")));
    }
    if let Some(message) = spec.get("proto") {
        let encoded = match message.text_of("base64") {
            Some(text) => bytes(Some(text))?,
            None => {
                let value = message.get("value").unwrap_or(&Json::Null);
                super::proto::encode(message.text_of("message").unwrap_or(""), value).map_err(io::Error::other)?
            }
        };
        return Ok((encoded, Some("application/protobuf")));
    }
    Ok((Vec::new(), None))
}

/// The answer of an authorization page, in the way the request asked for.
fn authorize(fields: &Json, req: &Received) -> Json {
    let fields: Vec<(String, String)> = fields
        .as_map()
        .unwrap_or(&[])
        .iter()
        .map(|(k, v)| (k.clone(), reflect(v.as_str().unwrap_or(""), req)))
        .collect();
    let target = req.query_value("redirect_uri").unwrap_or_default();
    if req.query_value("response_mode").as_deref() == Some("form_post") {
        let inputs: String = fields
            .iter()
            .map(|(k, v)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(k), escaped(v)))
            .collect();
        let page =
            format!("<html><body><form method=\"post\" action=\"{}\">{inputs}</form></body></html>", escaped(&target));
        let html = Json::single("content-type", Json::str("text/html"));
        return Json::Map(vec![("text".into(), Json::Str(page)), ("headers".into(), html)]);
    }
    let query: Vec<String> =
        fields.iter().map(|(k, v)| format!("{}={}", percent_encoded(k), percent_encoded(v))).collect();
    let to = Json::single("location", Json::Str(format!("{target}?{}", query.join("&"))));
    Json::Map(vec![("status".into(), Json::int(302)), ("headers".into(), to)])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `{{query:NAME}}` in an answer stands for a query parameter of the request.
fn reflect(text: &str, req: &Received) -> String {
    let mut s = text.to_string();
    while let Some(start) = s.find("{{query:") {
        let Some(len) = s[start..].find("}}") else { break };
        let value = req.query_value(&s[start + 8..start + len]).unwrap_or_default();
        s.replace_range(start..start + len + 2, &value);
    }
    s
}

fn reason(status: usize) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
