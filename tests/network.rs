//! The network around a request, against real servers on this machine: trust, client certificates, proxies, redirects,
//! kept connections, times.

#[path = "network/lab.rs"]
mod lab;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cognite::api::Client;
use cognite::api::datapoints::columns::Columns;
use cognite::api::datapoints::{latest, read};
use cognite::api::operations::OperationRequest;
use cognite::error::{Cause, Error, Status};
use cognite::runtime;
use lab::{Ca, Got, Proxy, READ, Reply, Server, Tls, config, get, ok, quoted, send, tls};
use serde_json::{Value, json};

fn kind(e: &Error) -> (Status, Option<Cause>, u32) {
    (e.status(), e.detail().cause, e.detail().attempts)
}

#[test]
fn private_authorities() {
    let (ca, other) = (Ca::new(), Ca::new());
    let server = Server::start(Some(tls(&ca, &ca.sign(&["127.0.0.1"]), Tls::default())), |_| ok("{}"));
    let url = server.url("https");
    let (mine, foreign) = (quoted(&ca.pem), quoted(&other.pem));
    let path = std::env::temp_dir().join(format!("cognite-ca-{}.pem", std::process::id()));
    std::fs::write(&path, format!("{}\n{}", other.pem, ca.pem)).unwrap();
    for more in [
        format!("ca_pem: {mine}\n"),
        format!("ca_pem: {mine}\nca_only: true\n"),
        format!("ca_file: {}\n", path.display()),
        "disable_ssl: true\n".to_owned(),
    ] {
        assert_eq!(get(&config(&url, &more)).unwrap().status, 200, "{more}");
    }
    std::fs::remove_file(&path).unwrap();
    let answered = server.got().len();
    for more in [String::new(), format!("ca_pem: {foreign}\n"), format!("ca_pem: {foreign}\nca_only: true\n")] {
        let e = get(&config(&url, &more)).unwrap_err();
        assert_eq!(kind(&e), (Status::Tls, Some(Cause::Tls), 1), "{e}");
        assert!(e.message().contains("does not trust") && !e.detail().in_doubt, "{e}");
    }
    assert_eq!(server.got().len(), answered);
    // The right authority, but a certificate for another name.
    let server = Server::start(Some(tls(&ca, &ca.sign(&["elsewhere.example"]), Tls::default())), |_| ok("{}"));
    let e = get(&config(&server.url("https"), &format!("ca_pem: {mine}\n"))).unwrap_err();
    assert_eq!(kind(&e), (Status::Tls, Some(Cause::Tls), 1));
    assert!(e.message().contains("another name"), "{e}");
}

#[test]
fn client_certificates() {
    let ca = Ca::new();
    let how = Tls { client_certificate: true, ..Tls::default() };
    let server = Server::start(Some(tls(&ca, &ca.sign(&["127.0.0.1"]), how)), |_| ok("{}"));
    let url = server.url("https");
    let trust = format!("ca_pem: {}\n", quoted(&ca.pem));
    let with = |ca: &Ca| {
        let me = ca.sign(&["plant-7"]);
        format!("{trust}client_certificate_pem: {}\nclient_key_pem: {}\n", quoted(&me.cert_pem), quoted(&me.key_pem))
    };
    assert_eq!(get(&config(&url, &with(&ca))).unwrap().status, 200);
    let answered = server.got().len();
    for more in [trust.clone(), with(&Ca::new())] {
        let e = get(&config(&url, &more)).unwrap_err();
        assert_eq!((e.status(), e.detail().attempts), (Status::Tls, 1), "{e}");
    }
    assert_eq!(server.got().len(), answered);
}

#[test]
fn oldest_version_of_tls() {
    let ca = Ca::new();
    let how = Tls { only_1_2: true, ..Tls::default() };
    let server = Server::start(Some(tls(&ca, &ca.sign(&["127.0.0.1"]), how)), |_| ok("{}"));
    let trust = format!("ca_pem: {}\n", quoted(&ca.pem));
    assert_eq!(get(&config(&server.url("https"), &trust)).unwrap().status, 200);
    let e = get(&config(&server.url("https"), &format!("{trust}min_tls_version: '1.3'\n"))).unwrap_err();
    assert_eq!(kind(&e), (Status::Tls, Some(Cause::Tls), 1), "{e}");
}

/// `user:p@ss-canary`
const AUTHORIZATION: &str = "Basic dXNlcjpwQHNzLWNhbmFyeQ==";

#[test]
fn tokens_and_requests_go_through_the_same_proxy() {
    let ca = Ca::new();
    let answer = |got: &Got| match got.target.as_str() {
        "/token" => ok(r#"{"access_token":"t-1","expires_in":3600}"#),
        _ => ok("{}"),
    };
    let secure = Server::start(Some(tls(&ca, &ca.sign(&["api.example", "login.example"]), Tls::default())), answer);
    let plain = Server::start(None, answer);
    let proxy = Proxy::start(Some(AUTHORIZATION));
    let more = |scheme: &str, port: u16, proxy: &str| {
        format!(
            "ca_pem: {}\nproxy: {proxy}\ncredentials: {{client_credentials: {{token_url: '{scheme}://login.example:{port}/token', \
             client_id: i, client_secret: canary-secret, scopes: null}}}}\n",
            quoted(&ca.pem)
        )
    };
    let right = format!("http://user:p%40ss-canary@127.0.0.1:{}", proxy.port);
    for (scheme, server) in [("https", &secure), ("http", &plain)] {
        let before = proxy.asked().len();
        let base = format!("{scheme}://api.example:{}", server.port);
        assert_eq!(get(&config(&base, &more(scheme, server.port, &right))).unwrap().status, 200, "{scheme}");
        let wanted = match scheme {
            "https" => {
                [format!("CONNECT login.example:{0}", server.port), format!("CONNECT api.example:{0}", server.port)]
            }
            _ => [format!("POST http://login.example:{}/token", server.port), format!("GET {base}{READ}")],
        };
        assert_eq!(proxy.asked()[before..], wanted);
        let got = server.got();
        assert_eq!(got[1].header("authorization"), Some("Bearer t-1"));
        assert!(got.iter().all(|g| g.header("proxy-authorization").is_none()), "the password stays with the proxy");
    }
    // A wrong password: told as what it is, once, and shown nowhere.
    let seen = secure.got().len();
    let wrong = format!("http://user:wrong-canary@127.0.0.1:{}", proxy.port);
    let base = format!("https://api.example:{}", secure.port);
    let c = config(&base, &format!("proxy: {wrong}\nca_pem: {}\n", quoted(&ca.pem)));
    let e = get(&c).unwrap_err();
    assert_eq!(kind(&e), (Status::Connection, Some(Cause::ProxyAuth), 1), "{e}");
    let shown = format!("{e} {} {} {c:?}", e.to_json(), c.to_json());
    assert!(e.message().contains(&format!("127.0.0.1:{}", proxy.port)), "{e}");
    assert!(!e.to_json().to_string().contains("canary") && !c.to_json().to_string().contains("canary"), "{shown}");
    assert!(!format!("{c:?}").contains("wrong-canary"), "{c:?}");
    assert_eq!(secure.got().len(), seen);
    // A proxy that is not there is named.
    let e = get(&config(&base, "proxy: http://127.0.0.1:1\nmax_retries: 0\n")).unwrap_err();
    assert_eq!(kind(&e), (Status::Connection, Some(Cause::Refused), 1));
    assert!(e.message().contains("127.0.0.1:1") && e.message().contains("proxy"), "{e}");
}

/// A request behind a proxy leaves its caller's thread, and so must those of one call that are under way side by side.
#[test]
fn many_requests_of_one_call_go_through_a_proxy() {
    let server = Server::start(None, |got| {
        let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let items = body["items"].as_array().cloned().unwrap_or_default();
        // The proxy of these tests passes on what comes later on a connection as it is.
        let path = got.target.rsplit_once("/projects/p/").map_or("", |(_, path)| path);
        let answers: Vec<Value> = match path.split('?').next().unwrap_or_default() {
            "timeseries/data/latest" => {
                items.iter().map(|i| json!({"id": i["id"], "datapoints": [{"timestamp": 7, "value": 1}]})).collect()
            }
            "assets/list" => vec![json!({"id": got.body.len()})],
            "assets" => items,
            "assets/delete" => vec![],
            other => panic!("{other}"),
        };
        ok(&json!({"items": answers}).to_string())
    });
    let proxy = Proxy::start(None);
    let more = format!("proxy: http://127.0.0.1:{}\ndisable_gzip: true\n", proxy.port);
    let client = Client::new(&config(&format!("http://api.example:{}", server.port), &more)).unwrap();
    let timeout = Duration::from_secs(30);
    let operate = |name: &str, arguments: &Value| {
        let arguments = arguments.to_string();
        let request = OperationRequest { name, arguments: &arguments, timeout, ..OperationRequest::default() };
        let response = runtime::block_on(client.accept_operation(&request).unwrap().run()).unwrap();
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        body["items"].as_array().map_or(0, Vec::len)
    };
    let numbered = |n: u32| (1..=n).map(|id| json!({ "id": id })).collect::<Vec<_>>();
    let named =
        |n: u32| (1..=n).map(|n| json!({"name": n.to_string(), "externalId": n.to_string()})).collect::<Vec<_>>();
    let asked = || server.got().len();
    assert_eq!((operate("assets.list", &json!({"partitions": 5, "limit": null})), asked()), (5, 5));
    assert_eq!((operate("assets.create", &json!({"items": named(3500)})), asked()), (3500, 9));
    operate("assets.delete", &json!({"items": numbered(2500)}));
    assert_eq!(asked(), 12);
    let query = json!({"items": numbered(350), "before": 10}).to_string();
    let work = latest::work(&client, query.as_bytes(), &read::Limits::default()).unwrap();
    let columns = runtime::block_on(work).unwrap().payload.unwrap().downcast::<Columns>().unwrap();
    assert_eq!((columns.series.iter().filter(|s| s.complete).count(), asked()), (350, 16));
    // Under a name that nothing else here knows.
    assert!(!proxy.asked().is_empty());
}

#[test]
fn a_proxy_that_is_itself_spoken_to_over_tls() {
    let ca = Ca::new();
    let server_tls = || tls(&ca, &ca.sign(&["127.0.0.1", "api.example"]), Tls::default());
    let secure = Server::start(Some(server_tls()), |_| ok("{}"));
    let plain = Server::start(None, |_| ok("{}"));
    let proxy = Proxy::start(Some("Basic dXNlcjpwLWNhbmFyeQ==")).behind_tls(server_tls());
    let via = format!("proxy: https://user:p-canary@127.0.0.1:{}\n", proxy.port);
    let trust = format!("ca_pem: {}\n", quoted(&ca.pem));
    for (scheme, server) in [("https", &secure), ("http", &plain)] {
        let before = proxy.asked().len();
        let base = format!("{scheme}://api.example:{}", server.port);
        assert_eq!(get(&config(&base, &format!("{via}{trust}"))).unwrap().status, 200, "{scheme}");
        let wanted = match scheme {
            "https" => format!("CONNECT api.example:{}", server.port),
            _ => format!("GET {base}{READ}"),
        };
        assert_eq!(proxy.asked()[before..], [wanted]);
        assert_eq!(server.got()[0].header("authorization"), Some("Bearer canary-token"));
        assert!(server.got()[0].header("proxy-authorization").is_none());
        // Who is not trusted learns neither the password nor the request.
        let e = get(&config(&base, &via)).unwrap_err();
        assert_eq!(kind(&e), (Status::Tls, Some(Cause::Tls), 1), "{scheme}: {e}");
        assert!(!e.to_json().to_string().contains("canary"), "{e}");
        assert_eq!((proxy.asked().len(), server.got().len()), (before + 1, 1));
    }
}

/// What a child process of this test does, which has its own environment and settings.
fn child(mode: &str, url: &str, environment: &[(&str, &str)]) -> String {
    let mut c = Command::new(std::env::current_exe().unwrap());
    c.args(["--exact", "in_a_child", "--ignored", "--nocapture"]).env("NET_MODE", mode).env("NET_URL", url);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        c.env_remove(name).env_remove(name.to_lowercase());
    }
    let out = c.envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}{errors}");
    text + &errors
}

#[test]
fn certificates_that_are_not_checked_are_warned_of() {
    let out = child("unsafe", "https://127.0.0.1:1", &[]);
    assert!(out.contains("RESULT made") && out.contains("disable_ssl"), "{out}");
}

#[test]
fn a_token_endpoint_that_fails_shows_no_secret() {
    let quoting = |got: &Got| {
        let form = String::from_utf8_lossy(&got.body).into_owned();
        match got.target.as_str() {
            "/close" => Reply::Close,
            "/text" => Reply::Answer("400 Bad Request", String::new(), form),
            "/json" => {
                let body = format!("{{\"error\":\"invalid_client\",\"error_description\":\"got {form}\"}}");
                Reply::Answer("401 Unauthorized", String::new(), body)
            }
            _ => Reply::Answer("302 Found", "location: /x?client_secret=canary-secret\r\n".into(), form),
        }
    };
    let server = Server::start(None, quoting);
    for (path, base) in [("/close", 0), ("/text", 0), ("/json", 0), ("/away", 0), ("/refused", 1)] {
        let token_url =
            if base == 0 { server.url("http") } else { "http://127.0.0.1:1".into() } + path + "?sig=canary-sig";
        let more = format!(
            "total_timeout: 5\ncredentials: {{client_credentials: {{token_url: '{}', client_id: i, \
             client_secret: canary-secret, scopes: null}}}}\n",
            token_url
                .replace("?sig=canary-sig", if matches!(path, "/away" | "/refused") { "?sig=canary-sig" } else { "" })
        );
        let c = config(&server.url("http"), &more);
        let e = get(&c).unwrap_err();
        assert_eq!(e.status(), Status::Auth, "{path}: {e}");
        let shown = format!("{e} {} {} {c:?} {e:?}", e.to_json(), c.to_json());
        assert!(!shown.contains("canary"), "{path}: {shown}");
    }
}

#[test]
#[ignore = "the child of other tests, not a test of its own"]
fn in_a_child() {
    let (mode, url) = (std::env::var("NET_MODE").unwrap(), std::env::var("NET_URL").unwrap());
    match mode.as_str() {
        "get" => match get(&config(&url, "max_retries: 0\n")) {
            Ok(r) => println!("RESULT {}", r.status),
            Err(e) => println!("RESULT {} {e}", e.status().name()),
        },
        "unsafe" => {
            // Nothing is asked for: the warning comes with the client.
            let _ = Client::new(&config(&url, "debug: true\ndisable_ssl: true\n")).unwrap();
            println!("RESULT made");
        }
        "direct" => println!("RESULT {}", get(&config(&url, "proxy: none\n")).unwrap().status),
        "threads" => {
            let set = |text: &str| cognite::config::global::apply_settings(text.as_bytes());
            let names = || {
                let mut names: Vec<String> = std::fs::read_dir("/proc/self/task")
                    .unwrap()
                    .map(|t| std::fs::read_to_string(t.unwrap().path().join("comm")).unwrap_or_default())
                    .filter(|n| n.starts_with("pl"))
                    .collect();
                names.sort();
                names.concat().replace('\n', " ")
            };
            set("io_threads: 3\ncallback_threads: 2\nthread_name_prefix: plant\nthread_stack_size: 1048576").unwrap();
            get(&config(&url, "")).unwrap();
            // A thread takes its name a moment after it was started.
            let until = Instant::now() + Duration::from_secs(5);
            while names().matches("-io").count() < 3 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            println!("RESULT {}", names());
            let e = set("max_retries: 7\nio_threads: 1").unwrap_err();
            assert!(e.status() == Status::Config && e.message().contains("cognite_shutdown"), "{e}");
            assert_eq!(cognite::config::global::current().max_retries, 10, "all or nothing");
            set("io_threads: 3").unwrap();
            cognite::runtime::shutdown().unwrap();
            assert_eq!(names(), "");
            set("io_threads: 1\nthread_name_prefix: plB").unwrap();
            get(&config(&url, "")).unwrap();
            println!("RESULT {}", names());
        }
        other => panic!("{other}"),
    }
}

#[test]
fn threads_are_chosen_before_the_first_call() {
    let server = Server::start(None, |_| ok("{}"));
    let out = child("threads", &server.url("http"), &[]);
    let results: Vec<&str> = out.lines().filter_map(|l| l.split("RESULT ").nth(1)).map(str::trim).collect();
    assert_eq!(results, ["plant-io plant-io plant-io", "plB-io"], "{out}");
}

#[test]
fn the_environment_s_proxies_and_their_exceptions() {
    let server = Server::start(None, |_| ok("{}"));
    let proxy = Proxy::start(None);
    let through = format!("http://127.0.0.1:{}", proxy.port);
    let local = format!("http://127.0.0.1:{}", server.port);
    let named = format!("http://localhost:{}", server.port);
    let with_port = format!("127.0.0.1:{}", server.port);
    for (url, environment, proxied) in [
        (&local, &[("HTTP_PROXY", through.as_str())][..], true),
        (&local, &[("http_proxy", through.as_str())], true),
        (&local, &[("ALL_PROXY", through.as_str())], true),
        (&local, &[("HTTPS_PROXY", through.as_str())], false),
        (&local, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", "*")], false),
        (&local, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", "127.0.0.0/8")], false),
        (&local, &[("HTTP_PROXY", through.as_str()), ("no_proxy", "x, 127.0.0.1")], false),
        (&local, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", "10.0.0.0/8,localhost")], true),
        (&local, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", with_port.as_str())], false),
        (&named, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", "localhost")], false),
        (&named, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", ".localhost")], false),
        (&named, &[("HTTP_PROXY", through.as_str()), ("NO_PROXY", ".local")], true),
        (&named, &[("HTTP_PROXY", through.as_str()), ("REQUEST_METHOD", "GET")], false),
    ] {
        let before = (proxy.asked().len(), server.got().len());
        let out = child("get", url, environment);
        assert!(out.contains("RESULT 200"), "{out}");
        let after = (proxy.asked().len(), server.got().len());
        assert_eq!(after, (before.0 + usize::from(proxied), before.1 + 1), "{url} {environment:?}");
    }
    let before = proxy.asked().len();
    assert!(child("direct", &local, &[("HTTP_PROXY", through.as_str())]).contains("RESULT 200"));
    assert_eq!(proxy.asked().len(), before, "proxy: none beats the environment");
    let out = child("get", &local, &[("HTTP_PROXY", "socks5://u:canary@h:1")]);
    assert!(out.contains("RESULT CONFIG") && out.contains("HTTP_PROXY") && !out.contains("canary"), "{out}");
}

#[test]
fn a_name_that_does_not_exist_is_not_a_service_that_is_down() {
    let e = get(&config("http://cognite-test.invalid", "max_retries_connect: 1\nproxy: none\n")).unwrap_err();
    assert_eq!(kind(&e), (Status::Connection, Some(Cause::Dns), 2), "{e}");
    let e = get(&config("http://127.0.0.1:1", "max_retries_connect: 1\nproxy: none\n")).unwrap_err();
    assert_eq!(kind(&e), (Status::Connection, Some(Cause::Refused), 2), "{e}");
}

#[test]
fn redirects() {
    let foreign = Server::start(None, |_| ok("\"foreign\""));
    let away = format!("location: {}/x?y=1\r\n", foreign.url("http"));
    let target = move |got: &Got| {
        let to = |status, place: &str| Reply::Answer(status, format!("location: {place}\r\n"), String::new());
        match got.target.rsplit('/').next().unwrap_or("") {
            "moved" => to("301 Moved Permanently", "/end"),
            "found" => to("302 Found", "/end"),
            "other" => to("303 See Other", "/end"),
            "same" => to("307 Temporary Redirect", "/end"),
            "for-ever" => to("308 Permanent Redirect", "/end"),
            "loop" => to("307 Temporary Redirect", "/loop"),
            "away" => Reply::Answer("307 Temporary Redirect", away.clone(), String::new()),
            "token" => to("307 Temporary Redirect", "/token2"),
            "token2" => ok(r#"{"access_token":"t","expires_in":3600}"#),
            _ => ok("\"end\""),
        }
    };
    let server = Server::start(None, target);
    let url = server.url("http");
    let more = "headers: {x-api-key: canary-key, x-team: pumps}\n";
    let off = Client::new(&config(&url, more)).unwrap();
    let on = Client::new(&config(&url, &format!("{more}follow_redirects: true\n"))).unwrap();
    for (method, path, followed) in [
        ("GET", "/moved", true),
        ("GET", "/found", true),
        ("GET", "/other", true),
        ("GET", "/same", true),
        ("GET", "/for-ever", true),
        ("POST", "/moved", false),
        ("POST", "/found", false),
        ("PUT", "/other", false),
        ("POST", "/same", true),
        ("PUT", "/for-ever", true),
    ] {
        let body = if method == "GET" { "" } else { "{\"a\":1}" };
        let e = send(&off, method, path, body).unwrap_err();
        assert_eq!(
            (e.status(), e.detail().http_status / 100, e.detail().attempts),
            (Status::Api, 3, 1),
            "{method} {path}"
        );
        let result = send(&on, method, path, body);
        if followed {
            let r = result.unwrap();
            assert_eq!((r.body.as_slice(), r.attempts), (&b"\"end\""[..], 1), "{method} {path}");
            let last = server.got().pop().unwrap();
            assert_eq!(
                (last.method.as_str(), last.target.as_str(), last.body.as_slice()),
                (method, "/end", body.as_bytes())
            );
            assert_eq!(last.header("authorization"), Some("Bearer canary-token"));
        } else {
            assert_eq!(result.unwrap_err().detail().http_status / 100, 3, "{method} {path}");
        }
    }
    let before = server.got().len();
    let e = send(&on, "GET", "/loop", "").unwrap_err();
    assert_eq!((e.detail().http_status, server.got().len() - before), (307, 6), "the request and five hops");
    // Another origin sees neither the token nor what may be secret.
    assert_eq!(send(&on, "POST", "/away", "{}").unwrap().body, b"\"foreign\"");
    let got = foreign.got().pop().unwrap();
    assert_eq!((got.method.as_str(), got.target.as_str(), got.body.as_slice()), ("POST", "/x?y=1", &b"{}"[..]));
    assert!(!got.head.contains("canary") && got.header("x-team") == Some("pumps"), "{}", got.head);
    // The token endpoint has its own rule.
    let cc = format!(
        "follow_redirects: true\ncredentials: {{client_credentials: {{token_url: '{url}/token', client_id: i, \
         client_secret: canary-s, scopes: null}}}}\n"
    );
    assert_eq!(get(&config(&url, &cc)).unwrap_err().status(), Status::Auth);
    let cc =
        cc.replace("scopes: null", "scopes: null, follow_redirects: true").replacen("follow_redirects: true\n", "", 1);
    assert_eq!(get(&config(&url, &cc)).unwrap().status, 200);
}

/// Which of two requests on one connection is the second.
fn second(got: &Got, seen: &AtomicUsize) -> bool {
    got.target != "/warm" && seen.fetch_add(1, Ordering::SeqCst) == 0
}

#[test]
fn kept_connections_that_turn_out_to_be_closed() {
    // Closed by the server right after an answer that promised to keep it. Creates are sent once, and arrive.
    let server = Server::start(None, |_| Reply::AnswerThenClose("{}"));
    let client = Client::new(&config(&server.url("http"), "")).unwrap();
    let rounds = 200;
    let mut doubtful = 0;
    for i in 0..rounds {
        match send(&client, "POST", READ, &format!("{{\"n\":{i}}}")) {
            Ok(_) => {}
            // The close and the request crossed on the way: not known, so not repeated, and said so.
            Err(e) => {
                assert!(e.detail().in_doubt && e.detail().attempts == 1, "{e}");
                doubtful += 1;
            }
        }
    }
    let mut bodies: Vec<Vec<u8>> = server.got().into_iter().map(|g| g.body).collect();
    assert!(bodies.len() + doubtful >= rounds && bodies.len() <= rounds, "{} of {rounds}, {doubtful}", bodies.len());
    bodies.sort();
    bodies.dedup();
    assert!(bodies.len() + doubtful >= rounds, "every create arrived once");
    assert!(doubtful < rounds / 2, "{doubtful} of {rounds} in doubt");

    // Read whole, then closed without an answer, on a kept connection.
    for (method, path, attempts, effects) in [
        ("GET", READ, 2, 2),
        ("POST", "/api/v1/projects/p/assets/list", 2, 2),
        ("PUT", READ, 2, 2),
        ("POST", READ, 1, 1),
    ] {
        let seen = AtomicUsize::new(0);
        let server = Server::start(None, move |got| if second(got, &seen) { Reply::Close } else { ok("{}") });
        let client = Client::new(&config(&server.url("http"), "")).unwrap();
        send(&client, "GET", "/warm", "").unwrap();
        let result = send(&client, method, path, if method == "GET" { "" } else { "{}" });
        let got = server.got();
        assert_eq!(got.len() - 1, effects, "{method} {path}");
        assert_eq!(got[1].connection, got[0].connection, "the connection was kept");
        match result {
            Ok(r) => assert_eq!(r.attempts, attempts),
            Err(e) => {
                assert_eq!(kind(&e), (Status::Connection, Some(Cause::Closed), attempts), "{e}");
                assert!(e.detail().in_doubt && path == READ);
            }
        }
    }
}

#[test]
fn times() {
    // To connect: a listener whose queue is full lets nobody in.
    let (_held, port) = full_listener();
    let c = config(&format!("http://127.0.0.1:{port}"), "connect_timeout: 0.3\nmax_retries: 0\n");
    let started = Instant::now();
    let e = get(&c).unwrap_err();
    assert_eq!(kind(&e), (Status::Timeout, Some(Cause::ConnectTimeout), 1), "{e}");
    assert!(started.elapsed() < Duration::from_secs(5) && !e.detail().in_doubt);

    // Unused connections: kept as long as it says, not longer.
    for (idle, connections) in [("5", 1), ("0.05", 2)] {
        let server = Server::start(None, |_| ok("{}"));
        let client = Client::new(&config(&server.url("http"), &format!("keep_alive_idle: {idle}\n"))).unwrap();
        send(&client, "GET", "/a", "").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        send(&client, "GET", "/b", "").unwrap();
        let mut used: Vec<usize> = server.got().iter().map(|g| g.connection).collect();
        used.dedup();
        assert_eq!(used.len(), connections, "keep_alive_idle: {idle}");
    }
}

fn full_listener() -> (Vec<socket2::Socket>, u16) {
    use socket2::{Domain, Socket, Type};
    let any: socket2::SockAddr = std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into();
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&any).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let s = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        s.set_nonblocking(true).unwrap();
        let _ = s.connect(&address);
        held.push(s);
    }
    std::thread::sleep(Duration::from_millis(50));
    (held, address.as_socket().unwrap().port())
}

#[test]
fn own_values_of_retries_are_read_with_each_call() {
    let server = Server::start(None, |_| Reply::Answer("503 Service Unavailable", String::new(), String::new()));
    let url = server.url("http");
    for (more, attempts) in [("max_retries: 2\n", 3), ("status_forcelist: [502]\n", 1), ("max_retries: 0\n", 1)] {
        assert_eq!(get(&config(&url, more)).unwrap_err().detail().attempts, attempts, "{more}");
    }
    // gzip is the client's own choice too.
    let server = Server::start(None, |_| ok("{}"));
    let body = format!("\"{}\"", "a".repeat(5000));
    for (more, encoding) in [("", Some("gzip")), ("disable_gzip: true\n", None)] {
        let client: Arc<Client> = Client::new(&config(&server.url("http"), more)).unwrap();
        send(&client, "POST", READ, &body).unwrap();
        assert_eq!(server.got().pop().unwrap().header("content-encoding"), encoding);
    }
}
