//! Rows read back: those of a table above an id, in the order of their ids, page by page.
//!
//! It promises that a condition goes through an index, that its values are bound, and that values have the form that
//! they were inserted in, as far as the column keeps it. Each page is a snapshot of its own: rows that are committed
//! between two pages are in the second.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, MySqlConnection, Row,
    mysql::{MySqlPool, MySqlPoolOptions, MySqlRow},
};
use tokio::sync::Semaphore;

use super::{CONNECT, Column, ColumnKind, Fault, STATEMENT, TableSchema, Value, meant, quote, session};
use crate::{config::SecretUrl, route::Table};

/// Reads pages; a few at the same time.
#[derive(Debug, Clone)]
pub struct Pages {
    pool: MySqlPool,
    /// Whoever reads waits here for a connection, without a limit and in order: that others read is no fault.
    turns: Arc<Semaphore>,
}

/// Which rows of a table are read, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The table.
    pub schema: TableSchema,
    /// The column that counts.
    pub id: String,
    /// The names of the columns that are read.
    pub columns: Vec<String>,
    /// Rows that fit any of these conditions; without any, all rows.
    pub any_of: Vec<Condition>,
    /// The index that the conditions go through.
    pub index: Option<String>,
}

/// Columns with the values that they must have, all of them.
pub type Condition = Vec<(String, Key)>;

/// A value that a column is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// For whole numbers.
    Int(i64),
    /// For whole numbers above those.
    UInt(u64),
    /// For text. By the column's collation it may equal other text too.
    Text(String),
}

/// A row that was read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// Its id.
    pub id: u64,
    /// Its values, in the order of the selection's columns.
    pub values: Vec<Value<'static>>,
}

/// How far a table's ids are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The highest of a row that is there; 0 when there is none.
    pub highest: u64,
    /// The one that comes next, where the server says it. None that was ever counted is as high, unless ids are counted
    /// anew because the table was emptied.
    pub next: Option<u64>,
}

/// Rows that were read together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In the order of their ids.
    pub rows: Vec<StoredRow>,
    /// Whether there may be more behind them.
    pub more: bool,
}

impl StoredRow {
    fn size(&self) -> usize {
        self.values.iter().map(Value::size).sum()
    }

    /// How many rows like these take about so many bytes; one at least.
    pub fn as_many_as(rows: &[Self], bytes: usize) -> usize {
        let all: usize = rows.iter().map(Self::size).sum();
        (bytes * rows.len() / all.max(1)).max(1)
    }
}

/// So many pages are read at the same time.
const CONNECTIONS: u32 = 8;

impl Pages {
    /// Takes the address; nothing is connected yet.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub fn new(url: &SecretUrl) -> sqlx::Result<Self> {
        let options = session::options(url)?;
        let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT);
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SET_UP).execute(connection).await.map(drop) })
        });
        let turns = Arc::new(Semaphore::new(CONNECTIONS as usize));
        Ok(Self { pool: pool.connect_lazy_with(options), turns })
    }

    /// A table's schema, with the first columns of its indexes: the index's name and the column's.
    ///
    /// # Errors
    /// [`Fault::Route`] when the table is not there or may not be seen, otherwise as the server says.
    pub async fn schema(&self, table: &Table) -> Result<(TableSchema, Vec<(String, String)>), Fault> {
        let _turn = self.turns.acquire().await;
        let read = async {
            let mut connection = self.pool.acquire().await?;
            let Some(schema) = TableSchema::read(&mut connection, table).await? else {
                return Ok(Err(TableSchema::names(&mut connection, table).await?));
            };
            let indexes = sqlx::query_as(INDEXES)
                .bind(&schema.database)
                .bind(&schema.name)
                .fetch_all(&mut *connection)
                .await?;
            Ok(Ok((schema, indexes)))
        };
        in_time(read).await?.map_err(|names| Fault::missing(table, meant(table, &names).as_deref()))
    }

    /// How far the ids of a selection's table are counted.
    ///
    /// # Errors
    /// As the server says.
    pub async fn counted(&self, selection: &Selection) -> Result<Counted, Fault> {
        let TableSchema { database, name, .. } = &selection.schema;
        let (id, quoted, table) = (quote(&selection.id), quote(database), quote(name));
        let sql = format!("SELECT CAST(COALESCE(MAX({id}), 0) AS UNSIGNED) FROM {quoted}.{table}");
        let _turn = self.turns.acquire().await;
        in_time(async {
            let mut connection = self.pool.acquire().await?;
            let highest: u64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
            let next: Option<u64> =
                sqlx::query_scalar(NEXT).bind(database).bind(name).fetch_one(&mut *connection).await?;
            // MySQL does not say it of a table in which nothing was counted yet.
            Ok(Counted { highest, next: next.or_else(|| (highest == 0).then_some(1)) })
        })
        .await
    }

    /// The rows of a selection above an id: the lowest so many, or only as many as have so many bytes, or one.
    ///
    /// # Errors
    /// As the server says.
    pub async fn above(
        &self,
        selection: &Selection,
        id: u64,
        most: usize,
        bytes: usize,
    ) -> Result<Page, Fault> {
        let _turn = self.turns.acquire().await;
        in_time(async {
            let mut connection = self.pool.acquire().await?;
            let rows = page(&mut connection, selection, id, most, bytes).await?;
            let more = rows.len() == most;
            let all: usize = rows.iter().map(StoredRow::size).sum();
            if !more && all >= bytes {
                // What it has not sent yet would have to be read before anything else.
                drop(connection.detach());
                return Ok(Page { rows, more: true });
            }
            Ok(Page { rows, more })
        })
        .await
    }
}

/// Without this MySQL says what it knew a day ago; MariaDB has no such setting, and does not read such comments.
const SET_UP: &str = "\
    SET SESSION /*!80000 information_schema_stats_expiry = 0, */ sql_select_limit = 18446744073709551615";

const NEXT: &str = "\
    SELECT CAST(auto_increment AS UNSIGNED) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";

const INDEXES: &str = "\
    SELECT CAST(index_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.statistics \
    WHERE table_schema = ? AND table_name = ? AND seq_in_index = 1 AND column_name IS NOT NULL \
    AND index_type = 'BTREE' ORDER BY index_name <> 'PRIMARY', index_name";

async fn in_time<T>(reading: impl Future<Output = sqlx::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(STATEMENT, reading).await {
        Ok(result) => result.map_err(Fault::from),
        Err(_) => Err(Fault::Server(format!("no answer to a statement for {} s", STATEMENT.as_secs()))),
    }
}

async fn page(
    connection: &mut MySqlConnection,
    selection: &Selection,
    id: u64,
    most: usize,
    bytes: usize,
) -> sqlx::Result<Vec<StoredRow>> {
    let columns = selection.read_columns();
    let mut query = sqlx::query(AssertSqlSafe(selection.sql(&columns, most)));
    for (_, key) in selection.any_of.iter().flatten() {
        query = match key {
            Key::Int(number) => query.bind(*number),
            Key::UInt(number) => query.bind(*number),
            Key::Text(text) => query.bind(text.as_str()),
        };
    }
    let mut coming = query.bind(id).fetch(connection);
    let (mut rows, mut read) = (Vec::new(), 0);
    while read < bytes
        && let Some(row) = coming.try_next().await?
    {
        let values = columns.iter().enumerate().map(|(at, column)| value(&row, at + 1, column));
        let row = StoredRow { id: row.try_get_unchecked(0)?, values: values.collect::<sqlx::Result<_>>()? };
        read += row.size();
        rows.push(row);
    }
    Ok(rows)
}

impl Selection {
    /// All names come from the schema; one that it does not know reads nothing.
    fn read_columns(&self) -> Vec<Option<&Column>> {
        self.columns.iter().map(|name| self.schema.column(name)).collect()
    }

    fn sql(&self, columns: &[Option<&Column>], most: usize) -> String {
        let TableSchema { database, name, .. } = &self.schema;
        let id = quote(&self.id);
        let read: String = columns.iter().map(|column| format!(", {}", expression(*column))).collect();
        let force = self.index.as_ref().map(|index| format!(" FORCE INDEX ({})", quote(index)));
        let all = |condition: &Condition| {
            let parts: Vec<String> =
                condition.iter().map(|(column, _)| format!("{} = ?", quote(column))).collect();
            format!("({})", parts.join(" AND "))
        };
        let any: Vec<String> = self.any_of.iter().map(all).collect();
        let any = if any.is_empty() { String::new() } else { format!("({}) AND ", any.join(" OR ")) };
        format!(
            "SELECT CAST({id} AS UNSIGNED){read} FROM {}.{}{} WHERE {any}{id} > ? ORDER BY {id} LIMIT {most}",
            quote(database),
            quote(name),
            force.unwrap_or_default(),
        )
    }
}

/// Everything is read as its text but bytes and floats, whose text would not be exact.
fn expression(column: Option<&Column>) -> String {
    let Some(column) = column else { return "NULL".to_owned() };
    let name = quote(&column.name);
    match column.kind {
        ColumnKind::Binary | ColumnKind::Float => name,
        ColumnKind::Int if column.type_name.starts_with("bit") => format!("CAST({name} + 0 AS CHAR)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

fn value(row: &MySqlRow, at: usize, column: &Option<&Column>) -> sqlx::Result<Value<'static>> {
    let Some(column) = column else { return Ok(Value::Null) };
    let value = match column.kind {
        ColumnKind::Binary => row.try_get_unchecked::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        // The shortest text that gives the number back is the one that a job had, not the nearest of twice the width.
        ColumnKind::Float if column.type_name.starts_with("float") => {
            let single = row.try_get_unchecked::<Option<f32>, _>(at)?;
            single.and_then(|number| number.to_string().parse().ok()).map(Value::Float)
        }
        ColumnKind::Float => row.try_get_unchecked::<Option<f64>, _>(at)?.map(Value::Float),
        kind => row.try_get_unchecked::<Option<String>, _>(at)?.map(|text| of_text(kind, text)),
    };
    Ok(value.unwrap_or(Value::Null))
}

fn of_text(kind: ColumnKind, text: String) -> Value<'static> {
    match kind {
        ColumnKind::Int => match (text.parse(), text.parse()) {
            (Ok(number), _) => Value::Int(number),
            (_, Ok(number)) => Value::UInt(number),
            _ => Value::Digits(text.into()),
        },
        ColumnKind::Decimal { .. } => Value::Digits(text.into()),
        ColumnKind::Json => Value::Json(text.into()),
        ColumnKind::DateTime => Value::DateTime(rfc3339(&text)),
        _ => Value::Text(text.into()),
    }
}

/// `2026-01-31 23:59:59.500` as the events have it: `2026-01-31T23:59:59.5Z`.
fn rfc3339(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_has_as_many_rows_as_take_its_bytes_and_one_at_least() {
        // Each counts nine bytes beside its text.
        let row = |length: usize| StoredRow { id: 1, values: vec![Value::Text("x".repeat(length).into())] };
        assert_eq!(StoredRow::as_many_as(&[row(91), row(91)], 1_000), 10);
        assert_eq!(StoredRow::as_many_as(&[row(1), row(181)], 1_000), 10, "the mean counts");
        assert_eq!(StoredRow::as_many_as(&[row(300_000)], 1_000), 1);
        let empty = StoredRow { id: 1, values: Vec::new() };
        assert_eq!(StoredRow::as_many_as(&[empty], 1_000), 1_000);
        assert_eq!(StoredRow::as_many_as(&[], 1_000), 1);
    }

    #[test]
    fn a_date_has_the_form_of_events() {
        assert_eq!(rfc3339("2026-01-31 23:59:59.500"), "2026-01-31T23:59:59.5Z");
        assert_eq!(rfc3339("2026-01-31 23:59:50.000000"), "2026-01-31T23:59:50Z");
        assert_eq!(rfc3339("2026-01-31 23:59:50"), "2026-01-31T23:59:50Z");
    }
}
