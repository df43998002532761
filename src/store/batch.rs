//! Rows into a table: one prepared statement for many of them, whose shape repeats so that the server's prepared form
//! is found again.

use std::{collections::HashSet, fmt::Write, sync::Arc, time::Instant};

use sqlx::{
    AssertSqlSafe, Row,
    mysql::{MySqlArguments, MySqlRow},
};

use super::{
    Fault, LEAST_ROWS, MAX_PLACEHOLDERS, STATEMENT, StatementKey, Store, Value, errors, quote, session,
};

/// Where rows go: a table and the columns that they give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The names of all columns that a row has a value for.
    pub columns: Vec<String>,
}

/// What one statement inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The counted id of the first row; the others follow in steps of [`super::Server::id_step`]. 0 without one.
    pub first_id: u64,
}

/// Why a statement did not insert its rows; it inserted none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertError {
    /// One of the jobs is at fault.
    Job(JobFault),
    /// Something else is.
    Other(Fault),
}

/// The server's word on a job that cannot become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFault {
    /// The error's number.
    pub code: u16,
    /// The column that it names.
    pub column: Option<String>,
    /// Its text.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Insert,
    Upsert,
    Known,
    KnownBytes,
    KnownNow,
}

/// More than what stands before the values in a statement's packet, and the byte by which it must be smaller.
const PACKET_HEAD: usize = 64;
/// The most that a server's text takes in a dead letter.
const MESSAGE: usize = 500;

impl Store {
    /// Inserts rows with one statement: all of them or none. `present` are the places of the columns that the rows
    /// give; they leave out the others.
    ///
    /// # Errors
    /// See [`InsertError`].
    pub async fn insert(
        &mut self,
        shape: &Shape,
        present: &[u16],
        rows: &[&[Value<'_>]],
    ) -> Result<Inserted, InsertError> {
        self.write(Kind::Insert, shape, present, rows).await
    }

    /// Inserts rows, or updates those whose unique key is there already.
    ///
    /// # Errors
    /// See [`InsertError`].
    pub async fn upsert(
        &mut self,
        shape: &Shape,
        present: &[u16],
        rows: &[&[Value<'_>]],
    ) -> Result<Inserted, InsertError> {
        self.write(Kind::Upsert, shape, present, rows).await
    }

    /// Which of these values the column holds already, as [`Value::key_text`] writes them.
    ///
    /// # Errors
    /// As the server says.
    pub async fn known(
        &mut self,
        shape: &Shape,
        column: u16,
        values: &[&Value<'_>],
    ) -> Result<HashSet<Vec<u8>>, Fault> {
        let binary = values.iter().any(|value| matches!(value, Value::Bytes(_)));
        self.look_up(if binary { Kind::KnownBytes } else { Kind::Known }, shape, column, values).await
    }

    /// How many of these values the column holds by its own collation, another transaction's commit of this instant
    /// included.
    ///
    /// # Errors
    /// As the server says.
    pub async fn count_known(
        &mut self,
        shape: &Shape,
        column: u16,
        values: &[&Value<'_>],
    ) -> Result<usize, Fault> {
        self.look_up(Kind::KnownNow, shape, column, values).await.map(|known| known.len())
    }

    async fn look_up(
        &mut self,
        kind: Kind,
        shape: &Shape,
        column: u16,
        values: &[&Value<'_>],
    ) -> Result<HashSet<Vec<u8>>, Fault> {
        let mut known = HashSet::new();
        let mut todo = self.chunks(values);
        while let Some(chunk) = todo.pop() {
            match self.look_up_chunk(kind, shape, column, chunk).await? {
                Some(found) => known.extend(found),
                // No column holds what it cannot even be compared with.
                None if chunk.len() == 1 => {}
                None => {
                    let (one, other) = chunk.split_at(chunk.len() / 2);
                    todo.extend([one, other]);
                }
            }
        }
        Ok(known)
    }

    /// Looks up some values with one statement; `None` when one of them cannot be compared with the column.
    async fn look_up_chunk(
        &mut self,
        kind: Kind,
        shape: &Shape,
        column: u16,
        chunk: &[&Value<'_>],
    ) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        // The list is filled up with its shortest value to a power of two, so that few shapes occur.
        let rows = chunk.len().next_power_of_two();
        let Some(shortest) = chunk.iter().min_by_key(|value| value.size()) else {
            return Ok(Some(Vec::new()));
        };
        let sql = self.statement(kind, shape, &[column], rows);
        let mut arguments = MySqlArguments::default();
        for at in 0..rows {
            chunk.get(at).unwrap_or(shortest).bind(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let found = self.run(async |connection| {
            match sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await {
                Err(error) if is_incomparable(&error) => Ok(None),
                found => found.map(Some),
            }
        });
        let Some(found) = found.await? else { return Ok(None) };
        let text = |row| MySqlRow::try_get_unchecked::<Vec<u8>, _>(row, 0);
        Ok(Some(found.iter().map(text).collect::<Result<_, _>>()?))
    }

    /// Values in lists that fit a packet, even when they are filled up. What alone is too large for one is in no
    /// table: no row with it could have been sent.
    fn chunks<'v, 'a>(&self, values: &'v [&'a Value<'a>]) -> Vec<&'v [&'a Value<'a>]> {
        let room = self.packet / 4;
        let mut chunks = Vec::new();
        let (mut from, mut size) = (0, 0);
        for (at, value) in values.iter().enumerate() {
            if at - from == 1024 || size + value.size() > room {
                chunks.push(&values[from..at]);
                (from, size) = (at, 0);
            }
            size += value.size();
        }
        chunks.push(&values[from..]);
        chunks.retain(|chunk| {
            !chunk.is_empty() && (chunk.len() > 1 || chunk[0].size() + PACKET_HEAD < self.packet)
        });
        chunks
    }

    /// How many rows are best put into one statement. More are allowed: see [`Store::fit`].
    pub fn best_rows(&self) -> usize {
        self.best_rows
    }

    /// How many rows, of which these columns are given, fit one statement; 0 when not even the first one does. No more
    /// are looked at than would be enough.
    pub fn fit(&self, shape: &Shape, present: &[u16], rows: &[&[Value<'_>]], enough: usize) -> usize {
        let places = present.len();
        let most = (MAX_PLACEHOLDERS / places.max(1)).min(enough);
        // The text is sent before the values, in a packet of its own: `(?,?),` for each row.
        let head = text(Kind::Upsert, shape, present, 0).len() + PACKET_HEAD;
        let most = most.min(self.packet.saturating_sub(head) / (2 * places + 3));
        // In bits: each value has one that says whether it is NULL.
        let mut room = 8 * self.packet.saturating_sub(PACKET_HEAD);
        let fits = |row: &&&[Value<'_>]| {
            let size = row.iter().filter(|value| !value.is_absent()).map(|value| 8 * value.sent() + 1).sum();
            room.checked_sub(size).inspect(|&left| room = left).is_some()
        };
        rows.iter().take(most).take_while(fits).count()
    }

    async fn write(
        &mut self,
        kind: Kind,
        shape: &Shape,
        present: &[u16],
        rows: &[&[Value<'_>]],
    ) -> Result<Inserted, InsertError> {
        let sql = self.statement(kind, shape, present, rows.len());
        let arguments =
            arguments(present, rows).map_err(|e| InsertError::Other(sqlx::Error::Encode(e).into()))?;
        let began = Instant::now();
        // A job's fault is no failure of the connection, so it travels inside the result.
        let work = self.run(async |connection| {
            match sqlx::query_with(AssertSqlSafe(sql), arguments).execute(connection).await {
                Ok(done) => Ok(Ok(Inserted { first_id: done.last_insert_id() })),
                Err(error) => job_fault(&error).map(Err).ok_or(error),
            }
        });
        match work.await {
            Ok(Ok(inserted)) => Ok(inserted),
            Ok(Err(fault)) => Err(InsertError::Job(fault)),
            Err(fault) => {
                if began.elapsed() >= STATEMENT && rows.len() >= self.best_rows {
                    self.best_rows = (self.best_rows / 2).max(LEAST_ROWS);
                }
                Err(InsertError::Other(fault))
            }
        }
    }

    fn statement(&mut self, kind: Kind, shape: &Shape, columns: &[u16], rows: usize) -> Arc<str> {
        let key = StatementKey { kind, columns: columns.to_vec(), rows };
        // Odd shapes (arrays, columns left out) must not pile up.
        if self.statements.len() > 256 {
            self.statements.clear();
        }
        self.statements.entry(key).or_insert_with(|| text(kind, shape, columns, rows).into()).clone()
    }
}

fn arguments(present: &[u16], rows: &[&[Value<'_>]]) -> Result<MySqlArguments, sqlx::error::BoxDynError> {
    use sqlx::Arguments;
    let mut arguments = MySqlArguments::default();
    let size = rows.iter().flat_map(|row| row.iter()).map(Value::size).sum();
    arguments.reserve(rows.len() * present.len(), size);
    for row in rows {
        for &column in present {
            row[usize::from(column)].bind(&mut arguments)?;
        }
    }
    Ok(arguments)
}

fn text(kind: Kind, shape: &Shape, columns: &[u16], rows: usize) -> String {
    let table = format!("{}.{}", quote(&shape.database), quote(&shape.table));
    let names: Vec<String> = columns.iter().map(|&at| quote(&shape.columns[usize::from(at)])).collect();
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    if matches!(kind, Kind::Known | Kind::KnownBytes | Kind::KnownNow) {
        // CAST, because the text is compared: each type would come back in a form of its own. Bytes are no text.
        let cast = if kind == Kind::Known { "CHAR" } else { "BINARY" };
        let places = vec!["?"; rows].join(",");
        let sql = format!("SELECT CAST({0} AS {cast}) FROM {table} WHERE {0} IN ({places})", names[0]);
        return if kind == Kind::KnownNow { sql + " LOCK IN SHARE MODE" } else { sql };
    }
    let mut sql = format!("INSERT INTO {table} ({}) VALUES {}", names.join(","), vec![row; rows].join(","));
    if kind == Kind::Upsert {
        let sets: Vec<String> = names.iter().map(|name| format!("{name}=VALUES({name})")).collect();
        // A row that gives no column changes nothing of the one that is there.
        let same = || shape.columns.first().map(|name| format!("{0}={0}", quote(name))).unwrap_or_default();
        let sets = if sets.is_empty() { same() } else { sets.join(",") };
        write!(sql, " ON DUPLICATE KEY UPDATE {sets}").unwrap_or_default();
    }
    sql
}

fn is_incomparable(error: &sqlx::Error) -> bool {
    session::database_error(error).is_some_and(|error| errors::is_incomparable(error.number()))
}

/// The job's fault in an error, if it is the job's.
fn job_fault(error: &sqlx::Error) -> Option<JobFault> {
    let database = session::database_error(error)?;
    if errors::judge(database) != errors::Kind::Job {
        return None;
    }
    Some(JobFault {
        code: database.number(),
        column: errors::column_in(database.message()).map(str::to_owned),
        message: database.message().chars().take(MESSAGE).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape { database: "d".into(), table: "t".into(), columns: vec!["a".into(), "b`".into()] }
    }

    #[test]
    fn a_statement_has_a_place_for_each_value_and_quotes_its_names() {
        assert_eq!(
            text(Kind::Insert, &shape(), &[0, 1], 2),
            "INSERT INTO `d`.`t` (`a`,`b```) VALUES (?,?),(?,?)"
        );
        assert_eq!(
            text(Kind::Upsert, &shape(), &[0], 1),
            "INSERT INTO `d`.`t` (`a`) VALUES (?) ON DUPLICATE KEY UPDATE `a`=VALUES(`a`)"
        );
        assert_eq!(text(Kind::Insert, &shape(), &[], 2), "INSERT INTO `d`.`t` () VALUES (),()");
        assert_eq!(
            text(Kind::Upsert, &shape(), &[], 1),
            "INSERT INTO `d`.`t` () VALUES () ON DUPLICATE KEY UPDATE `a`=`a`"
        );
    }
}
