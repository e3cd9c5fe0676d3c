//! The identity provider: what it refuses. (That clients can log in is shown by the library's own tests.)

mod common;

use common::{Emulator, FORM, answer, form};
use serde_json::{Value, json};

const TOKEN: &str = "/t/oauth2/v2.0/token";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn post(e: &Emulator, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    answer(e.client.post(e.url(path)).header("content-type", FORM).body(form(fields))).await
}

/// Presses Approve; the code that the page would bring to the program.
async fn code(e: &Emulator) -> String {
    let fields = [
        ("client_id", "emulator-client"),
        ("redirect_uri", "http://localhost:1"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("response_mode", "form_post"),
        ("answer", "approve"),
    ];
    let request = e.client.post(e.url("/t/oauth2/v2.0/authorize")).header("content-type", FORM).body(form(&fields));
    let page = request.send().await.unwrap().text().await.unwrap();
    let at = page.find("name=\"code\" value=\"").unwrap() + 19;
    page[at..].split('"').next().unwrap().to_owned()
}

async fn redeem(e: &Emulator, code: &str, redirect: &str, verifier: &str) -> (u16, Value) {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "emulator-client"),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ];
    post(e, TOKEN, &fields).await
}

#[tokio::test]
async fn codes_are_bound_and_good_once() {
    let e = Emulator::start().await;
    for (redirect, verifier) in [("http://localhost:1", "wrong"), ("http://localhost:2", VERIFIER)] {
        let (status, body) = redeem(&e, &code(&e).await, redirect, verifier).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    }
    let good = code(&e).await;
    let (status, body) = redeem(&e, &good, "http://localhost:1", VERIFIER).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(redeem(&e, &good, "http://localhost:1", VERIFIER).await.0, 400, "used twice");

    let refresh = body["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", "emulator-client"), ("refresh_token", refresh)];
    assert_eq!(post(&e, TOKEN, &fields).await.0, 200);
    assert_eq!(post(&e, TOKEN, &fields).await.1["error"], "invalid_grant", "rotated");
}

#[tokio::test]
async fn pages_are_for_known_clients_on_this_machine() {
    let e = Emulator::start().await;
    let page = |client: &str, redirect: &str| {
        let query = format!(
            "client_id={client}&redirect_uri={redirect}&response_type=code&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        e.client.get(e.url(&format!("/t/oauth2/v2.0/authorize?{query}"))).send()
    };
    assert_eq!(page("emulator-client", "http://localhost:1").await.unwrap().status(), 200);
    assert_eq!(page("other", "http://localhost:1").await.unwrap().status(), 400);
    assert_eq!(page("emulator-client", "http://localhost.example").await.unwrap().status(), 400);
}

#[tokio::test]
async fn device_codes() {
    let e = Emulator::start().await;
    let begin = || post(&e, "/t/oauth2/v2.0/devicecode", &[("client_id", "emulator-client"), ("scope", "s")]);
    let poll = |device: String| {
        let e = &e;
        async move {
            let kind = "urn:ietf:params:oauth:grant-type:device_code";
            post(e, TOKEN, &[("grant_type", kind), ("client_id", "emulator-client"), ("device_code", &device)]).await
        }
    };
    let (_, begun) = begin().await;
    let device = begun["device_code"].as_str().unwrap().to_owned();
    assert_eq!(poll(device.clone()).await.1["error"], "authorization_pending");
    assert_eq!(poll(device.clone()).await.1["error"], "slow_down");
    let user = begun["user_code"].as_str().unwrap();
    assert_eq!(post(&e, "/t/device", &[("user_code", "NONE"), ("answer", "approve")]).await.0, 400);
    assert_eq!(post(&e, "/t/device", &[("user_code", user), ("answer", "approve")]).await.0, 200);
    assert_eq!(poll(device.clone()).await.0, 200);
    assert_eq!(poll(device).await.1["error"], "invalid_grant");

    e.admin("login", json!({"device_expires_in": 0})).await;
    let (_, begun) = begin().await;
    assert_eq!(poll(begun["device_code"].as_str().unwrap().to_owned()).await.1["error"], "expired_token");
}

#[tokio::test]
async fn faults_hit_the_provider_too() {
    let e = Emulator::start().await;
    e.admin(
        "faults",
        json!([{"match": {"path": "openid-configuration"}, "action": {"kind": "status", "status": 503}}]),
    )
    .await;
    let document = || answer(e.client.get(e.url("/t/v2.0/.well-known/openid-configuration")));
    assert_eq!(document().await.0, 503);
    let (status, body) = document().await;
    assert_eq!((status, body["token_endpoint"].as_str()), (200, Some(e.url(TOKEN).as_str())));
    let (status, _) = answer(e.client.post(e.url("/_emulator/login")).json(&json!({"no_such": 1}))).await;
    assert_eq!(status, 400);
}
