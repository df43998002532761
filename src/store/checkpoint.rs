//! The checkpoint: the last committed claim of one worker and one route, and what became of its jobs.
//!
//! It is written in the transaction that inserts the rows. Fencing it makes sure that its worker never commits again.

use sqlx::Row;

use super::{Fault, Store};

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

    /// Writes the checkpoint inside the transaction of its rows.
    ///
    /// # Errors
    /// [`Fault::Fenced`] when the worker was fenced or forgotten; otherwise as the server says.
    pub async fn write_checkpoint(
        &mut self,
        worker: &str,
        route: &str,
        seq: u64,
        outcome: &str,
    ) -> Result<(), Fault> {
        let update = "UPDATE rowcast_checkpoints SET claim_seq = ?, outcome = ? \
                      WHERE worker_id = ? AND route = ? AND fenced = 0 AND claim_seq < ?";
        let done = self
            .run(async |connection| {
                sqlx::query(update)
                    .bind(seq)
                    .bind(outcome)
                    .bind(worker)
                    .bind(route)
                    .bind(seq)
                    .execute(connection)
                    .await
            })
            .await?;
        // sqlx asks for the rows found, not only those changed, so this is 1 even for an equal outcome.
        if done.rows_affected() == 1 { Ok(()) } else { Err(Fault::Fenced) }
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

fn is_duplicate(error: &sqlx::Error) -> bool {
    super::session::database_error(error).is_some_and(|e| super::errors::is_duplicate(e.number()))
}
