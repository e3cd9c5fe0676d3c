//! An upload: the file's metadata to the service, the content to where it says, and for content in parts a last word.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::source::{self, Memory, Part, Seen};
use super::{Link, Way, Work, at_step, chunk, identifier, odd, only_object};
use crate::api::Client;
use crate::api::operations::lanes::Lanes;
use crate::config::concurrency::BudgetKey;
use crate::error::{Error, Status};
use crate::http::headers::Headers;
use crate::http::transfer::{self, Source};
use crate::http::{Response, url};
use crate::runtime::CancelToken;
use crate::runtime::usage::BODY_BYTES;
use crate::sys::process::path_from_here;

#[derive(Clone, Copy)]
pub enum Content<'a> {
    Memory(&'a [u8]),
    Path(&'a str),
}

/// An upload as the caller gives it; borrowed for the time of the call that takes it.
pub struct UploadRequest<'a> {
    /// JSON: the metadata of a new file, or which file exists.
    pub file: &'a str,
    pub existing: bool,
    /// A file with that external id is replaced.
    pub overwrite: bool,
    pub content: Content<'a>,
    pub timeout: Duration,
    pub cancel: Option<&'a CancelToken>,
}

/// Whose content it is.
pub(super) enum File {
    New {
        metadata: String,
        overwrite: bool,
        in_data_set: bool,
    },
    /// As an identifier.
    Existing(String),
}

/// Where the content goes.
pub(super) struct Begun {
    /// The file as the service tells it, without links.
    file: Map<String, Value>,
    links: Vec<Link>,
    /// Of content in parts.
    upload_id: Option<Value>,
}

impl File {
    /// `path`: what names a file that has no name.
    pub(super) fn read(r: &UploadRequest<'_>, path: Option<&str>) -> Result<Self, Error> {
        if r.existing {
            if r.overwrite {
                return Err(Error::argument("upload.flags: the content of an existing file is always replaced"));
            }
            return Ok(Self::Existing(identifier("upload.file", r.file)?));
        }
        let given = if r.file.trim().is_empty() { "{}" } else { r.file };
        let mut members: Vec<(String, Box<RawValue>)> = url::pairs(given)
            .map_err(|_| Error::argument("upload.file must be a JSON object: the metadata of the file"))?;
        if !members.iter().any(|(name, _)| name == "name") {
            let name = path.and_then(|p| std::path::Path::new(p).file_name()).map(|n| json!(n.to_string_lossy()));
            let Some(Ok(name)) = name.map(|n| RawValue::from_string(n.to_string())) else {
                return Err(Error::argument("upload.file needs a name: {\"name\":\"pump.pdf\"}"));
            };
            members.push(("name".into(), name));
        }
        let mut metadata = String::from("{");
        for (n, (name, value)) in members.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(metadata, "{comma}{}:{}", json!(name), value.get());
        }
        metadata.push('}');
        let in_data_set = members.iter().any(|(name, _)| name == "dataSetId");
        Ok(Self::New { metadata, overwrite: r.overwrite, in_data_set })
    }

    /// Makes the file or finds it, and asks where its content goes: as a whole, or in so many parts.
    pub(super) async fn begin(&self, way: &Way, parts: Option<u64>) -> Result<Begun, Error> {
        let answer = match (self, parts) {
            (Self::New { metadata, overwrite, .. }, None) => {
                way.ask("files.create", &format!("?overwrite={overwrite}"), metadata.clone()).await
            }
            (Self::New { metadata, overwrite, .. }, Some(n)) => {
                let query = format!("?overwrite={overwrite}&parts={n}");
                way.ask("files.init_multipart_upload", &query, metadata.clone()).await
            }
            (Self::Existing(item), None) => way.ask("files.upload_link", "", format!("{{\"items\":[{item}]}}")).await,
            (Self::Existing(item), Some(n)) => {
                let query = format!("?parts={n}");
                way.ask("files.multipart_upload_link", &query, format!("{{\"items\":[{item}]}}")).await
            }
        };
        let answer = answer.map_err(|e| self.no_access(e))?;
        let mut file = only_object(&answer)?;
        let (one, many) = (file.shift_remove("uploadUrl"), file.shift_remove("uploadUrls"));
        let upload_id = file.shift_remove("uploadId");
        let links = match (parts, one, many) {
            (None, Some(one), _) => vec![one],
            (Some(_), _, Some(Value::Array(many))) => many,
            _ => Vec::new(),
        };
        let links: Result<Vec<Link>, Error> =
            links.iter().map(|l| way.link(l.as_str().ok_or_else(|| odd("a link that is no URL"))?)).collect();
        let begun = Begun { file, links: Vec::new(), upload_id };
        match links {
            Ok(links) if links.len() as u64 == parts.unwrap_or(1) && begun.upload_id.is_some() == parts.is_some() => {
                Ok(Begun { links, ..begun })
            }
            Ok(_) => Err(begun.failed("content", odd("other links than it was asked for"))),
            Err(e) => Err(begun.failed("content", e)),
        }
    }

    /// A 403 is about the right to write files; the project as such may be open.
    fn no_access(&self, mut error: Error) -> Error {
        if error.detail().http_status != 403 {
            return error;
        }
        // In these words, as the reference looks for them.
        let said = error.message().contains("insufficient access rights");
        match self {
            Self::Existing(_) => error.set_status(Status::Access),
            Self::New { .. } if !said => {}
            Self::New { in_data_set, .. } => {
                error.set_status(Status::Access);
                if !in_data_set {
                    let hint =
                        "; if files may be written to some data sets only, name one (dataSetId; data_set_id elsewhere)";
                    error.set_message(format!("{}{hint}", error.message()));
                }
            }
        }
        error
    }
}

impl Begun {
    /// The file, as the result of an upload.
    pub(super) fn response(&self, attempts: u32) -> Response {
        Response { attempts, ..Response::of_json(&Value::Object(self.file.clone())) }
    }

    /// An error after the file was made or found: the caller learns which it is, and how far it came.
    pub(super) fn failed(&self, step: &str, error: Error) -> Error {
        at_step(step, Some(&self.file), error)
    }

    /// Sends one part, or all of it. Parts count for nothing until the last word: none of them is ever in doubt.
    pub(super) async fn put(&self, way: &Way, number: usize, source: Arc<dyn Source>) -> Result<Response, Error> {
        let Some(link) = self.links.get(number) else { return Err(odd("too few links")) };
        let mut call = way.call(Method::PUT, link, "files.upload");
        let kind = self.file.get("mimeType").and_then(Value::as_str).and_then(|k| HeaderValue::from_str(k).ok());
        if let (Some(kind), None) = (kind, &self.upload_id) {
            Headers::edit(&mut call.headers).insert(CONTENT_TYPE, kind);
        }
        let sent = way.client.http.transfer(&call, transfer::Content::Out(source)).await;
        sent.map_err(|e| {
            let in_doubt = e.detail().in_doubt && self.upload_id.is_none();
            self.failed("content", e).with(|d| d.in_doubt = in_doubt)
        })
    }

    /// The last word, without which the parts are no content.
    pub(super) async fn complete(&self, way: &Way) -> Result<Response, Error> {
        let body = json!({"id": self.file.get("id"), "uploadId": self.upload_id}).to_string();
        way.ask("files.complete_multipart_upload", "", body).await.map_err(|e| self.failed("complete", e))
    }
}

impl Client {
    pub fn accept_upload(self: &Arc<Self>, r: &UploadRequest<'_>) -> Result<Work, Error> {
        let way = Way::new(self, r.timeout, r.cancel)?;
        match r.content {
            Content::Memory(bytes) => {
                let file = File::read(r, None)?;
                let place = self.accept_work()?;
                let counted = BODY_BYTES.hold(bytes.len());
                let source = Arc::new(Memory(Bytes::copy_from_slice(bytes)));
                Ok(Box::pin(async move {
                    let begun = file.begin(&way, None).await?;
                    let sent = begun.put(&way, 0, source).await?;
                    drop((place, counted));
                    Ok(begun.response(sent.attempts))
                }))
            }
            Content::Path(path) => {
                let file = File::read(r, Some(path))?;
                let place = self.accept_work()?;
                let path: Arc<Path> = path_from_here(path).into();
                Ok(Box::pin(async move {
                    let result = from_path(&way, &file, path).await;
                    drop(place);
                    result
                }))
            }
        }
    }
}

async fn from_path(way: &Way, file: &File, path: Arc<Path>) -> Result<Response, Error> {
    let at = Arc::clone(&path);
    // What cannot be read must not become a file without content.
    let seen = way.local(move || source::open(&at).map(|(_, seen)| seen)).await?;
    let (part, count) = source::parts(seen.size)?;
    let begun = file.begin(way, Some(count)).await?;
    let sent = match send_parts(way, &begun, &seen, part, &path).await {
        Ok(attempts) => attempts,
        // What is this machine's fault does not know of the file yet.
        Err(e) if e.detail().extra.is_none() => return Err(begun.failed("content", e)),
        Err(e) => return Err(e),
    };
    begun.complete(way).await?;
    Ok(begun.response(sent))
}

/// Parts side by side, as many as the budget lets go at a time.
async fn send_parts(way: &Way, begun: &Begun, seen: &Seen, part: u64, path: &Arc<Path>) -> Result<u32, Error> {
    let _open = way.open_file().await?;
    let at = Arc::clone(path);
    let (file, now) = way.local(move || source::open(&at)).await?;
    if now != *seen {
        return Err(source::changed(path));
    }
    let file = Arc::new(file);
    let chunk = chunk(way.client.http.settings().file_upload_chunk_size);
    let width = way.client.width(BudgetKey::parse("files.upload")?);
    let (mut lanes, mut next, mut attempts) = (Lanes::none(), 0, 0);
    loop {
        while lanes.len() < width && next < begun.links.len() {
            let from = part * next as u64;
            let length = part.min(seen.size - from.min(seen.size));
            let source = Part { file: Arc::clone(&file), path: Arc::clone(path), from, length, chunk };
            lanes.start(next, begun.put(way, next, Arc::new(source)));
            next += 1;
        }
        let Some((_, sent)) = lanes.next().await else { break };
        // With the first that fails for good the others end: the parts are no content without all of them.
        attempts += sent?.attempts;
    }
    drop(lanes);
    let now = way.local(move || source::look(&file).map_err(|e| Error::new(Status::Io, e.to_string()))).await?;
    if now != *seen { Err(source::changed(path)) } else { Ok(attempts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, existing: bool, overwrite: bool, path: Option<&str>) -> Result<File, Error> {
        let content = path.map_or(Content::Memory(b""), Content::Path);
        let request = UploadRequest { file, existing, overwrite, content, timeout: Duration::ZERO, cancel: None };
        File::read(&request, path)
    }

    #[test]
    fn which_file_it_becomes() {
        let metadata = |file: &str, path| match read(file, false, false, path) {
            Ok(File::New { metadata, .. }) => metadata,
            _ => panic!("{file}"),
        };
        assert_eq!(
            metadata("{\"name\":\"a\",\"dataSetId\":12345678901234567890}", None),
            "{\"name\":\"a\",\"dataSetId\":12345678901234567890}"
        );
        assert_eq!(metadata("", Some("/x/y z.txt")), "{\"name\":\"y z.txt\"}");
        assert_eq!(metadata("{\"source\":\"s\"}", Some("y")), "{\"source\":\"s\",\"name\":\"y\"}");
        assert_eq!(metadata("{\"name\":\"a\"}", Some("y")), "{\"name\":\"a\"}");
        assert!(matches!(read("{\"id\":1}", true, false, None), Ok(File::Existing(item)) if item == "{\"id\":1}"));
        for (file, existing, overwrite, path) in [
            ("{}", false, false, None),
            ("[]", false, false, Some("a")),
            ("{\"name\":", false, false, None),
            ("{}", false, false, Some("/")),
            ("{\"id\":1}", true, true, None),
            ("{\"name\":\"a\"}", true, false, None),
        ] {
            assert_eq!(
                read(file, existing, overwrite, path).err().unwrap().status(),
                Status::InvalidArgument,
                "{file}"
            );
        }
    }
}
