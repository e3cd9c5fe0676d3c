//! Datapoints as columns: from the caller's arrays to the wire and back, with nothing in between.

mod answers;
pub mod column;
pub mod columns;
pub mod create;
mod crew;
mod deflate;
pub mod delete;
pub mod fields;
mod huffman;
pub mod insert;
pub mod json_items;
mod json_read;
mod json_write;
pub mod latest;
mod pack;
pub mod pages;
mod plan;
pub mod points;
pub mod proto_read;
mod proto_write;
pub mod quality;
mod query;
pub mod read;
mod sender;
pub mod state_sums;
pub mod subscription;
pub mod synthetic;
pub mod time;
mod windows;

pub use crew::Work;
