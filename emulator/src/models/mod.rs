//! Data modeling: spaces, containers, views, data models and instances.

mod aggregate;
mod core;
mod dml;
mod filter;
mod instances;
mod query;
mod schema;
mod write;

use crate::generic::Special;

pub use dml::failed as graphql_failed;
pub use filter::{Eval, Values};
pub use instances::{Instance, Instances, Key};
pub use schema::{SETS, container, need_space, source_name};

pub static SPECIALS: &[&[Special]] = &[
    schema::SPECIALS,
    &[
        ("POST", "dml/graphql", dml::publish),
        ("POST", "models/instances", write::apply),
        ("POST", "models/instances/delete", write::delete),
        ("POST", "models/instances/byids", instances::by_ids),
        ("POST", "models/instances/list", instances::list),
        ("POST", "models/instances/search", instances::search),
        ("POST", "models/instances/inspect", instances::inspect),
        ("POST", "models/instances/aggregate", aggregate::aggregate),
        ("POST", "models/instances/query", query::query),
        ("POST", "models/instances/sync", query::sync),
    ],
];
