//! Rows to events: one message for each inserted row, to the union of its rooms. Pure, but for a line in the log when
//! an event is too large in any form.

use std::fmt::Write;

use super::{
    decode::{Batch, Plan, RowId},
    outcome::{JobOutcome, Outcome},
};
use crate::{
    emitter::{ColumnName, EmitError, RowEvents, Scalar},
    queue::Events,
    route::{Part, Route},
    store::Value,
};

/// A route's events, with all that is the same for every row.
#[derive(Debug)]
pub struct EventWriter {
    events: RowEvents,
    names: Vec<ColumnName>,
    rooms: Vec<Vec<RoomPart>>,
    publish: bool,
}

#[derive(Debug)]
enum RoomPart {
    Text(String),
    /// The value of a target.
    Value(usize),
    /// The row's counted id.
    Id,
}

impl EventWriter {
    /// Prepares the events of a route whose plan is known.
    ///
    /// # Errors
    /// An event name that socket.io reserves.
    pub fn new(key: &str, route: &Route, plan: &Plan) -> Result<Self, EmitError> {
        let part = |part: &Part| match part {
            Part::Text(text) => RoomPart::Text(text.clone()),
            Part::Table => RoomPart::Text(route.table.name.clone()),
            Part::Column(name) => plan.target(name).map_or(RoomPart::Id, RoomPart::Value),
        };
        Ok(Self {
            events: RowEvents::new(key, &route.namespace, &route.event, &route.table.name)?,
            names: plan.targets.iter().map(|target| ColumnName::new(&target.column)).collect(),
            rooms: route.rooms.iter().map(|room| room.parts.iter().map(part).collect()).collect(),
            publish: route.publish,
        })
    }

    /// The events of a claim's inserted rows, in order.
    pub fn write(&self, plan: &Plan, batch: &Batch<'_>, outcome: &Outcome) -> Events {
        let mut events = Events::default();
        if !self.publish {
            return events;
        }
        let mut rooms = Rooms::default();
        for (job, became) in batch.jobs.iter().zip(&outcome.jobs) {
            let (Ok(rows), JobOutcome::Inserted { first_id, .. }) = (job, became) else { continue };
            for at in 0..rows.count {
                let row = batch.row(plan, rows.first + at);
                let counted = first_id.map(|first| first + at as u64 * outcome.id_step);
                let id = counted.map_or_else(|| given_id(plan, row), Scalar::UInt);
                self.fill_rooms(row, counted, &mut rooms);
                self.write_row(&mut events, id, row, &rooms);
            }
        }
        events
    }

    /// The events of rows that were read back with their counted ids.
    pub fn write_again<'r, 'v: 'r>(&self, rows: impl IntoIterator<Item = (u64, &'r [Value<'v>])>) -> Events {
        let mut events = Events::default();
        let mut rooms = Rooms::default();
        for (id, row) in rows {
            self.fill_rooms(row, Some(id), &mut rooms);
            self.write_row(&mut events, Scalar::UInt(id), row, &rooms);
        }
        events
    }

    fn write_row(&self, events: &mut Events, id: Scalar<'_>, row: &[Value<'_>], rooms: &Rooms) {
        // A row whose rooms are all made of NULLs has nobody to go to; no room at all would be everybody.
        let rooms = &rooms.names[..rooms.used];
        if rooms.is_empty() && !self.rooms.is_empty() {
            return;
        }
        let present = self.names.iter().zip(row).filter(|(_, value)| !value.is_absent());
        let scalars = present.map(|(name, value)| (name, scalar(value)));
        events.push(&self.events.channel(rooms), |out| {
            if self.events.encode(out, id, scalars, rooms).is_err()
                && let Err(error) = self.events.encode_without_row(out, id, rooms)
            {
                // Only rooms of many megabytes lead here. Nothing was appended, so nothing is sent.
                tracing::error!(%error, "a row's event is too large to publish in any form");
            }
        });
    }

    /// Writes the names of a row's rooms into `rooms`, whose strings are used again from row to row.
    fn fill_rooms(&self, row: &[Value<'_>], id: Option<u64>, rooms: &mut Rooms) {
        rooms.used = 0;
        for parts in &self.rooms {
            if rooms.names.len() == rooms.used {
                rooms.names.push(String::new());
            }
            let name = &mut rooms.names[rooms.used];
            name.clear();
            let mut parts = parts.iter();
            let written = parts.all(|part| match part {
                RoomPart::Text(text) => name.write_str(text).is_ok(),
                RoomPart::Id => id.is_some_and(|id| write!(name, "{id}").is_ok()),
                RoomPart::Value(target) => write_value(name, &row[*target]),
            });
            rooms.used += usize::from(written);
        }
    }
}

/// The names of one row's rooms.
#[derive(Default)]
struct Rooms {
    names: Vec<String>,
    used: usize,
}

fn given_id<'a>(plan: &Plan, row: &'a [Value<'a>]) -> Scalar<'a> {
    match plan.id {
        RowId::Given(target) => scalar(&row[target]),
        RowId::Counted | RowId::None => Scalar::Nil,
    }
}

fn scalar<'a>(value: &'a Value<'a>) -> Scalar<'a> {
    match value {
        Value::Absent | Value::Null => Scalar::Nil,
        Value::Int(value) => Scalar::Int(*value),
        Value::UInt(value) => Scalar::UInt(*value),
        Value::Float(value) => Scalar::Float(*value),
        Value::Text(text) | Value::Digits(text) => Scalar::Str(text),
        Value::Json(text) => Scalar::Json(text),
        Value::Bytes(bytes) => Scalar::Bin(bytes),
        Value::DateTime(text) => Scalar::Str(text),
    }
}

/// Writes a value into a room's name; `false` for what names no room.
fn write_value(name: &mut String, value: &Value<'_>) -> bool {
    match value {
        Value::Absent | Value::Null | Value::Bytes(_) => false,
        Value::Int(value) => write!(name, "{value}").is_ok(),
        Value::UInt(value) => write!(name, "{value}").is_ok(),
        Value::Float(value) => write!(name, "{value}").is_ok(),
        Value::Text(text) | Value::Digits(text) | Value::Json(text) => name.write_str(text).is_ok(),
        Value::DateTime(text) => name.write_str(text).is_ok(),
    }
}
