//! Rows of sequences: cut into requests of what the service takes, read page by page.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::chunks::Item;
use super::cursors::Walk;
use super::run::{Work, combined};
use super::{raw, table};
use crate::api::outgoing::Payload;
use crate::error::Error;
use crate::http::Response;

/// Most rows of a request, and most values.
const ROWS: usize = 10_000;
const VALUES: usize = 100_000;

/// `{"externalId":"s","columns":["a"],"rows":[…]}` as one item for each request it takes.
pub fn items(given: &[Bytes], verb: &str) -> Result<Vec<Item>, Error> {
    let mut out = Vec::new();
    for json in given {
        let mut members = raw::members(json).ok_or_else(|| Error::argument("an item of items is not an object"))?;
        let rows = members
            .remove("rows")
            .as_ref()
            .and_then(raw::elements)
            .ok_or_else(|| Error::argument("an item of items has no list of rows"))?;
        let columns = match (verb, members.get("columns")) {
            ("insert", Some(list)) => raw::elements(list).map_or(0, |l| l.len()),
            ("insert", None) => 0,
            _ => 1,
        };
        if columns == 0 {
            return Err(Error::argument("an item of items has no list of columns"));
        }
        let (key, id) = ["id", "externalId"]
            .into_iter()
            .find_map(|key| members.get(key).map(|id| (key, String::from_utf8_lossy(id))))
            .ok_or_else(|| Error::argument("an item of items has neither id nor externalId"))?;
        let mut rest = String::new();
        for (name, value) in &members {
            rest.push_str(&format!("{}:{},", raw::quoted(name), String::from_utf8_lossy(value)));
        }
        for part in rows.chunks(ROWS.min(VALUES / columns).max(1)) {
            let numbers: Vec<Bytes> = part.iter().map(number).collect();
            let name = format!("{{\"{key}\":{id},\"rows\":[{}]}}", text(&numbers));
            let json = format!("{{{rest}\"rows\":[{}]}}", text(part));
            out.push(Item::named(json, name));
        }
    }
    Ok(out)
}

/// What a row is told by.
fn number(row: &Bytes) -> Bytes {
    raw::members(row).and_then(|mut m| m.remove("rowNumber")).unwrap_or_else(|| row.clone())
}

fn text(parts: &[Bytes]) -> String {
    String::from_utf8_lossy(&parts.join(&b',')).into_owned()
}

/// One page after the other, from the walk's cursor on.
struct Pages<'a> {
    work: &'a Work,
    walk: Walk,
    attempts: u32,
}

impl Pages<'_> {
    /// The members of the next page, and its rows; afterwards the walk says whether there are more.
    async fn next(&mut self, most: usize) -> Result<(BTreeMap<String, Bytes>, Vec<Bytes>), Error> {
        let cursor = self.walk.cursor.as_deref().map(|c| format!(",\"cursor\":{}", raw::quoted(c))).unwrap_or_default();
        let body = self.work.arguments.body(&format!("\"limit\":{most}{cursor}"));
        let response = self.work.send(self.work.arguments.address(""), Payload::Json(body)).await?;
        self.attempts += response.attempts;
        let status = response.status;
        let (page, rows) = raw::understood(response, "it has no rows", |body| {
            let mut page = raw::members(body)?;
            let rows = raw::elements(&page.remove("rows")?)?;
            Some((page, rows))
        })?;
        self.walk.step(raw::cursor(&page), status)?;
        Ok((page, rows))
    }
}

/// All rows of a range, or so many: `{"id":…,"columns":[…],"rows":[…]}`.
pub async fn retrieve(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let mut left = work.own_limit()?;
    let mut pages = Pages { work, walk: Walk::default(), attempts: 0 };
    let mut head = None;
    let mut rows: Vec<Bytes> = Vec::new();
    while left > 0 {
        let (mut page, mut some) = pages.next(left.min(ROWS)).await?;
        page.remove("nextCursor");
        some.truncate(left);
        left -= some.len();
        head.get_or_insert(page);
        rows.extend(some);
        if pages.walk.cursor.is_none() {
            break;
        }
    }
    let mut body = String::from("{");
    for (name, value) in head.unwrap_or_default() {
        body.push_str(&format!("{}:{},", raw::quoted(&name), String::from_utf8_lossy(&value)));
    }
    let mut body = body.into_bytes();
    body.extend_from_slice(b"\"rows\":[");
    body.extend_from_slice(&rows.join(&b','));
    body.extend_from_slice(b"]}");
    Ok(combined(body, pages.attempts, started))
}

/// Deletes the rows of a range, a page at a time: `{"deleted":n}`.
pub async fn delete_range(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let delete = table::find("sequences.data.delete")?;
    let given = raw::members(&work.arguments.body("").into()).unwrap_or_default();
    let key = ["id", "externalId"].into_iter().find_map(|key| given.get(key).map(|id| (key, id)));
    let key = key.map(|(key, id)| format!("\"{key}\":{}", String::from_utf8_lossy(id)));
    let key = key.ok_or_else(|| Error::argument("arguments hold neither id nor externalId"))?;
    let mut pages = Pages { work, walk: Walk::default(), attempts: 0 };
    let mut deleted = 0;
    loop {
        let (_, rows) = pages.next(ROWS).await?;
        let numbers: Vec<Bytes> = rows.iter().map(number).collect();
        if !numbers.is_empty() {
            let body = format!("{{\"items\":[{{{key},\"rows\":[{}]}}]}}", text(&numbers));
            let sent = work.send_as(delete, delete.path.to_owned(), Payload::Json(body.into_bytes())).await;
            let sent = sent.map_err(|mut e| {
                // What went before is gone; the same call again deletes the rest.
                let message = format!("after {deleted} rows were deleted: {}", e.message());
                e.set_message(message);
                e
            })?;
            pages.attempts += sent.attempts;
            deleted += numbers.len();
        }
        if pages.walk.cursor.is_none() {
            return Ok(combined(format!("{{\"deleted\":{deleted}}}").into_bytes(), pages.attempts, started));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(rows: usize, columns: usize) -> Vec<Item> {
        let columns: Vec<String> = (0..columns).map(|n| format!("\"c{n}\"")).collect();
        let rows: Vec<String> = (0..rows).map(|n| format!("{{\"rowNumber\":{n},\"values\":[]}}")).collect();
        let json =
            format!("{{\"rows\":[{}],\"externalId\":\"s\",\"columns\":[{}]}}", rows.join(","), columns.join(","));
        items(&[json.into()], "insert").unwrap()
    }

    #[test]
    fn rows_per_request_follow_from_the_columns() {
        let rows = |item: &Item| raw::elements(&raw::members(&item.json).unwrap()["rows"]).unwrap().len();
        let counts = |list: Vec<Item>| list.iter().map(rows).collect::<Vec<_>>();
        assert_eq!(counts(cut(7000, 30)), [3333, 3333, 334]);
        assert_eq!(counts(cut(10_001, 1)), [10_000, 1]);
        assert_eq!(counts(cut(0, 1)), [0; 0]);
        let item = cut(2, 1).remove(0);
        assert_eq!(item.name.unwrap(), &br#"{"externalId":"s","rows":[0,1]}"#[..]);
        let json: serde_json::Value = serde_json::from_slice(&item.json).unwrap();
        assert_eq!((&json["externalId"], &json["columns"][0]), (&"s".into(), &"c0".into()));
    }

    #[test]
    fn deleted_rows_are_numbers() {
        let given = Bytes::from_static(br#"{"id":7,"rows":[1,2,3]}"#);
        let all = items(&[given], "delete").unwrap();
        assert_eq!(all[0].json, &br#"{"id":7,"rows":[1,2,3]}"#[..]);
        for bad in ["5", "{}", r#"{"id":1}"#, r#"{"rows":[]}"#, r#"{"id":1,"rows":[],"columns":[]}"#] {
            assert!(items(&[Bytes::from_static(bad.as_bytes())], "insert").is_err(), "{bad}");
        }
    }
}
