//! Log records end to end below the C face: a contained panic is reported, settings warn, delivery is the runtime's.
//! A process of its own, as the log is the process's.

use std::sync::{Arc, Mutex};

use cognite::log::{self, Level, Sink};
use serde_json::Value;

#[derive(Default)]
struct Kept(Mutex<Vec<(Level, Value, Option<String>)>>);

impl Sink for Kept {
    fn write(&self, level: Level, json: String) {
        let thread = std::thread::current().name().map(str::to_owned);
        self.0.lock().unwrap().push((level, serde_json::from_str(&json).unwrap(), thread));
    }
}

#[test]
fn panics_and_settings_are_reported_on_a_callback_thread() {
    let kept = Arc::new(Kept::default());
    log::set_sink(Some(kept.clone()), Level::Warning);

    let failed = cognite::runtime::panics::contain(|| panic!("canary {}", 1)).map(|_: ()| ());
    assert_eq!(failed.unwrap_err().status().name(), "INTERNAL");
    // No engine yet, so nobody to deliver it.
    assert!(kept.0.lock().unwrap().is_empty());

    cognite::config::global::apply_settings(b"disable_ssl: true\nfollow_redirects: true\nmax_workers: 7").unwrap();
    // SAFETY: NULL is no place for an error.
    let status = unsafe { cognite::ffi::global_threads::cognite_global_set_max_workers(9, std::ptr::null_mut()) };
    assert_eq!((status, cognite::config::global::current().max_workers), (0, 9));
    let config = b"client_name: n\nproject: p\nbase_url: https://h.example\ncredentials: {token: canary-token}\n";
    let config = cognite::config::ClientConfig::load(config).unwrap();
    let client = cognite::api::Client::new(&config).unwrap();
    // Inside a task too.
    let task = Box::pin(async move { if client.config().debug { Ok(()) } else { panic!("canary") } });
    let failed: Result<(), _> = cognite::runtime::block_on(task);
    assert_eq!(failed.unwrap_err().status().name(), "INTERNAL");
    cognite::runtime::shutdown().unwrap();

    let records = kept.0.lock().unwrap();
    let seen: Vec<(Level, &str)> = records.iter().map(|(l, r, _)| (*l, r["event"].as_str().unwrap())).collect();
    let (panic, warning) = ((Level::Error, "panic"), (Level::Warning, "warning"));
    assert_eq!(seen, [panic, warning, warning, warning, panic]);
    let settings: Vec<&str> = records[1..4].iter().map(|(_, r, _)| r["setting"].as_str().unwrap()).collect();
    assert_eq!(settings, ["max_workers", "max_workers", "disable_ssl"], "redirects are followed, so nothing is said");
    assert!(records[0].1["place"].as_str().unwrap().contains("log.rs:"));
    for (_, record, thread) in records.iter() {
        assert!(!record.to_string().contains("canary"), "{record}");
        assert_eq!(thread.as_deref(), Some("cognite-cb"));
    }
}
