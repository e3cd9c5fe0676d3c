//! The Prometheus page against a strict reader of its format, and the counters.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Labels = BTreeMap<String, String>;

/// Reads a page of the text format 0.0.4; anything the format does not allow ends the test.
fn read(page: &str) -> Vec<(String, Labels, f64)> {
    assert!(page.ends_with('\n') && !page.contains('\r'));
    let mut samples: Vec<(String, Labels, f64)> = Vec::new();
    let (mut types, mut helped) = (BTreeMap::new(), BTreeSet::new());
    let name_ok = |n: &str| {
        !n.is_empty()
            && !n.starts_with(|c: char| c.is_ascii_digit())
            && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(name_ok(name) && !help.is_empty() && helped.insert(name.to_owned()), "{line}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name) && types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            continue;
        }
        let at = line.find('{').unwrap_or_else(|| panic!("no labels: {line}"));
        let name = &line[..at];
        assert!(name_ok(name), "{line}");
        let mut labels = Labels::new();
        let mut rest = &line[at + 1..];
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(name_ok(label) && !label.contains(':'), "{line}");
            let (mut value, mut chars, mut end) = (String::new(), after.char_indices(), None);
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => {
                        end = Some(i);
                        break;
                    }
                    '\\' => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("escape {c}: {line}"),
                    }),
                    c => value.push(c),
                }
            }
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[end.unwrap_or_else(|| panic!("a label without end: {line}")) + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        let value = rest.strip_prefix("} ").unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).filter(|f| types.contains_key(*f));
        let family = family.unwrap_or(name);
        let kind = types.get(family).unwrap_or_else(|| panic!("no type: {line}"));
        assert_eq!(kind == "histogram", family != name, "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(!samples.iter().any(|(n, l, _)| n == name && *l == labels), "twice: {line}");
        samples.push((name.to_owned(), labels, value));
    }
    samples
}

const PROJECT: &str = "a\"b\\c\nd\\n{}, =";

fn context(tokens: &TokenCounts) -> Context<'_> {
    let kind = |name: &str, numbers| Kind { name: name.into(), numbers };
    Context {
        project: PROJECT,
        accepted: 3,
        tokens,
        throttled: vec![
            kind("raw.read", vec![("refused", 4.into()), ("per_second", Value::Null)]),
            kind("general.read", vec![("refused", 2.into()), ("per_second", 49.5.into())]),
        ],
        concurrency: vec![kind("raw.write", vec![("limit", 2.into()), ("held", 1.into()), ("waiting", 7.into())])],
    }
}

#[test]
fn the_page_parses_and_says_what_was_counted() {
    let m = Metrics::default();
    m.call(Instant::now()).end(Ok(200));
    m.call(Instant::now()).end(Ok(201));
    m.call(Instant::now()).end(Err(&Error::new(Status::Api, "x").with(|d| d.http_status = 503)));
    m.call(Instant::now()).end(Err(&Error::auth("x").with(|d| d.http_status = 401)));
    drop(m.call(Instant::now()));
    m.retry("503");
    m.retry("425");
    for us in [999, 1_000, 1_001, 59_999_999, 60_000_001] {
        m.exchanges.take(Duration::from_micros(us));
    }
    let tokens = TokenCounts::default();
    let samples = read(&m.to_prometheus(&context(&tokens)));
    let get = |name: &str, label: Option<(&str, &str)>| {
        let hit = |l: &Labels| label.is_none_or(|(k, v)| l.get(k).is_some_and(|have| have == v));
        let found: Vec<_> = samples.iter().filter(|(n, l, _)| n == name && hit(l)).collect();
        assert_eq!(found.len(), 1, "{name} {label:?}");
        assert_eq!(found[0].1["project"], PROJECT);
        found[0].2
    };
    for (outcome, n) in [("2xx", 2.0), ("5xx", 1.0), ("4xx", 0.0), ("auth", 1.0), ("cancelled", 1.0)] {
        assert_eq!(get("cognite_requests_total", Some(("outcome", outcome))), n, "{outcome}");
    }
    assert_eq!(get("cognite_retries_total", Some(("reason", "503"))), 1.0);
    assert_eq!(get("cognite_retries_total", Some(("reason", "other_status"))), 1.0);
    assert_eq!(get("cognite_accepted_calls", None), 3.0);
    assert_eq!(get("cognite_request_duration_seconds_count", None), 5.0);
    for (le, n) in [("0.001", 2.0), ("0.005", 3.0), ("30", 3.0), ("60", 4.0), ("+Inf", 5.0)] {
        assert_eq!(get("cognite_attempt_duration_seconds_bucket", Some(("le", le))), n, "{le}");
    }
    assert!((get("cognite_attempt_duration_seconds_sum", None) - 120.003).abs() < 1e-9);
    let kind = |k| Some(("kind", k));
    assert_eq!(get("cognite_throttle_refused_total", kind("raw.read")), 4.0);
    assert_eq!(get("cognite_throttle_requests_per_second", None), 49.5);
    assert_eq!(get("cognite_concurrency_waiting", kind("raw.write")), 7.0);
    // The JSON form says the same.
    let json = m.to_json(&context(&tokens));
    assert_eq!(json["throttled"]["raw.read"], json!({"refused": 4, "per_second": null}));
    assert_eq!(json["concurrency"]["raw.write"]["held"], 1);
    assert_eq!((&json["requests"]["2xx"], &json["retries"]["503"]), (&2.into(), &1.into()));
    assert_eq!(json["attempt_seconds"]["buckets"][14], serde_json::json!({"le": null, "count": 5}));
}

#[tokio::test]
async fn waits_are_counted_only_when_there_is_one() {
    let m = Metrics::default();
    let places = tokio::sync::Semaphore::new(1);
    let first = m.place(places.acquire()).await.unwrap();
    assert_eq!(m.pool_waits.load(Relaxed), 0);
    let second = tokio::time::timeout(Duration::from_millis(20), m.place(places.acquire())).await;
    assert!(second.is_err());
    assert_eq!((m.pool_waits.load(Relaxed), m.pool_waiting.load(Relaxed)), (1, 0));
    assert!(m.pool_wait_us.load(Relaxed) >= 15_000);
    drop(first);
    assert!(m.place(places.acquire()).await.is_ok());
}
