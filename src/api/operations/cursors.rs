//! Where a list goes on: the cursor of its next page, with an eye on services that go round in circles.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::error::{Error, Status};

/// So many cursors are remembered, as numbers; half a megabyte at most.
const REMEMBERED: usize = 1 << 15;

/// The way through a list, or through one of several result sets.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Of the next page. `None`: the beginning or, after a step, the end.
    pub cursor: Option<String>,
    /// Cursors that were given before.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// When there are too many of them, one that is kept for 1, 2, 4, 8 … pages: a circle of any length comes back to it.
    mark: Option<String>,
    pages: u64,
}

impl Walk {
    pub fn from(cursor: Option<String>) -> Self {
        let mut walk = Self::default();
        walk.seen.extend(cursor.as_ref().map(|c| walk.hasher.hash_one(c)));
        walk.cursor = cursor;
        walk
    }

    /// Takes what a page, answered with this status, says of the next one.
    pub fn step(&mut self, next: Option<String>, http_status: u16) -> Result<(), Error> {
        if let Some(cursor) = &next {
            let number = self.hasher.hash_one(cursor);
            let known =
                if self.seen.len() < REMEMBERED { !self.seen.insert(number) } else { self.seen.contains(&number) };
            if known || next == self.cursor || next == self.mark {
                let what = "the service gave a cursor that it had given before: the list would never end";
                return Err(Error::new(Status::Decode, what).with(|d| d.http_status = http_status));
            }
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.mark.clone_from(&next);
        }
        self.cursor = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_seen_at_once_and_long_ways_are_not_circles() {
        for before in [0, 1, 5, 100] {
            for circle in [1, 2, 3, 7, 64, 100] {
                let mut walk = Walk::from(None);
                let steps = (0..10_000).take_while(|n| {
                    let at = if *n < before { *n } else { before + (n - before) % circle };
                    walk.step(Some(format!("c{at}")), 200).is_ok()
                });
                assert_eq!(steps.count(), before + circle);
            }
        }
        let mut walk = Walk::from(Some("start".into()));
        (0..10_000).for_each(|n| walk.step(Some(n.to_string()), 200).unwrap());
        assert_eq!(walk.cursor.as_deref(), Some("9999"));
        assert!(walk.clone().step(Some("start".into()), 200).is_err());
        walk.step(None, 200).unwrap();
        assert_eq!(Walk::from(Some("a".into())).step(Some("a".into()), 200).unwrap_err().status(), Status::Decode);
    }

    #[test]
    fn circles_longer_than_the_memory_are_seen_later() {
        let mut walk = Walk::default();
        let circle = 3 * REMEMBERED;
        let steps = (0..).take_while(|n| walk.step(Some(format!("c{}", n % circle)), 200).is_ok()).count();
        assert_eq!(steps, circle);
        // One that begins behind what is remembered.
        let at = |n: usize| if n < 2 * REMEMBERED { n } else { 2 * REMEMBERED + n % circle };
        let mut walk = Walk::default();
        let steps = (0..).take_while(|n| walk.step(Some(format!("c{}", at(*n))), 200).is_ok()).count();
        assert!(steps < 20 * REMEMBERED && walk.seen.len() == REMEMBERED, "{steps}");
    }
}
