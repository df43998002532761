//! What a job would become: decoded, inserted in a transaction that is rolled back, and its event written but not sent.

use serde::Serialize;

use super::{super::show::shown, finding::Findings};
use crate::{
    config::Settings,
    emitter::{self, Message},
    pipeline::{
        decode::{Batch, Plan, Rejection},
        events::EventWriter,
        insert::try_insert,
        outcome::{JobOutcome, Outcome},
    },
    route::Route,
    store::{Store, Value},
};

/// Rows that are shown of an array.
const ROWS: usize = 3;

/// What became of a sample.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    queue: String,
    /// The job, cut to a line.
    job: String,
    /// The first rows: column and value in turn.
    rows: Vec<Vec<(String, String)>>,
    /// What it would be: `inserted`, `duplicate` or `rejected`.
    outcome: &'static str,
    rejection: Option<Rejection>,
    /// The rooms of each row's event; an empty list is everybody.
    rooms: Vec<Vec<String>>,
}

/// Tries the job. Only a fault of a server leaves nothing to show.
pub(super) async fn dry_run(
    route: &Route,
    settings: &Settings,
    plan: &Plan,
    job: Vec<u8>,
    store: &mut Store,
    found: &mut Findings,
) -> Option<Sample> {
    let jobs = [job];
    let batch = Batch::decode(plan, &jobs);
    let outcome = match try_insert(store, plan, route.on_duplicate, &batch).await {
        Ok(outcome) => outcome,
        Err(fault) => {
            found.problem(&route.queue, format!("the sample cannot be tried: {fault}"));
            return None;
        }
    };
    let rejection = match outcome.jobs.first() {
        Some(JobOutcome::Rejected(rejection)) => Some(rejection.clone()),
        _ => None,
    };
    if let Some(Rejection { code, reason, .. }) = &rejection {
        found.problem(
            &route.queue,
            format!("the sample would become a dead letter ({code}): {}", shown(reason, 300)),
        );
    }
    Some(Sample {
        queue: route.queue.clone(),
        job: shown(&String::from_utf8_lossy(&jobs[0][..jobs[0].len().min(400)]), 100),
        rows: rows(plan, &batch),
        outcome: match outcome.jobs.first() {
            Some(JobOutcome::Inserted { .. }) => "inserted",
            Some(JobOutcome::Duplicate) => "duplicate",
            _ => "rejected",
        },
        rejection,
        rooms: rooms(route, settings, plan, &batch, &outcome),
    })
}

fn rows(plan: &Plan, batch: &Batch<'_>) -> Vec<Vec<(String, String)>> {
    let count = batch.jobs.first().and_then(|job| job.as_ref().ok()).map_or(0, |rows| rows.count);
    let row = |at| {
        let values = plan.targets.iter().zip(batch.row(plan, at));
        values.map(|(target, value)| (target.column.clone(), in_words(value))).collect()
    };
    (0..count.min(ROWS)).map(row).collect()
}

fn in_words(value: &Value<'_>) -> String {
    match value {
        Value::Absent => "(left out: the column's default)".into(),
        Value::Null => "NULL".into(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", shown(text, 80)),
        Value::Digits(text) | Value::Json(text) => shown(text, 80),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::DateTime(text) => format!("{text} (UTC)"),
    }
}

fn rooms(
    route: &Route,
    settings: &Settings,
    plan: &Plan,
    batch: &Batch<'_>,
    outcome: &Outcome,
) -> Vec<Vec<String>> {
    let key = &settings.publish.key;
    let Ok(writer) = EventWriter::new(key, route, plan) else { return Vec::new() };
    let events = writer.write(plan, batch, outcome);
    let rooms = events.iter().filter_map(|(channel, payload)| {
        let channel = std::str::from_utf8(channel).ok()?;
        match emitter::decode(key, channel, payload) {
            Ok(Message::Broadcast(broadcast)) => Some(broadcast.rooms),
            _ => None,
        }
    });
    rooms.take(ROWS).collect()
}

impl Sample {
    /// The sample for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}, a dry run of {}", self.queue, self.job)];
        for row in &self.rows {
            lines.extend(row.iter().map(|(column, value)| format!("  {column} = {value}")));
        }
        for rooms in &self.rooms {
            let everybody = if rooms.is_empty() { "everybody".to_owned() } else { rooms.join(", ") };
            lines.push(format!("  rooms: {everybody}"));
        }
        lines.push(match &self.rejection {
            Some(Rejection { code, reason, .. }) => {
                format!("  would be rejected ({code}): {}", shown(reason, 300))
            }
            None if self.outcome == "duplicate" => "  would be a duplicate; nothing was inserted".to_owned(),
            None => "  would be inserted; nothing was".to_owned(),
        });
        lines
    }
}
