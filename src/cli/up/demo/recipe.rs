//! How jobs for a route are made: from the live types of its columns, and tried before any of them is pushed.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::value::value;
use crate::{
    pipeline::{
        decode::{Absent, Batch, Plan, Target},
        insert::try_insert,
        outcome::JobOutcome,
    },
    route::{Route, Unknown},
    store::{ColumnKind, Fault, Store, TableSchema, advice},
};

/// A route's jobs, by their numbers: milliseconds since 1970, so that they are good as times too.
#[derive(Debug)]
pub(in super::super) struct Recipe {
    /// What it was made for.
    schema: TableSchema,
    /// The table's name, quoted.
    table: String,
    /// The columns that jobs feed, each with the place of its value in the job.
    fields: Vec<(Target, Vec<String>)>,
}

/// The number of the demo's next job when it begins.
pub(super) fn now() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

impl Recipe {
    /// Finds out how jobs must be for the table as it is now.
    ///
    /// # Errors
    /// [`Fault::Route`] when no such job would become a row; otherwise as the server says.
    pub(in super::super) async fn read(
        route: &Route,
        max_job_bytes: usize,
        store: &mut Store,
    ) -> Result<Self, Fault> {
        let schema = store.schema(&route.table).await?;
        let plan = Plan::new(route, &schema, max_job_bytes).map_err(Fault::Route)?;
        let fields = fields(route, &plan)?;
        let recipe = Self { table: advice::name(&route.table), schema, fields };
        recipe.try_out(route, &plan, store).await?;
        Ok(recipe)
    }

    /// Whether the table is still as it was.
    ///
    /// # Errors
    /// As the server says, or when the table is gone.
    pub(super) async fn still_fits(&self, route: &Route, store: &mut Store) -> Result<bool, Fault> {
        Ok(store.schema(&route.table).await? == self.schema)
    }

    /// A job to be pushed by hand, and the statement that shows its row.
    pub(in super::super) fn sample(&self) -> (String, String) {
        // In the year 2001, in which no demo ran: its row is to be told from the demo's.
        let n = 1_000_000_000_000 + now() % 1_000_000_000;
        (self.job(n), self.select(n))
    }

    /// The n-th job.
    pub(super) fn job(&self, n: u64) -> String {
        let mut job = json!({});
        for (target, path) in &self.fields {
            let place = path.iter().fold(&mut job, |place, key| {
                if !place.is_object() {
                    *place = json!({});
                }
                &mut place[key.as_str()]
            });
            *place = value(target, n).unwrap_or_default();
        }
        job.to_string()
    }

    /// The statement that shows the n-th job's row; the newest one where nothing in it tells which job it was.
    fn select(&self, n: u64) -> String {
        let own = self.fields.iter().find_map(|(target, _)| Some((target, own_value(target, n)?)));
        let own = own.map(|(target, value)| format!(" WHERE {} = {value}", advice::column(&target.column)));
        let newest = self.newest().map(|column| format!(" ORDER BY {} DESC", advice::column(column)));
        format!(
            "SELECT * FROM {}{}{} LIMIT 1",
            self.table,
            own.unwrap_or_default(),
            newest.unwrap_or_default()
        )
    }

    /// The column that grows from row to row.
    fn newest(&self) -> Option<&str> {
        let counted = self.schema.columns.iter().find(|column| column.auto_increment);
        let key = || self.schema.columns.iter().find(|column| column.primary && column.unique);
        counted.or_else(key).map(|column| column.name.as_str())
    }

    /// Inserts some jobs in a transaction that is rolled back. Only the server knows of foreign keys, checks and
    /// triggers, and whether a unique column takes as many values as there will be.
    async fn try_out(&self, route: &Route, plan: &Plan, store: &mut Store) -> Result<(), Fault> {
        let first = now();
        let is_unique =
            |target: &Target| self.schema.column(&target.column).is_some_and(|column| column.unique);
        let repeats = |target: &Target| value(target, first).is_none_or(|value| !says(&value, first));
        let is_unique = self.fields.iter().any(|(target, _)| is_unique(target) && repeats(target));
        // Numbers at whose distance small types begin anew. Where nothing unique can repeat, one job says it all, and
        // no more ids than one are used up.
        let apart = (0..24).map(|power| 1_u64 << power).chain((1..8).map(|power| 10_u64.pow(power)));
        let numbers = std::iter::once(0).chain(apart.take(if is_unique { usize::MAX } else { 0 }));
        let jobs: Vec<Vec<u8>> = numbers.map(|n| self.job(first + n).into_bytes()).collect();
        let batch = Batch::decode(plan, &jobs);
        let outcome = try_insert(store, plan, route.on_duplicate, &batch).await?;
        for became in &outcome.jobs {
            match became {
                JobOutcome::Inserted { .. } => {}
                JobOutcome::Rejected(rejection) => {
                    return Err(Fault::Route(format!(
                        "a job would become a dead letter: {}",
                        rejection.reason
                    )));
                }
                JobOutcome::Duplicate => {
                    let reason = "its unique columns take so few values that jobs would soon be duplicates";
                    return Err(Fault::Route(reason.to_owned()));
                }
            }
        }
        Ok(())
    }
}

fn fields(route: &Route, plan: &Plan) -> Result<Vec<(Target, Vec<String>)>, Fault> {
    let collects = |target: &Target| match &route.unknown {
        Unknown::Column(name) => name.eq_ignore_ascii_case(&target.column),
        _ => false,
    };
    let mut fields = Vec::new();
    for target in &plan.targets {
        // The server counts these up by itself.
        let is_counted = plan.auto_increment.as_ref() == Some(&target.column);
        match value(target, 0) {
            _ if is_counted || collects(target) => {}
            Some(_) => fields.push((target.clone(), path(route, target))),
            None if target.absent == Absent::Rejected => {
                return Err(Fault::Route(format!(
                    "column {:?} is a {}, for which it has no value",
                    target.column, target.type_name
                )));
            }
            None => {}
        }
    }
    Ok(fields)
}

/// The place of a column's value in a job.
fn path(route: &Route, target: &Target) -> Vec<String> {
    let mut mappings = route.columns.iter().flatten();
    let mapping = mappings.find(|mapping| mapping.column.eq_ignore_ascii_case(&target.column));
    mapping.map_or_else(|| vec![target.column.clone()], |mapping| mapping.from.0.clone())
}

/// The value as a statement writes it, when it is of a kind that says the whole number of its job.
fn own_value(target: &Target, n: u64) -> Option<Value> {
    let comparable = target.conversion.is_none() && matches!(target.kind, ColumnKind::Text | ColumnKind::Int);
    value(target, n).filter(|value| comparable && says(value, n))
}

/// Whether a value is its job's alone, because it says the whole number.
fn says(value: &Value, n: u64) -> bool {
    value.to_string().contains(&n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        route::{Mapping, Table},
        store::Column,
    };

    fn recipe(route: &Route, columns: &[(&str, ColumnKind, &str)]) -> Recipe {
        let column = |&(name, kind, type_name): &(&str, ColumnKind, &str)| Column {
            name: name.into(),
            kind,
            type_name: type_name.into(),
            collation: None,
            nullable: false,
            has_default: name == "id",
            auto_increment: name == "id",
            generated: false,
            unique: name == "id",
            primary: name == "id",
        };
        let schema = TableSchema {
            database: "d".into(),
            name: "t".into(),
            columns: columns.iter().map(column).collect(),
            not_transactional: None,
        };
        let plan = Plan::new(route, &schema, 1 << 20).unwrap();
        Recipe { table: advice::name(&route.table), fields: fields(route, &plan).unwrap(), schema }
    }

    const ORDERS: [(&str, ColumnKind, &str); 3] = [
        ("id", ColumnKind::Int, "bigint(20)"),
        ("total", ColumnKind::Decimal { scale: 2 }, "decimal(12,2)"),
        ("at", ColumnKind::DateTime, "datetime(3)"),
    ];

    #[test]
    fn a_jobs_values_stand_where_the_route_looks_for_them() {
        let mut route = Route::new("q", Table::parse("orders").unwrap());
        let keys = |recipe: &Recipe| serde_json::from_str::<Value>(&recipe.job(1_700_000_000_123)).unwrap();
        let by_name = keys(&recipe(&route, &ORDERS));
        assert_eq!(by_name, json!({"total": "123.23", "at": "2023-11-14T22:13:20.123Z"}));
        let mappings = ["total=/meta/n", "at=/meta/ts as unix_ms"];
        route.columns = Some(mappings.map(|text| Mapping::parse(text).unwrap()).to_vec());
        let mapped = keys(&recipe(&route, &ORDERS));
        assert_eq!(mapped, json!({"meta": {"n": "123.23", "ts": 1_700_000_000_123_u64}}));
    }

    #[test]
    fn the_row_that_is_shown_is_the_jobs_own_or_the_newest() {
        let route = Route::new("q", Table::parse("orders").unwrap());
        let newest = "SELECT * FROM `orders` ORDER BY `id` DESC LIMIT 1";
        assert_eq!(recipe(&route, &ORDERS).select(1_700_000_000_123), newest);
        let named = [ORDERS.as_slice(), &[("name", ColumnKind::Text, "varchar(50)")]].concat();
        let own = "SELECT * FROM `orders` WHERE `name` = \"demo-17\" ORDER BY `id` DESC LIMIT 1";
        assert_eq!(recipe(&route, &named).select(17), own);
        let short = [ORDERS.as_slice(), &[("name", ColumnKind::Text, "char(1)")]].concat();
        assert_eq!(recipe(&route, &short).select(17), newest, "7 says not which job it was");
    }
}
