//! Every endpoint that the official Python SDK calls is routed. The list is data: method, path, and a body that the
//! API description allows. `@` stands before paths that are not below a project.

mod common;

use std::collections::BTreeMap;

use common::{Emulator, answer};
use reqwest::Method;
use serde_json::Value;

const ENDPOINTS: &str = include_str!("endpoints.txt");
/// Those that others call.
const MORE: &str = include_str!("endpoints_more.txt");

/// A path with its parameters filled in. Most name nothing, so the answer is an error; but not that of a missing route.
fn filled(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        out += before;
        out += match name {
            "project" => "demo",
            "org" => "emulator",
            "schemaType" => "assets",
            "limitId" => "streams.streams",
            _ => "1",
        };
        rest = after;
    }
    out + rest
}

#[tokio::test]
async fn every_endpoint_is_routed() {
    let e = Emulator::start().await;
    let mut by_status: BTreeMap<u16, u32> = BTreeMap::new();
    let (mut count, mut wrong) = (0, Vec::new());
    for line in ENDPOINTS.lines().chain(MORE.lines()) {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = match path.strip_prefix('@') {
            Some(path) => e.client.request(method, e.url(&filled(path))).bearer_auth(&e.token),
            None => e.request(method, &filled(path)),
        };
        if let Some(body) = words.next() {
            request = request.json(&serde_json::from_str::<Value>(body).unwrap());
        }
        let (status, body) = answer(request).await;
        *by_status.entry(status).or_default() += 1;
        count += 1;
        let message = body["error"]["message"].as_str().unwrap_or("");
        if message.starts_with("No such path") || status >= 500 || status == 405 {
            wrong.push(format!("{line}: {status} {message}"));
        }
    }
    println!("{count} endpoints called, answers by status: {by_status:?}");
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(count, 361 + MORE.lines().count());
}
