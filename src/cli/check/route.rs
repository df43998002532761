//! One route against its live table: all that does not fit, each with the statement that would mend it.

use super::{ddl, finding::Findings};
use crate::{
    config::Settings,
    gateway,
    pipeline::decode::{Misfit, Plan},
    route::{Mapping, OnDuplicate, Route},
    store::{Column, Fault, Pages, Shape, Store, TableSchema},
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
            // Whoever meant another table is not to be led to create this one.
            let is_slip = store.meant(&route.table).await.is_ok_and(|meant| meant.is_some());
            match ddl::create_table(route, sample.as_ref()) {
                _ if is_slip => found.problem(about, text),
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
    let plan = Plan::lay(route, &schema, settings.max_job_bytes);
    for Misfit { text, lacks } in plan.as_ref().err().into_iter().flatten() {
        match ddl::mend(route, lacks, sample.as_ref()) {
            Some(fix) => found.fixable(about, text.clone(), fix),
            None => found.problem(about, text.clone()),
        }
    }
    check_rights(route, plan.as_ref().ok(), &schema, store, found).await;
    plan.ok()
}

/// Whether a gateway could read the rows of the route's rooms back. Without that all else works.
pub(super) async fn check_rooms(route: &Route, settings: &Settings, found: &mut Findings) {
    let about = route.queue.as_str();
    let read = match Pages::new(&settings.database_url) {
        Ok(pages) => pages.schema(&route.table).await.map_err(|fault| fault.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok((schema, indexes)) => {
            for text in gateway::not_caught_up_on(route, &settings.routes, schema, indexes) {
                found.warning(about, text);
            }
        }
        Err(sentence) => {
            found.warning(about, format!("cannot tell which rooms can be caught up on: {sentence}"))
        }
    }
}

/// Tries the right to insert: into all columns of the plan, or where there is none, into those that the route names and
/// those that every row must give.
async fn check_rights(
    route: &Route,
    plan: Option<&Plan>,
    schema: &TableSchema,
    store: &mut Store,
    found: &mut Findings,
) {
    let names = |column: &&Column| {
        let is_it = |mapping: &Mapping| mapping.column.eq_ignore_ascii_case(&column.name);
        let needed = !column.nullable && !column.has_default;
        let named = route.columns.as_ref().is_none_or(|mappings| mappings.iter().any(is_it));
        !column.generated && (needed || named)
    };
    let columns: Vec<String> = match plan {
        Some(plan) => plan.targets.iter().map(|target| target.column.clone()).collect(),
        None => schema.columns.iter().filter(names).map(|column| column.name.clone()).collect(),
    };
    if columns.is_empty() {
        // The route names none that is there, which has been told.
        return;
    }
    let shape = Shape { database: schema.database.clone(), table: schema.name.clone(), columns };
    match store.try_insert(&shape, route.on_duplicate == OnDuplicate::Update).await {
        Ok(()) if plan.is_some() => {
            let columns = shape.columns.join(", ");
            found.ok(&route.queue, format!("goes to table {}: {columns}", route.table));
        }
        // That the rights are there says little of a route that cannot work.
        Ok(()) => {}
        Err(fault) => {
            found.problem(&route.queue, format!("cannot insert into table {}: {fault}", route.table))
        }
    }
}
