//! A route laid over the live schema of its table: which key goes where, found out once instead of for every job.

use crate::{
    route::{Mapping, Part, Route, Source, Unknown},
    spelling::did_you_mean,
    store::{Column, ColumnKind, TableSchema},
};

use super::{Misfit, Target};

/// All that decoding needs to know of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The database of the table.
    pub database: String,
    /// The table.
    pub table: String,
    /// The columns that rows give, in the table's order.
    pub targets: Vec<Target>,
    /// The keys that a job is searched for.
    pub(super) keys: Vec<Key>,
    /// What becomes of other keys.
    pub(super) unknown: Others,
    /// The column whose value tells duplicates, by its place among the targets.
    pub dedupe: Option<usize>,
    /// Where a row's id comes from.
    pub id: RowId,
    /// The table's AUTO_INCREMENT column.
    pub auto_increment: Option<String>,
    /// A job of more bytes is rejected.
    pub max_job_bytes: usize,
}

/// Where a row's id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowId {
    /// The server counts it up.
    Counted,
    /// The job gives it, in this target.
    Given(usize),
    /// The table has no key of one column.
    None,
}

/// A first-level key and where its value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    /// The targets that take the value itself.
    pub(super) whole: Vec<usize>,
    /// The targets that take something inside it, each with the rest of its path.
    pub(super) inside: Vec<(Vec<String>, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Ignore,
    Reject,
    Collect(usize),
}

impl Plan {
    /// Lays a route over a schema.
    ///
    /// # Errors
    /// Sentences for whoever wrote the route, see [`Plan::lay`].
    pub fn new(route: &Route, schema: &TableSchema, max_job_bytes: usize) -> Result<Self, String> {
        Self::lay(route, schema, max_job_bytes).map_err(|misfits| {
            let texts: Vec<String> = misfits.into_iter().map(|misfit| misfit.text).collect();
            texts.join("; ")
        })
    }

    /// Lays a route over a schema, and says one by one what does not fit.
    ///
    /// # Errors
    /// All that does not fit: columns that are not there, that every insert would miss or that take no such value, a
    /// `dedupe` without a unique key, rooms made of nothing, a table without transactions.
    pub fn lay(route: &Route, schema: &TableSchema, max_job_bytes: usize) -> Result<Self, Vec<Misfit>> {
        let engine = schema.not_transactional.as_deref();
        let mut misfits: Vec<Misfit> =
            engine.map(|engine| Misfit::no_transactions(route, engine)).into_iter().collect();
        let mut plan = Self {
            database: schema.database.clone(),
            table: schema.name.clone(),
            targets: Vec::new(),
            keys: Vec::new(),
            unknown: Others::Ignore,
            dedupe: None,
            id: RowId::None,
            auto_increment: schema.columns.iter().find(|c| c.auto_increment).map(|c| c.name.clone()),
            max_job_bytes,
        };
        for (column, mapping) in chosen(route, schema, &mut misfits) {
            misfits.extend(Misfit::of_mapping(column, mapping.conversion));
            plan.add(column, &mapping);
        }
        match &route.unknown {
            Unknown::Ignore => {}
            Unknown::Reject => plan.unknown = Others::Reject,
            Unknown::Column(name) => match plan.collector(schema, name) {
                Ok(target) => plan.unknown = Others::Collect(target),
                Err(misfit) => misfits.push(misfit),
            },
        }
        misfits.extend(plan.never_fed(schema));
        match route.dedupe.as_deref().map(|name| plan.dedupe_column(schema, name)) {
            Some(Err(misfit)) if !misfits.contains(&misfit) => misfits.push(misfit),
            Some(Err(_)) | None => {}
            Some(Ok(target)) => plan.dedupe = Some(target),
        }
        plan.id = plan.row_id(schema);
        misfits.extend(plan.empty_rooms(route));
        if misfits.is_empty() { Ok(plan) } else { Err(misfits) }
    }

    /// The place of a column among the targets.
    pub fn target(&self, column: &str) -> Option<usize> {
        self.targets.iter().position(|target| target.column.eq_ignore_ascii_case(column))
    }

    /// How many values a row has.
    pub fn width(&self) -> usize {
        self.targets.len()
    }

    /// Where jobs are searched for a target's value; `None` for the one that takes the keys that no other takes.
    pub(super) fn source(&self, target: &Target) -> Option<Source> {
        let sought = self.target(&target.column)?;
        self.keys.iter().find_map(|key| {
            let inside =
                key.inside.iter().find(|(_, target)| *target == sought).map(|(path, _)| path.clone());
            let rest = if key.whole.contains(&sought) { Vec::new() } else { inside? };
            Some(Source([vec![key.name.clone()], rest].concat()))
        })
    }

    fn add(&mut self, column: &Column, mapping: &Mapping) {
        let target = self.targets.len();
        self.targets.push(Target::new(column, mapping.conversion));
        let Source(path) = &mapping.from;
        let at = self.keys.iter().position(|key| key.name == path[0]).unwrap_or_else(|| {
            self.keys.push(Key { name: path[0].clone(), whole: Vec::new(), inside: Vec::new() });
            self.keys.len() - 1
        });
        match path.len() {
            1 => self.keys[at].whole.push(target),
            _ => self.keys[at].inside.push((path[1..].to_vec(), target)),
        }
    }

    fn collector(&mut self, schema: &TableSchema, name: &str) -> Result<usize, Misfit> {
        let column = schema.column(name).ok_or_else(|| Misfit::no_column(schema, name))?;
        if !matches!(column.kind, ColumnKind::Json | ColumnKind::Text) {
            return Err(Misfit::of_route(format!(
                "unknown keys go to column {name:?}, which is a {}; it must be JSON",
                column.type_name
            )));
        }
        if let Some(taken) = self.target(name) {
            // Matched by name it was only a candidate; a mapping of its own is a contradiction.
            self.keys.retain(|key| !key.whole.contains(&taken));
            return Ok(taken);
        }
        self.targets.push(Target::new(column, None));
        Ok(self.targets.len() - 1)
    }

    fn never_fed(&self, schema: &TableSchema) -> Vec<Misfit> {
        let needed = |column: &&Column| !column.nullable && !column.has_default && !column.generated;
        let columns = schema.columns.iter().filter(needed);
        let columns = columns.filter(|column| self.target(&column.name).is_none());
        let misfit = |column: &Column| {
            Misfit::of_route(format!(
                "column {:?} of {}.{} has no default and no key feeds it, so every insert would fail; \
                 map it, or ALTER TABLE to give it a default",
                column.name, schema.database, schema.name
            ))
        };
        columns.map(misfit).collect()
    }

    fn dedupe_column(&self, schema: &TableSchema, name: &str) -> Result<usize, Misfit> {
        let column = schema.column(name).ok_or_else(|| Misfit::no_column(schema, name))?;
        let target = self
            .target(name)
            .ok_or_else(|| Misfit::of_route(format!("dedupe column {name:?} is fed by no key; map it")))?;
        if column.unique { Ok(target) } else { Err(Misfit::no_unique_key(schema, name)) }
    }

    fn row_id(&self, schema: &TableSchema) -> RowId {
        if let Some(counted) = schema.columns.iter().find(|column| column.auto_increment) {
            return self.target(&counted.name).map_or(RowId::Counted, RowId::Given);
        }
        let mut keys = schema.columns.iter().filter(|column| column.primary);
        match (keys.next(), keys.next()) {
            (Some(key), None) => self.target(&key.name).map_or(RowId::None, RowId::Given),
            _ => RowId::None,
        }
    }

    fn empty_rooms(&self, route: &Route) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        for room in &route.rooms {
            for part in &room.parts {
                let Part::Column(name) = part else { continue };
                let is_it = |other: &str| other.eq_ignore_ascii_case(name);
                let counted = self.auto_increment.as_deref().is_some_and(is_it);
                // Of a column that is mapped and not there it was said already that it is not there.
                let mapped = route.columns.iter().flatten().any(|mapping| is_it(&mapping.column));
                if self.target(name).is_none() && !counted && !mapped {
                    let room = room.to_string();
                    let meant = did_you_mean(name, self.targets.iter().map(|target| &*target.column));
                    misfits.push(Misfit::of_route(format!(
                        "room {room:?} is made of {name:?}, which no key feeds{meant}"
                    )));
                }
            }
        }
        misfits
    }
}

/// The columns of a route with their mappings, in the table's order.
fn chosen<'a>(
    route: &'a Route,
    schema: &'a TableSchema,
    misfits: &mut Vec<Misfit>,
) -> Vec<(&'a Column, std::borrow::Cow<'a, Mapping>)> {
    use std::borrow::Cow;
    let Some(mappings) = &route.columns else {
        let usable = |column: &&Column| !column.generated && column.kind != ColumnKind::Other;
        let columns = schema.columns.iter().filter(usable);
        return columns.map(|c| (c, Cow::Owned(Mapping::plain(&c.name, &c.name)))).collect();
    };
    let mut chosen = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        match schema.column(&mapping.column) {
            Some(column) => chosen.push((column, Cow::Borrowed(mapping))),
            None => misfits.push(Misfit::no_column(schema, &mapping.column)),
        }
    }
    chosen.sort_by_key(|(column, _)| schema.columns.iter().position(|other| other.name == column.name));
    chosen
}

#[cfg(test)]
mod tests;
