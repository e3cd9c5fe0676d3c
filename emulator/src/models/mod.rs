//! Data modeling: spaces, containers, views, data models and instances.

mod aggregate;
mod checks;
mod constraints;
mod core;
mod dml;
mod filter;
mod hierarchy;
mod instances;
mod prepare;
mod query;
mod schema;
mod values;
mod write;

use crate::generic::Special;

pub use core::SPACE as CORE_SPACE;
pub use dml::failed as graphql_failed;
pub use filter::{Eval, Values};
pub use instances::{Instance, Instances, Key};
pub use schema::{SETS, need_space, source_name};
pub use values::record as kept;

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
