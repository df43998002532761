//! stub
pub mod errors;
mod schema;
pub use schema::{Column, ColumnKind, TableSchema};
