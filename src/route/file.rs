//! The routes file: TOML, one `[[route]]` table for each route.

mod slips;
mod text_or;

use std::collections::BTreeMap;

use serde::Deserialize;

use slips::{EACH_ROUTE, in_words};
use text_or::{Expected, TextOr};

use super::{Conversion, Mapping, OnDuplicate, RoomTemplate, Route, Source, Table, Unknown};

/// Parses the text of a routes file.
///
/// # Errors
/// A sentence that says which line or which route is wrong, and what would be right.
pub fn parse_file(text: &str) -> Result<Vec<Route>, String> {
    let file: File = toml::from_str(text).map_err(|e| in_words(text, &e))?;
    if file.route.is_empty() {
        return Err(format!("it holds no [[route]]; {EACH_ROUTE}"));
    }
    let mut routes: Vec<Route> = Vec::with_capacity(file.route.len());
    for entry in file.route {
        let queue = entry.queue.clone();
        let route = entry.into_route().map_err(|e| format!("route of queue {queue:?}: {e}"))?;
        if routes.iter().any(|other| other.queue == route.queue) {
            return Err(format!("queue {queue:?} has two routes; one queue feeds one table"));
        }
        routes.push(route);
    }
    Ok(routes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    route: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    queue: String,
    table: String,
    columns: Option<BTreeMap<String, TextOr<Column>>>,
    rooms: Option<Vec<String>>,
    event: Option<String>,
    namespace: Option<String>,
    publish: Option<bool>,
    dedupe: Option<String>,
    on_duplicate: Option<OnDuplicate>,
    unknown: Option<TextOr<Others>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    from: String,
    #[serde(rename = "as")]
    conversion: Option<String>,
}

impl Expected for Column {
    const EXPECTED: &'static str = "a key, or { from = \"/pointer\", as = \"conversion\" }";
}

/// Where the keys go that no column takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Others {
    column: String,
}

impl Expected for Others {
    const EXPECTED: &'static str = "\"ignore\", \"reject\" or { column = \"name\" }";
}

impl Entry {
    fn into_route(self) -> Result<Route, String> {
        let mut route = Route::new(&self.queue, Table::parse(&self.table)?);
        route.columns = self.columns.map(mappings).transpose()?;
        if let Some(rooms) = self.rooms {
            route.rooms = rooms.iter().map(|room| RoomTemplate::parse(room)).collect::<Result<_, _>>()?;
        }
        if let Some(event) = self.event {
            route.event = event;
        }
        if let Some(namespace) = self.namespace {
            route.namespace = super::namespace(&namespace)?;
        }
        route.publish = self.publish.unwrap_or(true);
        route.dedupe = self.dedupe;
        route.on_duplicate = self.on_duplicate.unwrap_or_else(|| default_on_duplicate(&route));
        route.unknown = self.unknown.map(unknown).transpose()?.unwrap_or_default();
        route.check().map_err(|(_, problem)| problem)?;
        Ok(route)
    }
}

/// With a `dedupe` column a repeated job is what is expected; without one it is a fault.
pub(crate) fn default_on_duplicate(route: &Route) -> OnDuplicate {
    if route.dedupe.is_some() { OnDuplicate::Ignore } else { OnDuplicate::Reject }
}

fn mappings(columns: BTreeMap<String, TextOr<Column>>) -> Result<Vec<Mapping>, String> {
    columns
        .into_iter()
        .map(|(column, entry)| {
            let (from, conversion) = match entry {
                TextOr::Text(from) => (from, None),
                TextOr::Table(full) => (full.from, full.conversion),
            };
            let wrong = |e: String| format!("column {column:?}: {e}");
            Ok(Mapping {
                from: Source::parse(&from).map_err(wrong)?,
                conversion: conversion.map(|name| Conversion::parse(&name)).transpose().map_err(wrong)?,
                column,
            })
        })
        .collect()
}

fn unknown(entry: TextOr<Others>) -> Result<Unknown, String> {
    match entry {
        TextOr::Table(Others { column }) => Ok(Unknown::Column(column)),
        TextOr::Text(word) => Unknown::parse_word(&word),
    }
}

impl Unknown {
    /// Parses `ignore` or `reject`; a column is written `column:name` in the environment.
    ///
    /// # Errors
    /// A sentence with the words there are.
    pub fn parse_word(word: &str) -> Result<Self, String> {
        match (word, word.strip_prefix("column:")) {
            ("ignore", _) => Ok(Self::Ignore),
            ("reject", _) => Ok(Self::Reject),
            (_, Some(column)) if !column.is_empty() => Ok(Self::Column(column.to_owned())),
            _ => Err(format!(
                "unknown = {word:?} is not known; there are ignore, reject, and column:NAME for a column that keeps them"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
        [[route]]
        queue = "message"
        table = "pre_qqaccount"
        columns = { accountid = "time", openid = "stamp", seen_at = { from = "/meta/ts", as = "unix_ms" } }
        rooms = ["{table}", "account:{accountid}"]
        event = "row"
        dedupe = "openid"
        on_duplicate = "ignore"
        unknown = "ignore"
    "#;

    #[test]
    fn tabs_and_the_ends_of_lines_of_other_systems_are_no_fault() {
        let routes = parse_file("\t[[route]]\r\n\tqueue\t=\t'q'\r\n\ttable = 't'\t# end\r\n").unwrap();
        assert_eq!((routes[0].queue.as_str(), routes[0].table.name.as_str()), ("q", "t"));
        assert_eq!(
            parse_file("\u{feff}[[route]]\nqueue = 'q'\ntable = 't'\n").map(|routes| routes.len()),
            Ok(1)
        );
    }

    #[test]
    fn the_full_example_is_read() {
        let routes = parse_file(FULL).unwrap();
        let route = &routes[0];
        assert_eq!(route.columns.as_ref().unwrap().len(), 3);
        assert_eq!(route.rooms[1].to_string(), "account:{accountid}");
        assert_eq!(route.on_duplicate, OnDuplicate::Ignore);
        assert_eq!(route.dedupe.as_deref(), Some("openid"));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let cases = [
            ("", "no [[route]]; each route begins with a line [[route]]"),
            ("# nothing\n\t\n", "no [[route]]"),
            ("[route]\nqueue = \"q\"\ntable = \"t\"", "write [[route]] with two brackets"),
            ("queue = \"q\"\ntable = \"t\"", "each route begins with a line [[route]]"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\n[columns]\na = \"b\"", "write [route.columns]"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\n[[route.columns]]\na = \"b\"", "columns is one table"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolumns = \"a=b\"", "the form of ROWCAST_COLUMNS"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\n\tcolumns\t=\t\"a=b\"", "the form of ROWCAST_COLUMNS"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\nrooms = \"{table}\"", "rooms is a list"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\nqueue = \"r\"", "duplicate key"),
            ("[[route]]\nqueue = 7\ntable = \"t\"", "line 2, column 9 (queue = 7): expected text in quotes"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\npublish = \"no\"", "): expected true or false"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\nevent = 2026-01-31", "): expected text in quotes"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\non_duplicate = 1", "): expected text in quotes"),
            (
                "[[route]]\nqueue = \"q\"\ntable = \"t\"\non_duplicate = \"drop\"",
                "`drop` is not known; there are `reject`, `ignore`, `update`",
            ),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolumns = {a = 1}", "as = \"conversion\" }"),
            ("route = [\"a\"]", "expected a table for each route"),
            ("[[route]]\nqueue = \"q\"", "([[route]]): `table` is missing"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolour = 1", "`unknown`"),
            ("[[route]]\nqueue = \"q\"\ntabel = \"t\"", "did you mean table?"),
            ("[[routes]]\nqueue = \"q\"", "did you mean route?"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\nevent = \"disconnect\"", "reserved"),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\nunknown = \"drop\"", "ignore, reject"),
            ("[[route]]\nqueue = 'q'\ntable = 't'\nunknown = 1", "): expected \"ignore\", \"reject\" or {"),
            (
                "[[route]]\nqueue = 'q'\ntable = 't'\nunknown = { column = 'x', b = 1 }",
                "line 4, column 27 (unknown = { column = 'x', b = 1 }): unknown field `b`",
            ),
            ("[[route]]\nqueue = 'q'\ntable = 't'\nunknown = { colum = 'x' }", "did you mean column?"),
            ("[[route]]\nqueue = 'q'\ntable = 't'\nunknown = {}", "`column` is missing"),
            ("[[route]]\nqueue = 'q'\ntable = 't'\ncolumns = { a = { form = 'x' } }", "did you mean from?"),
            ("[[route]]\nqueue = 'q'\ntable = 't'\ncolumns.a = { as = 'hex' }", "): `from` is missing"),
            ("[[route]]\nqueue = 'q'\ntable = 't'\ncolumns.a = 2026-01-31", "): expected text in quotes"),
            (
                "[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolumns = { a = { from = \"b\", as = \"days\" } }",
                "unix_ms",
            ),
            (
                "[[route]]\nqueue = \"q\"\ntable = \"t\"\n[[route]]\nqueue = \"q\"\ntable = \"u\"",
                "two routes",
            ),
            (
                "[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolumns.a = \"ts as unix_ms\"",
                "column \"a\": \"ts as unix_ms\" is no",
            ),
            ("[[route]]\nqueue = \"q\"\ntable = \"t\"\ncolumns.a.from = \"b/c\"", "that is \"/b/c\""),
            (
                "[[route]]\nqueue = \"q\"\n\ttabel = \"t\"\n",
                "line 3, column 2 (tabel = \"t\"): unknown field `tabel`",
            ),
            ("[[route]]\nqueue = 'q", "line 2, column 11 (queue = 'q): "),
        ];
        for (text, expected) in cases {
            let error = parse_file(text).unwrap_err();
            assert!(error.contains(expected), "{text:?} gave {error:?}");
            assert_eq!(error.lines().count(), 1, "a line of a log: {error:?}");
            assert!(!error.contains("invalid type"), "a word of another language: {error:?}");
        }
    }
}
