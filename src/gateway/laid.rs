//! A route laid over its table's schema: which rows are in a room, and how they are read back.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    pipeline::{decode::Plan, events::EventWriter},
    route::Route,
    store::{Column, ColumnKind, Condition, Key, Selection, TableSchema},
};

/// The route laid over the table's schema.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) schema: TableSchema,
    /// The indexes with their first columns.
    indexes: Vec<(String, String)>,
    id: String,
    columns: Vec<String>,
    pub(super) writer: EventWriter,
    read: Instant,
}

/// How old what is known of a table may be.
const SCHEMA_AGE: Duration = Duration::from_secs(60);

impl Laid {
    /// # Errors
    /// A sentence that says why its rows cannot be read back.
    pub(super) fn new(
        route: &Route,
        schema: TableSchema,
        indexes: Vec<(String, String)>,
        key: &str,
    ) -> Result<Self, String> {
        let plan = Plan::new(route, &schema, usize::MAX)?;
        let id = plan.auto_increment.clone();
        let id =
            id.ok_or_else(|| format!("table {} has no AUTO_INCREMENT column to count by", route.table))?;
        if route.columns.is_some() && plan.target(&id).is_some() {
            return Err(format!("the jobs give {id:?}: ids that the server does not count have no order"));
        }
        let writer = EventWriter::new(key, route, &plan).map_err(|error| error.to_string())?;
        let columns = plan.targets.into_iter().map(|target| target.column).collect();
        Ok(Self { schema, indexes, id, columns, writer, read: Instant::now() })
    }

    /// Whether what is known of the table is no older than it may be.
    pub(super) fn is_fresh(&self) -> bool {
        self.read.elapsed() < SCHEMA_AGE
    }

    /// All rows.
    pub(super) fn everything(&self) -> Selection {
        let index = self.index_on(|column| column.eq_ignore_ascii_case(&self.id));
        self.selection(Vec::new(), index)
    }

    /// The rows of a room, and perhaps some more; `None` when no row can be in it.
    ///
    /// # Errors
    /// A sentence that says why they cannot be read.
    pub(super) fn of_room(&self, route: &Route, room: &str) -> Result<Option<Selection>, String> {
        let mut conditions: Vec<Condition> = Vec::new();
        for template in &route.rooms {
            let too_many =
                || format!("room {room:?} can be read in too many ways by {:?}", template.to_string());
            for way in template.read(&route.table.name, room).ok_or_else(too_many)? {
                if way.is_empty() {
                    return Ok(Some(self.everything()));
                }
                conditions.extend(self.condition(&way)?);
            }
        }
        let names = |condition: &Condition| -> BTreeSet<String> {
            condition.iter().map(|(column, _)| column.clone()).collect()
        };
        let Some(first) = conditions.first().map(names) else { return Ok(None) };
        if conditions.iter().any(|condition| names(condition) != first) {
            return Err(format!("room {room:?} is made of different columns by different templates"));
        }
        let Some(index) = self.index_on(|column| first.iter().any(|name| name.eq_ignore_ascii_case(column)))
        else {
            let columns: Vec<String> = first.into_iter().collect();
            return Err(format!(
                "no index of table {table} begins with {or}; ALTER TABLE {table} ADD INDEX ({list})",
                table = route.table,
                or = columns.join(" or "),
                list = columns.join(", "),
            ));
        };
        Ok(Some(self.selection(conditions, Some(index))))
    }

    fn selection(&self, any_of: Vec<Condition>, index: Option<String>) -> Selection {
        let Self { schema, id, columns, .. } = self;
        Selection { schema: schema.clone(), id: id.clone(), columns: columns.clone(), any_of, index }
    }

    /// The first index whose first column is one of these.
    fn index_on(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.indexes.iter().find(|(_, column)| is_it(column)).map(|(index, _)| index.clone())
    }

    /// The columns' texts as values; `None` when no row has such values.
    fn condition(&self, way: &[(&str, &str)]) -> Result<Option<Condition>, String> {
        let mut condition = Condition::new();
        for (name, text) in way {
            // The plan knows all columns of the templates.
            let Some(column) = self.schema.column(name) else { return Ok(None) };
            match key(column, text)? {
                Some(key) => condition.push((column.name.clone(), key)),
                None => return Ok(None),
            }
        }
        Ok(Some(condition))
    }
}

/// The value whose text in a room's name is this one.
fn key(column: &Column, text: &str) -> Result<Option<Key>, String> {
    // Of two texts for the same number only one is what events have.
    let signed = || text.parse().ok().filter(|number: &i64| number.to_string() == text).map(Key::Int);
    let unsigned = || text.parse().ok().filter(|number: &u64| number.to_string() == text).map(Key::UInt);
    match column.kind {
        ColumnKind::Int => Ok(signed().or_else(unsigned)),
        ColumnKind::Text | ColumnKind::Member => Ok(Some(Key::Text(text.to_owned()))),
        _ => Err(format!(
            "column {} is a {}: rooms are read backwards only where they are made of whole numbers and text",
            column.name, column.type_name
        )),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::route::{RoomTemplate, Table};

    pub(in crate::gateway) fn column(name: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.into(),
            kind,
            type_name: "type".into(),
            collation: None,
            nullable: true,
            has_default: name == "id",
            auto_increment: name == "id",
            generated: false,
            unique: name == "id",
            primary: name == "id",
        }
    }

    pub(in crate::gateway) fn route(rooms: &[&str]) -> Route {
        let rooms = rooms.iter().map(|room| RoomTemplate::parse(room).unwrap()).collect();
        Route { rooms, ..Route::new("q", Table::parse("orders").unwrap()) }
    }

    pub(in crate::gateway) fn schema() -> TableSchema {
        let columns = vec![
            column("id", ColumnKind::Int),
            column("account", ColumnKind::Int),
            column("name", ColumnKind::Text),
            column("price", ColumnKind::Decimal { scale: 2 }),
        ];
        TableSchema { database: "d".into(), name: "orders".into(), columns, not_transactional: None }
    }

    pub(in crate::gateway) fn indexes() -> Vec<(String, String)> {
        let indexes = [("PRIMARY", "id"), ("by_account", "account")];
        indexes.map(|(index, column)| (index.to_owned(), column.to_owned())).to_vec()
    }

    fn laid(route: &Route) -> Laid {
        Laid::new(route, schema(), indexes(), "socket.io").unwrap()
    }

    #[test]
    fn a_room_is_read_through_an_index_or_refused_with_what_to_do() {
        let route = route(&["{table}", "a:{account}", "n:{name}", "p:{price}", "{account}:{name}"]);
        let laid = laid(&route);
        let room = |room: &str| laid.of_room(&route, room);
        let whole = room("orders").unwrap().unwrap();
        assert_eq!((whole.any_of.len(), whole.index.as_deref()), (0, Some("PRIMARY")));
        let account = room("a:7").unwrap().unwrap();
        assert_eq!(account.any_of, [[("account".to_owned(), Key::Int(7))]]);
        assert_eq!(account.index.as_deref(), Some("by_account"));
        // No row's event has this text.
        for none in ["a:07", "a:x", "a:", "nowhere"] {
            assert_eq!(room(none).unwrap(), None, "{none}");
        }
        let refused = room("n:x").unwrap_err();
        assert!(refused.contains("begins with name; ALTER TABLE orders ADD INDEX (name)"), "{refused}");
        assert!(room("p:1.50").unwrap_err().contains("price"));
        let both = room("7:n").unwrap().unwrap();
        assert_eq!(both.any_of.len(), 1);
        assert_eq!(both.any_of[0][1], ("name".to_owned(), Key::Text("n".to_owned())));
    }
}
