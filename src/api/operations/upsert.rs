//! Update what exists, create what does not, and update again what failed only for being in the same request.

use std::collections::HashSet;

use bytes::Bytes;

use super::chunks::{Item, Limits, Plan, Post, write};
use super::outcome::{Outcome, Place};
use super::patches::{self, Mode};
use super::raw;
use crate::error::{Error, Status};

/// The two requests it is made of.
pub struct Ways<'a> {
    pub update: (&'a Limits, &'a Post<'a>),
    pub create: (&'a Limits, &'a Post<'a>),
}

/// `objects` in full, each with what it is known by.
pub async fn upsert(api: &str, objects: &[Bytes], mode: Mode, ways: &Ways<'_>) -> Result<(Vec<Item>, Outcome), Error> {
    let items: Vec<Item> = objects.iter().map(|json| patches::item(api, json, mode)).collect::<Result<_, _>>()?;
    let (limits, post) = ways.update;
    let mut outcome = write(&items, &Plan::any(items.len()), limits, "", post).await;
    let Some(missing) = missing(&outcome) else { return Ok((items, outcome)) };
    let failed: Vec<u32> = (0..items.len() as u32).filter(|i| outcome.place_of(*i) == Place::Failed).collect();
    let is_missing = |i: u32| {
        items.get(i as usize).is_some_and(|item| raw::identifiers(item.name()).iter().any(|k| missing.contains(k)))
    };
    let (absent, again): (Vec<u32>, Vec<u32>) = failed.into_iter().partition(|i| is_missing(*i));
    if absent.is_empty() {
        return Ok((items, outcome));
    }
    let to_create = pick(&absent, |i| Some(Item { json: objects.get(i)?.clone(), ..items.get(i)?.clone() }));
    let to_update = pick(&again, |i| items.get(i).cloned());
    for (positions, some, (limits, post)) in [(absent, to_create, ways.create), (again, to_update, ways.update)] {
        if !some.is_empty() && !ended(&outcome) {
            let later = write(&some, &Plan::any(some.len()), limits, "", post).await;
            outcome.replace(&positions, later);
        }
    }
    Ok((items, outcome))
}

/// The names of what does not exist. `None`: nothing failed, or something failed for another reason, or what is missing
/// was named by an id and so cannot be created.
fn missing(outcome: &Outcome) -> Option<HashSet<String>> {
    let mut out = HashSet::new();
    for request in outcome.failed_requests() {
        if request.error.status() != Status::NotFound {
            return None;
        }
        for value in request.error.detail().missing.iter().flatten() {
            value.get("externalId")?;
            out.insert(value.to_string());
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Cancelled or over its time: the next step would only say so again.
fn ended(outcome: &Outcome) -> bool {
    outcome.failed_requests().any(|r| {
        matches!(r.error.status(), Status::Cancelled | Status::Shutdown) || r.error.status() == Status::Timeout
    })
}

fn pick(positions: &[u32], item: impl Fn(usize) -> Option<Item>) -> Vec<Item> {
    positions.iter().filter_map(|i| item(*i as usize)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::api::operations::chunks::{Answers, Posted};
    use crate::http::Response;

    /// Which external ids exist, and all that was asked.
    #[derive(Default)]
    struct Service {
        exists: Mutex<BTreeSet<String>>,
        asked: Mutex<Vec<String>>,
        broken: Option<String>,
    }

    fn names(body: &[u8]) -> Vec<String> {
        let body: Value = serde_json::from_slice(body).unwrap();
        let list = body["items"].as_array().unwrap();
        list.iter().map(|i| i["externalId"].as_str().unwrap().to_owned()).collect()
    }

    fn refusal(status: Status, http: u16) -> Error {
        Error::new(status, "no").with(|d| {
            d.http_status = http;
            d.in_doubt = http >= 500;
        })
    }

    impl Service {
        fn answer(&self, create: bool, body: &[u8]) -> Result<Response, Error> {
            let names = names(body);
            self.asked.lock().unwrap().push(format!(
                "{} {}",
                if create { "create" } else { "update" },
                names.join(" ")
            ));
            if self.broken.as_ref().is_some_and(|b| names.contains(b)) {
                return Err(refusal(Status::Api, 500));
            }
            let mut exists = self.exists.lock().unwrap();
            let absent: Vec<Value> =
                names.iter().filter(|n| !exists.contains(*n)).map(|n| json!({"externalId": n})).collect();
            if !create && !absent.is_empty() {
                return Err(refusal(Status::NotFound, 400).with(|d| d.missing = Some(absent)));
            }
            exists.extend(names.iter().cloned());
            let items: Vec<Value> = names.iter().map(|n| json!({"externalId": n, "created": create})).collect();
            Ok(Response::of_json(&json!({"items": items})))
        }
    }

    fn run(service: &Arc<Service>, names: &[&str], size: usize) -> Result<Vec<u8>, Error> {
        let objects: Vec<Bytes> =
            names.iter().map(|n| json!({"externalId": n, "name": n}).to_string().into()).collect();
        let limits = Limits { items: size, bytes: 10_000, in_flight: 1, split: false, answers: Answers::Items };
        let create = |body: Vec<u8>| -> Posted<'_> { Box::pin(async move { service.answer(true, &body) }) };
        let update = |body: Vec<u8>| -> Posted<'_> { Box::pin(async move { service.answer(false, &body) }) };
        let ways = Ways { update: (&limits, &update), create: (&limits, &create) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (items, outcome) = runtime.block_on(upsert("assets", &objects, Mode::Patch, &ways))?;
        outcome.result(&items)
    }

    fn with(exists: &[&str]) -> Arc<Service> {
        Arc::new(Service { exists: Mutex::new(exists.iter().map(|s| s.to_string()).collect()), ..Service::default() })
    }

    #[test]
    fn what_is_missing_is_created_and_the_rest_updated_again_in_the_order_given() {
        let service = with(&["b", "d"]);
        let body = run(&service, &["a", "b", "c", "d"], 2).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let shown: Vec<(&str, bool)> = body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| (i["externalId"].as_str().unwrap(), i["created"].as_bool().unwrap()))
            .collect();
        assert_eq!(shown, [("a", true), ("b", false), ("c", true), ("d", false)]);
        let asked = service.asked.lock().unwrap();
        assert_eq!(*asked, ["update a b", "update c d", "create a c", "update b d"]);
    }

    #[test]
    fn all_that_exist_are_one_update() {
        let service = with(&["a", "b"]);
        run(&service, &["a", "b"], 5).unwrap();
        assert_eq!(*service.asked.lock().unwrap(), ["update a b"]);
        assert_eq!(run(&service, &[], 5).unwrap(), b"{\"items\":[]}");
    }

    #[test]
    fn another_failure_creates_nothing() {
        let service = Arc::new(Service { broken: Some("b".into()), ..Service::default() });
        let e = run(&service, &["a", "b"], 1).unwrap_err();
        assert_eq!(*service.asked.lock().unwrap(), ["update a", "update b"]);
        let lists = e.detail().items.clone().unwrap();
        assert_eq!((lists.failed.len(), lists.unknown.len()), (1, 1));
    }

    #[test]
    fn each_item_is_told_of_once_when_a_later_step_fails() {
        let service = with(&["b"]);
        // A service that finds "a" missing and then breaks when it is created.
        let objects: Vec<Bytes> = ["a", "b"].iter().map(|n| json!({"externalId": n}).to_string().into()).collect();
        let limits = Limits { items: 5, bytes: 10_000, in_flight: 1, split: false, answers: Answers::Items };
        let update = |body: Vec<u8>| -> Posted<'_> {
            let answer = service.answer(false, &body);
            Box::pin(async move { answer })
        };
        let create = |_| -> Posted<'_> { Box::pin(async { Err(refusal(Status::Api, 500)) }) };
        let ways = Ways { update: (&limits, &update), create: (&limits, &create) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (items, outcome) = runtime.block_on(upsert("assets", &objects, Mode::Patch, &ways)).unwrap();
        let e = outcome.result(&items).unwrap_err();
        assert_eq!(e.status(), Status::Partial);
        let lists = e.detail().items.clone().unwrap();
        assert_eq!(lists.unknown, [&b"{\"externalId\":\"a\"}"[..]]);
        assert_eq!(lists.succeeded, [&b"{\"externalId\":\"b\"}"[..]]);
        assert_eq!(lists.requests.len(), 1);
        assert_eq!(lists.requests[0].positions, [0]);
    }
}
