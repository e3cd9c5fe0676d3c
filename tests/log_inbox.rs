//! The inbox of log records: bounded, the newest kept, the dropped counted.

use std::sync::{Arc, Mutex};

use cognite::log::{CAPACITY, Level, Record, Sink, deliver_one, emit, enabled, set_sink, waiting};

#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Sink for Kept {
    fn write(&self, _: Level, json: String) {
        self.0.lock().unwrap().push(json);
    }
}

/// A program of its own: the inbox is the process's.
#[test]
fn the_newest_are_kept_and_the_dropped_counted() {
    let kept = Arc::new(Kept::default());
    assert!(!enabled(Level::Error));
    set_sink(Some(kept.clone()), Level::Info);
    assert!(enabled(Level::Info) && !enabled(Level::Debug));
    emit(Record::new(Level::Debug, "own", "not wanted"));
    for n in 0..CAPACITY + 5 {
        emit(Record::new(Level::Info, "own", "x\ny").with("n", n));
    }
    while deliver_one() {}
    let mine: Vec<serde_json::Value> =
        kept.0.lock().unwrap().iter().map(|t| serde_json::from_str(t).unwrap()).collect();
    assert!(mine[0]["dropped"].as_u64().unwrap() >= 5 && mine[0]["level"] == "info", "{}", mine[0]);
    assert!(mine[1].get("dropped").is_none() && mine[1]["time_ms"].as_u64().unwrap() > 1_600_000_000_000);
    let mine: Vec<u64> = mine.iter().filter(|r| r["event"] == "own").map(|r| r["n"].as_u64().unwrap()).collect();
    assert_eq!(*mine.last().unwrap(), CAPACITY as u64 + 4);
    assert!(mine.len() <= CAPACITY && mine.is_sorted());
    emit(Record::new(Level::Error, "own", "lost with its sink"));
    set_sink(None, Level::Info);
    assert_eq!(Arc::strong_count(&kept), 1);
    assert!(!waiting() && !deliver_one() && !enabled(Level::Error));
}
