//! The checkpoint: the last committed claim of one worker and one route, and what became of its jobs.
//!
//! It is written in the transaction that inserts the rows. Fencing it makes sure that its worker never commits again.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, Row};

use super::{Fault, Store, Transaction, errors, session};

/// A checkpoint as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the last committed claim; 0 before the first.
    pub claim_seq: u64,
    /// Whether its worker may no longer commit.
    pub fenced: bool,
    /// The outcome of that claim, as the pipeline wrote it.
    pub outcome: String,
}

/// An error unless the statement before it has changed one row, so that the server runs nothing after it: one more than
/// the largest number is out of range. `SET`, because MariaDB's `DO` only warns and `SELECT` has a result to send.
const MUST_HAVE_UPDATED: &str = "SET @rowcast_updated = 18446744073709551615 + (ROW_COUNT() <> 1)";

impl Store {
    /// Registers a worker's checkpoint before its first claim.
    ///
    /// # Errors
    /// [`Fault::Fenced`] when a rescuer has been here before; otherwise as the server says.
    pub async fn register(&mut self, worker: &str, route: &str) -> Result<(), Fault> {
        self.connect().await?;
        if self.register_in_doubt {
            return self.look_up_registration(worker, route).await;
        }
        let insert = "INSERT INTO rowcast_checkpoints (worker_id, route, outcome) VALUES (?, ?, '')";
        let inserted = self
            .run(async |connection| {
                match sqlx::query(insert).bind(worker).bind(route).execute(connection).await {
                    Err(error) if is_duplicate(&error) => Ok(false),
                    result => result.map(|_| true),
                }
            })
            .await;
        self.register_in_doubt = matches!(inserted, Err(Fault::Server(_)));
        if inserted? { Ok(()) } else { self.look_up_registration(worker, route).await }
    }

    /// Whether an attempt whose reply was lost has registered the worker. It is not simply tried again: a rescuer may
    /// have fenced and forgotten the worker meanwhile, and a second registration would undo the fence.
    async fn look_up_registration(&mut self, worker: &str, route: &str) -> Result<(), Fault> {
        match self.checkpoint(worker, route).await? {
            Some(Checkpoint { fenced: false, .. }) => Ok(()),
            _ => Err(Fault::Fenced),
        }
    }

    /// The workers that have a checkpoint for a route.
    ///
    /// # Errors
    /// As the server says.
    pub async fn registered(&mut self, route: &str) -> Result<Vec<String>, Fault> {
        let select = "SELECT worker_id FROM rowcast_checkpoints WHERE route = ?";
        self.run(async |connection| sqlx::query_scalar(select).bind(route).fetch_all(connection).await).await
    }

    /// Writes the checkpoint in the transaction of its rows and commits both, with one request: whoever is stopped
    /// holds no lock that a rescuer needs. After [`Fault::Server`] it may have been committed nevertheless, and as long
    /// as the request may be on its way it may still be: look up the checkpoint.
    ///
    /// # Errors
    /// [`Fault::Fenced`] when the worker was fenced or forgotten, or has committed this claim before; the transaction
    /// is then still open. Otherwise as the server says.
    pub async fn commit(&mut self, worker: &str, route: &str, seq: u64, outcome: &str) -> Result<(), Fault> {
        let sql = format!("{}; {MUST_HAVE_UPDATED}; COMMIT", update(worker, route, seq, outcome));
        let committed = self
            .run(async |connection| match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
                Err(error) if is_not_updated(&error) => Ok(false),
                result => result.map(|_| true),
            })
            .await?;
        if !committed {
            return Err(Fault::Fenced);
        }
        if let Some(live) = &mut self.live {
            live.transaction = Transaction::None;
        }
        Ok(())
    }

    /// Tries all that is done with a checkpoint, in a transaction that is rolled back.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn try_checkpoint(&mut self) -> Result<(), Fault> {
        let worker = ulid::Ulid::generate().to_string();
        let route = "rowcast check";
        let update = update(&worker, route, 1, "");
        self.begin().await?;
        let tried = async {
            self.register(&worker, route).await?;
            self.run(async |connection| sqlx::raw_sql(AssertSqlSafe(update)).execute(connection).await)
                .await?;
            self.checkpoint(&worker, route).await?;
            self.delete_checkpoint(&worker, route).await
        };
        let tried = tried.await;
        self.rollback().await;
        tried
    }

    /// Reads a checkpoint, waiting for a transaction that has it in hand to end.
    ///
    /// # Errors
    /// As the server says; [`Fault::Retry`] when that transaction takes too long.
    pub async fn checkpoint(&mut self, worker: &str, route: &str) -> Result<Option<Checkpoint>, Fault> {
        let select = "SELECT claim_seq, fenced, outcome FROM rowcast_checkpoints \
                      WHERE worker_id = ? AND route = ? FOR UPDATE";
        self.run(async |connection| {
            let row = sqlx::query(select).bind(worker).bind(route).fetch_optional(connection).await?;
            row.map(|row| {
                Ok(Checkpoint {
                    claim_seq: row.try_get(0)?,
                    fenced: row.try_get::<i8, _>(1)? != 0,
                    outcome: row.try_get(2)?,
                })
            })
            .transpose()
        })
        .await
    }

    /// Fences a worker: it never commits again. Makes the checkpoint of a worker that has none.
    ///
    /// # Errors
    /// As the server says; [`Fault::Retry`] at once while a transaction of that worker has the checkpoint in hand,
    /// so that a rescuer can do other work meanwhile.
    pub async fn fence(&mut self, worker: &str, route: &str) -> Result<(), Fault> {
        let look = "SELECT 1 FROM rowcast_checkpoints WHERE worker_id = ? AND route = ? FOR UPDATE NOWAIT";
        self.run(async |connection| sqlx::query(look).bind(worker).bind(route).execute(connection).await)
            .await?;
        let fence = "INSERT INTO rowcast_checkpoints (worker_id, route, fenced, outcome) VALUES (?, ?, 1, '') \
                     ON DUPLICATE KEY UPDATE fenced = 1";
        self.run(async |connection| sqlx::query(fence).bind(worker).bind(route).execute(connection).await)
            .await?;
        Ok(())
    }

    /// Deletes a checkpoint: the last step of a rescue, and of a worker that leaves.
    ///
    /// # Errors
    /// As the server says.
    pub async fn delete_checkpoint(&mut self, worker: &str, route: &str) -> Result<(), Fault> {
        let delete = "DELETE FROM rowcast_checkpoints WHERE worker_id = ? AND route = ?";
        self.run(async |connection| sqlx::query(delete).bind(worker).bind(route).execute(connection).await)
            .await?;
        Ok(())
    }
}

/// The statement that writes a checkpoint, which only a worker that was not fenced can, once for each claim. As text,
/// because only text takes several statements to the server at once; texts are in it as hexadecimal digits.
fn update(worker: &str, route: &str, seq: u64, outcome: &str) -> String {
    let (worker, route, outcome) = (literal(worker), literal(route), literal(outcome));
    format!(
        "UPDATE rowcast_checkpoints SET claim_seq = {seq}, outcome = {outcome} \
         WHERE worker_id = {worker} AND route = {route} AND fenced = 0 AND claim_seq < {seq}"
    )
}

fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(2 * text.len() + 12);
    literal.push_str("_utf8mb4 X'");
    for byte in text.bytes() {
        write!(literal, "{byte:02x}").unwrap_or_default();
    }
    literal.push('\'');
    literal
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    session::database_error(error).is_some_and(|error| errors::is_duplicate(error.number()))
}

/// "BIGINT UNSIGNED value is out of range": the word of [`MUST_HAVE_UPDATED`]. No number that the statement before it
/// stores can be the reason.
fn is_not_updated(error: &sqlx::Error) -> bool {
    session::database_error(error).is_some_and(|error| errors::is_out_of_range(error.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_sql() {
        let update = update("w", "q'; DROP TABLE x; -- é", 7, "\\'");
        assert_eq!(
            update,
            "UPDATE rowcast_checkpoints SET claim_seq = 7, outcome = _utf8mb4 X'5c27' \
             WHERE worker_id = _utf8mb4 X'77' \
             AND route = _utf8mb4 X'71273b2044524f50205441424c4520783b202d2d20c3a9' \
             AND fenced = 0 AND claim_seq < 7"
        );
    }
}
