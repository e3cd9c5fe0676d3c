//! Content of files: links, parts, and the storage behind the links.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Special, int, missing_field, need};
use crate::resources::kinds::kind;
use crate::resources::table::{Identifier, Object};
use crate::resources::{self, items};
use crate::state::{Data, State, now_ms};

const MAX_PARTS: i64 = 250;

/// An upload that was begun.
#[derive(Clone)]
struct Upload {
    file: i64,
    parts: Vec<Option<Bytes>>,
    /// Whether the only part is the file, with nothing to complete.
    single: bool,
}

#[derive(Default, Clone)]
pub struct Contents {
    files: HashMap<i64, Bytes>,
    uploads: HashMap<i64, Upload>,
    /// Other bytes, by a name of their own.
    pub blobs: HashMap<String, Bytes>,
}

impl Contents {
    pub fn of(&self, file: i64) -> Option<&Bytes> {
        self.files.get(&file)
    }
}

pub static SPECIALS: &[Special] = &[
    ("POST", "files", create),
    ("POST", "files/initmultipartupload", init_multipart),
    ("POST", "files/uploadlink", upload_link),
    ("POST", "files/multiuploadlink", multi_upload_link),
    ("POST", "files/completemultipartupload", complete),
    ("POST", "files/downloadlink", download_link),
];

fn create(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let row = metadata(state, call)?;
    let mut data = state.write();
    Ok(Reply::json(201, &single_link(&mut data, call, row)))
}

/// Makes the file, or with `overwrite` takes the one with that external id.
fn metadata(state: &State, call: &Call) -> Result<Object> {
    let Some(kind) = kind("files") else { return Err(ApiError::new(500, "No files")) };
    let mut item = call.object()?;
    let mut data = state.write();
    let named = item.get("externalId").and_then(Value::as_str).and_then(|n| data.table("files")?.id_of(n));
    let made = match named.filter(|_| call.param("overwrite") == Some("true")) {
        Some(id) => {
            item.remove("externalId");
            item.remove("name");
            let changes: Object = item.into_iter().map(|(k, v)| (k, json!({ "set": v }))).collect();
            let update = crate::generic::object(json!({"id": id, "update": changes}));
            resources::update(&mut data, kind, &[update], now_ms())?
        }
        None => resources::create(&mut data, kind, &[item], now_ms())?,
    };
    made.into_iter().next().map(crate::generic::object).ok_or_else(|| ApiError::new(500, "No file was made"))
}

fn base(call: &Call) -> String {
    crate::login_pages::base(&call.headers)
}

fn begin(data: &mut Data, row: &Object, parts: usize, single: bool) -> i64 {
    let number = data.next_id;
    data.next_id = number + 1;
    let file = int(row, "id").unwrap_or(0);
    data.contents.uploads.insert(number, Upload { file, parts: vec![None; parts], single });
    number
}

fn single_link(data: &mut Data, call: &Call, mut row: Object) -> Object {
    let number = begin(data, &row, 1, true);
    row.insert("uploadUrl".into(), json!(format!("{}/_storage/uploads/{number}/0", base(call))));
    row
}

fn multi_link(data: &mut Data, call: &Call, mut row: Object) -> Result<Object> {
    let parts = call.int_param("parts")?.ok_or_else(|| missing_field("parts"))?;
    if !(1..=MAX_PARTS).contains(&parts) {
        return Err(ApiError::bad(format!("parts must be between 1 and {MAX_PARTS}, was {parts}")));
    }
    let number = begin(data, &row, parts as usize, false);
    let urls: Vec<String> = (0..parts).map(|n| format!("{}/_storage/uploads/{number}/{n}", base(call))).collect();
    row.insert("uploadId".into(), json!(number.to_string()));
    row.insert("uploadUrls".into(), json!(urls));
    Ok(row)
}

fn init_multipart(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let row = metadata(state, call)?;
    let row = multi_link(&mut state.write(), call, row)?;
    Ok(Reply::json(201, &both_forms(row)))
}

/// The API description and the official SDK do not agree on whether the answer is the file or a list of it: it is both.
fn both_forms(row: Object) -> Value {
    let mut answer = row.clone();
    answer.insert("items".into(), json!([row]));
    Value::Object(answer)
}

fn existing(data: &Data, item: &Object) -> Result<(i64, Object)> {
    let key = Identifier::parse(item)?;
    let table = data.table("files");
    let found = table.and_then(|t| t.resolve(&key)).and_then(|id| Some((id, table?.get(id)?.clone())));
    let found = found.ok_or_else(|| ApiError::missing("Files ids not found", vec![key.to_json()]))?;
    crate::scope::permit(&found.1).map(|()| found)
}

/// Whether the file, if it is one, is within the scope of the request.
pub fn permit(data: &Data, id: Option<i64>) -> Result<()> {
    id.and_then(|id| data.table("files")?.get(id)).map_or(Ok(()), crate::scope::permit)
}

fn only_item(call: &Call) -> Result<Object> {
    items(&mut call.object()?, 1)?.into_iter().next().ok_or_else(|| missing_field("items"))
}

fn upload_link(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let item = only_item(call)?;
    let mut data = state.write();
    let (_, row) = existing(&data, &item)?;
    Ok(Reply::json(201, &both_forms(single_link(&mut data, call, row))))
}

fn multi_upload_link(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let item = only_item(call)?;
    let mut data = state.write();
    let (_, row) = existing(&data, &item)?;
    Ok(Reply::json(201, &both_forms(multi_link(&mut data, call, row)?)))
}

fn complete(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let mut data = state.write();
    let (id, _) = existing(&data, &body)?;
    let number = need(&body, "uploadId")?.parse().unwrap_or(0);
    let upload = data.contents.uploads.get(&number).filter(|u| u.file == id && !u.single);
    let upload = upload.ok_or_else(|| ApiError::bad("Unknown uploadId"))?;
    let missing = upload.parts.iter().filter(|p| p.is_none()).count();
    if missing > 0 {
        return Err(ApiError::bad(format!("{missing} parts of the upload are missing")));
    }
    let whole: Vec<u8> = upload.parts.iter().flatten().flat_map(|part| part.iter().copied()).collect();
    let freed: usize = upload.parts.iter().flatten().map(Bytes::len).sum();
    data.release(0, freed as u64);
    data.contents.uploads.remove(&number);
    keep(&mut data, id, whole.into())?;
    Ok(Reply::empty())
}

/// The file has this content now.
fn keep(data: &mut Data, id: i64, content: Bytes) -> Result<()> {
    data.reserve(0, content.len() as u64)?;
    if let Some(old) = data.contents.files.insert(id, content) {
        data.release(0, old.len() as u64);
    }
    let Some(mut row) = data.table("files").and_then(|t| t.get(id)).cloned() else { return Ok(()) };
    row.insert("uploaded".into(), json!(true));
    row.insert("uploadedTime".into(), json!(now_ms()));
    super::file_nodes::uploaded(data, &row);
    crate::generic::put(data, "files", crate::resources::table::EXTERNAL_ID, id, row)
}

/// The file is gone.
pub fn forget(data: &mut Data, id: i64) {
    if let Some(old) = data.contents.files.remove(&id) {
        data.release(0, old.len() as u64);
    }
    data.contents.uploads.retain(|_, upload| upload.file != id);
}

fn download_link(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 100)?;
    let data = state.read();
    let mut links = Vec::new();
    let mut missing = Vec::new();
    for item in list {
        let key = Identifier::parse(&item)?;
        let id = data.table("files").and_then(|t| t.resolve(&key));
        permit(&data, id)?;
        match id {
            Some(id) if data.contents.of(id).is_some() => {
                let mut link = crate::generic::object(key.to_json());
                link.insert("downloadUrl".into(), json!(format!("{}/_storage/files/{id}", base(call))));
                links.push(link);
            }
            Some(_) => return Err(ApiError::bad("A file that was not uploaded has no download link")),
            None => missing.push(key.to_json()),
        }
    }
    if !missing.is_empty() {
        return Err(ApiError::missing("Files ids not found", missing));
    }
    Ok(Reply::ok(&json!({ "items": links })))
}

/// What an answer of the storage has beside its content.
pub type Headers = Vec<(&'static str, String)>;

/// The storage behind the links. As with a cloud's, the link is all the permission that is needed.
pub fn storage(state: &State, call: &Call) -> (Reply, Headers) {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let outcome = match (call.method.as_str(), segments.as_slice()) {
        ("PUT", ["uploads", number, part]) => {
            upload_part(state, call, number, part).map(|reply| (reply, Headers::new()))
        }
        ("GET" | "HEAD", ["files", id]) => download(state, call, id),
        _ => Err(ApiError::not_found("Nothing is stored here")),
    };
    outcome.unwrap_or_else(|e| (e.into(), Headers::new()))
}

fn upload_part(state: &State, call: &Call, number: &str, part: &str) -> Result<Reply> {
    let gone = || ApiError::not_found("This link leads nowhere (any more)");
    let (Ok(number), Ok(part)) = (number.parse::<i64>(), part.parse::<usize>()) else { return Err(gone()) };
    let mut data = state.write();
    let upload = data.contents.uploads.get(&number).ok_or_else(gone)?;
    let (file, single) = (upload.file, upload.single);
    if single {
        keep(&mut data, file, call.body.clone())?;
    } else {
        data.reserve(0, call.body.len() as u64)?;
        let slot = data.contents.uploads.get_mut(&number).and_then(|u| u.parts.get_mut(part)).ok_or_else(gone)?;
        if let Some(old) = slot.replace(call.body.clone()) {
            data.release(0, old.len() as u64);
        }
    }
    Ok(Reply { status: 200, content_type: "text/plain", body: Vec::new() })
}

fn download(state: &State, call: &Call, id: &str) -> Result<(Reply, Headers)> {
    let data = state.read();
    let gone = || ApiError::not_found("No such file");
    let id = id.parse().map_err(|_| gone())?;
    let content = data.contents.of(id).ok_or_else(gone)?;
    // Which version of the content it is: a part is of use only to who has the rest of the same.
    let uploaded = data.table("files").and_then(|t| t.get(id)).map_or(0, |row| int(row, "uploadedTime").unwrap_or(0));
    let etag = format!("\"{id}-{uploaded}-{}\"", content.len());
    let same = matches!(call.header("if-range"), "" | "*") || call.header("if-range") == etag;
    let wanted = range(call.header("range"), content.len()).filter(|_| same);
    let mut headers = vec![("etag", etag), ("accept-ranges", "bytes".to_owned())];
    let (status, part) = match wanted.and_then(|range| Some((range.clone(), content.get(range)?))) {
        Some((range, part)) => {
            let last = range.end.saturating_sub(1);
            headers.push(("content-range", format!("bytes {}-{last}/{}", range.start, content.len())));
            (206, part)
        }
        None => (200, &content[..]),
    };
    Ok((Reply { status, content_type: "application/octet-stream", body: part.to_vec() }, headers))
}

/// One range of bytes, as `bytes=5-` or `bytes=5-9`.
fn range(header: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse::<usize>().ok()?;
    let end = last.parse::<usize>().map_or(length, |n| n.saturating_add(1)).min(length);
    (first < end).then_some(first..end)
}

/// The text of a file, if it is one.
pub fn plain_text(data: &Data, id: i64) -> Option<&str> {
    data.contents.of(id).and_then(|bytes| std::str::from_utf8(bytes).ok())
}
