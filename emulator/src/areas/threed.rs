//! 3D. Every revision has the same small tree of nodes, whatever its file holds.

use serde_json::{Value, json};

use crate::call::Reply;
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, find, int, not_found, object, page, paging, put, rows, table_name};
use crate::resources::items;
use crate::resources::table::{EXTERNAL_ID, Object};
use crate::state::{Data, State};

const MODELS: &str = "3d/models";
const REVISIONS: &str = "3d/models/{}/revisions";
const MAPPINGS: &str = "3d/models/{}/revisions/{}/mappings";
const NODES: i64 = 7;

pub static SETS: &[Set] = &[
    Set {
        path: MODELS,
        noun: "3D models",
        key: &[],
        times: &["createdTime"],
        required: "name",
        ops: "GET POST delete update one",
        gone: Some(|ctx, id, _| {
            let table = table_name(REVISIONS, &[&id.to_string()]);
            let all: Vec<i64> = rows(ctx.data, &table).map(|(id, _)| id).collect();
            for id in all {
                crate::generic::remove(ctx.data, &table, id);
            }
        }),
        ..SET
    },
    Set {
        path: REVISIONS,
        noun: "3D revisions",
        key: &[],
        times: &["createdTime"],
        parent: MODELS,
        required: "fileId",
        filters: "published",
        ops: "GET POST delete update one",
        make: Some(|ctx, _, row| {
            if ctx.data.table("files").and_then(|t| t.get(int(row, "fileId")?)).is_none() {
                return Err(ApiError::missing("File not found", vec![json!({"id": row.get("fileId")})]));
            }
            row.entry("published").or_insert(json!(false));
            Ok(())
        }),
        show: Some(|view, row| {
            let stage = view.stage(int(row, "createdTime").unwrap_or(0));
            row.insert("status".into(), json!(["Queued", "Processing", "Done"].get(stage)));
            let mappings = int(row, "mappings").unwrap_or(0);
            row.remove("mappings");
            row.insert("assetMappingCount".into(), json!(mappings));
        }),
        ..SET
    },
    Set {
        path: MAPPINGS,
        noun: "asset mappings",
        key: &["nodeId", "assetId"],
        numbered: false,
        times: &[],
        parent: REVISIONS,
        filters: "nodeId assetId",
        ops: "GET apply delete",
        make: Some(|ctx, _, row| {
            if ctx.data.table("assets").and_then(|t| t.get(int(row, "assetId")?)).is_none() {
                return Err(ApiError::missing("Asset not found", vec![json!({"id": row.get("assetId")})]));
            }
            let node =
                int(row, "nodeId").and_then(|id| tree(id / 10).into_iter().find(|n| n.get("id") == Some(&json!(id))));
            let node =
                node.ok_or_else(|| ApiError::missing("Node not found", vec![json!({"id": row.get("nodeId")})]))?;
            for field in ["treeIndex", "subtreeSize"] {
                row.insert(field.into(), node.get(field).cloned().unwrap_or_default());
            }
            count(ctx.data, ctx.params, 1)
        }),
        gone: Some(|ctx, _, _| {
            // A count that is off harms nothing.
            let _counted = count(ctx.data, ctx.params, -1);
        }),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("GET", "3d/models/{}/revisions/{}/nodes", |state, call, params| {
        let body = paging(call)?;
        let root = call.int_param("nodeId")?;
        let depth = call.int_param("depth")?;
        nodes(state, params, &body, |node| {
            let number = int(node, "treeIndex").unwrap_or(0);
            let inside = root.is_none_or(|r| (number + 1 == r % 10) || above(number).any(|a| a + 1 == r % 10));
            inside && depth.is_none_or(|d| int(node, "depth").unwrap_or(0) <= d)
        })
    }),
    ("POST", "3d/models/{}/revisions/{}/nodes/list", |state, call, params| {
        let body = if call.body.is_empty() { Object::new() } else { call.object()? };
        let filter = body.get("filter").and_then(Value::as_object).cloned().unwrap_or_default();
        let names = filter.get("names").and_then(Value::as_array).cloned();
        nodes(state, params, &body, |node| {
            let named = names.as_ref().is_none_or(|n| node.get("name").is_some_and(|name| n.contains(name)));
            let categories = filter.get("properties").and_then(Value::as_object);
            named
                && categories.is_none_or(|all| {
                    all.iter().all(|(category, wanted)| {
                        wanted.as_object().into_iter().flatten().all(|(key, values)| {
                            let have = node.get("properties").and_then(|p| p.get(category)?.get(key));
                            have.is_some_and(|v| values.as_array().is_some_and(|w| w.contains(v)))
                        })
                    })
                })
        })
    }),
    ("POST", "3d/models/{}/revisions/{}/nodes/byids", |state, call, params| {
        let wanted = items(&mut call.object()?, 1000)?;
        let (_, id) = revision(&state.read(), params)?;
        let tree = tree(id % 1_000_000);
        let found = |item: &Object| tree.iter().find(|n| n.get("id") == item.get("id")).cloned();
        let (nodes, missing): (Vec<_>, Vec<_>) =
            wanted.into_iter().map(|i| (found(&i), i)).partition(|f| f.0.is_some());
        if !missing.is_empty() {
            let missing = missing.into_iter().map(|(_, item)| Value::Object(item)).collect();
            return Err(ApiError::missing("3D nodes not found", missing));
        }
        Ok(Reply::ok(&json!({"items": nodes.into_iter().filter_map(|(node, _)| node).collect::<Vec<_>>()})))
    }),
    ("GET", "3d/models/{}/revisions/{}/nodes/{}/ancestors", |state, call, params| {
        let place = params.get(2).and_then(|p| p.parse::<i64>().ok()).unwrap_or(0) % 10 - 1;
        let way: Vec<i64> = above(place).chain([place]).collect();
        nodes(state, params, &paging(call)?, |node| int(node, "treeIndex").is_some_and(|n| way.contains(&n)))
    }),
    ("POST", "3d/models/{}/revisions/{}/mappings/list", |state, call, params| {
        let body = if call.body.is_empty() { Object::new() } else { call.object()? };
        let filter = body.get("filter").and_then(Value::as_object).cloned().unwrap_or_default();
        let (field, wanted) = match filter.iter().find(|(_, v)| v.is_array()) {
            None => ("", Vec::new()),
            Some((key, list)) => (key.trim_end_matches('s'), list.as_array().cloned().unwrap_or_default()),
        };
        let data = state.read();
        revision(&data, params)?;
        let table = table_name(MAPPINGS, params);
        let fits = |row: &Object| field.is_empty() || row.get(field).is_some_and(|v| wanted.contains(v));
        let found = rows(&data, &table).filter(|(_, row)| fits(row)).map(|(_, row)| json!(row));
        Ok(Reply::ok(&page(&body, 1000, found)?))
    }),
    ("POST", "3d/models/{}/revisions/{}/thumbnail", |state, call, params| {
        let file = int(&call.object()?, "fileId").ok_or_else(|| crate::generic::missing_field("fileId"))?;
        let mut data = state.write();
        let (table, id) = revision(&data, params)?;
        let mut row = data.table(&table).and_then(|t| t.get(id)).cloned().unwrap_or_default();
        row.insert("thumbnailThreedFileId".into(), json!(file));
        put(&mut data, &table, EXTERNAL_ID, id, row)?;
        Ok(Reply::empty())
    }),
    ("GET", "3d/files/{}", |state, _, params| {
        let data = state.read();
        let id = params.first().and_then(|p| p.parse().ok()).unwrap_or(0);
        let bytes = data.contents.of(id).ok_or_else(|| not_found("3D files", &id.to_string()))?;
        Ok(Reply { status: 200, content_type: "application/octet-stream", body: bytes.to_vec() })
    }),
];

fn revision(data: &Data, params: &[&str]) -> Result<(String, i64)> {
    let (model, revision) = (params.first().copied().unwrap_or(""), params.get(1).copied().unwrap_or(""));
    let table = table_name(REVISIONS, &[model]);
    let above = find(data, MODELS, true, model).and_then(|id| data.table(MODELS)?.get(id));
    above.map_or(Ok(()), crate::scope::permit)?;
    let id = find(data, &table, true, revision).ok_or_else(|| not_found("3D revisions", revision))?;
    Ok((table, id))
}

fn count(data: &mut Data, params: &[&str], step: i64) -> Result<()> {
    let (table, id) = revision(data, params)?;
    let mut row = data.table(&table).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    let before = int(&row, "mappings").unwrap_or(0);
    row.insert("mappings".into(), json!((before + step).max(0)));
    put(data, &table, EXTERNAL_ID, id, row)
}

/// A binary tree of seven; the last digit of a node's id is its place, the rest the revision's id cut short.
fn tree(stem: i64) -> Vec<Object> {
    let node = |n: i64| {
        let (size, depth) = match n {
            0 => (NODES, 0),
            1 | 2 => (3, 1),
            _ => (1, 2),
        };
        let edge = (3 - depth) as f64;
        let mut node =
            object(json!({"id": stem * 10 + n + 1, "treeIndex": n, "depth": depth, "name": format!("node-{n}"),
            "subtreeSize": size, "properties": {"Item": {"Type": if size == 1 { "Part" } else { "Group" }}},
            "boundingBox": {"min": [0.0, 0.0, 0.0], "max": [edge, edge, edge]}}));
        if let Some(parent) = above(n).next() {
            node.insert("parentId".into(), json!(stem * 10 + parent + 1));
        }
        node
    };
    (0..NODES).map(node).collect()
}

/// Places above one in the tree.
fn above(place: i64) -> impl Iterator<Item = i64> {
    std::iter::successors((place > 0).then(|| (place - 1) / 2), |p| (*p > 0).then(|| (*p - 1) / 2))
}

fn nodes(state: &State, params: &[&str], body: &Object, keep: impl Fn(&Object) -> bool) -> Result<Reply> {
    let (_, id) = revision(&state.read(), params)?;
    let found = tree(id % 1_000_000).into_iter().filter(|n| keep(n)).map(Value::Object);
    Ok(Reply::ok(&page(body, 1000, found)?))
}
