//! HTTPS with the emulator's own authority.

mod common;

use cognite_emulator::{Config, start};
use common::{FORM, answer, form};
use reqwest::{Certificate, Client};

#[tokio::test]
async fn only_those_who_were_told_trust_it() {
    let dir = std::env::temp_dir().join(format!("emulator-tls-{}", std::process::id()));
    let server = start(Config { tls: true, tls_dir: Some(dir.clone()), ..Config::default() }).await.unwrap();
    let ready = server.ready();
    let pem = ready["ca_pem"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(ready["ca_file"].as_str().unwrap()).unwrap(), pem);
    std::fs::remove_dir_all(dir).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();

    let fields =
        [("grant_type", "client_credentials"), ("client_id", "emulator-client"), ("client_secret", "emulator-secret")];
    let url = server.url();
    assert!(url.starts_with("https://127.0.0.1:"));
    let request = client.post(format!("{url}/oauth2/token")).header("content-type", FORM).body(form(&fields));
    let token = answer(request).await.1["access_token"].as_str().unwrap().to_owned();
    let by_name = url.replace("127.0.0.1", "localhost");
    let request = client.get(format!("{by_name}/api/v1/projects")).bearer_auth(&token);
    assert_eq!(answer(request).await.0, 200);
    // Links the emulator gives lead back over TLS.
    let (_, document) = answer(client.get(format!("{url}/t/v2.0/.well-known/openid-configuration"))).await;
    assert!(document["token_endpoint"].as_str().unwrap().starts_with(&url), "{document}");

    let stranger = Client::builder().no_proxy().build().unwrap();
    assert!(stranger.get(format!("{url}/api/v1/projects")).send().await.is_err());
    let plain = stranger.get(format!("{}/api/v1/projects", url.replace("https", "http")));
    assert!(plain.send().await.is_err());
    // Faults reach through TLS too.
    let rule = serde_json::json!([{"action": {"kind": "reset"}}]);
    answer(client.post(format!("{url}/_emulator/faults")).json(&rule)).await;
    assert!(client.get(format!("{url}/api/v1/projects")).bearer_auth(&token).send().await.is_err());
    assert_eq!(answer(client.get(format!("{url}/api/v1/projects")).bearer_auth(&token)).await.0, 200);
    server.stop().await;
}
