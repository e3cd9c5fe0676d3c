//! The matrix: where a request can be hit, by what, and what must then be true.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Dns,
    Connect,
    TlsHandshake,
    ProxyTunnel,
    /// Connected; the server has read nothing.
    Accepted,
    /// The server has read the head and a part of the body.
    Upload,
    /// The server has read the request and does not answer.
    Waiting,
    StatusLine,
    Headers,
    Body,
    Gzip,
    Decode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Refuse,
    Reset,
    Close,
    Stall,
    Garbage,
    /// A certificate nobody trusts.
    Untrusted,
    /// More than the client takes.
    TooLarge,
}

use Fault::*;
use Phase::*;

/// Every combination that can happen.
pub const PLACES: &[(Phase, &[Fault])] = &[
    (Dns, &[Refuse]),
    (Connect, &[Refuse, Stall]),
    (TlsHandshake, &[Reset, Close, Stall, Garbage, Untrusted]),
    (ProxyTunnel, &[Refuse, Reset, Close, Stall, Garbage]),
    (Accepted, &[Reset, Close, Stall]),
    (Upload, &[Reset, Close, Stall, Garbage]),
    (Waiting, &[Reset, Close, Stall, Garbage]),
    (StatusLine, &[Reset, Close, Stall, Garbage]),
    (Headers, &[Reset, Close, Stall, Garbage]),
    (Body, &[Reset, Close, Stall, Garbage]),
    (Gzip, &[Close, Garbage]),
    (Decode, &[Garbage, TooLarge]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Read,
    IdempotentWrite,
    Create,
}

pub struct Op {
    pub name: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub class: Class,
}

pub const OPS: [Op; 5] = [
    Op { name: "GET", method: "GET", path: "/assets", class: Class::Read },
    Op { name: "POST read", method: "POST", path: "/assets/list", class: Class::Read },
    Op { name: "POST idempotent", method: "POST", path: "/timeseries/data", class: Class::IdempotentWrite },
    Op { name: "POST create", method: "POST", path: "/assets", class: Class::Create },
    Op { name: "PUT", method: "PUT", path: "/assets/x", class: Class::IdempotentWrite },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each attempt is hit.
    Always,
    /// The first attempt is hit, the next is served.
    Once,
    /// Each attempt is hit by silence, and the call's deadline is shorter than the wait for data.
    Deadline,
}

pub struct Case {
    pub phase: Phase,
    pub fault: Fault,
    pub op: &'static Op,
    pub mode: Mode,
}

/// The settings every case runs with.
pub const RETRIES: u32 = 2;
pub const TIMEOUT_S: f64 = 0.4;
pub const TOTAL_MS: u64 = 8000;
pub const DEADLINE_MS: u64 = 500;

pub fn cases(fast: bool) -> Vec<Case> {
    let mut out = Vec::new();
    for (phase, faults) in PLACES {
        for fault in *faults {
            for op in &OPS {
                for mode in [Mode::Always, Mode::Once, Mode::Deadline] {
                    let case = Case { phase: *phase, fault: *fault, op, mode };
                    if case.makes_sense() && (!fast || case.is_fast()) {
                        out.push(case);
                    }
                }
            }
        }
    }
    out
}

/// Whether bytes of the request may have left, as far as the client can know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    Yes,
    /// A matter of which side was faster.
    Either,
}

/// What must have come of a case. Lists name what is right; several where both outcomes of a race are.
#[derive(Debug)]
pub struct Expected {
    pub outcomes: Vec<Outcome>,
    pub longest_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `COGNITE_OK` and so on.
    pub status: Vec<i32>,
    pub attempts: u32,
    pub in_doubt: bool,
    /// Whole requests the server took in; `None`: as many as there were attempts.
    pub effects: Option<u32>,
}

const CONNECTION: i32 = 10;
const TLS: i32 = 11;
const TIMEOUT: i32 = 12;
const DECODE: i32 = 14;

impl Case {
    fn makes_sense(&self) -> bool {
        let body = self.op.method != "GET";
        match self.mode {
            _ if self.phase == Upload && !body => false,
            Mode::Always => true,
            // A name that comes to exist, and a queue that empties, cannot be arranged.
            Mode::Once => !matches!((self.phase, self.fault), (Dns, _) | (Connect, Stall)),
            Mode::Deadline => self.fault == Stall,
        }
    }

    fn is_fast(&self) -> bool {
        self.fault != Stall && self.mode == Mode::Once && !matches!(self.op.name, "POST read" | "PUT")
    }

    fn sent(&self) -> Sent {
        match self.phase {
            Dns | Connect | TlsHandshake | ProxyTunnel => Sent::No,
            // The connection may break before or after the client has begun to write.
            Accepted if self.fault != Stall => Sent::Either,
            _ => Sent::Yes,
        }
    }

    /// No repeat can help.
    fn is_final(&self) -> bool {
        matches!((self.phase, self.fault), (_, Untrusted | TooLarge) | (TlsHandshake, Garbage))
    }

    fn status(&self) -> Vec<i32> {
        match (self.phase, self.fault) {
            (_, Stall) => vec![TIMEOUT],
            (TlsHandshake, Garbage | Untrusted) => vec![TLS],
            (ProxyTunnel, _) => vec![CONNECTION],
            // What arrives first: the strange answer, or the end of a connection that is still being written to.
            (Upload, Garbage) => vec![DECODE, CONNECTION],
            (_, Garbage | TooLarge) | (Gzip, _) => vec![DECODE],
            _ => vec![CONNECTION],
        }
    }

    /// Whether the server takes the whole request in before it strikes.
    fn taken(&self) -> bool {
        self.phase >= Waiting
    }

    pub fn expected(&self) -> Expected {
        let class = self.op.class;
        let outcome = |sent: bool| {
            let repeats = !self.is_final() && (class != Class::Create || !sent);
            let in_doubt = class != Class::Read && sent;
            match self.mode {
                Mode::Once if repeats => Outcome {
                    status: vec![0],
                    attempts: 2,
                    in_doubt: false,
                    effects: Some(if self.taken() { 2 } else { 1 }),
                },
                Mode::Always | Mode::Once => Outcome {
                    status: self.status(),
                    attempts: if repeats && self.mode == Mode::Always { RETRIES + 1 } else { 1 },
                    in_doubt,
                    effects: if self.taken() { None } else { Some(0) },
                },
                Mode::Deadline => Outcome {
                    status: vec![TIMEOUT],
                    attempts: 1,
                    in_doubt,
                    effects: if self.taken() { None } else { Some(0) },
                },
            }
        };
        let outcomes = match self.sent() {
            // On a slow machine the port may be open before the first attempt.
            Sent::No if (self.phase, self.mode) == (Connect, Mode::Once) => {
                vec![outcome(false), Outcome { attempts: 1, ..outcome(false) }]
            }
            Sent::No => vec![outcome(false)],
            Sent::Yes => vec![outcome(true)],
            // A create that surely did not leave is tried again, and that attempt may leave: in doubt, and the last.
            Sent::Either if self.mode == Mode::Always && class == Class::Create => (2..=RETRIES + 1)
                .map(|attempts| Outcome { attempts, ..outcome(true) })
                .chain([outcome(false), outcome(true)])
                .collect(),
            Sent::Either => vec![outcome(false), outcome(true)],
        };
        let longest_ms = if self.mode == Mode::Deadline { DEADLINE_MS } else { TOTAL_MS };
        Expected { outcomes, longest_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_expects_a_create_twice() {
        let all = cases(false);
        assert!(all.len() > 300, "{}", all.len());
        for case in all.iter().filter(|c| c.op.class == Class::Create) {
            for o in case.expected().outcomes {
                let effects = o.effects.unwrap_or(o.attempts);
                assert!(effects <= 1, "{:?} {:?} {:?}", case.phase, case.fault, case.mode);
                assert!(o.status == [0] || o.in_doubt || effects == 0, "a silent effect");
            }
        }
        let fast = cases(true).len();
        assert!(fast > 60 && fast < 150, "{fast}");
    }
}
