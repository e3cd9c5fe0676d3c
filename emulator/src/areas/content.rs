//! Documents, which are the files with content, and annotations.

use base64::Engine;
use serde_json::{Value, json};

use crate::areas::files::{permit, plain_text};
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, int, not_found, object, page, rows, set, strip, text};
use crate::resources::table::{Identifier, Object};
use crate::resources::{aggregate_rows, order, parse_filter, sort_keys};
use crate::state::{Data, State};

const ANNOTATIONS: &str = "annotations";

/// One white point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=";
const PDF: &[u8] =
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

pub static SETS: &[Set] = &[Set {
    path: ANNOTATIONS,
    noun: "annotations",
    key: &[],
    required: "annotatedResourceType annotatedResourceId annotationType creatingApp creatingAppVersion creatingUser data",
    filters: "annotatedResourceType annotatedResourceIds>annotatedResourceId annotationType creatingApp creatingAppVersion \
        creatingUser status data",
    ops: "POST suggest=apply byids delete list update one",
    unknown: 404,
    make: Some(|ctx, _, row| {
        if text(row, "annotatedResourceType") == "file"
            && ctx.data.table("files").and_then(|t| t.get(int(row, "annotatedResourceId")?)).is_none()
        {
            return Err(ApiError::missing("File not found", vec![json!({"id": row.get("annotatedResourceId")})]));
        }
        row.entry("status").or_insert(json!("suggested"));
        Ok(())
    }),
    ..SET
}];

/// The service ends the text of a document with a line end more.
fn ended(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

pub static SPECIALS: &[Special] = &[
    ("POST", "annotations/reverselookup", |state, call, _| {
        let body = call.object()?;
        let Some(annotations) = set(ANNOTATIONS) else { return Err(not_found("sets", ANNOTATIONS)) };
        let data = state.read();
        let filter = crate::generic::Filter::new(&data, annotations, body.get("filter"))?;
        let mut ids: Vec<i64> = rows(&data, ANNOTATIONS)
            .filter(|(_, row)| filter.matches(row))
            .filter_map(|(_, row)| int(row, "annotatedResourceId"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let kind = body.get("filter").and_then(|f| f.get("annotatedResourceType")).cloned().unwrap_or(json!("file"));
        let mut answer = page(&body, 1000, ids.into_iter().map(|id| json!({ "id": id })))?;
        if let Value::Object(map) = &mut answer {
            map.insert("annotatedResourceType".into(), kind);
        }
        Ok(Reply::ok(&answer))
    }),
    ("POST", "documents/list", |state, call, _| {
        let body = if call.body.is_empty() { Object::new() } else { call.object()? };
        let found = find(&state.read(), &body)?;
        Ok(Reply::ok(&page(&body, 1000, found.into_iter().map(Value::Object))?))
    }),
    ("POST", "documents/search", |state, call, _| {
        let body = call.object()?;
        let found = find(&state.read(), &body)?;
        let word = query(&body);
        let shown = |document: Object| {
            let holds =
                |field: &str| word.as_ref().filter(|w| text(&document, field).to_lowercase().contains(w.as_str()));
            let marked = |field: &str| holds(field).map(|w| format!("<em>{w}</em>")).into_iter().collect::<Vec<_>>();
            let highlight = json!({"name": marked("title"), "content": marked("truncatedContent")});
            json!({"item": document, "highlight": highlight})
        };
        Ok(Reply::ok(&page(&body, 1000, found.into_iter().map(shown))?))
    }),
    ("POST", "documents/aggregate", |state, call, _| {
        let mut body = call.object()?;
        let found = find(&state.read(), &body)?;
        let what = text(&body, "aggregate").replace("allUnique", "unique");
        if !what.is_empty() {
            body.insert("aggregate".into(), json!(what));
        }
        let mut answer = aggregate_rows(&found.iter().collect::<Vec<_>>(), &body)?;
        // Here properties are told by their last name alone.
        for bucket in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
            for value in bucket.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(name) = value.get("property").and_then(|p| p.as_array()?.last().cloned()) {
                    *value = name;
                }
            }
        }
        Ok(Reply::ok(&answer))
    }),
    ("POST", "documents/content", |state, call, _| {
        let key = Identifier::parse(&call.object()?)?;
        let data = state.read();
        let id = data.table("files").and_then(|t| t.resolve(&key));
        permit(&data, id)?;
        let id = id.ok_or_else(|| ApiError::missing("Document not found", vec![key.to_json()]))?;
        let content = plain_text(&data, id).ok_or_else(|| ApiError::bad("The emulator reads only plain text"))?;
        Ok(Reply { status: 200, content_type: "text/plain", body: ended(content) })
    }),
    // No longer described, but the official JavaScript SDK asks so.
    ("GET", "documents/{}/content", |state, _, params| {
        let data = state.read();
        let id = document(&data, params)?;
        let content = plain_text(&data, id).ok_or_else(|| ApiError::bad("The emulator reads only plain text"))?;
        Ok(Reply { status: 200, content_type: "text/plain", body: ended(content) })
    }),
    ("GET", "documents/{}/preview/image/pages/{}", |state, _, params| {
        document(&state.read(), params)?;
        let image = base64::engine::general_purpose::STANDARD.decode(PNG).unwrap_or_default();
        Ok(Reply { status: 200, content_type: "image/png", body: image })
    }),
    ("GET", "documents/{}/preview/pdf", |state, _, params| {
        document(&state.read(), params)?;
        Ok(Reply { status: 200, content_type: "application/pdf", body: PDF.to_vec() })
    }),
    ("GET", "documents/{}/preview/pdf/temporarylink", |state: &State, call: &Call, params| {
        let id = document(&state.read(), params)?;
        let link = format!("{}/_storage/files/{id}", crate::login_pages::base(&call.headers));
        Ok(Reply::ok(&json!({"temporaryLink": link, "expirationTime": crate::state::now_ms() + 3_600_000})))
    }),
];

fn document(data: &Data, params: &[&str]) -> Result<i64> {
    let name = params.first().copied().unwrap_or("");
    let id = name.parse().ok().filter(|id| data.contents.of(*id).is_some());
    permit(data, id)?;
    id.ok_or_else(|| not_found("documents", name))
}

fn query(body: &Object) -> Option<String> {
    Some(body.get("search")?.get("query")?.as_str()?.to_lowercase())
}

/// Documents with all words of the query in their name or text.
fn find(data: &Data, body: &Object) -> Result<Vec<Object>> {
    let filter = body.get("filter").filter(|f| f.as_object().is_some_and(|m| !m.is_empty()));
    let filter = filter.map(|f| parse_filter(f, 0)).transpose()?;
    let keys = sort_keys(body)?;
    let words = query(body).unwrap_or_default();
    let mut found = Vec::new();
    for (id, file) in rows(data, "files").filter(|(_, file)| crate::scope::sees(file)) {
        let Some(content) = data.contents.of(id) else { continue };
        let words_in = |text: &str| words.split_whitespace().all(|w| text.contains(w));
        let read = plain_text(data, id).unwrap_or("");
        let document = shown(id, file, content.len(), read);
        let all = format!("{} {}", text(file, "name"), read).to_lowercase();
        if words_in(&all) && filter.as_ref().is_none_or(|f| f.matches(&document)) {
            found.push(document);
        }
    }
    found.sort_by(|a, b| order(&keys, a, b));
    Ok(found)
}

fn shown(id: i64, file: &Object, size: usize, read: &str) -> Object {
    let field = |name: &str| file.get(name);
    let extension = text(file, "name").rsplit_once('.').map(|(_, e)| e);
    let mime = field("mimeType")
        .cloned()
        .unwrap_or_else(|| json!(if read.is_empty() { "application/octet-stream" } else { "text/plain" }));
    let source = strip(
        json!({"name": field("name"), "directory": field("directory"), "source": field("source"), "mimeType": mime,
        "size": size, "assetIds": field("assetIds"), "labels": field("labels"), "datasetId": field("dataSetId"),
        "securityCategories": field("securityCategories"), "metadata": field("metadata"), "geoLocation": field("geoLocation")}),
    );
    let short: String = read.chars().take(1000).collect();
    object(json!(strip(
        json!({"id": id, "externalId": field("externalId"), "title": field("name"), "createdTime": field("createdTime"),
        "modifiedTime": field("uploadedTime"), "lastIndexedTime": field("uploadedTime"), "mimeType": mime, "extension": extension,
        "pageCount": 1, "type": if read.is_empty() { "Other" } else { "Document" }, "truncatedContent": short,
        "assetIds": field("assetIds"), "labels": field("labels"), "sourceFile": source})
    )))
}
