//! The SQL that would make a table fit its route. Pure. A guess for a person to look at: it is never run.

use serde_json::{Map, Value};

use crate::{
    pipeline::decode::Lack,
    route::{Conversion, Mapping, OnDuplicate, Part, Route, Unknown},
    store::{self, advice},
};

/// A table for the route; `None` when neither a mapping nor a sample says which columns.
pub(super) fn create_table(route: &Route, sample: Option<&Value>) -> Option<String> {
    let original = Route::original();
    if (&route.table, &route.columns) == (&original.table, &original.columns) {
        return store::default_table().map(|(_, statement)| statement);
    }
    let columns = columns(route, sample);
    if columns.is_empty() {
        return None;
    }
    let mut lines: Vec<String> = Vec::new();
    if !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case("id")) {
        lines.push("id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY".into());
    }
    let looked_up = room_keys(route, &columns);
    for (name, kind) in columns {
        let key = if name.eq_ignore_ascii_case("id") { " NOT NULL PRIMARY KEY" } else { "" };
        lines.push(format!("{} {kind}{key}", advice::column(&name)));
    }
    if let Some(dedupe) = &route.dedupe {
        lines.push(advice::unique_key(dedupe));
    }
    lines.extend(looked_up.iter().map(|name| format!("KEY ({})", advice::column(name))));
    Some(format!(
        "CREATE TABLE {} (\n  {}\n) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;",
        advice::name(&route.table),
        lines.join(",\n  ")
    ))
}

/// The columns by which rooms are read back when a browser catches up: the first of each room's, unless it has a key
/// already or could have none.
fn room_keys(route: &Route, columns: &[(String, String)]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let has_key = |name: &str| {
        name.eq_ignore_ascii_case("id")
            || route.dedupe.as_deref().is_some_and(|key| key.eq_ignore_ascii_case(name))
    };
    for room in route.rooms.iter().filter(|_| route.publish) {
        let first = room.parts.iter().find_map(|part| match part {
            Part::Column(name) => Some(name),
            _ => None,
        });
        let Some(name) = first else { continue };
        let takes_key = |(other, kind): &(String, String)| {
            other.eq_ignore_ascii_case(name) && (kind.starts_with("BIGINT") || kind.starts_with("VARCHAR"))
        };
        let is_new = !keys.iter().any(|key| key.eq_ignore_ascii_case(name));
        if is_new && !has_key(name) && columns.iter().any(takes_key) {
            keys.push(name.clone());
        }
    }
    keys
}

/// The statement that adds what the table lacks; `None` when it lacks nothing.
pub(super) fn mend(route: &Route, lack: &Lack, sample: Option<&Value>) -> Option<String> {
    let statement = match lack {
        Lack::Transactions => advice::with_transactions(&route.table),
        Lack::UniqueKey(column) => advice::with_unique_key(&route.table, column),
        Lack::Column(column) => {
            let is_it = |name: &str| name.eq_ignore_ascii_case(column);
            let kind = columns(route, sample).into_iter().find(|(name, _)| is_it(name));
            let kind = kind.map_or_else(|| kind_of(route, column, None, None), |(_, kind)| kind);
            let unique = route.dedupe.as_deref().is_some_and(is_it);
            let key = if unique { format!(", ADD {}", advice::unique_key(column)) } else { String::new() };
            format!(
                "ALTER TABLE {} ADD COLUMN {} {kind}{key}",
                advice::name(&route.table),
                advice::column(column)
            )
        }
        Lack::Nothing => return None,
    };
    Some(format!("{statement};"))
}

/// The columns that the route feeds, with the types that would take the sample's values.
fn columns(route: &Route, sample: Option<&Value>) -> Vec<(String, String)> {
    let sample = match sample {
        Some(Value::Array(rows)) => rows.first(),
        other => other,
    };
    let empty = Map::new();
    let keys = sample.and_then(Value::as_object).unwrap_or(&empty);
    let mut columns: Vec<(String, String)> = match &route.columns {
        Some(mappings) => mappings.iter().map(|mapping| mapped(route, mapping, sample)).collect(),
        None => {
            keys.iter().map(|(key, value)| (key.clone(), kind_of(route, key, Some(value), None))).collect()
        }
    };
    if let Unknown::Column(name) = &route.unknown {
        columns.retain(|(other, _)| other != name);
        columns.push((name.clone(), "JSON".into()));
    }
    columns
}

fn mapped(route: &Route, mapping: &Mapping, sample: Option<&Value>) -> (String, String) {
    let step = |value: &'_ Value, key: &String| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?).cloned(),
        other => other.get(key).cloned(),
    };
    let value =
        mapping.from.0.iter().try_fold(sample.cloned(), |value, key| Some(step(&value?, key))).flatten();
    (mapping.column.clone(), kind_of(route, &mapping.column, value.as_ref(), mapping.conversion))
}

fn kind_of(route: &Route, column: &str, value: Option<&Value>, conversion: Option<Conversion>) -> String {
    let is_it = |name: &str| name.eq_ignore_ascii_case(column);
    let in_room = |part: &Part| matches!(part, Part::Column(name) if is_it(name));
    // What has a key must be short.
    let unique = route.dedupe.as_deref().is_some_and(is_it)
        || route.rooms.iter().any(|room| room.parts.iter().any(in_room))
        || route.on_duplicate != OnDuplicate::Reject && is_it("id");
    match (conversion, value) {
        (Some(Conversion::UnixS), _) => "DATETIME",
        (Some(Conversion::UnixMs), _) => "DATETIME(3)",
        (Some(Conversion::UnixUs), _) => "DATETIME(6)",
        (Some(Conversion::Json), _) => "JSON",
        (Some(Conversion::Base64 | Conversion::Hex), _) if unique => "VARBINARY(191)",
        (Some(Conversion::Base64 | Conversion::Hex), _) => "LONGBLOB",
        (None, Some(Value::Number(number))) if number.is_i64() => "BIGINT",
        (None, Some(Value::Number(number))) if number.is_u64() => "BIGINT UNSIGNED",
        (None, Some(Value::Number(_))) => "DOUBLE",
        (None, Some(Value::Bool(_))) => "BOOLEAN",
        (None, Some(Value::Object(_) | Value::Array(_))) => "JSON",
        (None, Some(Value::String(text))) if is_date(text) => "DATETIME(6)",
        (None, Some(Value::String(text))) if text.chars().count() > 191 && !unique => "LONGTEXT",
        (None, _) => "VARCHAR(191)",
    }
    .to_owned()
}

fn is_date(text: &str) -> bool {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::route::{RoomTemplate, Table};

    #[test]
    fn a_table_is_guessed_from_the_keys_of_a_sample() {
        let mut route = Route::new("q", Table::parse("orders").unwrap());
        assert_eq!(create_table(&route, None), None);
        route.dedupe = Some("ref".into());
        let at = "2026-01-31T00:00:00Z";
        let sample = json!({"at": at, "big": u64::MAX, "meta": {}, "n": 1, "ok": true, "ref": "a", "x": 1.5});
        let sql = create_table(&route, Some(&sample)).unwrap();
        for line in [
            "CREATE TABLE `orders` (",
            "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,",
            "`at` DATETIME(6)",
            "`big` BIGINT UNSIGNED",
            "`meta` JSON",
            "`n` BIGINT,",
            "`ok` BOOLEAN",
            "`ref` VARCHAR(191)",
            "`x` DOUBLE",
            "UNIQUE KEY (`ref`)",
            "ENGINE = InnoDB",
        ] {
            assert!(sql.contains(line), "no {line} in {sql}");
        }
    }

    #[test]
    fn the_columns_by_which_rooms_are_read_back_have_keys() {
        let mut route = Route::new("q", Table::parse("orders").unwrap());
        let rooms =
            ["{table}", "c:{customer}", "{city}:{customer}", "p:{price}", "r:{ref}", "again:{customer}"];
        route.rooms = rooms.map(|room| RoomTemplate::parse(room).unwrap()).to_vec();
        route.dedupe = Some("ref".into());
        let sample = json!({"customer": 7, "city": "x".repeat(300), "price": 1.5, "ref": "a"});
        let sql = create_table(&route, Some(&sample)).unwrap();
        let keys: Vec<&str> = sql.lines().map(str::trim).filter(|line| line.contains("KEY (")).collect();
        assert_eq!(keys, ["UNIQUE KEY (`ref`),", "KEY (`customer`),", "KEY (`city`)"], "{sql}");
        assert!(sql.contains("`city` VARCHAR(191)"), "a key's column is short: {sql}");
        route.publish = false;
        assert!(!create_table(&route, Some(&sample)).unwrap().contains(" KEY (`customer`)"));
    }

    #[test]
    fn the_default_routes_table_is_the_one_that_a_migration_creates() {
        let sql = create_table(&Route::original(), None).unwrap();
        let migration = include_str!("../../../migrations/20261120000002_pre_qqaccount.sql");
        assert!(
            sql.starts_with("CREATE TABLE IF NOT EXISTS pre_qqaccount (") && migration.contains(&sql),
            "{sql}"
        );
    }

    #[test]
    fn a_missing_dedupe_column_is_added_with_its_key() {
        let mut route = Route::new("q", Table::parse("orders").unwrap());
        route.dedupe = Some("ref".into());
        let sql = mend(&route, &Lack::Column("ref".into()), None).unwrap();
        assert_eq!(sql, "ALTER TABLE `orders` ADD COLUMN `ref` VARCHAR(191), ADD UNIQUE KEY (`ref`);");
        assert_eq!(mend(&route, &Lack::Nothing, None), None);
    }

    #[test]
    fn a_mapping_names_the_columns_and_its_sources_the_values() {
        let mut route = Route::new("q", Table::parse("shop.orders").unwrap());
        let mapping =
            ["a=/meta/0/n", "b=ts as unix_ms", "c=nowhere"].map(|text| Mapping::parse(text).unwrap());
        route.columns = Some(mapping.to_vec());
        let sql = create_table(&route, Some(&json!({"meta": [{"n": -1}]}))).unwrap();
        for line in ["`shop`.`orders`", "`a` BIGINT", "`b` DATETIME(3)", "`c` VARCHAR(191)"] {
            assert!(sql.contains(line), "no {line} in {sql}");
        }
    }
}
