//! SQL that people are advised to run. Nothing here, and nothing that uses it, runs it.

use super::quote;
use crate::route::Table;

/// The rights that migrating and working need of a database, all in all; CREATE is for migrating alone.
pub(super) fn rights(database: &str) -> String {
    format!("CREATE, SELECT, INSERT, UPDATE, DELETE ON {}.*", quote(database))
}

/// A table's name, quoted.
pub fn name(table: &Table) -> String {
    match &table.database {
        Some(database) => format!("{}.{}", quote(database), quote(&table.name)),
        None => quote(&table.name),
    }
}

/// A column's name, quoted.
pub fn column(name: &str) -> String {
    quote(name)
}

/// Has a table stored with transactions.
pub fn with_transactions(table: &Table) -> String {
    format!("ALTER TABLE {} ENGINE = InnoDB", name(table))
}

/// Gives a column a unique key of its own, in a table that is there or is being altered.
pub fn unique_key(column: &str) -> String {
    format!("UNIQUE KEY ({})", quote(column))
}

/// Gives a column of a table a unique key of its own.
pub fn with_unique_key(table: &Table, column: &str) -> String {
    format!("ALTER TABLE {} ADD {}", name(table), unique_key(column))
}
