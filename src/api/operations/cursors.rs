//! Where a list goes on: the cursor of its next page, with an eye on services that go round in circles.

use crate::error::{Error, Status};

/// The way through a list, or through one of several result sets.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Of the next page. `None`: the beginning or, after a step, the end.
    pub cursor: Option<String>,
    /// A cursor seen before, kept for 1, 2, 4, 8 … pages: a circle of any length comes back to it.
    mark: Option<String>,
    pages: u64,
}

impl Walk {
    pub fn from(cursor: Option<String>) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// Takes what a page, answered with this status, says of the next one.
    pub fn step(&mut self, next: Option<String>, http_status: u16) -> Result<(), Error> {
        if next.is_some() && (next == self.cursor || next == self.mark) {
            let what = "the service gave a cursor that it had given before: the list would never end";
            return Err(Error::new(Status::Decode, what).with(|d| d.http_status = http_status));
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
    fn circles_of_any_length_are_seen_and_long_ways_are_not_circles() {
        for before in [0, 1, 5, 100] {
            for circle in [1, 2, 3, 7, 64, 100] {
                let mut walk = Walk::from(None);
                let steps = (0..10_000).take_while(|n| {
                    let at = if *n < before { *n } else { before + (n - before) % circle };
                    walk.step(Some(format!("c{at}")), 200).is_ok()
                });
                // The circle is gone round at most a few times.
                let steps = steps.count();
                assert!(steps >= circle && steps < 4 * (before + circle) + 4, "{before} {circle}: {steps}");
            }
        }
        let mut walk = Walk::from(Some("start".into()));
        (0..10_000).for_each(|n| walk.step(Some(n.to_string()), 200).unwrap());
        assert_eq!(walk.cursor.as_deref(), Some("9999"));
        walk.step(None, 200).unwrap();
        assert_eq!(Walk::from(Some("a".into())).step(Some("a".into()), 200).unwrap_err().status(), Status::Decode);
    }
}
