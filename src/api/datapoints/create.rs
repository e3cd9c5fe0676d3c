//! Series that an insert finds missing are made, by the caller's template, and the request is sent again. Somebody else
//! may make them at the same time, and a request to make them may be lost: what counts is whether the insert finds them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::column::{Key, Kind};
use super::plan::Plan;
use crate::api::Client;
use crate::api::outgoing::{Outgoing, Payload};
use crate::config::concurrency::BudgetKey;
use crate::error::{Error, Status};
use crate::http::Response;
use crate::runtime::{self, CancelToken};

/// Most series of one request that makes them.
const MAX_SERIES: usize = 1000;
/// How often an insert is sent again at most. Series made as nodes are known to the insert a moment later only.
const ROUNDS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a series that is made looks like, besides its name and its kind.
#[derive(Clone, Debug, Default)]
pub struct Template {
    series: Map<String, Value>,
    node: Map<String, Value>,
}

impl Template {
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let wrong = |what: &str| Error::argument(format!("create_missing: {what}"));
        let whole: Value = serde_json::from_slice(text)
            .map_err(|e| wrong(&format!("it is not valid JSON: line {}, column {}", e.line(), e.column())))?;
        let Value::Object(mut whole) = whole else { return Err(wrong("it must be an object")) };
        let mut part = |name: &str| match whole.remove(name) {
            None => Ok(Map::new()),
            Some(Value::Object(part)) => Ok(part),
            Some(_) => Err(wrong(&format!("{name} must be an object"))),
        };
        let (series, node) = (part("timeSeries")?, part("node")?);
        if let Some(key) = whole.keys().next() {
            return Err(wrong(&format!("'{key}' is none of its members: timeSeries and node")));
        }
        // Every series has its own.
        for (of, taken) in
            [(&series, &["id", "externalId", "instanceId", "isString"][..]), (&node, &["space", "externalId"][..])]
        {
            if let Some(key) = taken.iter().find(|k| of.contains_key(**k)) {
                return Err(wrong(&format!("{key} is told by the series itself")));
            }
        }
        if node.get("sources").is_some_and(|s| !s.as_array().is_some_and(|s| s.iter().all(Value::is_object))) {
            return Err(wrong("node.sources must be a list of {source, properties}"));
        }
        Ok(Self { series, node })
    }

    fn series(&self, external_id: &str, kind: Kind) -> Value {
        let mut item = self.series.clone();
        item.insert("externalId".into(), json!(external_id));
        item.insert("isString".into(), json!(kind == Kind::Text));
        Value::Object(item)
    }

    /// A node with the view of time series, or as the template has it; of which the kind is filled in where it is left out.
    fn node(&self, space: &str, external_id: &str, kind: Kind) -> Value {
        let mut item = self.node.clone();
        let view = json!({"type": "view", "space": "cdf_cdm", "externalId": "CogniteTimeSeries", "version": "v1"});
        let sources =
            item.entry("sources").or_insert_with(|| json!([{"source": view, "properties": {"isStep": false}}]));
        let first = sources.get_mut(0).and_then(Value::as_object_mut);
        if let Some(Value::Object(properties)) = first.map(|s| s.entry("properties").or_insert_with(|| json!({}))) {
            properties.entry("type").or_insert_with(|| json!(kind.name()));
        }
        item.insert("instanceType".into(), json!("node"));
        item.insert("space".into(), json!(space));
        item.insert("externalId".into(), json!(external_id));
        // One that somebody else has made meanwhile is left as it is.
        item.insert("existingVersion".into(), json!(0));
        Value::Object(item)
    }
}

/// A series as the service tells that it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    External(String),
    Instance(String, String),
}

impl Name {
    /// `None`: by id, which nobody can give to a new one.
    fn of(key: &Key<'_>) -> Option<Self> {
        match key {
            Key::Id(_) => None,
            Key::External(external_id) => Some(Self::External((*external_id).into())),
            Key::Instance { space, external_id } => Some(Self::Instance((*space).into(), (*external_id).into())),
        }
    }

    fn told(missing: &Value) -> Option<Self> {
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let instance = missing.get("instanceId").unwrap_or(missing);
        match (text(instance, "space"), text(instance, "externalId")) {
            (Some(space), Some(external_id)) => Some(Self::Instance(space, external_id)),
            _ => text(missing, "externalId").map(Self::External),
        }
    }
}

/// Makes series for all requests of one insert.
pub(super) struct Creator {
    client: Arc<Client>,
    template: Template,
    kinds: HashMap<Name, Kind>,
    created: AtomicU64,
    deadline: Instant,
    cancel: Option<CancelToken>,
}

impl Creator {
    pub fn new(
        client: &Arc<Client>,
        template: &Template,
        plan: &Plan<'_>,
        deadline: Instant,
        cancel: Option<CancelToken>,
    ) -> Self {
        let kinds = plan.series.iter().filter_map(|s| Some((Name::of(&s.key)?, s.kind))).collect();
        Self {
            client: Arc::clone(client),
            template: template.clone(),
            kinds,
            created: AtomicU64::new(0),
            deadline,
            cancel,
        }
    }

    pub fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// Sends an insert until it finds its series. A refusal for missing ones says that nothing of it was applied.
    pub async fn insert(&self, send: impl Fn() -> super::Work) -> Result<Response, Error> {
        let mut tried = HashSet::new();
        let mut pause = FIRST_PAUSE;
        let mut rounds = 0;
        loop {
            let error = match send().await {
                Err(e) if e.status() == Status::NotFound && rounds < ROUNDS => e,
                ended => return ended,
            };
            rounds += 1;
            let missing: Vec<Name> = error.detail().missing.iter().flatten().filter_map(Name::told).collect();
            let told = error.detail().missing.as_ref().map_or(0, Vec::len);
            if missing.is_empty() || missing.len() < told || missing.iter().any(|m| !self.kinds.contains_key(m)) {
                // One is missing that cannot be made.
                return Err(error);
            }
            let fresh: Vec<Name> = missing.into_iter().filter(|m| !tried.contains(m)).collect();
            if fresh.is_empty() {
                // Made, but not known yet where datapoints are kept.
                if self.deadline.saturating_duration_since(Instant::now()) <= pause {
                    return Err(error);
                }
                self.rest(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            for part in fresh.chunks(MAX_SERIES) {
                match self.make(part).await {
                    Ok(()) => tried.extend(part.iter().cloned()),
                    // Perhaps they are there: the insert will tell. If not, they are made again.
                    Err(e) if e.detail().in_doubt && ends_here(&e).is_none() => {}
                    Err(e) => return Err(not_made(e)),
                }
            }
        }
    }

    /// Ends at once when nothing more is to be sent; the next request tells so.
    async fn rest(&self, pause: Duration) {
        let cancelled = async {
            match &self.cancel {
                Some(token) => token.triggered().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancelled => {}
            () = runtime::stopping() => {}
        }
    }

    async fn make(&self, names: &[Name]) -> Result<(), Error> {
        let kind = |name: &Name| self.kinds.get(name).copied().unwrap_or(Kind::Numeric);
        let (mut series, mut nodes) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                Name::External(external_id) => {
                    series.push((name.clone(), self.template.series(external_id, kind(name))));
                }
                Name::Instance(space, external_id) => {
                    nodes.push(self.template.node(space, external_id, kind(name)));
                }
            }
        }
        if !nodes.is_empty() {
            let body = json!({"items": nodes, "skipOnVersionConflict": true});
            let answer = self.send("/models/instances", "data_modeling.write", &body).await?;
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let changed = items.iter().filter(|i| i.get("wasModified") == Some(&json!(true))).count();
            self.created.fetch_add(changed as u64, Ordering::Relaxed);
        }
        let mut batches = vec![series];
        while let Some(mut batch) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            let body = json!({"items": batch.iter().map(|s| &s.1).collect::<Vec<_>>()});
            let error = match self.send("/timeseries", "general.write", &body).await {
                Ok(_) => {
                    self.created.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    continue;
                }
                Err(e) => e,
            };
            if error.status() != Status::Duplicated {
                return Err(error);
            }
            // Somebody else has made some of them: the others are still to be made. If it is not told which, the halves
            // of the batch will tell.
            let others: HashSet<Name> = error.detail().duplicated.iter().flatten().filter_map(Name::told).collect();
            let before = batch.len();
            batch.retain(|(name, _)| !others.contains(name));
            if batch.len() == before {
                batches.push(batch.split_off(before.div_ceil(2)));
            }
            if before > 1 {
                batches.push(batch);
            }
        }
        Ok(())
    }

    async fn send(&self, below: &str, budget: &str, body: &Value) -> Result<Response, Error> {
        let outgoing = Outgoing {
            method: Method::POST,
            path: format!("{}{below}", self.client.project_path()?),
            payload: Payload::Json(body.to_string().into_bytes()),
            accept: None,
            version: None,
            class: None,
            budget: Some(BudgetKey::parse(budget)?),
            deadline: self.deadline,
            cancel: self.cancel.clone(),
            shelf: None,
        };
        self.client.send(outgoing).await
    }
}

/// What no further request makes better.
fn ends_here(error: &Error) -> Option<Status> {
    let ends = [Status::Cancelled, Status::Timeout, Status::Shutdown, Status::Auth, Status::Access, Status::Forked];
    ends.contains(&error.status()).then_some(error.status())
}

/// The insert was refused before, so none of its datapoints is in doubt, whatever is of the series.
fn not_made(mut error: Error) -> Error {
    let message = format!("a missing time series could not be created: {}", error.message());
    error.set_message(message);
    error.with(|d| d.in_doubt = false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made() {
        let t = Template::parse(br#"{"timeSeries":{"unit":"bar","isStep":true},"node":{}}"#).unwrap();
        assert_eq!(
            t.series("a", Kind::Text),
            json!({"externalId": "a", "isString": true, "unit": "bar", "isStep": true})
        );
        let node = t.node("s", "x", Kind::State);
        assert_eq!(node["sources"][0]["properties"], json!({"isStep": false, "type": "state"}));
        assert_eq!(
            (&node["instanceType"], &node["space"], &node["existingVersion"]),
            (&json!("node"), &json!("s"), &json!(0))
        );
        let own = br#"{"node":{"sources":[{"source":{"space":"v"},"properties":{"type":"string","name":"n"}}]}}"#;
        let node = Template::parse(own).unwrap().node("s", "x", Kind::Numeric);
        assert_eq!(node["sources"][0]["properties"], json!({"type": "string", "name": "n"}));
    }

    #[test]
    fn refused() {
        for (text, word) in [
            ("", "JSON"),
            ("[]", "object"),
            (r#"{"unit":"bar"}"#, "'unit' is none"),
            (r#"{"timeSeries":[]}"#, "timeSeries must"),
            (r#"{"timeSeries":{"externalId":"a"}}"#, "externalId is told"),
            (r#"{"timeSeries":{"isString":true}}"#, "isString is told"),
            (r#"{"node":{"space":"a"}}"#, "space is told"),
            (r#"{"node":{"sources":[1]}}"#, "sources"),
        ] {
            let e = Template::parse(text.as_bytes()).unwrap_err();
            assert!(e.message().contains(word), "{text}: {e}");
        }
    }

    #[test]
    fn names_in_every_form() {
        assert_eq!(Name::told(&json!({"externalId": "a"})), Some(Name::External("a".into())));
        let instance = Some(Name::Instance("s".into(), "x".into()));
        assert_eq!(Name::told(&json!({"instanceId": {"space": "s", "externalId": "x"}})), instance);
        assert_eq!(Name::told(&json!({"space": "s", "externalId": "x"})), instance);
        assert_eq!(Name::told(&json!({"id": 5})), None);
        assert_eq!(Name::of(&Key::Id(5)), None);
    }
}
