//! Every operation of CDF, from one table: what it is called, how it is sent, how it is cut and put together again.

pub mod answer;
pub mod arguments;
pub mod items;
pub mod lanes;
pub mod list;
pub mod pages;
pub mod run;
pub mod table;

pub use pages::Pages;
pub use run::{AcceptedOperation, OperationRequest};
pub use table::{Operation, Shape, find, listed};
