//! How many threads the engine has, and how they look to the system.

use crate::error::Error;
use crate::sys::process;

/// Virtual memory: only what is touched counts.
const DEFAULT_STACK: usize = 2 << 20;
/// A handshake with a long chain of certificates needs a good part of this in an unoptimised build.
const LEAST_STACK: u64 = 512 << 10;
const LARGEST_STACK: u64 = 1 << 30;
const MOST_THREADS: u64 = 256;
const DEFAULT_PREFIX: &str = "cognite";
/// Linux shows 15 bytes of a thread's name; `-io` or `-cb` follows.
const LONGEST_PREFIX: usize = 12;

/// Zero and empty are the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    io: usize,
    callback: usize,
    stack_size: usize,
    name_prefix: String,
}

fn bounded(key: &str, wanted: u64, least: u64, most: u64) -> Result<usize, Error> {
    usize::try_from(wanted)
        .ok()
        .filter(|_| wanted == 0 || (least..=most).contains(&wanted))
        .ok_or_else(|| Error::config(format!("{key} must be from {least} to {most}, or 0 for the default")))
}

impl Threads {
    pub fn io(&self) -> usize {
        match self.io {
            0 => process::cpus().min(2),
            n => n,
        }
    }

    pub fn callback(&self) -> usize {
        self.callback.max(1)
    }

    pub fn stack_size(&self) -> usize {
        if self.stack_size == 0 { DEFAULT_STACK } else { self.stack_size }
    }

    pub fn name_prefix(&self) -> &str {
        if self.name_prefix.is_empty() { DEFAULT_PREFIX } else { &self.name_prefix }
    }

    pub fn set_io(&mut self, wanted: u64) -> Result<(), Error> {
        self.io = bounded("io_threads", wanted, 1, MOST_THREADS)?;
        Ok(())
    }

    pub fn set_callback(&mut self, wanted: u64) -> Result<(), Error> {
        self.callback = bounded("callback_threads", wanted, 1, MOST_THREADS)?;
        Ok(())
    }

    pub fn set_stack_size(&mut self, wanted: u64) -> Result<(), Error> {
        self.stack_size = bounded("thread_stack_size", wanted, LEAST_STACK, LARGEST_STACK)?;
        Ok(())
    }

    pub fn set_name_prefix(&mut self, wanted: &str) -> Result<(), Error> {
        if wanted.len() > LONGEST_PREFIX || !wanted.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::config(format!(
                "thread_name_prefix must be at most {LONGEST_PREFIX} visible ASCII characters, or empty for the default"
            )));
        }
        self.name_prefix = wanted.to_owned();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_defaults() {
        let mut t = Threads::default();
        assert!(t.io() >= 1 && t.io() <= 2);
        assert_eq!((t.callback(), t.stack_size(), t.name_prefix()), (1, DEFAULT_STACK, "cognite"));
        t.set_io(7).unwrap();
        t.set_callback(3).unwrap();
        t.set_stack_size(1 << 20).unwrap();
        t.set_name_prefix("plant").unwrap();
        assert_eq!((t.io(), t.callback(), t.stack_size(), t.name_prefix()), (7, 3, 1 << 20, "plant"));
        let before = t.clone();
        assert!(t.set_io(257).is_err() && t.set_callback(u64::MAX).is_err() && t.set_stack_size(1).is_err());
        assert!(t.set_name_prefix("a b").is_err() && t.set_name_prefix("much-too-long").is_err());
        assert_eq!(t, before);
        t.set_io(0).unwrap();
        t.set_name_prefix("").unwrap();
        assert_eq!(t.name_prefix(), "cognite");
    }
}
