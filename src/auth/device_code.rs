//! OAuth device code (RFC 8628): the person enters a code in a browser, here or elsewhere, while the program asks
//! whether that was done.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::authority::{Authority, Endpoints};
use super::credentials::Scopes;
use super::entra::cluster_url;
use super::form::Form;
use super::person::Person;
use super::secret::Secret;
use super::session::{Login, MAX_TRIES, Tries, as_auth};
use super::token_endpoint::{Asked, FormRequest, Granted, seconds_of};
use crate::error::{Cause, Error};
use crate::runtime;
use tokio::time::Instant;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The reference gives up at once when the provider does not say how long a code is good for.
const DEFAULT_LIFE: Duration = Duration::from_secs(900);
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// Asked of the person: open the address, enter the code.
#[derive(Clone, Debug)]
pub struct DevicePrompt {
    pub verification_uri: String,
    /// With the code in it already, if the provider offers that.
    pub verification_uri_complete: Option<String>,
    pub user_code: String,
    /// The provider's own sentence, or one like it.
    pub message: String,
    pub expires_in: Duration,
}

/// How the host shows a prompt. Called on a thread of its own kind.
pub trait ShowPrompt: Send + Sync {
    fn show(&self, prompt: &DevicePrompt);
}

#[derive(Clone)]
pub struct DeviceCode {
    pub person: Person,
    /// Further form fields, sent with the first request and with each question.
    pub fields: Vec<(String, Secret)>,
    pub prompt: Option<Arc<dyn ShowPrompt>>,
}

struct Started {
    device_code: Secret,
    interval: Duration,
    prompt: DevicePrompt,
}

impl DeviceCode {
    pub fn new(authority: Authority, client_id: &str, scopes: Scopes) -> Result<Self, Error> {
        let mut person = Person::new(authority, client_id, scopes, "device code")?;
        let scope = person.scopes.joined().unwrap_or_default();
        let own = ["openid", "profile", "email", "offline_access"];
        let asked: Vec<&str> = scope.split_whitespace().filter(|s| !own.contains(s)).collect();
        person.refresh_scope = asked.join(" ");
        Ok(Self { person, fields: Vec::new(), prompt: None })
    }

    /// The scopes of a CDF cluster.
    pub fn cluster_scopes(cluster: &str) -> Result<Vec<String>, Error> {
        let base = cluster_url("cdf_cluster", cluster)?;
        Ok(vec![format!("{base}/IDENTITY"), format!("{base}/user_impersonation"), "openid".into(), "profile".into()])
    }

    pub async fn login(&self, login: &Login<'_>) -> Result<Granted, Error> {
        let show = self.prompt.clone().ok_or_else(no_prompt)?;
        let endpoints = login.endpoints(&self.person.authority).await?;
        let started = self.start(login, &endpoints).await?;
        let prompt = started.prompt.clone();
        runtime::run_later(Box::new(move || show.show(&prompt)))?;
        self.poll(login, &endpoints, started).await
    }

    fn form(&self) -> Form {
        Form::default()
            .with("scope", &self.person.scopes.joined().unwrap_or_default())
            .with("client_id", &self.person.client_id)
    }

    fn with_fields(&self, mut form: Form) -> Form {
        for (name, value) in &self.fields {
            form.push(name, value.reveal());
        }
        form
    }

    async fn start(&self, login: &Login<'_>, endpoints: &Endpoints) -> Result<Started, Error> {
        let Some(url) = &endpoints.device else {
            return Err(Error::auth("the identity provider does not offer logins with a device code"));
        };
        let form = self.with_fields(self.form()).finish();
        let request = FormRequest { url: url.clone(), form, names_charset: true, ..FormRequest::default() };
        let asked = Asked { url, setting: self.person.authority.setting(), secrets: Vec::new(), lines: false };
        let mut tries = Tries::default();
        loop {
            let outcome = match login.transport.post_form(&request).await {
                Ok(answer) => asked.document(&answer).and_then(|body| match asked.refusal(&answer, &body) {
                    Some(refused) => Err(refused.with(|d| d.cause = Some(Cause::DeviceStart))),
                    None => started(&body),
                }),
                Err(e) => Err(as_auth(e)),
            };
            match outcome {
                Ok(started) => return Ok(started),
                Err(mut e) => {
                    if !tries.again(&mut e).await {
                        return Err(e);
                    }
                }
            }
        }
    }

    async fn poll(&self, login: &Login<'_>, endpoints: &Endpoints, started: Started) -> Result<Granted, Error> {
        let form = self
            .form()
            .with("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
            .with("client_info", "1")
            .with("code", started.device_code.reveal())
            .with("device_code", started.device_code.reveal());
        let request = FormRequest {
            url: endpoints.token.clone(),
            form: self.with_fields(form).finish(),
            ..FormRequest::default()
        };
        let mut secrets = vec![&started.device_code];
        secrets.extend(self.fields.iter().map(|(_, value)| value));
        let asked = Asked { url: &endpoints.token, setting: self.person.authority.setting(), secrets, lines: false };
        let end = Instant::now() + started.prompt.expires_in;
        let mut interval = started.interval;
        let mut failed = 0;
        loop {
            let error = match login.token_once(&request, &asked).await {
                Ok(granted) => return Ok(granted),
                Err(e) => e,
            };
            match error.detail().oauth_error.as_deref() {
                Some("authorization_pending") => failed = 0,
                Some("slow_down") => {
                    failed = 0;
                    interval += SLOW_DOWN;
                }
                // A hiccup on the way, or of the provider: the code is still good. Ask less often, says the RFC; but who
                // does not answer time and again will not do so later.
                _ if error.detail().retryable && failed + 1 < MAX_TRIES => {
                    failed += 1;
                    interval = (interval * 2).min(LONGEST_INTERVAL);
                }
                _ => return Err(error),
            }
            let wait = interval.max(error.detail().retry_after.unwrap_or_default());
            // The last question is asked when the code's time is over, as it may have been entered at the last moment.
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = started.prompt.expires_in.as_secs();
                return Err(Error::auth(format!(
                    "nobody entered the device code within the {seconds} s it was good for"
                ))
                .with(|d| {
                    d.http_status = error.detail().http_status;
                    d.code = Some("expired_token".into());
                    // The provider's last word, as in the reference.
                    d.oauth_error.clone_from(&error.detail().oauth_error);
                    d.oauth_description.clone_from(&error.detail().oauth_description);
                }));
            }
            tokio::time::sleep(wait.min(left)).await;
        }
    }
}

fn started(body: &Value) -> Result<Started, Error> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    // Early drafts, and Google, say "url".
    let uri = text("verification_uri").or_else(|| text("verification_url"));
    let lacking = || {
        Error::auth(
            "the identity provider began a device login without device_code, or without user_code and verification_uri",
        )
    };
    let device_code = text("device_code").ok_or_else(lacking)?;
    // A sentence of the provider's own says it all, where it is left at that.
    let (uri, user_code, message) = match (uri, text("user_code"), text("message")) {
        (Some(uri), Some(code), Some(message)) => (uri, code, message.to_owned()),
        (Some(uri), Some(code), None) => {
            (uri, code, format!("To log in, open {uri} in a browser and enter the code {code}."))
        }
        (uri, code, Some(message)) => (uri.unwrap_or_default(), code.unwrap_or_default(), message.to_owned()),
        _ => return Err(lacking()),
    };
    Ok(Started {
        device_code: Secret::new(device_code),
        interval: seconds_of(body, "interval")
            .unwrap_or(DEFAULT_INTERVAL)
            .clamp(Duration::from_secs(1), LONGEST_INTERVAL),
        prompt: DevicePrompt {
            verification_uri: uri.to_owned(),
            verification_uri_complete: text("verification_uri_complete").map(str::to_owned),
            user_code: user_code.to_owned(),
            message,
            expires_in: seconds_of(body, "expires_in").unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE),
        },
    })
}

pub fn no_prompt() -> Error {
    Error::config(
        "a device code login needs somebody to show the code: set a callback with cognite_credentials_set_device_code_prompt() or cognite_config_set_device_code_prompt()",
    )
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::super::token_endpoint::{FormAnswer, FormFuture, FormTransport};
    use super::*;
    use bytes::Bytes;
    use serde_json::json;
    use std::sync::Mutex;

    #[test]
    fn beginnings() {
        let mut body = json!({"device_code": "d", "user_code": "U", "verification_uri": "https://v", "interval": "7"});
        let s = started(&body).unwrap();
        assert_eq!((s.interval, s.prompt.expires_in), (Duration::from_secs(7), DEFAULT_LIFE));
        assert!(s.prompt.message.contains("https://v") && s.prompt.message.contains('U'));
        for odd in [json!(0), json!(-4), json!("soon"), json!(null), json!([])] {
            body["interval"] = odd.clone();
            body["expires_in"] = odd;
            let s = started(&body).unwrap();
            assert_eq!((s.interval, s.prompt.expires_in), (DEFAULT_INTERVAL, DEFAULT_LIFE));
        }
        body["message"] = json!("go there");
        body["verification_uri"] = json!(null);
        let s = started(&body).unwrap();
        assert_eq!((s.prompt.message.as_str(), s.prompt.verification_uri.as_str()), ("go there", ""));
        body["message"] = json!(null);
        body["user_code"] = json!(5);
        assert!(started(&body).map(|_| ()).unwrap_err().message().contains("user_code"));
    }

    /// Begins a login, then answers each question with the next of these, the last one again and again.
    struct Idp(Mutex<Vec<(u16, &'static str)>>);

    impl FormTransport for Idp {
        fn post_form<'a>(&'a self, request: &'a FormRequest) -> FormFuture<'a> {
            let (status, body) = if request.url.ends_with("devicecode") {
                (
                    200,
                    r#"{"device_code":"d","user_code":"U","verification_uri":"https://v","expires_in":60,"interval":5}"#,
                )
            } else {
                let mut left = self.0.lock().unwrap();
                if left.len() > 1 { left.remove(0) } else { left[0] }
            };
            Box::pin(async move {
                Ok(FormAnswer { status, body: Bytes::from_static(body.as_bytes()), ..FormAnswer::default() })
            })
        }

        fn get<'a>(&'a self, _: &'a str) -> FormFuture<'a> {
            let body = r#"{"token_endpoint":"https://h/token","device_authorization_endpoint":"https://h/devicecode"}"#;
            Box::pin(async move {
                Ok(FormAnswer { status: 200, body: Bytes::from_static(body.as_bytes()), ..FormAnswer::default() })
            })
        }
    }

    /// What comes of it, and after how many seconds.
    async fn polled(answers: &[(u16, &'static str)]) -> (Result<Granted, Error>, u64) {
        let device =
            DeviceCode::new(Authority::microsoft("https://h/t").unwrap(), "c", Scopes::Text("s".into())).unwrap();
        let (idp, session) = (Idp(Mutex::new(answers.to_vec())), Session::default());
        let login = Login { transport: &idp, session: &session };
        let endpoints = login.endpoints(&device.person.authority).await.unwrap();
        let started = device.start(&login, &endpoints).await.unwrap();
        let began = tokio::time::Instant::now();
        (device.poll(&login, &endpoints, started).await, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_between_two_questions_are_no_end_but_many_in_a_row_are() {
        let (ok, pending, broken) = (
            (200, r#"{"access_token":"t","expires_in":5}"#),
            (400, r#"{"error":"authorization_pending","error_description":"wait\r\nfor it"}"#),
            (500, "x"),
        );
        let (outcome, after) = polled(&[broken, pending, broken, ok]).await;
        assert_eq!((outcome.is_ok(), after), (true, 40), "10, 10 and 20 s");
        let (outcome, after) = polled(&[pending, broken, ok]).await;
        assert_eq!((outcome.unwrap().provided.token.reveal(), after), ("t", 15));
        let (outcome, after) = polled(&[pending, broken]).await;
        let e = outcome.map(|_| ()).unwrap_err();
        assert_eq!((e.detail().http_status, after), (500, 60), "{e}");
        let (outcome, after) = polled(&[pending]).await;
        let e = outcome.map(|_| ()).unwrap_err();
        let d = e.detail();
        assert_eq!(after, 60);
        assert!(e.message().contains("within the 60 s"), "{e}");
        assert_eq!(
            (d.code.as_deref(), d.oauth_error.as_deref()),
            (Some("expired_token"), Some("authorization_pending"))
        );
        assert_eq!(d.oauth_description.as_deref(), Some("wait for it"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_to_begin_is_told_from_one_of_the_token_endpoint() {
        struct No;
        impl FormTransport for No {
            fn post_form<'a>(&'a self, _: &'a FormRequest) -> FormFuture<'a> {
                let body = Bytes::from_static(br#"{"error":"unauthorized_client"}"#);
                Box::pin(async { Ok(FormAnswer { status: 400, body, ..FormAnswer::default() }) })
            }
            fn get<'a>(&'a self, _: &'a str) -> FormFuture<'a> {
                Box::pin(async { Err(Error::internal("not asked for")) })
            }
        }
        let device =
            DeviceCode::new(Authority::microsoft("https://h/t").unwrap(), "c", Scopes::Text("s".into())).unwrap();
        let endpoints =
            Endpoints { token: "https://h/t".into(), authorization: None, device: Some("https://h/d".into()) };
        let login = Login { transport: &No, session: &Session::default() };
        let e = device.start(&login, &endpoints).await.map(|_| ()).unwrap_err();
        assert_eq!(
            (e.detail().oauth_error.as_deref(), e.detail().cause),
            (Some("unauthorized_client"), Some(Cause::DeviceStart))
        );
    }

    #[test]
    fn scopes_of_a_refresh_are_those_of_the_resource() {
        let scopes = Scopes::List(vec!["https://x/a".into(), "openid".into(), "offline_access".into()]);
        let d = DeviceCode::new(Authority::microsoft("https://h/t").unwrap(), "c", scopes).unwrap();
        assert_eq!(d.person.refresh_scope, "https://x/a");
    }
}
