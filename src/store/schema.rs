//! The live schema of a table, as far as decoding needs it.

use sqlx::{AssertSqlSafe, MySqlConnection, Row, mysql::MySqlRow};

use crate::route::Table;

/// A table as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// The database.
    pub database: String,
    /// The table.
    pub name: String,
    /// All columns, in the table's order.
    pub columns: Vec<Column>,
    /// The name of a storage engine without transactions; rows in it could not be undone.
    pub not_transactional: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Its type in the server's words, for messages.
    pub type_name: String,
    /// The collation of its text, if it holds text.
    pub collation: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether leaving it out means a value other than NULL.
    pub has_default: bool,
    /// Whether the server counts it up.
    pub auto_increment: bool,
    /// Whether the server computes it.
    pub generated: bool,
    /// Whether it is the whole primary key or a unique key.
    pub unique: bool,
    /// Whether it is part of the primary key.
    pub primary: bool,
}

/// What a column holds, in the kinds that decoding tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers, BIT and YEAR.
    Int,
    /// DECIMAL with so many digits after the point.
    Decimal {
        /// Digits after the point.
        scale: u32,
    },
    /// FLOAT and DOUBLE.
    Float,
    /// CHAR, VARCHAR, TEXT.
    Text,
    /// ENUM and SET: text, but never a number, which would be taken as a member's position.
    Member,
    /// JSON; on MariaDB a LONGTEXT with `CHECK (json_valid(...))`.
    Json,
    /// BINARY, VARBINARY, BLOB.
    Binary,
    /// DATETIME and TIMESTAMP, in UTC.
    DateTime,
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// A type that no JSON value goes into.
    Other,
}

impl TableSchema {
    /// Reads a table's schema. `None` when the table is not there, or the user may not see it.
    pub(super) async fn read(connection: &mut MySqlConnection, table: &Table) -> sqlx::Result<Option<Self>> {
        let rows = sqlx::query(COLUMNS)
            .bind(table.database.as_deref())
            .bind(&table.name)
            .fetch_all(&mut *connection)
            .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let database: String = first.try_get(0)?;
        let mut columns = rows.iter().map(column).collect::<sqlx::Result<Vec<_>>>()?;
        let json = json_checks(connection, &database, &table.name).await?;
        for column in columns.iter_mut().filter(|column| json.contains(&column.name)) {
            column.kind = ColumnKind::Json;
        }
        if columns.iter().filter(|column| column.primary).count() > 1 {
            // One part of a composite key is not unique by itself.
            columns.iter_mut().filter(|column| column.primary).for_each(|column| column.unique = false);
        }
        let not_transactional =
            sqlx::query_scalar(ENGINE).bind(&database).bind(&table.name).fetch_optional(connection).await?;
        Ok(Some(Self { database, name: table.name.clone(), columns, not_transactional }))
    }

    /// The tables of a database, ours aside: what a name that leads to none may have been meant for.
    pub(super) async fn names(connection: &mut MySqlConnection, table: &Table) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(TABLES).bind(table.database.as_deref()).fetch_all(connection).await
    }

    /// A column by its name; case does not matter, as for the server.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// CAST, because the two servers give these columns different types and collations.
const COLUMNS: &str = "\
    SELECT CAST(table_schema AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
           CAST(column_type AS CHAR), CAST(is_nullable AS CHAR), CAST(column_default AS CHAR), \
           CAST(extra AS CHAR), CAST(COALESCE(numeric_scale, 0) AS SIGNED), CAST(column_key AS CHAR), \
           CAST(collation_name AS CHAR) \
    FROM information_schema.columns \
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position";

const TABLES: &str = "\
    SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name NOT IN ('rowcast_checkpoints', '_sqlx_migrations')";

const ENGINE: &str = "\
    SELECT CAST(t.engine AS CHAR) FROM information_schema.tables t \
    JOIN information_schema.engines e ON e.engine = t.engine \
    WHERE t.table_schema = ? AND t.table_name = ? AND e.transactions <> 'YES'";

fn column(row: &MySqlRow) -> sqlx::Result<Column> {
    let data_type: String = row.try_get(2)?;
    let default: Option<String> = row.try_get(5)?;
    let extra: String = row.try_get::<String, _>(6)?.to_ascii_lowercase();
    let scale: i64 = row.try_get(7)?;
    let key: String = row.try_get(8)?;
    // MariaDB writes the default NULL as text, MySQL as NULL.
    let default = default.filter(|text| text != "NULL");
    let auto_increment = extra.contains("auto_increment");
    Ok(Column {
        name: row.try_get(1)?,
        kind: kind(&data_type.to_ascii_lowercase(), u32::try_from(scale).unwrap_or(0)),
        type_name: row.try_get(3)?,
        collation: row.try_get(9)?,
        nullable: row.try_get::<String, _>(4)? == "YES",
        has_default: default.is_some() || auto_increment,
        auto_increment,
        generated: extra.contains("generated") && !extra.contains("default_generated")
            || extra.contains("virtual")
            || extra.contains("stored"),
        unique: key == "PRI" || key == "UNI",
        primary: key == "PRI",
    })
}

fn kind(data_type: &str, scale: u32) -> ColumnKind {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year" => ColumnKind::Int,
        "decimal" | "numeric" => ColumnKind::Decimal { scale },
        "float" | "double" => ColumnKind::Float,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "uuid" | "inet4" | "inet6" => {
            ColumnKind::Text
        }
        "enum" | "set" => ColumnKind::Member,
        "json" => ColumnKind::Json,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnKind::Binary,
        "datetime" | "timestamp" => ColumnKind::DateTime,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        _ => ColumnKind::Other,
    }
}

/// The columns that MariaDB declares as JSON: a check constraint of the column's own name says so.
async fn json_checks(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> sqlx::Result<Vec<String>> {
    let maria: bool =
        sqlx::query_scalar("SELECT VERSION() LIKE '%MariaDB%'").fetch_one(&mut *connection).await?;
    if !maria {
        return Ok(Vec::new());
    }
    // MySQL's table of this name has no table_name, so the text must not reach it.
    let checks = "SELECT CAST(constraint_name AS CHAR) FROM information_schema.check_constraints \
                  WHERE constraint_schema = ? AND table_name = ? AND check_clause LIKE 'json_valid(%'";
    sqlx::query_scalar(AssertSqlSafe(checks)).bind(database).bind(table).fetch_all(connection).await
}
