//! Several requests of one operation under way at a time, on one task: dropped together when the operation ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Futures that run together, each with its number.
pub struct Lanes<'a, T>(Vec<(usize, Running<'a, T>)>);

impl<'a, T> Lanes<'a, T> {
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn start(&mut self, number: usize, work: impl Future<Output = T> + Send + 'a) {
        self.0.push((number, Box::pin(work)));
    }

    /// The next that ends; `None` when none runs.
    pub async fn next(&mut self) -> Option<(usize, T)> {
        if self.0.is_empty() {
            return None;
        }
        poll_fn(|cx| {
            for i in 0..self.0.len() {
                if let Some((number, work)) = self.0.get_mut(i)
                    && let Poll::Ready(result) = work.as_mut().poll(cx)
                {
                    let number = *number;
                    drop(self.0.remove(i));
                    return Poll::Ready(Some((number, result)));
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_told_once() {
        let mut lanes = Lanes::none();
        for n in 0..5usize {
            lanes.start(n, async move {
                for _ in 0..5 - n {
                    tokio::task::yield_now().await;
                }
                n * 2
            });
        }
        let mut seen = Vec::new();
        while let Some((n, twice)) = lanes.next().await {
            assert_eq!(twice, n * 2);
            seen.push(n);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert!(lanes.is_empty());
    }
}
