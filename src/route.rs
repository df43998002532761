//! A route: this queue into this table, these columns, these rooms. Pure data, checked as far as it can be
//! without a server; whether the table has these columns is for [`crate::pipeline::decode::Plan`] to say.

mod file;
mod template;

use std::fmt;

use serde::Deserialize;

use crate::emitter::with_slash;

pub(crate) use file::default_on_duplicate;
pub use file::parse_file;
pub use template::{Part, RoomTemplate};

/// The namespace in which it is told what happens to processes, to those who look after the cluster.
pub const CLUSTER: &str = "/cluster";
/// Why nothing else is done there.
pub const FOR_OPERATORS: &str = "the namespace /cluster is for those who have ROWCAST_READ_TOKEN or ROWCAST_ADMIN_TOKEN, \
                                 to hear what happens to processes: name another one";

/// The namespace of a route by this name, with its slash.
///
/// # Errors
/// One that is for others.
pub fn namespace(name: &str) -> Result<String, String> {
    let name = with_slash(name);
    if name == CLUSTER { Err(FOR_OPERATORS.to_owned()) } else { Ok(name) }
}

/// One line of configuration: where jobs come from, where rows go, who hears of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Redis list that producers push to. It also names the route: one route for each queue.
    pub queue: String,
    /// The table that rows go into.
    pub table: Table,
    /// Which key goes to which column; `None` matches keys to columns of the same name.
    pub columns: Option<Vec<Mapping>>,
    /// The rooms that hear of a row; none means everyone in the namespace.
    pub rooms: Vec<RoomTemplate>,
    /// The socket.io event's name.
    pub event: String,
    /// The socket.io namespace, with its slash.
    pub namespace: String,
    /// Whether rows are published at all.
    pub publish: bool,
    /// A column with a unique key: a job whose value is there already is a duplicate, not an error.
    pub dedupe: Option<String>,
    /// What becomes of a row whose unique key is there already.
    pub on_duplicate: OnDuplicate,
    /// What becomes of keys that no column takes.
    pub unknown: Unknown,
}

/// A table's name, with its database when it is not the one of `DATABASE_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The database, when it is named: `shop.orders`.
    pub database: Option<String>,
    /// The table itself.
    pub name: String,
}

/// One column and the place in the job that it is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The column's name.
    pub column: String,
    /// Where its value stands in the job.
    pub from: Source,
    /// A named conversion; without one the column's type decides.
    pub conversion: Option<Conversion>,
}

/// A place in a job: the keys to descend by, one for a plain key, more for a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(pub Vec<String>);

/// A conversion that a mapping can name with `as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// Seconds since 1970 (fractions allowed) to a date.
    UnixS,
    /// Milliseconds since 1970 to a date.
    UnixMs,
    /// Microseconds since 1970 to a date.
    UnixUs,
    /// The value's own JSON text, whatever its type, to a text column.
    Json,
    /// Base64 to bytes, for a column that is not binary by its type.
    Base64,
    /// Hexadecimal digits to bytes.
    Hex,
}

/// What becomes of a row whose unique key is in the table already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDuplicate {
    /// The job becomes a dead letter with the server's error 1062.
    #[default]
    Reject,
    /// The job counts as a duplicate; the row stays as it is.
    Ignore,
    /// The job counts as a duplicate; the row takes the job's values.
    Update,
}

/// What becomes of a job's keys that no column takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unknown {
    /// They are left out.
    #[default]
    Ignore,
    /// The job becomes a dead letter.
    Reject,
    /// They are collected into one JSON object in this column.
    Column(String),
}

impl Route {
    /// The route of the original system: `message` into `pre_qqaccount`.
    pub fn original() -> Self {
        Self {
            columns: Some(vec![Mapping::plain("accountid", "time"), Mapping::plain("openid", "stamp")]),
            ..Self::new("message", Table::parse("pre_qqaccount").expect("a plain name"))
        }
    }

    /// A route with every default: keys matched to columns, rooms `{table}`, event `row`.
    pub fn new(queue: &str, table: Table) -> Self {
        Self {
            queue: queue.to_owned(),
            table,
            columns: None,
            rooms: vec![RoomTemplate::parse("{table}").expect("a known template")],
            event: "row".to_owned(),
            namespace: "/".to_owned(),
            publish: true,
            dedupe: None,
            on_duplicate: OnDuplicate::default(),
            unknown: Unknown::default(),
        }
    }

    /// Checks what needs no server. Returns the field that is wrong, by its name in the routes file, and a sentence.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let Self { queue, event, .. } = self;
        if queue.is_empty() {
            return Err(("queue", "queue is empty; name the Redis list to take jobs from".into()));
        }
        if queue.ends_with(' ') {
            let problem =
                format!("queue {queue:?} ends in a space, which a database does not tell from none");
            return Err(("queue", problem));
        }
        if queue.len() > 191 {
            let problem = format!("queue {queue:?} is longer than 191 bytes, the width of a route's name");
            return Err(("queue", problem));
        }
        if crate::emitter::RESERVED_EVENTS.contains(&event.as_str()) {
            let problem = format!("event {event:?} is reserved by socket.io; choose another name");
            return Err(("event", problem));
        }
        self.columns.as_deref().map_or(Ok(()), check_columns).map_err(|problem| ("columns", problem))
    }
}

fn check_columns(columns: &[Mapping]) -> Result<(), String> {
    if columns.is_empty() {
        return Err("columns is empty; leave it out to match keys to columns by name".into());
    }
    for (at, mapping) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| other.column.eq_ignore_ascii_case(&mapping.column)) {
            return Err(format!("column {:?} is mapped twice", mapping.column));
        }
    }
    Ok(())
}

impl Table {
    /// Parses `table` or `database.table`.
    ///
    /// # Errors
    /// A sentence, when a part is empty, longer than the 64 characters of an identifier, or there are too many.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        if parts.iter().any(|part| part.is_empty() || part.chars().count() > 64) || parts.len() > 2 {
            return Err(format!("table {text:?} is not a table's name; write `table` or `database.table`"));
        }
        let name = parts[parts.len() - 1].to_owned();
        Ok(Self { database: (parts.len() == 2).then(|| parts[0].to_owned()), name })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "{database}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Mapping {
    /// A column and a plain key, without a conversion.
    pub fn plain(column: &str, key: &str) -> Self {
        Self { column: column.to_owned(), from: Source(vec![key.to_owned()]), conversion: None }
    }

    /// Parses `column=source` or `column=source as conversion`, as in `ROWCAST_COLUMNS`.
    ///
    /// # Errors
    /// A sentence that names the part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((column, from)) = text.split_once('=') else {
            return Err(format!("{text:?} is not `column=key`"));
        };
        let (from, conversion) = match from.split_once(" as ") {
            Some((from, name)) => (from, Some(Conversion::parse(name.trim())?)),
            None => (from, None),
        };
        let (column, from) = (column.trim(), from.trim());
        if column.is_empty() || from.is_empty() {
            return Err(format!("{text:?} is not `column=key`"));
        }
        Ok(Self { column: column.to_owned(), from: Source::parse(from)?, conversion })
    }
}

impl Source {
    /// Parses a key, or a JSON pointer (RFC 6901) when it begins with a slash.
    ///
    /// # Errors
    /// A sentence, when a pointer holds `~` that is neither `~0` nor `~1`; and when a key looks like a pointer without
    /// its slash or like a key with its conversion, which were hardly meant as names. Such a key is written as a
    /// pointer.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(pointer) = text.strip_prefix('/') else {
            return check_key(text).map(|()| Self(vec![text.to_owned()]));
        };
        pointer.split('/').map(unescape).collect::<Option<_>>().map(Self).ok_or_else(|| {
            format!("{text:?} is not a JSON pointer: `~` must be written `~0`, and `/` in a key `~1`")
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [key] if !key.starts_with('/') && check_key(key).is_ok() => f.write_str(key),
            keys => keys.iter().try_for_each(|key| write!(f, "/{}", escape(key))),
        }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let such = format!("a key of this very name is written {:?}", format!("/{}", escape(key)));
    match key.rsplit_once(" as ") {
        Some((from, conversion)) if !conversion.contains(' ') => Err(format!(
            "{key:?} is not how a conversion is written here; write {{ from = {from:?}, as = {conversion:?} }}; {such}"
        )),
        _ if key.contains('/') => {
            Err(format!("{key:?} is no JSON pointer; that is {:?}; {such}", format!("/{key}")))
        }
        _ => Ok(()),
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> Option<String> {
    let valid = token.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    valid.then(|| token.replace("~1", "/").replace("~0", "~"))
}

impl Conversion {
    const NAMES: [(&str, Self); 6] = [
        ("unix_s", Self::UnixS),
        ("unix_ms", Self::UnixMs),
        ("unix_us", Self::UnixUs),
        ("json", Self::Json),
        ("base64", Self::Base64),
        ("hex", Self::Hex),
    ];

    /// Parses a conversion by the name that the routes file uses.
    ///
    /// # Errors
    /// A sentence that lists the names there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, conversion)| conversion).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("conversion {name:?} is not known; there are {known}")
        })
    }
}

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.into_iter().find(|(_, conversion)| conversion == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_descends_and_keys_may_hold_slashes() {
        assert_eq!(Source::parse("/meta/a~1b").unwrap().0, ["meta", "a/b"]);
        assert!(Source::parse("/a~2").is_err());
        for text in ["no", "sold as is or not", "/meta/ts", "/a~1b", "/~1", "/ts as unix_ms"] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_that_was_hardly_meant_as_one_is_told_with_what_was_and_how_it_would_be_one() {
        let told = |text: &str| Source::parse(text).unwrap_err();
        let expected =
            r#"{ from = "ts", as = "unix_ms" }; a key of this very name is written "/ts as unix_ms""#;
        assert!(told("ts as unix_ms").ends_with(expected), "{}", told("ts as unix_ms"));
        let expected = r#"that is "/buyer/id"; a key of this very name is written "/buyer~1id""#;
        assert!(told("buyer/id").ends_with(expected), "{}", told("buyer/id"));
    }

    #[test]
    fn a_mapping_takes_a_conversion_after_as() {
        let mapping = Mapping::parse("seen_at=/meta/ts as unix_ms").unwrap();
        assert_eq!(mapping.conversion, Some(Conversion::UnixMs));
        assert_eq!(mapping.from.to_string(), "/meta/ts");
        assert!(Mapping::parse("seen_at=ts as days").unwrap_err().contains("unix_ms"));
        assert!(Mapping::parse("seen_at").is_err());
    }

    #[test]
    fn a_table_may_name_its_database_and_nothing_more() {
        assert_eq!(Table::parse("shop.orders").unwrap().database.as_deref(), Some("shop"));
        for bad in ["", "a.b.c", ".a", "a."] {
            assert!(Table::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_queue_that_a_database_cannot_tell_from_another_is_refused() {
        let route = Route::new("jobs ", Table::parse("t").unwrap());
        assert!(route.check().unwrap_err().1.contains("ends in a space"));
    }

    #[test]
    fn a_column_mapped_twice_is_refused_whatever_its_case() {
        let mut route = Route::original();
        route.columns = Some(vec![Mapping::plain("a", "x"), Mapping::plain("A", "y")]);
        assert!(route.check().unwrap_err().1.contains("twice"));
    }
}
