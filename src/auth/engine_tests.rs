//! Many callers, refused tokens, silent hosts: how often a token is asked for.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::super::token_endpoint::{FormAnswer, FormFuture, FormRequest};
use super::*;
use crate::auth::Scopes;

/// Answers each token request with the next token, or with failures while there are any.
#[derive(Default)]
struct Idp {
    asked: AtomicU64,
    failures: AtomicU64,
    delay: Duration,
    lifetime: f64,
}

impl FormTransport for Idp {
    fn post_form<'a>(&'a self, _: &'a FormRequest) -> FormFuture<'a> {
        Box::pin(async {
            let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(self.delay).await;
            let fails = self.failures.load(Ordering::SeqCst) >= n;
            let body = if fails {
                r#"{"error":"invalid_client"}"#.to_owned()
            } else {
                format!(r#"{{"access_token":"t{n}","expires_in":{}}}"#, self.lifetime)
            };
            Ok(FormAnswer { status: if fails { 401 } else { 200 }, body: Bytes::from(body), ..FormAnswer::default() })
        })
    }

    fn get<'a>(&'a self, _: &'a str) -> FormFuture<'a> {
        Box::pin(async { Err(Error::internal("not asked for")) })
    }
}

fn engine(idp: &Arc<Idp>) -> Arc<TokenEngine> {
    let credentials = Credentials::client_credentials("https://h/t", "i", "canary", Scopes::None).unwrap();
    TokenEngine::new(credentials, Arc::clone(idp) as Arc<dyn FormTransport>)
}

fn shown(header: &Header) -> &str {
    header.value.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_tokens_make_no_storm() {
    let idp = Arc::new(Idp { lifetime: 3600.0, delay: Duration::from_millis(5), ..Idp::default() });
    let engine = engine(&idp);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let engine = Arc::clone(&engine);
        // What a call does: an attempt, and one repeat with another token if there is one to be had.
        calls.spawn(async move {
            let first = engine.header().await.unwrap();
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
            let another = engine.refused(&first);
            assert_eq!(another, first.generation == 1, "the one in place of it is refused as well");
            if another {
                assert_eq!(engine.header().await.unwrap().generation, 2);
            }
        });
    }
    calls.join_all().await;
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2, "the first token, and one in place of it");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_while_the_new_token_is_on_its_way_waits_for_it() {
    let idp = Arc::new(Idp { lifetime: 3600.0, delay: Duration::from_millis(300), ..Idp::default() });
    let engine = engine(&idp);
    let first = engine.header().await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..5 {
        let (engine, first) = (Arc::clone(&engine), first.clone());
        calls.spawn(async move {
            // The last one hears of it when the new token is there.
            tokio::time::sleep(Duration::from_millis(n * 100)).await;
            assert!(engine.refused(&first), "call {n}");
            shown(&engine.header().await.unwrap()).to_owned()
        });
    }
    assert!(calls.join_all().await.iter().all(|t| t == "Bearer t2"));
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refused_token_whose_renewal_failed_is_not_renewed_for_each_call() {
    let idp = Arc::new(Idp { lifetime: 3600.0, ..Idp::default() });
    let engine = engine(&idp);
    let first = engine.header().await.unwrap();
    idp.failures.store(u64::MAX, Ordering::SeqCst);
    assert!(engine.refused(&first));
    assert!(engine.header().await.is_err());
    assert!(!engine.refused(&first));
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_worked_is_replaced_each_time_it_is_revoked() {
    let idp = Arc::new(Idp { lifetime: 3600.0, ..Idp::default() });
    let engine = engine(&idp);
    for round in 1..=5 {
        let header = engine.header().await.unwrap();
        assert_eq!(shown(&header), format!("Bearer t{round}"));
        engine.accepted(&header);
        assert!(engine.refused(&header), "round {round}");
    }
    assert_eq!(idp.asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn one_request_for_all_callers() {
    let idp = Arc::new(Idp { lifetime: 3600.0, delay: Duration::from_millis(50), ..Idp::default() });
    let engine = engine(&idp);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let engine = Arc::clone(&engine);
        calls.spawn(async move { shown(&engine.header().await.unwrap()).to_owned() });
    }
    assert!(calls.join_all().await.iter().all(|t| t == "Bearer t1"));
    assert_eq!(idp.asked.load(Ordering::SeqCst), 1);
}

/// Sets the token's age.
fn age(engine: &TokenEngine, age: f64) {
    engine.lock().cached.as_mut().unwrap().since_wall = SystemTime::now() - Duration::from_secs_f64(age);
}

#[tokio::test]
async fn renewed_behind_the_callers_backs() {
    let idp = Arc::new(Idp { lifetime: 3600.0, delay: Duration::from_millis(300), ..Idp::default() });
    let engine = engine(&idp);
    engine.header().await.unwrap();
    age(&engine, 3520.0);
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(shown(&engine.header().await.unwrap()), "Bearer t1");
    }
    assert!(began.elapsed() < Duration::from_millis(250), "nobody waited");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(shown(&engine.header().await.unwrap()), "Bearer t2");
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_provider_that_fails_is_not_asked_for_each_call() {
    let idp = Arc::new(Idp { lifetime: 3600.0, ..Idp::default() });
    let engine = engine(&idp);
    engine.header().await.unwrap();
    idp.failures.store(u64::MAX, Ordering::SeqCst);
    age(&engine, 3580.0);
    for _ in 0..100 {
        assert_eq!(shown(&engine.header().await.unwrap()), "Bearer t1", "it is good for 20 s yet");
    }
    assert_eq!(idp.asked.load(Ordering::SeqCst), 2);
    age(&engine, 3601.0);
    assert!(engine.header().await.map(|_| ()).unwrap_err().message().contains("invalid_client"));
    idp.failures.store(0, Ordering::SeqCst);
    assert_eq!(shown(&engine.header().await.unwrap()), "Bearer t4", "and works again when it does");
}

#[tokio::test]
async fn a_caller_that_goes_away_wedges_nobody() {
    let idp = Arc::new(Idp { lifetime: 3600.0, delay: Duration::from_millis(100), ..Idp::default() });
    let engine = engine(&idp);
    assert!(tokio::time::timeout(Duration::from_millis(10), engine.header()).await.is_err());
    assert_eq!(shown(&engine.header().await.unwrap()), "Bearer t1");
    assert_eq!(idp.asked.load(Ordering::SeqCst), 1, "the second caller joined what the first had begun");
}

struct Silent;

impl crate::auth::TokenProvider for Silent {
    fn ask(&self, answer: crate::auth::credentials::Answer) {
        std::mem::forget(answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_is_given_up() {
    let idp = Arc::new(Idp::default());
    let engine = TokenEngine::new(Credentials::Provider(Arc::new(Silent)), idp);
    for _ in 0..2 {
        let e = engine.header().await.map(|_| ()).unwrap_err();
        assert!(e.message().contains("did not answer within 120 s"), "{e}");
    }
}

/// Describes a provider, and never answers anything else.
struct Directory;

impl FormTransport for Directory {
    fn post_form<'a>(&'a self, _: &'a FormRequest) -> FormFuture<'a> {
        Box::pin(std::future::pending())
    }

    fn get<'a>(&'a self, _: &'a str) -> FormFuture<'a> {
        Box::pin(async {
            let body = r#"{"token_endpoint":"https://h/t","authorization_endpoint":"https://h/a"}"#;
            Ok(FormAnswer { status: 200, body: Bytes::from(body), ..FormAnswer::default() })
        })
    }
}

/// Nobody looks at the page.
struct Ignored(AtomicU64);

impl crate::auth::interactive::OpenUrl for Ignored {
    fn open(&self, _: &str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_gives_its_port_back() {
    let authority = crate::auth::authority::Authority::microsoft("https://h/t").unwrap();
    let scopes = Scopes::List(vec!["https://x/a".into()]);
    let mut login = crate::auth::interactive::Interactive::new(authority, "c", scopes).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let opened = Arc::new(Ignored(AtomicU64::new(0)));
    (login.redirect_port, login.open) = (free, Some(Arc::clone(&opened) as _));
    let client = || TokenEngine::new(Credentials::Interactive(Box::new(login.clone())), Arc::new(Directory));
    let pages = async |n: u64| {
        for _ in 0..500 {
            if opened.0.load(Ordering::SeqCst) == n {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("page {n} was not opened");
    };
    let (first, second) = (client(), client());
    let begin = |engine: &Arc<TokenEngine>| {
        let engine = Arc::clone(engine);
        tokio::spawn(async move { engine.header().await.map(|_| ()) })
    };
    let (one, other) = (begin(&first), begin(&first));
    pages(1).await;
    one.abort();
    assert!(one.await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(first.lock().flight.is_some(), "somebody waits yet");
    other.abort();
    assert!(other.await.is_err());
    // The one whose login it was, and another client, find the port free.
    for (n, engine) in [&first, &second].into_iter().enumerate() {
        tokio::time::timeout(Duration::from_secs(5), async {
            while std::net::TcpListener::bind(("127.0.0.1", free)).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        let again = begin(engine);
        pages(n as u64 + 2).await;
        assert!(!again.is_finished());
        again.abort();
    }
}
