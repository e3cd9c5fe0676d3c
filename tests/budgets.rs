//! Concurrency limits at work, against a real server: who waits for whom, and that every wait ends.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use cognite::auth::Credentials;
use cognite::auth::credentials::{Answer, TokenProvider};
use cognite::config::concurrency::BudgetKey;
use cognite::config::{ClientConfig, global};
use cognite::error::{Error, Status};
use cognite::http::{Call, Class, HttpClient, Response, url};
use cognite::runtime::{self, CancelToken};
use lab::{Got, Reply, Server, config, ok};
use reqwest::Method;

fn client(config: &ClientConfig) -> Arc<HttpClient> {
    Arc::new(HttpClient::new(config.check().unwrap()).unwrap())
}

struct Ask<'a> {
    path: &'a str,
    kind: &'a str,
    total: Duration,
    cancel: Option<CancelToken>,
}

impl<'a> Ask<'a> {
    fn new(path: &'a str, kind: &'a str) -> Self {
        Self { path, kind, total: Duration::from_secs(20), cancel: None }
    }
}

/// Sends a request of a kind; the receiver tells its outcome.
fn send(client: &Arc<HttpClient>, ask: Ask<'_>) -> mpsc::Receiver<Result<Response, Error>> {
    let target = url::resolve(&client.checked().base_url, ask.path, None).unwrap();
    let call = Call {
        method: Method::GET,
        authorize: target.own_origin,
        url: target.url,
        headers: Arc::default(),
        body: bytes::Bytes::new(),
        class: Class::Read,
        gate: client.gates().pick(None, Class::Read),
        budget: Some(BudgetKey::parse(ask.kind).unwrap()),
        total: ask.total,
        cancel: ask.cancel,
        shelf: None,
    };
    let (tell, told) = mpsc::channel();
    let client = Arc::clone(client);
    thread::spawn(move || {
        let _ = tell.send(runtime::block_on(Box::pin(async move { client.call(&call).await })));
    });
    // So that the next one stands behind it.
    thread::sleep(Duration::from_millis(60));
    told
}

fn outcome(told: &mpsc::Receiver<Result<Response, Error>>) -> Result<Response, Error> {
    told.recv_timeout(Duration::from_secs(30)).expect("the call ended")
}

fn targets(server: &Server) -> Vec<String> {
    server.got().into_iter().map(|g| g.target).collect()
}

fn later(ms: u64, reply: Reply) -> Reply {
    thread::sleep(Duration::from_millis(ms));
    reply
}

/// 503 for the first request to `path`.
fn busy_once(path: &'static str) -> impl Fn(&Got) -> Reply + Send + Sync {
    let asked = AtomicUsize::new(0);
    move |got| {
        if got.target == path && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return later(200, Reply::Answer("503 Service Unavailable", String::new(), "{}".into()));
        }
        later(200, ok("{}"))
    }
}

#[test]
fn a_pause_lets_others_in() {
    let server = Server::start(None, busy_once("/a"));
    let c = client(&config(&server.url("http"), ""));
    let calls: Vec<_> = ["/a", "/b"].map(|path| send(&c, Ask::new(path, "data_modeling.write"))).into();
    assert!(calls.iter().all(|told| outcome(told).is_ok()));
    assert_eq!(targets(&server), ["/a", "/b", "/a"]);
}

#[test]
fn the_limit_holds_over_clients_and_may_change_while_calls_wait() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(None, move |_| {
        let (now, most) = &counts;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let reply = later(400, ok("{}"));
        now.fetch_sub(1, Ordering::SeqCst);
        reply
    });
    let set = |limit: &str| {
        global::apply_settings(format!("concurrency_settings: {{raw: {{delete: {limit}}}}}").as_bytes()).unwrap();
    };
    let clients = [client(&config(&server.url("http"), "")), client(&config(&server.url("http"), ""))];
    let own = client(&config(&server.url("http"), "concurrency_settings: {raw: {delete: 1}}\n"));
    let round = |n: usize| -> Vec<_> { (0..n).map(|i| send(&clients[i % 2], Ask::new("/x", "raw.delete"))).collect() };
    assert!(round(5).iter().all(|told| outcome(told).is_ok()));
    assert_eq!(most.swap(0, Ordering::SeqCst), 2);
    // Growing lets in those who wait; the client with a limit of its own is not counted with them.
    let calls = round(5);
    set("5");
    assert!(calls.iter().all(|told| outcome(told).is_ok()));
    assert!(most.swap(0, Ordering::SeqCst) >= 4);
    set("1");
    let mut calls = round(3);
    calls.push(send(&own, Ask::new("/x", "raw.delete")));
    assert!(calls.iter().all(|told| outcome(told).is_ok()));
    assert_eq!(most.load(Ordering::SeqCst), 2);
    set("null");
    assert_eq!(global::current().concurrency.get(BudgetKey::parse("raw.delete").unwrap()), 2);
}

#[test]
fn waiting_for_a_permit_counts_and_can_be_cancelled() {
    let server = Server::start(None, |got| later(if got.target == "/slow" { 1500 } else { 0 }, ok("{}")));
    let c = client(&config(&server.url("http"), ""));
    let begun = Instant::now();
    let first = send(&c, Ask::new("/slow", "data_modeling.delete"));
    let cancel = CancelToken::default();
    let late = send(&c, Ask { total: Duration::from_millis(200), ..Ask::new("/late", "data_modeling.delete") });
    let left = send(&c, Ask { cancel: Some(cancel.clone()), ..Ask::new("/left", "data_modeling.delete") });
    let seen = c.metrics(0, |m, context| m.to_json(context));
    assert_eq!(
        seen["concurrency"],
        serde_json::json!({"data_modeling.delete": {"limit": 1, "held": 1, "waiting": 2}}),
        "and no other is in use"
    );
    let e = outcome(&late).unwrap_err();
    assert_eq!((e.status(), e.detail().attempts, e.detail().in_doubt), (Status::Timeout, 0, false));
    assert!(e.message().contains("data_modeling.delete"), "{e}");
    cancel.trigger();
    assert_eq!(outcome(&left).unwrap_err().status(), Status::Cancelled);
    assert!(begun.elapsed() < Duration::from_millis(1400), "{:?}", begun.elapsed());
    let last = send(&c, Ask::new("/last", "data_modeling.delete"));
    assert!(outcome(&first).is_ok() && outcome(&last).is_ok());
    assert_eq!(targets(&server), ["/slow", "/last"]);
}

/// Makes a call of the same kind before it answers.
struct Nested(Arc<HttpClient>, Mutex<u32>);

impl TokenProvider for Nested {
    fn ask(&self, answer: Answer) {
        let inner = outcome(&send(&self.0, Ask::new("/inner", "data_modeling.write_schema")));
        *self.1.lock().unwrap() += u32::from(inner.is_ok());
        let _ = answer
            .send(Ok(cognite::auth::credentials::Provided { token: cognite::auth::Secret::new("t"), lifetime: None }));
    }
}

#[test]
fn a_token_provider_may_make_calls_of_the_kind_that_waits_for_it() {
    let server = Server::start(None, |_| later(50, ok("{}")));
    let plain = config(&server.url("http"), "");
    let provider = Arc::new(Nested(client(&plain), Mutex::new(0)));
    let mut asking = plain.clone();
    asking.credentials = Some(Credentials::Provider(Arc::clone(&provider) as Arc<dyn TokenProvider>));
    let outer = client(&asking);
    let calls: Vec<_> = (0..3).map(|_| send(&outer, Ask::new("/outer", "data_modeling.write_schema"))).collect();
    assert!(calls.iter().all(|told| outcome(told).is_ok()));
    assert!(*provider.1.lock().unwrap() > 0);
}
