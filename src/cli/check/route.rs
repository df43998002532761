//! One route against its live table: all that does not fit, each with the statement that would mend it.

use super::{ddl, finding::Findings};
use crate::{
    config::Settings,
    pipeline::decode::Plan,
    route::{OnDuplicate, Route},
    store::{Fault, Shape, Store, TableSchema},
};

/// Judges the route; its plan, when it can work.
pub(super) async fn check(
    route: &Route,
    settings: &Settings,
    job: Option<&[u8]>,
    store: &mut Store,
    found: &mut Findings,
) -> Option<Plan> {
    let about = route.queue.as_str();
    let sample = job.and_then(|job| serde_json::from_slice(job).ok());
    let schema = match store.schema(&route.table).await {
        Ok(schema) => schema,
        Err(Fault::Route(text)) => {
            match ddl::create_table(route, sample.as_ref()) {
                Some(fix) => found.fixable(about, text, fix),
                None => found.problem(about, format!("{text} (with a --sample its columns can be guessed)")),
            }
            return None;
        }
        Err(fault) => {
            found.problem(about, fault.to_string());
            return None;
        }
    };
    let mended = ddl::mend(route, &schema, sample.as_ref());
    let plan = Plan::new(route, &schema, settings.max_job_bytes);
    for (text, fix) in &mended {
        found.fixable(about, text.clone(), fix.clone());
    }
    match plan {
        Ok(plan) => {
            check_rights(route, &plan, &schema, store, found).await;
            Some(plan)
        }
        // What is mended above is what the plan stumbled over.
        Err(_) if !mended.is_empty() => None,
        Err(text) => {
            found.problem(about, text);
            None
        }
    }
}

async fn check_rights(
    route: &Route,
    plan: &Plan,
    schema: &TableSchema,
    store: &mut Store,
    found: &mut Findings,
) {
    let shape = Shape {
        database: schema.database.clone(),
        table: schema.name.clone(),
        columns: plan.targets.iter().map(|target| target.column.clone()).collect(),
    };
    match store.try_insert(&shape, route.on_duplicate == OnDuplicate::Update).await {
        Ok(()) => {
            let columns = shape.columns.join(", ");
            found.ok(&route.queue, format!("goes to table {}: {columns}", route.table));
        }
        Err(fault) => {
            found.problem(&route.queue, format!("cannot insert into table {}: {fault}", route.table))
        }
    }
}
