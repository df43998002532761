//! A column that rows give: what it holds, and what becomes of a row that has no value for it.

use super::{Code, Rejection, form::Form};
use crate::{
    route::Conversion,
    store::{Column, ColumnKind},
};

/// A column that rows give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub column: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Its type in the server's words.
    pub type_name: String,
    /// How it keeps values.
    pub(super) form: Form,
    /// A conversion that the route names.
    pub conversion: Option<Conversion>,
    /// What becomes of a row that has no value for it.
    pub absent: Absent,
}

/// What becomes of a row that has no value for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The value is NULL, which is the column's default.
    Null,
    /// The statement leaves the column out, so that the server's default applies.
    LeftOut,
    /// The job is rejected.
    Rejected,
}

impl Absent {
    fn of(column: &Column) -> Self {
        match column {
            Column { has_default: true, .. } => Self::LeftOut,
            Column { nullable: true, .. } => Self::Null,
            _ => Self::Rejected,
        }
    }
}

impl Target {
    /// The column, fed by values that are converted so.
    pub fn new(column: &Column, conversion: Option<Conversion>) -> Self {
        Self {
            column: column.name.clone(),
            kind: column.kind,
            type_name: column.type_name.clone(),
            form: Form::of(column),
            conversion,
            absent: Absent::of(column),
        }
    }

    /// A rejection that names this column.
    pub(super) fn reject(&self, code: Code, problem: String) -> Rejection {
        Rejection {
            code: code.to_string(),
            column: Some(self.column.clone()),
            reason: format!("column {}: {problem}", self.column),
        }
    }
}
