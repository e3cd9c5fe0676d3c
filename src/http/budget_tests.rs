use std::collections::BTreeSet;
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;

/// Every order in which calls, permits, tokens, cancellations and a change of the limit can follow one another. Each
/// operation of a [`Line`] runs under one lock, so this is every interleaving of threads there is.
mod model {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Begin,
        /// Its answer depends on call `n`, a nested one.
        WaitsForToken,
        HasToken,
        InLine,
        /// The permit is on its way to it.
        Granted,
        Sending,
        Pausing,
        Ended,
    }

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Call {
        at: At,
        ticket: u64,
        attempts: u8,
        /// The call that the token's provider makes.
        nested: Option<usize>,
        /// Begins only when somebody asks for the token.
        inner: bool,
        may_give_up: bool,
    }

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct World {
        line: Line<usize>,
        calls: Vec<Call>,
        /// Limits yet to be set.
        limits: Vec<u32>,
        /// A later ticket was let in while an older one waited.
        overtaken: bool,
    }

    /// What is checked; `held_across` is the mistake the rule of this file forbids.
    struct Rules {
        held_across: bool,
    }

    impl World {
        fn new(limit: u32, calls: Vec<Call>, limits: Vec<u32>) -> Self {
            Self { line: Line::new(limit), calls, limits, overtaken: false }
        }

        fn settle(&mut self) {
            loop {
                let oldest = self.line.waiting.keys().next().copied();
                let Some(who) = self.line.let_in() else { break };
                self.overtaken |= oldest != Some(self.calls[who].ticket);
                assert_eq!(self.calls[who].at, At::InLine, "let in what does not wait");
                self.calls[who].at = At::Granted;
            }
        }

        fn stand(&mut self, n: usize) {
            self.calls[n].at = At::InLine;
            self.line.wait(self.calls[n].ticket, n);
            self.settle();
        }

        fn give_back(&mut self) {
            self.line.give_back();
            self.settle();
        }

        /// All worlds one step on.
        fn next(&self, rules: &Rules) -> Vec<World> {
            let mut out = Vec::new();
            let mut step = |change: &dyn Fn(&mut World)| {
                let mut world = self.clone();
                change(&mut world);
                out.push(world);
            };
            for (n, call) in self.calls.iter().enumerate() {
                let asked = !call.inner || self.calls.iter().any(|c| c.nested == Some(n) && c.at == At::WaitsForToken);
                match call.at {
                    At::Begin if asked => step(&|w| {
                        w.calls[n].ticket = w.line.ticket();
                        if rules.held_across {
                            w.stand(n);
                        } else {
                            w.calls[n].at = At::WaitsForToken;
                        }
                    }),
                    At::WaitsForToken => {
                        if call.nested.is_none_or(|inner| self.calls[inner].at == At::Ended) {
                            step(&|w| w.calls[n].at = if rules.held_across { At::Sending } else { At::HasToken });
                        }
                    }
                    At::HasToken => step(&|w| w.stand(n)),
                    At::Granted => {
                        step(&|w| w.calls[n].at = if rules.held_across { At::WaitsForToken } else { At::Sending })
                    }
                    At::Sending => {
                        step(&|w| {
                            w.calls[n].at = At::Ended;
                            w.give_back();
                        });
                        if call.attempts > 1 {
                            step(&|w| {
                                w.calls[n].attempts -= 1;
                                w.calls[n].at = At::Pausing;
                                w.give_back();
                            });
                        }
                    }
                    At::Pausing => step(&|w| w.calls[n].at = At::HasToken),
                    At::Begin | At::InLine | At::Ended => {}
                }
                if call.may_give_up {
                    match call.at {
                        At::InLine => step(&|w| {
                            w.line.give_up(w.calls[n].ticket);
                            w.calls[n].at = At::Ended;
                        }),
                        // The permit is dropped on its way, or with the exchange.
                        At::Granted | At::Sending => step(&|w| {
                            w.calls[n].at = At::Ended;
                            w.line.give_up(w.calls[n].ticket);
                            w.give_back();
                        }),
                        _ => {}
                    }
                }
            }
            if !self.limits.is_empty() {
                step(&|w| {
                    w.line.limit = w.limits.remove(0);
                    w.settle();
                });
            }
            out
        }

        fn check(&self, most: u32) {
            let held = self.calls.iter().filter(|c| matches!(c.at, At::Granted | At::Sending)).count();
            assert_eq!(held as u32, self.line.held, "a permit was lost or doubled: {self:?}");
            assert!(self.line.held <= most, "too many: {self:?}");
            assert!(
                self.line.held >= self.line.limit || self.line.waiting.is_empty(),
                "room, and somebody waits: {self:?}"
            );
            assert!(!self.overtaken, "a later ticket was let in first: {self:?}");
        }
    }

    fn call(attempts: u8) -> Call {
        Call { at: At::Begin, ticket: 0, attempts, nested: None, inner: false, may_give_up: false }
    }

    /// Visits all that can happen; answers how many worlds there are, and one that is stuck.
    fn explore(first: World, rules: &Rules, most: u32) -> (usize, Option<World>) {
        let mut seen = BTreeSet::from([first.clone()]);
        let mut left = vec![first];
        let mut stuck = None;
        while let Some(world) = left.pop() {
            if !rules.held_across {
                world.check(most);
            }
            let next = world.next(rules);
            if next.is_empty() && world.calls.iter().any(|c| c.at != At::Ended) {
                stuck = Some(world);
                continue;
            }
            left.extend(next.into_iter().filter(|w| seen.insert(w.clone())));
        }
        (seen.len(), stuck)
    }

    const AS_BUILT: Rules = Rules { held_across: false };

    #[test]
    fn every_interleaving_ends_and_keeps_limit_and_order() {
        let leaves = |n: u8| Call { may_give_up: true, ..call(n) };
        for (limit, most, calls, limits) in [
            (1, 1, vec![call(2), call(2), call(2)], vec![]),
            (2, 2, vec![call(2), leaves(2), call(1), leaves(1)], vec![]),
            (1, 3, vec![call(2), leaves(1), call(1)], vec![3, 1]),
            // It shrinks under those who hold: they end, and nobody new is let in above the limit.
            (3, 3, vec![call(1), call(1), leaves(2), call(1)], vec![1, 2]),
        ] {
            let world = World::new(limit, calls, limits);
            let (seen, stuck) = explore(world.clone(), &AS_BUILT, most);
            assert!(stuck.is_none(), "{world:?} is stuck as {stuck:?}");
            assert!(seen > 100, "{seen}");
        }
    }

    #[test]
    fn a_call_made_to_answer_for_a_token_never_waits_for_itself() {
        let world = || {
            let outer = |inner| Call { nested: Some(inner), ..call(2) };
            let inner = |may_give_up| Call { inner: true, may_give_up, ..call(1) };
            World::new(1, vec![outer(2), outer(3), inner(false), inner(true)], vec![2, 1])
        };
        let (seen, stuck) = explore(world(), &AS_BUILT, 2);
        assert!(stuck.is_none() && seen > 100, "{seen} {stuck:?}");
        // The mistake is found, so the check can fail.
        let (_, stuck) = explore(world(), &Rules { held_across: true }, 2);
        assert!(stuck.is_some());
    }
}

fn poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Option<F::Output> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_ticket_keeps_its_place_over_a_pause() {
    let budget = Budget::new(1);
    let tickets: Vec<Ticket> = (0..3).map(|_| budget.ticket()).collect();
    let held = poll(&mut Box::pin(tickets[0].permit())).unwrap();
    let (mut second, mut third) = (Box::pin(tickets[1].permit()), Box::pin(tickets[2].permit()));
    assert!(poll(&mut third).is_none() && poll(&mut second).is_none());
    // The first pauses; the second came before the third, though it asked later.
    drop(held);
    assert!(poll(&mut third).is_none());
    let held = poll(&mut second).unwrap();
    let mut first = Box::pin(tickets[0].permit());
    assert!(poll(&mut first).is_none());
    drop(held);
    assert!(poll(&mut third).is_none());
    let held = poll(&mut first).unwrap();
    drop(held);
    assert!(poll(&mut third).is_some());
}

#[test]
fn who_gives_up_loses_no_permit() {
    let budget = Budget::new(1);
    let (a, b, c) = (budget.ticket(), budget.ticket(), budget.ticket());
    let held = poll(&mut Box::pin(a.permit())).unwrap();
    let mut leaves = Box::pin(b.permit());
    let mut stays = Box::pin(c.permit());
    assert!(poll(&mut leaves).is_none() && poll(&mut stays).is_none());
    // It is handed to the one who leaves, who never looks.
    drop(held);
    drop(leaves);
    let held = poll(&mut stays);
    assert!(held.is_some());
    assert_eq!(lock(&budget.line).held, 1);
    drop(held);
    let line = lock(&budget.line);
    assert_eq!((line.held, line.waiting.len()), (0, 0));
}

#[test]
fn a_limit_that_grows_lets_in_and_one_that_shrinks_waits() {
    let budget = Budget::new(1);
    let tickets: Vec<Ticket> = (0..4).map(|_| budget.ticket()).collect();
    let mut waits: Vec<_> = tickets.iter().map(|t| Box::pin(t.permit())).collect();
    let mut had: Vec<Permit> = waits.iter_mut().filter_map(poll).collect();
    assert_eq!(had.len(), 1);
    budget.set_limit(3);
    had.extend(waits[1..].iter_mut().filter_map(poll));
    assert_eq!(had.len(), 3);
    budget.set_limit(1);
    had.truncate(1);
    assert!(poll(&mut waits[3]).is_none());
    had.clear();
    assert!(poll(&mut waits[3]).is_some());
}

#[test]
fn clients_of_one_project_share_and_own_limits_do_not() {
    let key = |text| BudgetKey::parse(text).unwrap();
    let of = |origin: &str, project: &str, own| Budgets::of(origin.into(), project.into(), own);
    let (a, b) = (of("https://budgets", "p", Limits::default()), of("https://budgets", "p", Limits::default()));
    assert!(Arc::ptr_eq(a.get(key("raw.write")), b.get(key("raw.write"))));
    assert!(!Arc::ptr_eq(a.get(key("raw.write")), a.get(key("raw.read"))));
    assert!(!Arc::ptr_eq(a.get(key("records.write")), a.get(key("records.delete"))));
    for other in [of("https://budgets", "q", Limits::default()), of("https://elsewhere", "p", Limits::default())] {
        assert!(!Arc::ptr_eq(a.get(key("raw.write")), other.get(key("raw.write"))));
        assert!(Arc::ptr_eq(a.get(BudgetKey::open_files()), other.get(BudgetKey::open_files())));
    }
    let mut own = Limits::default();
    own.set(key("raw.write"), 7, 1).unwrap();
    let own = of("https://budgets", "p", own);
    assert!(!Arc::ptr_eq(a.get(key("raw.write")), own.get(key("raw.write"))));
    assert!(Arc::ptr_eq(a.get(key("raw.read")), own.get(key("raw.read"))));
    assert_eq!(lock(&own.get(key("raw.write")).line).limit, 7);
}

#[test]
fn many_threads_never_hold_more_than_the_limit_and_all_end() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let budget = Budget::new(3);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let (budget, now, most) = (Arc::clone(&budget), Arc::clone(&now), Arc::clone(&most));
            runtime.spawn(async move {
                let ticket = budget.ticket();
                for _ in 0..20 {
                    if n % 7 == 0 {
                        let _ = tokio::time::timeout(Duration::from_micros(50), ticket.permit()).await;
                        continue;
                    }
                    let _permit = ticket.permit().await;
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    now.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    let line = lock(&budget.line);
    assert_eq!((line.held, line.waiting.len()), (0, 0));
}
