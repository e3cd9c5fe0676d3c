//! Starts an emulator inside the test and talks to it.

#![allow(dead_code, reason = "every test file uses its own part")]

use cognite_emulator::{Config, Server, start};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

pub struct Emulator {
    pub server: Server,
    pub client: Client,
    pub token: String,
}

impl Emulator {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let form = form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &config.client_id),
            ("client_secret", &config.client_secret),
        ]);
        let server = start(config).await.unwrap();
        // An error says that another test of this program was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/oauth2/token", server.url())).body(form);
        let answer = request.header("content-type", FORM).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let token = body["access_token"].as_str().unwrap().to_owned();
        Self { server, client, token }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// A request to the resource API, with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.url(&format!("/api/v1/projects/demo{path}"));
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Posts and expects success.
    pub async fn done(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    pub async fn admin(&self, path: &str, body: Value) -> Value {
        answer(self.client.post(self.url(&format!("/_emulator/{path}"))).json(&body)).await.1
    }

    pub async fn requests(&self) -> Vec<Value> {
        let (_, body) = answer(self.client.get(self.url("/_emulator/requests"))).await;
        body["items"].as_array().unwrap().clone()
    }

    pub async fn numeric_series(&self, external_id: &str) -> i64 {
        let made = self.done("/timeseries", json!({"items": [{"externalId": external_id}]})).await;
        made["items"][0]["id"].as_i64().unwrap()
    }
}

pub const FORM: &str = "application/x-www-form-urlencoded";

pub fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

pub async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    assert!(answer.headers().contains_key("x-request-id"));
    let bytes = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
