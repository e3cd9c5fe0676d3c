//! Lists under trouble: pages that fail or lie at any place, parts side by side, and how much is under way at a time.

#[path = "network/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cognite::api::Client;
use cognite::api::operations::OperationRequest;
use cognite::error::{Error, Status};
use cognite::ffi::pages::COGNITE_OPERATION_UNCHECKED as UNCHECKED;
use cognite::http::Response;
use cognite::runtime;
use lab::{Got, Reply, Server, config, ok};
use serde_json::{Value, json};

fn request<'a>(arguments: &'a str) -> OperationRequest<'a> {
    let timeout = Duration::from_secs(30);
    OperationRequest { name: "assets.list", arguments, timeout, ..OperationRequest::default() }
}

fn client(server: &Server) -> Arc<Client> {
    Client::new(&config(&server.url("http"), "")).unwrap()
}

fn ids(response: &Response) -> Vec<u64> {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body["items"].as_array().unwrap().iter().map(|i| i["id"].as_u64().unwrap()).collect()
}

/// How a list is read.
#[derive(Clone, Copy, Debug)]
enum How {
    AtOnce,
    /// So many ahead, with these flags.
    Pages(u32, u32),
}

fn read(client: &Arc<Client>, arguments: &str, how: How) -> Result<Vec<u64>, Error> {
    let How::Pages(ahead, flags) = how else {
        return runtime::block_on(client.accept_operation(&request(arguments))?.run()).map(|r| ids(&r));
    };
    let pages = client.pages(&OperationRequest { flags, ..request(arguments) }, ahead)?;
    let mut all = Vec::new();
    loop {
        match runtime::block_on(pages.next()?) {
            Ok(page) => all.extend(ids(&page)),
            Err(e) if e.status() == Status::Empty => return Ok(all),
            Err(e) => return Err(e),
        }
    }
}

fn body(got: &Got) -> Value {
    let mut plain = Vec::new();
    match got.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&got.body[..]).read_to_end(&mut plain).unwrap()),
        _ => plain.clone_from(&got.body),
    }
    serde_json::from_slice(&plain).unwrap()
}

/// What one request is answered instead of its page.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// More elements than were asked for, and the right cursor behind them.
    Larger,
    /// No elements, and a cursor.
    Empty,
    Refused,
    Broken,
    NoItems,
    Html,
    CursorIsNumber,
    /// The cursor that led to this page.
    SameCursor,
    /// The first cursor of this part.
    OldCursor,
}

const FAULTS: [Fault; 10] = [
    Fault::None,
    Fault::Larger,
    Fault::Empty,
    Fault::Refused,
    Fault::Broken,
    Fault::NoItems,
    Fault::Html,
    Fault::CursorIsNumber,
    Fault::SameCursor,
    Fault::OldCursor,
];

/// A list of `total` items in pages of `page`, whose request number `at` is answered with a fault. The counter says how many
/// were answered wrongly in a way that cannot be put right.
fn troubled(total: u64, page: usize, at: usize, fault: Fault) -> (Server, Arc<AtomicUsize>) {
    let (count, spoilt) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let told = Arc::clone(&spoilt);
    let server = Server::start(None, move |got| {
        let asked = body(got);
        let (part, of) = match asked["partition"].as_str().and_then(|p| p.split_once('/')) {
            Some((part, of)) => (part.parse::<u64>().unwrap() - 1, of.parse::<u64>().unwrap()),
            None => (0, 1),
        };
        // A cursor is an offset; those of an empty page lead to the same offset by another name.
        let cursor = asked["cursor"].as_str().unwrap_or("");
        let from: usize = cursor.trim_start_matches(['c', 'e']).parse().unwrap_or(0);
        let all: Vec<u64> = (0..total).filter(|n| n % of == part).collect();
        let hit = count.fetch_add(1, Ordering::SeqCst) == at;
        let fault = if hit { fault } else { Fault::None };
        let limit = (asked["limit"].as_u64().unwrap() as usize).min(page) * if fault == Fault::Larger { 3 } else { 1 };
        let limit = if fault == Fault::Empty { 0 } else { limit };
        let items: Vec<Value> = all.iter().skip(from).take(limit).map(|n| json!({"id": n, "x": "]}\"\\"})).collect();
        let next = from + items.len();
        let mut answer = json!({"items": items});
        if next < all.len() {
            answer["nextCursor"] = if fault == Fault::Empty { format!("e{next}") } else { format!("c{next}") }.into();
        }
        let spoil = |reply: Reply| {
            told.fetch_add(1, Ordering::SeqCst);
            reply
        };
        match fault {
            Fault::None | Fault::Larger | Fault::Empty => ok(&answer.to_string()),
            Fault::Refused => spoil(Reply::Answer("403 Forbidden", String::new(), String::new())),
            Fault::Broken => spoil(Reply::Answer("501 Not Implemented", String::new(), "{".into())),
            Fault::NoItems => spoil(ok("{\"nextCursor\":null}")),
            Fault::Html => spoil(ok("<html>")),
            Fault::CursorIsNumber => spoil(ok("{\"items\":[],\"nextCursor\":7}")),
            // There is none to repeat on a first page.
            Fault::SameCursor | Fault::OldCursor if cursor.is_empty() => ok(&answer.to_string()),
            Fault::SameCursor => spoil({
                answer["nextCursor"] = cursor.into();
                ok(&answer.to_string())
            }),
            Fault::OldCursor => spoil({
                answer["nextCursor"] = format!("c{}", page.min(1000)).into();
                ok(&answer.to_string())
            }),
        }
    });
    (server, spoilt)
}

/// Any length, any size of pages, any page wrong in any way, read in any way: all of it once and in order, or an error.
#[test]
fn a_list_is_whole_or_an_error() {
    let mut random = fastrand::Rng::with_seed(0x6c69_7374);
    let (mut whole, mut failed) = (0, 0);
    for round in 0..400 {
        let fault = FAULTS[round % FAULTS.len()];
        let total = [0, 1, random.u64(2..40), random.u64(40..200)][random.usize(0..4)];
        let page = random.usize(1..30).max(total as usize / 40);
        let (server, spoilt) = troubled(total, page, random.usize(0..8), fault);
        let client = client(&server);
        let parts = [0, 0, random.u64(1..9)][random.usize(0..3)];
        let limit = (parts == 0 && random.bool()).then(|| random.u64(1..250));
        let how = match random.u32(0..4) {
            0 => How::AtOnce,
            1 => How::Pages(random.u32(u32::from(parts > 0)..4), 0),
            2 if limit.is_none() => How::Pages(random.u32(u32::from(parts > 0)..4), UNCHECKED),
            _ => How::Pages(2, 0),
        };
        let mut arguments = json!({"limit": limit});
        if parts > 0 {
            arguments["partitions"] = parts.into();
        }
        if random.bool() {
            arguments["pageSize"] = random.u64(page as u64..=1000).into();
        }
        let result = read(&client, &arguments.to_string(), how);
        let case = format!("round {round}: {fault:?} {total} by {page}, {arguments}, {how:?}");
        match result {
            Ok(mut all) => {
                assert_eq!(spoilt.load(Ordering::SeqCst), 0, "{case}: taken for good");
                let parted = |p: u64| (0..total).filter(move |n| n % parts.max(1) == p);
                let wanted: Vec<u64> =
                    (0..parts.max(1)).flat_map(parted).take(limit.unwrap_or(u64::MAX) as usize).collect();
                // Pages of several parts come as they arrive, each part in its order.
                if parts > 0 && !matches!(how, How::AtOnce) {
                    let of = |p: u64| all.iter().copied().filter(|n| n % parts == p).collect::<Vec<_>>();
                    assert!((0..parts).all(|p| of(p).is_sorted()), "{case}: {all:?}");
                    all.sort_by_key(|n| (n % parts, *n));
                }
                assert_eq!(all, wanted, "{case}");
                whole += 1;
            }
            Err(e) => {
                let refused = matches!(fault, Fault::Refused | Fault::Broken);
                let wanted = if refused { Status::Api } else { Status::Decode };
                assert_eq!(e.status(), wanted, "{case}: {e}");
                assert!(spoilt.load(Ordering::SeqCst) > 0, "{case}: {e}");
                failed += 1;
            }
        }
    }
    assert!(whole > 100 && failed > 80, "{whole} whole, {failed} failed");
}

/// Counts the requests that are at the server at a time; each stays there for 5 ms.
fn slow(pages: usize) -> (Server, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let seen = Arc::clone(&counts);
    let server = Server::start(None, move |got| {
        let now = seen[0].fetch_add(1, Ordering::SeqCst) + 1;
        seen[1].fetch_max(now, Ordering::SeqCst);
        let asked = body(got);
        let parts: usize = asked["partition"].as_str().map_or(1, |p| p.split_once('/').unwrap().1.parse().unwrap());
        let page: usize = asked["cursor"].as_str().map_or(1, |c| c.parse().unwrap());
        std::thread::sleep(Duration::from_millis(5));
        seen[0].fetch_sub(1, Ordering::SeqCst);
        match page * parts < pages {
            true => ok(&json!({"items": [{"id": page}], "nextCursor": (page + 1).to_string()}).to_string()),
            false => ok(&json!({"items": [{"id": page}]}).to_string()),
        }
    });
    (server, counts)
}

/// A server that is 5 ms late is asked for several pages at a time: as many as there are parts, within the budget.
#[test]
fn parts_are_under_way_together() {
    for (parts, how, wanted) in [
        (1usize, How::AtOnce, 1),
        (1, How::Pages(2, 0), 1),
        (4, How::AtOnce, 4),
        (4, How::Pages(1, 0), 4),
        (4, How::Pages(2, UNCHECKED), 4),
        // The budget of reads is five at a time.
        (20, How::AtOnce, 5),
        (20, How::Pages(2, 0), 5),
    ] {
        let (server, counts) = slow(40);
        let arguments = format!("{{\"limit\":null,\"partitions\":{parts}}}");
        let all = read(&client(&server), &arguments, how).unwrap();
        assert_eq!(all.len(), 40, "{parts} {how:?}");
        assert_eq!(counts[1].load(Ordering::SeqCst), wanted, "{parts} {how:?}");
    }
}

/// With one page ahead the service works on the next while the caller works on this one: the caller never waits for a page
/// that was not asked for before.
#[test]
fn the_next_page_is_asked_for_before_this_one_is_done_with() {
    for (ahead, asked_before) in [(0u32, 0usize), (1, 1), (3, 3)] {
        let (server, _) = slow(20);
        let client = client(&server);
        let pages = client.pages(&request("{}"), ahead).unwrap();
        for taken in 1..=20usize {
            runtime::block_on(pages.next().unwrap()).unwrap();
            let wanted = (taken + asked_before).min(20);
            let waited = (0..1000).find(|_| {
                let there = server.got().len() >= wanted;
                if !there {
                    std::thread::sleep(Duration::from_millis(5));
                }
                there
            });
            assert!(waited.is_some(), "{ahead} ahead: {} requests after {taken} pages", server.got().len());
            assert!(server.got().len() <= wanted.max(taken + asked_before), "{ahead} ahead, {taken} taken");
        }
    }
}

/// A large page is received where one was that was freed: pages would else cost new memory each time.
#[test]
fn a_page_is_received_where_one_was_that_was_freed() {
    let text = "x".repeat(300_000);
    let server = Server::start(None, move |got| {
        let page = body(got)["cursor"].as_str().map_or(1, |c| c.parse().unwrap());
        let next = (page < 20).then(|| (page + 1).to_string());
        ok(&json!({"items": [{"id": page, "x": text}], "nextCursor": next}).to_string())
    });
    let client = client(&server);
    for ahead in [0, 1] {
        let pages = client.pages(&OperationRequest { flags: UNCHECKED, ..request("{}") }, ahead).unwrap();
        let (mut places, mut others) = (Vec::new(), Vec::new());
        for taken in 1..=20 {
            let mut page = runtime::block_on(pages.next().unwrap()).unwrap();
            assert_eq!(ids(&page), [taken]);
            places.push(page.body.as_ptr().addr());
            let room = page.body.capacity();
            page.give_back();
            // Would have got the memory if the page had been freed.
            others.push(Vec::<u8>::with_capacity(room));
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() <= 2 * ahead as usize + 1, "{ahead} ahead: {} places", places.len());
        assert_eq!(runtime::block_on(pages.next().unwrap()).unwrap_err().status(), Status::Empty);
    }
}

/// A RAW table of `total` rows in parts: the cursor `p/of/from` is where a part goes on. With it, the numbers of parts that
/// were asked for and of rows that were handed out.
fn table(total: u64, page: usize) -> (Server, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let seen = Arc::clone(&counts);
    let server = Server::start(None, move |got| {
        let query = got.target.split_once('?').map_or("", |t| t.1);
        let value =
            |name: &str| query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        if let Some(parts) = value("numberOfCursors") {
            let parts: usize = parts.parse().unwrap();
            seen[0].store(parts, Ordering::SeqCst);
            let cursors: Vec<String> = (0..parts).map(|p| format!("{p}-{parts}-0")).collect();
            return ok(&json!({"items": cursors}).to_string());
        }
        let cursor: Vec<u64> = value("cursor").unwrap().split('-').map(|n| n.parse().unwrap()).collect();
        let (part, of, from) = (cursor[0], cursor[1], cursor[2] as usize);
        let rows: Vec<u64> = (0..total).filter(|n| n % of == part).collect();
        let limit: usize = value("limit").unwrap().parse().unwrap();
        let items: Vec<Value> = rows.iter().skip(from).take(limit.min(page)).map(|n| json!({"id": n})).collect();
        seen[1].fetch_add(items.len(), Ordering::SeqCst);
        let next = from + items.len();
        let mut answer = json!({"items": items});
        if next < rows.len() {
            answer["nextCursor"] = format!("{part}-{of}-{next}").into();
        }
        ok(&answer.to_string())
    });
    (server, counts)
}

/// Any table, any number of parts, any limit: as many rows as were wanted, none twice, those of a part in its order; as many
/// parts as can be read at a time and as the limit pays for; and no part goes on once there are enough.
#[test]
fn parts_of_a_table_share_a_limit() {
    let mut random = fastrand::Rng::with_seed(0x7061_7274);
    for round in 0..120 {
        let total = [0, 1, random.u64(2..40), random.u64(40..300)][random.usize(0..4)];
        let page = random.usize(1..30).max(total as usize / 40);
        let (server, counts) = table(total, page);
        let client = client(&server);
        let parts = random.u64(1..12);
        let limit = [None, Some(1), Some(random.u64(1..400)), Some(random.u64(20_001..200_000))][random.usize(0..4)];
        let arguments = json!({"dbName": "d", "tableName": "t", "partitions": parts, "limit": limit}).to_string();
        let rows = OperationRequest { name: "raw.rows.list", ..request(&arguments) };
        let result = runtime::block_on(client.accept_operation(&rows).unwrap().run()).unwrap();
        let case = format!("round {round}: {total} by {page}, {arguments}");
        let (all, asked) = (ids(&result), counts[0].load(Ordering::SeqCst) as u64);
        assert_eq!(asked, parts.min(5).min(limit.unwrap_or(u64::MAX).div_ceil(20_000)), "{case}");
        assert_eq!(all.len() as u64, total.min(limit.unwrap_or(u64::MAX)), "{case}");
        let places: Vec<(u64, u64)> = all.iter().map(|n| (n % asked, *n)).collect();
        assert!(places.windows(2).all(|w| w[0] < w[1]), "{case}: {all:?}");
        let received = counts[1].load(Ordering::SeqCst);
        assert!(received < all.len() + asked as usize * page + 1, "{case}: {received} rows for {}", all.len());
        let body: Value = serde_json::from_slice(&result.body).unwrap();
        assert!(body.get("nextCursor").is_none(), "{case}");
        // Pages of parts come as they arrive, so they cannot share one.
        let pages = client.pages(&rows, 1);
        assert_eq!(pages.is_err(), limit.is_some(), "{case}");
    }
}
