//! The endpoints of the identity provider that people and clients use, besides the token endpoint.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Response, Uri};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::call::{Reply, pairs};
use crate::error::ApiError;
use crate::login::{Answer, public_key};
use crate::state::State;

type App = Shared<Arc<State>>;
type Fields = Vec<(String, String)>;

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str())
}

/// Set by the emulator itself when a request has come.
pub const SCHEME: &str = "x-forwarded-proto";

/// The address the client used, so that it works through port forwarding too.
pub fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|h| h.to_str().ok());
    format!("{}://{}", text(SCHEME).unwrap_or("http"), text("host").unwrap_or("localhost"))
}

fn tenant(uri: &Uri) -> &str {
    uri.path().split('/').nth(1).unwrap_or("")
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub async fn discovery(headers: HeaderMap, uri: Uri) -> Reply {
    let own = format!("{}/{}", base(&headers), tenant(&uri));
    let oauth = format!("{own}/oauth2/v2.0");
    Reply::ok(&json!({
        "issuer": format!("{own}/v2.0"),
        "authorization_endpoint": format!("{oauth}/authorize"),
        "token_endpoint": format!("{oauth}/token"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

/// `POST /{tenant}/oauth2/v2.0/devicecode`
pub async fn device(Shared(state): App, headers: HeaderMap, uri: Uri, body: Bytes) -> Reply {
    let form = pairs(&String::from_utf8_lossy(&body));
    if field(&form, "client_id") != state.config.client_id {
        return Reply::json(400, &json!({"error": "invalid_client", "error_description": "Unknown client"}));
    }
    let mut auth = state.auth();
    let (device_code, user_code) = (auth.random(), auth.user_code());
    let page = format!("{}/{}/device", base(&headers), tenant(&uri));
    let settings = auth.logins.settings.clone();
    auth.logins.begin_device(device_code.clone(), user_code.clone(), field(&form, "client_id"), state.clock.now());
    Reply::ok(&json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": settings.device_expires_in,
        "interval": settings.device_interval,
        "message": format!("To sign in, open {page} and enter the code {user_code}."),
    }))
}

fn page(title: &str, inner: &str) -> Response<Body> {
    let text = format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>{title}</title></head><body><h1>{title}</h1>{inner}</body></html>"
    );
    html(200, text)
}

fn html(status: u16, text: String) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", "text/html; charset=utf-8");
    builder.body(Body::from(text)).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
}

const BUTTONS: &str = "<button id=\"approve\" name=\"answer\" value=\"approve\">Approve</button>\
                       <button id=\"deny\" name=\"answer\" value=\"deny\">Deny</button>";

/// `GET /{tenant}/device`
pub async fn device_page(uri: Uri) -> Response<Body> {
    let query = pairs(uri.query().unwrap_or(""));
    let code = escaped(field(&query, "user_code"));
    page(
        "Enter the code",
        &format!("<form method=\"post\"><input name=\"user_code\" value=\"{code}\">{BUTTONS}</form>"),
    )
}

/// `POST /{tenant}/device`
pub async fn device_answer(Shared(state): App, body: Bytes) -> Response<Body> {
    let form = pairs(&String::from_utf8_lossy(&body));
    let answer = if field(&form, "answer") == "approve" { Answer::Approved } else { Answer::Denied };
    match state.auth().logins.answer_device(field(&form, "user_code"), answer) {
        true => page("Done", "<p>You can close this window.</p>"),
        false => html(400, "No such code".into()),
    }
}

/// `GET /{tenant}/oauth2/v2.0/authorize`: a page for a person. What the client asked travels in it.
pub async fn authorize(Shared(state): App, uri: Uri) -> Response<Body> {
    let query = pairs(uri.query().unwrap_or(""));
    let redirect = field(&query, "redirect_uri");
    let here = ["http://localhost", "http://127.0.0.1", "http://[::1]"]
        .iter()
        .any(|host| redirect.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    let wrong = if field(&query, "client_id") != state.config.client_id {
        "Unknown client"
    } else if !here {
        "The redirect_uri is not on this machine"
    } else if field(&query, "response_type") != "code" || field(&query, "code_challenge_method") != "S256" {
        "response_type must be code, code_challenge_method S256"
    } else if field(&query, "code_challenge").len() != 43 || field(&query, "state").is_empty() {
        "code_challenge or state is missing"
    } else {
        ""
    };
    if !wrong.is_empty() {
        return html(400, wrong.into());
    }
    let kept: String = query.iter().map(|(k, v)| hidden(k, v)).collect();
    let click = if state.auth().logins.settings.auto_approve {
        "<script>document.getElementById('approve').click()</script>"
    } else {
        ""
    };
    page("Sign in to the emulator", &format!("<form method=\"post\">{kept}{BUTTONS}</form>{click}"))
}

/// `POST /{tenant}/oauth2/v2.0/authorize`: the person pressed a button; the answer goes to the client's port.
pub async fn decide(Shared(state): App, body: Bytes) -> Response<Body> {
    let form = pairs(&String::from_utf8_lossy(&body));
    let (redirect, given) = (field(&form, "redirect_uri"), field(&form, "state"));
    let mut answer = vec![("state", given.to_owned())];
    if field(&form, "answer") == "approve" {
        let mut auth = state.auth();
        let code = auth.random();
        let nonce = Some(field(&form, "nonce").to_owned()).filter(|n| !n.is_empty());
        let (client, challenge) = (field(&form, "client_id"), field(&form, "code_challenge"));
        auth.logins.approve(code.clone(), client, redirect, challenge, nonce, state.clock.now());
        answer.push(("code", code));
    } else {
        answer.push(("error", "access_denied".into()));
        answer.push(("error_description", "The person refused".into()));
    }
    if field(&form, "response_mode") == "form_post" {
        let kept: String = answer.iter().map(|(k, v)| hidden(k, v)).collect();
        let form = format!(
            "<form id=\"answer\" method=\"post\" action=\"{}\">{kept}</form><script>document.getElementById('answer').submit()</script>",
            escaped(redirect)
        );
        return page("Back to the program", &form);
    }
    let query: Vec<String> = answer.iter().map(|(k, v)| format!("{k}={}", v.replace(' ', "+"))).collect();
    let builder = Response::builder().status(302).header("location", format!("{redirect}?{}", query.join("&")));
    builder.body(Body::empty()).unwrap_or_default()
}

/// `POST /_emulator/login`: how logins behave from now on. What is left out stays.
pub async fn settings(Shared(state): App, body: Bytes) -> Reply {
    let Ok(Value::Object(wanted)) = serde_json::from_slice(&body) else {
        return ApiError::bad("The settings are not a JSON object").into();
    };
    let mut auth = state.auth();
    let mut next = auth.logins.settings.clone();
    let mut revoked = 0;
    for (key, value) in &wanted {
        let done = match (key.as_str(), value) {
            ("device_expires_in", v) => v.as_u64().map(|n| next.device_expires_in = n),
            ("device_interval", v) => v.as_u64().map(|n| next.device_interval = n),
            ("refresh_tokens", v) => v.as_bool().map(|b| next.refresh_tokens = b),
            ("rotate", v) => v.as_bool().map(|b| next.rotate = b),
            ("auto_approve", v) => v.as_bool().map(|b| next.auto_approve = b),
            ("token_lifetime", v) => v.as_u64().map(|n| auth.lifetime = Some(n)),
            ("client_public_key", Value::String(pem)) => public_key(pem).map(|key| next.client_key = Some(key)),
            ("revoke_refresh_tokens", Value::Bool(true)) => {
                revoked = auth.logins.revoke_all();
                Some(())
            }
            _ => None,
        };
        if done.is_none() {
            return ApiError::bad(format!("{key} is unknown or has a value it cannot have")).into();
        }
    }
    auth.logins.settings = next;
    Reply::ok(&json!({"revoked": revoked}))
}
