//! Requests of one operation that are on their way, each with a number that tells which it is.

use std::pin::Pin;

use tokio::task::JoinSet;

use crate::error::Error;
use crate::http::Response;
use crate::runtime::panics::contained;

/// One request, boxed and without its type: the machinery around it is compiled once.
pub type Work = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

type Numbered = Pin<Box<dyn Future<Output = (u64, Result<Response, Error>)> + Send>>;

/// Those that are left are given up when it is dropped.
#[derive(Default)]
pub struct Crew(JoinSet<(u64, Result<Response, Error>)>);

impl Crew {
    pub fn start(&mut self, number: u64, work: Work) {
        let work: Numbered = Box::pin(async move { (number, contained(work).await.and_then(|r| r)) });
        self.0.spawn(work);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The next that ends; `None`: none is left.
    pub async fn next(&mut self) -> Option<(u64, Result<Response, Error>)> {
        match self.0.join_next().await? {
            Ok(ended) => Some(ended),
            // Panics are contained, so the engine itself went away.
            Err(_) => Some((u64::MAX, Err(Error::shutdown()))),
        }
    }
}
