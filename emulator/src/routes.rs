//! Paths outside the resource API, and the way into it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, Response, Uri};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::api;
use crate::call::{Call, Reply, decode, pairs};
use crate::clock;
use crate::error::ApiError;
use crate::login_pages;
use crate::page;
use crate::state::State;

type App = Shared<Arc<State>>;

impl IntoResponse for Reply {
    fn into_response(self) -> Response<Body> {
        let builder = Response::builder().status(self.status).header("content-type", self.content_type);
        builder.body(Body::from(self.body)).unwrap_or_else(|_| Response::new(Body::empty()))
    }
}

pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/oauth2/token", post(token))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(login_pages::discovery))
        .route("/{tenant}/oauth2/v2.0/authorize", get(login_pages::authorize).post(login_pages::decide))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(login_pages::device))
        .route("/{tenant}/device", get(login_pages::device_page).post(login_pages::device_answer))
        .route("/_emulator/access", post(set_access))
        .route("/_emulator/login", post(login_pages::settings))
        .route("/_emulator/requests", get(requests))
        .route("/_emulator/requests/expect", post(expect))
        .route("/_emulator/requests/sequence", post(expect))
        .route("/_emulator/requests/clear", post(clear))
        .route("/_emulator/clock", get(time).post(set_time))
        .route("/_emulator/snapshots", get(snapshots))
        .route("/_emulator/snapshots/{*rest}", any(snapshot))
        .route("/_emulator/state", get(counts))
        .route("/_emulator/series", get(page::list))
        .route("/_emulator/series/{id}", get(page::plot))
        .route("/_emulator/violations", get(violations))
        .route("/_emulator/reset", post(reset))
        .route("/_emulator/faults", post(faults))
        .route("/_emulator/tokens/expire", post(expire))
        .route("/_storage/{*rest}", any(storage))
        .route("/api/v1/token/inspect", get(inspect))
        .route("/api/v1/orgs/{org}/{*rest}", any(organization))
        .route("/api/v1/principals/me", get(organization))
        .route("/api/v1/projects", get(projects))
        .route("/api/v1/projects/{project}", get(project))
        .route("/api/v1/projects/{project}/{*rest}", any(resource))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        // The size was checked when the body was read.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(state)
}

async fn unknown(method: Method, uri: Uri) -> Reply {
    ApiError::not_found(format!("No such path: {method} {}", uri.path())).into()
}

async fn token(Shared(state): App, headers: HeaderMap, uri: Uri, body: Bytes) -> Reply {
    let address = format!("{}{}", login_pages::base(&headers), uri.path());
    state.auth().token(&headers, &body, &address, &state.config, state.clock.now())
}

fn authorized(state: &State, headers: &HeaderMap) -> Result<(), ApiError> {
    if state.auth().is_valid(headers, &state.config, state.clock.now()) {
        Ok(())
    } else {
        Err(ApiError::unauthorized())
    }
}

async fn inspect(Shared(state): App, headers: HeaderMap) -> Reply {
    authorized(&state, &headers).map_or_else(Reply::from, |()| api::inspect(&state))
}

async fn projects(Shared(state): App, headers: HeaderMap) -> Reply {
    let answer = json!({"items": [{"urlName": state.config.project}]});
    authorized(&state, &headers).map_or_else(Reply::from, |()| Reply::ok(&answer))
}

/// The project a path names, or the refusal: a project one has no access to is as unknown as one that is not there.
fn project_path(state: &State, headers: &HeaderMap, uri: &Uri) -> Result<Vec<String>, ApiError> {
    authorized(state, headers)?;
    // Decoded after the split, so that an encoded slash stays inside its segment.
    let mut segments = uri.path().split('/').skip(4).map(|s| decode(s, false));
    if segments.next().as_deref() != Some(state.config.project.as_str()) {
        return Err(ApiError::unauthorized());
    }
    Ok(segments.collect())
}

async fn project(Shared(state): App, headers: HeaderMap, uri: Uri) -> Reply {
    match project_path(&state, &headers, &uri) {
        Ok(_) => Reply::ok(&crate::areas::project(&state)),
        Err(e) => e.into(),
    }
}

async fn resource(Shared(state): App, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Reply {
    let segments = match project_path(&state, &headers, &uri) {
        Ok(segments) => segments,
        Err(e) => return e.into(),
    };
    serve(state, method, uri, headers, segments, body).await
}

/// What belongs to the organization, on the same host here.
async fn organization(Shared(state): App, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Reply {
    if let Err(e) = authorized(&state, &headers) {
        return e.into();
    }
    let mut segments: Vec<String> = uri.path().split('/').skip(3).map(|s| decode(s, false)).collect();
    if let Some(first) = segments.first_mut() {
        *first = if first == "orgs" { "@org".to_owned() } else { format!("@{first}") };
    }
    serve(state, method, uri, headers, segments, body).await
}

async fn storage(Shared(state): App, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let segments = uri.path().split('/').skip(2).map(|s| decode(s, false)).collect();
    let call = Call { method: method.as_str().to_owned(), segments, query: Vec::new(), headers, body };
    let (reply, more) = clock::at(state.clock.now(), || crate::areas::files::storage(&state, &call));
    let mut response = reply.into_response();
    for (name, value) in more {
        if let Ok(value) = axum::http::HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn serve(
    state: Arc<State>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    segments: Vec<String>,
    body: Bytes,
) -> Reply {
    let query = pairs(uri.query().unwrap_or(""));
    let call = Call { method: method.as_str().to_owned(), segments, query, headers, body };
    // Handlers work on plain memory and may take a while; they must not hold up the connections.
    let answer = move || {
        let reply = clock::at(state.clock.now(), || api::serve(&state, &call));
        if let Some(contract) = &state.contract {
            contract.check(&call, &reply);
        }
        reply
    };
    match tokio::task::spawn_blocking(answer).await {
        Ok(reply) => reply,
        Err(_) => ApiError::new(500, "The emulator failed to handle the request; this is a bug in it").into(),
    }
}

async fn requests(Shared(state): App, uri: Uri) -> Reply {
    let query = pairs(uri.query().unwrap_or(""));
    let after = query.iter().find(|(name, _)| name == "after").and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    Reply::ok(&state.journal().shown(after))
}

/// `/_emulator/requests/expect` and `/_emulator/requests/sequence`
async fn expect(Shared(state): App, uri: Uri, body: Bytes) -> Reply {
    answer(state.journal().check(&body, uri.path().ends_with("/sequence")))
}

async fn clear(Shared(state): App) -> Reply {
    state.journal().clear();
    Reply::empty()
}

async fn time(Shared(state): App) -> Reply {
    Reply::ok(&state.clock.shown())
}

async fn set_time(Shared(state): App, body: Bytes) -> Reply {
    answer(state.clock.order(&body))
}

async fn snapshots(Shared(state): App) -> Reply {
    Reply::ok(&json!({"items": state.saved()}))
}

async fn snapshot(Shared(state): App, method: Method, uri: Uri) -> Reply {
    let words: Vec<String> = uri.path().split('/').skip(3).map(|s| decode(s, false)).collect();
    match (&method, words.as_slice()) {
        (&Method::POST, [name]) => answer(state.save(name).map(|()| json!({}))),
        (&Method::POST, [name, order]) if order == "restore" => answer(state.restore(name).map(|()| json!({}))),
        (&Method::DELETE, [name]) => Reply::ok(&json!({"forgotten": state.forget(name)})),
        _ => unknown(method, uri).await,
    }
}

fn answer(outcome: Result<Value, ApiError>) -> Reply {
    outcome.map_or_else(Reply::from, |value| Reply::ok(&value))
}

async fn counts(Shared(state): App) -> Reply {
    let mut counts = state.read().counts();
    if let Value::Object(map) = &mut counts {
        map.insert("project".into(), json!(state.config.project));
        map.insert("tokens_issued".into(), json!(state.auth().issued()));
        map.insert("faults_left".into(), json!(state.faults().left()));
    }
    Reply::ok(&counts)
}

async fn violations(Shared(state): App) -> Reply {
    match &state.contract {
        Some(contract) => Reply::ok(&contract.report()),
        None => ApiError::not_found("No API description was given (--openapi)").into(),
    }
}

async fn set_access(Shared(state): App, body: Bytes) -> Reply {
    answer(crate::access::order(&state, &body))
}

async fn reset(Shared(state): App, body: Bytes) -> Reply {
    let order: Value = serde_json::from_slice(&body).unwrap_or_default();
    state.reset(order.get("keep_journal") == Some(&Value::Bool(true)));
    Reply::empty()
}

async fn expire(Shared(state): App) -> Reply {
    Reply::ok(&json!({"expired": state.auth().expire_all()}))
}

async fn faults(Shared(state): App, body: Bytes) -> Reply {
    let rules = serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("Invalid fault rules: {e}")));
    match rules.and_then(|rules| state.faults().set(rules, state.clock.now())) {
        Ok(count) => Reply::ok(&json!({"rules": count})),
        Err(e) => e.into(),
    }
}
