//! Any number of items, any size of requests, any request failing in any phase in any way: each item is placed once, and
//! where it is, the service agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::error::{Cause, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Good,
    /// 400, not applied.
    Refused,
    /// 500, applied or not.
    Broken,
    /// The connection went down with the answer.
    Lost,
    /// Never left this machine.
    Unsent,
    /// 200 with something else than items.
    Garbage,
    Panic,
}

const CLASSES: [Class; 7] =
    [Class::Good, Class::Refused, Class::Broken, Class::Lost, Class::Unsent, Class::Garbage, Class::Panic];

impl Class {
    fn place(self) -> Place {
        match self {
            Class::Good => Place::Succeeded,
            Class::Refused | Class::Unsent => Place::Failed,
            Class::Broken | Class::Lost | Class::Garbage | Class::Panic => Place::Unknown,
        }
    }
}

/// What a service that fails to order was sent and did.
#[derive(Default)]
struct Service {
    /// By the first item of a request.
    faults: BTreeMap<u32, Class>,
    /// Items that it refuses, whatever they come with.
    bad: BTreeSet<u32>,
    /// Whether it says which of them it was.
    names: bool,
    /// Refuses items whose parent it does not have and is not sent with them.
    needs: Vec<Option<u32>>,
    /// Refuses requests with more items as too large.
    most_items: Option<usize>,
    applied: Mutex<Vec<u32>>,
    requests: Mutex<Vec<Vec<u32>>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// After so many requests everything is cancelled.
    cancel_after: Option<usize>,
}

fn item(n: u32) -> Item {
    Item::of(format!("{{\"externalId\":\"{n}\"}}").into())
}

fn good(body: String) -> Response {
    Response { status: 200, attempts: 1, ..Response::of_text(body) }
}

fn refusal(status: u16) -> Error {
    Error::new(Status::Api, format!("no {status}")).with(|d| {
        d.http_status = status;
        d.attempts = 1;
        d.in_doubt = status >= 500;
    })
}

impl Service {
    async fn answer(self: Arc<Self>, body: Vec<u8>) -> Result<Response, Error> {
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["flag"], true);
        let list = body["items"].as_array().unwrap();
        let sent: Vec<u32> = list.iter().map(|i| i["externalId"].as_str().unwrap().parse().unwrap()).collect();
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let number = {
            let mut requests = self.requests.lock().unwrap();
            requests.push(sent.clone());
            requests.len()
        };
        tokio::task::yield_now().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.cancel_after.is_some_and(|n| number > n) {
            return Err(Error::new(Status::Cancelled, "cancelled"));
        }
        if self.most_items.is_some_and(|n| sent.len() > n) {
            return Err(refusal(413));
        }
        let orphan = |n: u32| {
            let parent = self.needs.get(n as usize).copied().flatten();
            parent.is_some_and(|p| !sent.contains(&p) && !self.applied.lock().unwrap().contains(&p))
        };
        let bad: Vec<u32> = sent.iter().copied().filter(|n| self.bad.contains(n) || orphan(*n)).collect();
        if !bad.is_empty() {
            let named = bad.iter().map(|n| serde_json::json!({"externalId": n.to_string()})).collect();
            return Err(refusal(409).with(|d| d.duplicated = self.names.then_some(named)));
        }
        let class = self.faults.get(&sent[0]).copied().unwrap_or(Class::Good);
        // What is in doubt may have been done or not.
        if matches!(class, Class::Good | Class::Garbage)
            || (class.place() == Place::Unknown && sent[0].is_multiple_of(2))
        {
            self.applied.lock().unwrap().extend(&sent);
        }
        match class {
            Class::Good => Ok(good(serde_json::json!({"items": list}).to_string())),
            Class::Refused => Err(refusal(400)),
            Class::Broken => Err(refusal(500)),
            Class::Lost => Err(Error::new(Status::Connection, "lost").with(|d| {
                d.in_doubt = true;
                d.attempts = 1;
                d.cause = Some(Cause::Closed);
            })),
            Class::Unsent => Err(Error::new(Status::Connection, "refused").with(|d| d.attempts = 4)),
            Class::Garbage => Ok(good("<html>".into())),
            Class::Panic => panic!("a defect"),
        }
    }
}

fn run(service: &Arc<Service>, items: &[Item], plan: &Plan, limits: &Limits) -> Outcome {
    let post = |body| -> Posted<'_> { Box::pin(Arc::clone(service).answer(body)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(write(items, plan, limits, ",\"flag\":true", &post))
}

fn count(places: &[Place], place: Place) -> usize {
    places.iter().filter(|p| **p == place).count()
}

/// What must hold whatever happened.
fn check(service: &Service, items: &[Item], outcome: Outcome, places: &[Place], limits: &Limits) {
    let applied = service.applied.lock().unwrap().clone();
    let set: BTreeSet<u32> = applied.iter().copied().collect();
    assert_eq!(set.len(), applied.len(), "nothing is applied twice");
    for (n, place) in places.iter().enumerate() {
        match place {
            Place::Succeeded => assert!(set.contains(&(n as u32)), "{n} is said to be applied"),
            Place::Failed | Place::Skipped => assert!(!set.contains(&(n as u32)), "{n} is said not to be applied"),
            Place::Unknown => {}
        }
    }
    assert!(service.most.load(Ordering::SeqCst) <= limits.in_flight.max(1));
    for request in service.requests.lock().unwrap().iter() {
        assert!(request.len() <= limits.items);
        let bytes: usize = request.iter().map(|n| items[*n as usize].json.len() + 1).sum();
        assert!(bytes <= limits.bytes || request.len() == 1);
    }
    match outcome.result(items) {
        Ok(body) => {
            assert_eq!(count(places, Place::Succeeded), places.len());
            let wanted: Vec<String> = (0..items.len()).map(|n| format!("{{\"externalId\":\"{n}\"}}")).collect();
            assert_eq!(body, format!("{{\"items\":[{}]}}", wanted.join(",")).into_bytes(), "in the order given");
        }
        Err(e) => {
            let lists = e.detail().items.clone().unwrap();
            let shown = [&lists.succeeded, &lists.failed, &lists.unknown, &lists.skipped].map(Vec::len);
            let wanted = [Place::Succeeded, Place::Failed, Place::Unknown, Place::Skipped].map(|p| count(places, p));
            assert_eq!(shown, wanted);
            assert_eq!(lists.answered, lists.succeeded);
            assert_eq!(e.detail().in_doubt, wanted[2] > 0);
            let mixed = wanted[0] > 0 || (wanted[2] > 0 && wanted[1] + wanted[3] > 0);
            assert_eq!(e.status() == Status::Partial, mixed, "{e}");
            let told: Vec<u32> = lists.requests.iter().flat_map(|r| r.positions.clone()).collect();
            let distinct: BTreeSet<u32> = told.iter().copied().collect();
            assert_eq!(told.len(), distinct.len(), "one reason for each item that has one");
            assert!(told.len() >= wanted[1] + wanted[2]);
        }
    }
}

fn limits(random: &mut fastrand::Rng, split: bool) -> Limits {
    Limits {
        items: random.usize(1..40),
        bytes: if random.bool() { usize::MAX } else { random.usize(1..400) },
        in_flight: random.usize(0..6),
        split,
        answers: Answers::Items,
    }
}

/// The requests of a phase, made naively.
fn model_cut(phase: &[u32], items: &[Item], limits: &Limits) -> Vec<Vec<u32>> {
    let mut out: Vec<Vec<u32>> = Vec::new();
    for &n in phase {
        let weight = |list: &[u32]| list.iter().map(|i| items[*i as usize].json.len() + 1).sum::<usize>();
        match out.last_mut() {
            Some(last) if last.len() < limits.items && weight(last) + weight(&[n]) <= limits.bytes => {
                last.push(n);
            }
            _ => out.push(vec![n]),
        }
    }
    out
}

#[test]
fn every_item_is_placed_as_the_model_says() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(0..300)).map(item).collect();
        let limits = limits(&mut random, false);
        // Phases, in an order that is not that of the items.
        let mut all: Vec<u32> = (0..items.len() as u32).collect();
        if random.bool() {
            random.shuffle(&mut all);
        }
        let size = random.usize(1..=all.len().max(1));
        let phases: Vec<Vec<u32>> = all.chunks(size).map(<[u32]>::to_vec).collect();
        let share = random.f64();
        let mut faults = BTreeMap::new();
        let mut expected = vec![Place::Skipped; items.len()];
        let mut open = true;
        for phase in &phases {
            let mut clean = true;
            for chunk in model_cut(phase, &items, &limits) {
                if open && random.f64() < share * 0.3 {
                    faults.insert(chunk[0], CLASSES[random.usize(1..CLASSES.len())]);
                }
                let class = faults.get(&chunk[0]).copied().unwrap_or(Class::Good);
                clean &= class == Class::Good;
                for n in chunk.iter().filter(|_| open) {
                    expected[*n as usize] = class.place();
                }
            }
            open &= clean;
        }
        let service = Arc::new(Service { faults, ..Service::default() });
        let outcome = run(&service, &items, &Plan { phases, needs: None }, &limits);
        let places: Vec<Place> = (0..items.len() as u32).map(|n| outcome.place_of(n)).collect();
        assert_eq!(places, expected, "seed {seed}");
        check(&service, &items, outcome, &places, &limits);
    }
}

#[test]
fn good_items_get_in_when_refused_requests_are_split() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(1..200)).map(item).collect();
        let limits = limits(&mut random, true);
        let bad: BTreeSet<u32> = (0..items.len() as u32).filter(|_| random.u8(0..10) == 0).collect();
        let names = random.bool();
        let service = Arc::new(Service { bad: bad.clone(), names, ..Service::default() });
        let outcome = run(&service, &items, &Plan::any(items.len()), &limits);
        let places: Vec<Place> = (0..items.len() as u32).map(|n| outcome.place_of(n)).collect();
        for (n, place) in places.iter().enumerate() {
            let wanted = if bad.contains(&(n as u32)) { Place::Failed } else { Place::Succeeded };
            assert_eq!(*place, wanted, "seed {seed}: {n}");
        }
        if names {
            let whole = model_cut(&(0..items.len() as u32).collect::<Vec<_>>(), &items, &limits).len();
            assert!(service.requests.lock().unwrap().len() <= 2 * whole, "one more request for each refused");
        }
        check(&service, &items, outcome, &places, &limits);
    }
}

#[test]
fn a_name_for_two_items_condemns_only_what_is_refused_alone() {
    let items = vec![item(5), item(6), item(5)];
    let asked = AtomicUsize::new(0);
    let asked = &asked;
    let post = |body| -> Posted<'_> {
        Box::pin(async move {
            let text = String::from_utf8(body).unwrap();
            let twice = text.matches("\"5\"").count();
            // The second of them to come is refused.
            if twice > 1 || (twice == 1 && asked.fetch_add(1, Ordering::SeqCst) > 0) {
                return Err(refusal(409).with(|d| d.duplicated = Some(vec![serde_json::json!({"externalId": "5"})])));
            }
            Ok(good(text.replace(",\"flag\":true", "")))
        })
    };
    let limits = Limits { items: 10, bytes: 1000, in_flight: 1, split: true, answers: Answers::Items };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(write(&items, &Plan::any(3), &limits, ",\"flag\":true", &post));
    let places = [0, 1, 2].map(|n| outcome.place_of(n));
    assert_eq!(places, [Place::Succeeded, Place::Succeeded, Place::Failed]);
}

#[test]
fn children_go_only_with_or_after_their_parent() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(1..200)).map(item).collect();
        let limits = limits(&mut random, false);
        let needs: Vec<Option<u32>> =
            (0..items.len() as u32).map(|n| (n > 0 && random.u8(0..8) > 0).then(|| random.u32(0..n))).collect();
        // One by one is a right order whatever the size of requests.
        let phases: Vec<Vec<u32>> = (0..items.len() as u32).map(|n| vec![n]).collect();
        let mut faults = BTreeMap::new();
        let mut expected: Vec<Place> = Vec::new();
        for n in 0..items.len() as u32 {
            let there = needs[n as usize].is_none_or(|p| expected[p as usize] == Place::Succeeded);
            let class = if random.u8(0..6) == 0 { CLASSES[random.usize(1..CLASSES.len())] } else { Class::Good };
            faults.insert(n, class);
            expected.push(if there { class.place() } else { Place::Skipped });
        }
        let service = Arc::new(Service { faults, ..Service::default() });
        let outcome = run(&service, &items, &Plan { phases, needs: Some(needs) }, &limits);
        let places: Vec<Place> = (0..items.len() as u32).map(|n| outcome.place_of(n)).collect();
        assert_eq!(places, expected, "seed {seed}");
        check(&service, &items, outcome, &places, &limits);
    }
}

#[test]
fn parts_of_a_divided_request_keep_their_order() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(2..60)).map(item).collect();
        let count = items.len() as u32;
        let needs: Vec<Option<u32>> =
            (0..count).map(|n| (n > 0 && random.u8(0..8) > 0).then(|| random.u32(0..n))).collect();
        let bad: BTreeSet<u32> = (0..count).filter(|_| random.u8(0..12) == 0).collect();
        let mut expected: Vec<Place> = Vec::new();
        for n in 0..count {
            let there = needs[n as usize].is_none_or(|p| expected[p as usize] == Place::Succeeded);
            expected.push(if bad.contains(&n) || !there { Place::Failed } else { Place::Succeeded });
        }
        let service = Arc::new(Service { bad, needs: needs.clone(), names: random.bool(), ..Service::default() });
        let limits = Limits { items: 100, bytes: usize::MAX, in_flight: 5, split: true, answers: Answers::Items };
        let plan = Plan { phases: vec![(0..count).collect()], needs: Some(needs) };
        let outcome = run(&service, &items, &plan, &limits);
        let places: Vec<Place> = (0..count).map(|n| outcome.place_of(n)).collect();
        for (n, (place, wanted)) in places.iter().zip(&expected).enumerate() {
            // What lacks its parent may have been refused with it or left out.
            let left_out = *place == Place::Skipped && *wanted == Place::Failed;
            assert!(place == wanted || left_out, "seed {seed}: {n} is {place:?}, not {wanted:?}");
        }
        check(&service, &items, outcome, &places, &limits);
    }
}

#[test]
fn what_an_item_refers_to_is_not_the_item() {
    // The label "5" is missing, not the item of that name.
    let items: Vec<Item> =
        (0..8).map(|n| Item::of(format!("{{\"externalId\":\"{n}\",\"name\":\"n\"}}").into())).collect();
    let post = |body: Vec<u8>| -> Posted<'_> {
        Box::pin(async move {
            let text = String::from_utf8(body).unwrap();
            match text.contains("\"3\"") {
                true => Err(refusal(400).with(|d| d.missing = Some(vec![serde_json::json!({"externalId": "5"})]))),
                false => Ok(good(text)),
            }
        })
    };
    let limits = Limits { items: 10, bytes: 1000, in_flight: 1, split: true, answers: Answers::Items };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(write(&items, &Plan::any(8), &limits, "", &post));
    let failed: Vec<u32> = (0..8).filter(|n| outcome.place_of(*n) != Place::Succeeded).collect();
    assert_eq!(failed, [3]);
}

#[test]
fn a_cancelled_operation_sends_no_more() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(1..300)).map(item).collect();
        let split = random.bool();
        let limits = limits(&mut random, split);
        let after = random.usize(0..6);
        let service = Arc::new(Service { cancel_after: Some(after), ..Service::default() });
        let outcome = run(&service, &items, &Plan::any(items.len()), &limits);
        let sent = service.requests.lock().unwrap().len();
        assert!(sent <= after + limits.in_flight.max(1), "seed {seed}: {sent} requests");
        let places: Vec<Place> = (0..items.len() as u32).map(|n| outcome.place_of(n)).collect();
        assert_eq!(count(&places, Place::Failed) + count(&places, Place::Unknown), 0);
        let cancelled = count(&places, Place::Skipped) == places.len();
        if let (true, Err(e)) = (cancelled, outcome.result(&items)) {
            assert_eq!(e.status(), Status::Cancelled);
        }
    }
}

/// Halves of what was too large are requests like any other: split for what is refused, left out when all ends.
#[test]
fn what_is_too_large_is_halved_whatever_else_happens() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<Item> = (0..random.u32(1..200)).map(item).collect();
        let split = random.bool();
        let limits = limits(&mut random, split);
        let most = random.usize(0..30);
        let bad: BTreeSet<u32> = (0..items.len() as u32).filter(|_| split && random.u8(0..10) == 0).collect();
        let cancel_after = (random.u8(0..3) == 0).then(|| random.usize(0..20));
        let names = random.bool();
        let service =
            Arc::new(Service { bad: bad.clone(), names, most_items: Some(most), cancel_after, ..Service::default() });
        let outcome = run(&service, &items, &Plan::any(items.len()), &limits);
        let places: Vec<Place> = (0..items.len() as u32).map(|n| outcome.place_of(n)).collect();
        for (n, place) in places.iter().enumerate() {
            let refused = most == 0 || bad.contains(&(n as u32));
            let wanted = if refused { Place::Failed } else { Place::Succeeded };
            let ended = cancel_after.is_some() && *place == Place::Skipped;
            assert!(*place == wanted || ended, "seed {seed}: {n} is {place:?}, not {wanted:?}");
        }
        if let Some(after) = cancel_after {
            let sent = service.requests.lock().unwrap().len();
            assert!(sent <= after + limits.in_flight.max(1), "seed {seed}: {sent} requests");
        }
        check(&service, &items, outcome, &places, &limits);
    }
}

#[test]
fn what_is_too_large_is_sent_in_parts() {
    let items: Vec<Item> = (0..10).map(item).collect();
    let seen = Mutex::new(Vec::new());
    let seen = &seen;
    let post = |body: Vec<u8>| -> Posted<'_> {
        Box::pin(async move {
            let sent = raw::items(&body.into()).flatten().unwrap_or_default();
            seen.lock().unwrap().push(sent.len());
            if sent.len() > 3 { Err(refusal(413)) } else { Ok(good("{}".into())) }
        })
    };
    let limits = Limits { items: 100, bytes: 1000, in_flight: 1, split: false, answers: Answers::Perhaps };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(write(&items, &Plan::any(10), &limits, "", &post));
    assert_eq!(*seen.lock().unwrap(), [10, 5, 2, 3, 5, 2, 3]);
    assert_eq!(outcome.result(&items).unwrap(), b"{\"items\":[]}");
}
