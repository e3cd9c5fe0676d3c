//! The areas of the API, each a few rows of sets and the requests that are none.

mod content;
mod context;
mod extraction;
pub mod file_nodes;
pub mod files;
mod functions;
mod geospatial;
mod iam;
mod misc;
mod outward;
pub mod sequence_rows;
mod simulators;
pub mod streams;
mod threed;
mod transformations;
pub mod units;
mod workflows;

use crate::generic::{Set, Special};
pub use iam::{GROUPS, project};
pub use units::SPACE as UNIT_SPACE;

pub static SETS: &[&[Set]] = &[
    content::SETS,
    context::SETS,
    extraction::SETS,
    functions::SETS,
    geospatial::SETS,
    iam::SETS,
    misc::SETS,
    outward::SETS,
    crate::datapoints::subscriptions::SETS,
    crate::models::SETS,
    simulators::SETS,
    streams::SETS,
    threed::SETS,
    transformations::SETS,
    units::SETS,
    workflows::SETS,
];

pub static SPECIALS: &[&[&[Special]]] = &[crate::models::SPECIALS, OWN];

static OWN: &[&[Special]] = &[
    content::SPECIALS,
    context::SPECIALS,
    extraction::SPECIALS,
    crate::datapoints::nodes::SPECIALS,
    crate::datapoints::subscriptions::SPECIALS,
    crate::datapoints::synthetic::SPECIALS,
    files::SPECIALS,
    functions::SPECIALS,
    geospatial::SPECIALS,
    iam::SPECIALS,
    misc::SPECIALS,
    sequence_rows::SPECIALS,
    simulators::SPECIALS,
    streams::SPECIALS,
    threed::SPECIALS,
    transformations::SPECIALS,
    workflows::SPECIALS,
];
