//! Every operation of CDF, from one table: what it is called, how it is sent, how it is cut and put together again.

pub mod answer;
pub mod arguments;
pub mod chunks;
pub mod composites;
pub mod cursors;
pub mod graph;
pub mod hierarchy;
pub mod identifiers;
pub mod items;
pub mod lanes;
pub mod list;
pub mod outcome;
pub mod pages;
pub mod patches;
pub mod point_items;
pub mod raw;
pub mod run;
pub mod sequence_rows;
pub mod table;
pub mod upsert;
pub mod version;
pub mod waiting;
pub mod writes;

pub use pages::Pages;
pub use run::{AcceptedOperation, OperationRequest};
pub use table::{Operation, Shape, find, listed};
