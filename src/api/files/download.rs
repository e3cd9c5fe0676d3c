//! A download: a link from the service, then the content from where it points.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::target::{Beside, Disk, Memory};
use super::{Link, Way, Work, at_step, chunk, identifier, odd, only_object};
use crate::api::Client;
use crate::error::Error;
use crate::http::Response;
use crate::http::transfer::{Content, Incoming};
use crate::runtime::CancelToken;
use crate::sys::process::path_from_here;

/// Links are good for 30 s, and longer ones for an hour. After a bit less a refusal may mean that one has ended.
const LINK: Duration = Duration::from_secs(20);
const LONGER_LINK: Duration = Duration::from_secs(3000);

/// A download as the caller gives it.
pub struct DownloadRequest<'a> {
    /// JSON: which file.
    pub file: &'a str,
    /// `None`: to memory.
    pub path: Option<&'a str>,
    pub timeout: Duration,
    pub cancel: Option<&'a CancelToken>,
}

struct Download {
    way: Way,
    item: String,
    path: Option<PathBuf>,
}

impl Client {
    pub fn accept_download(self: &Arc<Self>, request: &DownloadRequest<'_>) -> Result<Work, Error> {
        let way = Way::new(self, request.timeout, request.cancel)?;
        let item = identifier("download.file", request.file)?;
        let download = Download { way, item, path: request.path.map(path_from_here) };
        let place = self.accept_work()?;
        Ok(Box::pin(async move {
            let result = download.run().await;
            drop(place);
            result
        }))
    }
}

impl Download {
    async fn run(&self) -> Result<Response, Error> {
        match &self.path {
            None => {
                let (memory, bytes) = Memory::new(self.way.client.config().max_response_bytes);
                let answer = self.fetch(&mut Incoming::new(Box::new(memory)), false).await?;
                let body = std::mem::take(&mut *bytes.lock().unwrap_or_else(PoisonError::into_inner));
                Ok(Response { body, ..answer })
            }
            Some(path) => self.to_path(path.clone()).await,
        }
    }

    async fn to_path(&self, path: PathBuf) -> Result<Response, Error> {
        // First of all: what cannot be written need not be asked for.
        let mut beside = self.way.local(move || Beside::new(path)).await?;
        let path: PathBuf = beside.path();
        let size = chunk(self.way.client.http.settings().file_download_chunk_size);
        let mut incoming = Incoming::new(Box::new(Disk::new(path, size)));
        let answer = self.fetch(&mut incoming, true).await?;
        let length = incoming.bytes;
        // Closed first: not every system lets an open file be renamed.
        drop(incoming);
        self.way.local(move || beside.place()).await?;
        let mine = Response::of_json(&json!({"length": length}));
        Ok(Response { attempts: answer.attempts, elapsed: answer.elapsed, ..mine })
    }

    async fn fetch(&self, incoming: &mut Incoming, on_disk: bool) -> Result<Response, Error> {
        let mut link = self.link(false).await?;
        let mut life = LINK;
        loop {
            let open = if on_disk { Some(self.way.open_file().await?) } else { None };
            let call = self.way.call(Method::GET, &link, "files.download");
            let result = self.way.client.http.transfer(&call, Content::In(incoming)).await;
            drop(open);
            match result {
                Err(e)
                    if link.since.elapsed() > life && matches!(e.detail().http_status, 400 | 401 | 403 | 404 | 410) =>
                {
                    // It waited long for its turn, or broke off late. What there is already is kept.
                    link = self.link(true).await?;
                    life = LONGER_LINK;
                }
                other => return other.map_err(|e| at_step("content", None, e)),
            }
        }
    }

    async fn link(&self, longer: bool) -> Result<Link, Error> {
        let query = if longer { "?extendedExpiration=true" } else { "" };
        let body = format!("{{\"items\":[{}]}}", self.item);
        let answer = self.way.ask("files.retrieve_download_urls", query, body).await?;
        match only_object(&answer)?.get("downloadUrl") {
            Some(Value::String(link)) => self.way.link(link),
            _ => Err(odd("no link to the content")),
        }
    }
}
