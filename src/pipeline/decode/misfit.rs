//! Why a route does not fit its table, in sentences for whoever wrote the route.

use crate::{
    route::{Conversion, Route, Table},
    spelling::did_you_mean,
    store::{Column, ColumnKind, TableSchema, advice},
};

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What it is, and what to do.
    pub text: String,
    /// What the table lacks.
    pub lacks: Lack,
}

/// What a table lacks, where a statement could add it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// An engine with transactions.
    Transactions,
    /// This column.
    Column(String),
    /// A unique key of this column's own.
    UniqueKey(String),
    /// Nothing: the route is at fault.
    Nothing,
}

impl Misfit {
    /// The route is at fault.
    pub(super) fn of_route(text: String) -> Self {
        Self { text, lacks: Lack::Nothing }
    }

    pub(super) fn no_transactions(route: &Route, engine: &str) -> Self {
        let table = &route.table;
        let text = format!(
            "table {table} is stored by {engine}, which knows no transactions, so that rows could go in twice; \
             {}",
            advice::with_transactions(table)
        );
        Self { text, lacks: Lack::Transactions }
    }

    pub(super) fn no_column(schema: &TableSchema, name: &str) -> Self {
        let known: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        let TableSchema { database, name: table, .. } = schema;
        let meant = did_you_mean(name, known.iter().copied());
        // Whoever meant another column is not to be led to add this one.
        let lacks = if meant.is_empty() { Lack::Column(name.to_owned()) } else { Lack::Nothing };
        let known = known.join(", ");
        let text = format!("table {database}.{table} has no column {name:?}; it has {known}{meant}");
        Self { text, lacks }
    }

    pub(super) fn no_unique_key(schema: &TableSchema, name: &str) -> Self {
        let table = Table { database: Some(schema.database.clone()), name: schema.name.clone() };
        let text = format!(
            "dedupe column {name:?} has no unique key of its own; {}",
            advice::with_unique_key(&table, name)
        );
        Self { text, lacks: Lack::UniqueKey(name.to_owned()) }
    }

    /// What is wrong with mapping a value to this column, if anything is.
    pub(super) fn of_mapping(column: &Column, conversion: Option<Conversion>) -> Option<Self> {
        let Column { name, kind, type_name, .. } = column;
        let text = match conversion {
            _ if column.generated => {
                format!("column {name:?} is computed by the server; take it out of the mapping")
            }
            _ if *kind == ColumnKind::Other => {
                format!("column {name:?} is a {type_name}, which no JSON value goes into")
            }
            Some(conversion) => {
                let (makes, takes): (_, &[ColumnKind]) = match conversion {
                    Conversion::UnixS | Conversion::UnixMs | Conversion::UnixUs => (
                        "a date of a number: it needs a DATETIME, TIMESTAMP or DATE",
                        &[ColumnKind::DateTime, ColumnKind::Date],
                    ),
                    Conversion::Json => (
                        "JSON text of any value: it needs a JSON or text column",
                        &[ColumnKind::Json, ColumnKind::Text],
                    ),
                    Conversion::Base64 | Conversion::Hex => (
                        "bytes of a string: it needs a binary or text column",
                        &[ColumnKind::Binary, ColumnKind::Text],
                    ),
                };
                if takes.contains(kind) {
                    return None;
                }
                format!("column {name:?} is a {type_name}, and its conversion {conversion} makes {makes}")
            }
            None => return None,
        };
        Some(Self::of_route(text))
    }
}
