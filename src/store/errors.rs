//! What an error of MySQL or MariaDB means: the one table that decides between a dead letter and a wait.
//!
//! Only a fault of the *job* makes a dead letter. The rule for a code that is not listed: its SQLSTATE's class. Data
//! exceptions (22), constraint violations (23) and signals of triggers (45) are the job's; everything else is the
//! server's, because waiting loses nothing and a dead letter for an outage would.
//!
//! Sources: the MySQL 9 and MariaDB 10.11 error references.

use sqlx::mysql::MySqlDatabaseError;

/// Whose fault it is, which is to say what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The transaction lost a race: begin it anew.
    Retry,
    /// The server cannot serve: wait, then connect anew.
    Server,
    /// The table, a column or a right is not as the route says: read the schema again, then wait.
    Route,
    /// The job cannot become a row: it is rejected.
    Job,
}

/// Codes whose meaning their SQLSTATE does not tell, each with its reason.
const TABLE: &[(u16, Kind)] = &[
    // A deadlock's victim was rolled back whole; the same rows may go in at the next attempt.
    (1213, Kind::Retry),
    // Somebody holds a row or a gap for longer than innodb_lock_wait_timeout.
    (1205, Kind::Retry),
    // MariaDB's snapshot isolation: the record has changed since it was read.
    (1020, Kind::Retry),
    // MySQL: a lock that was asked for without waiting is taken.
    (3572, Kind::Retry),
    // Duplicate keys under their three codes: the row's key, the key's name in the text, a unique constraint.
    (1062, Kind::Job),
    (1586, Kind::Job),
    (1169, Kind::Job),
    // No number is left for a row that gave none: said of the job, because its neighbours may have given theirs.
    (1467, Kind::Job),
    // CHECK constraints: MySQL, MariaDB.
    (3819, Kind::Job),
    (4025, Kind::Job),
    // Values that the column's type cannot take, under HY000 or a class of their own.
    (1366, Kind::Job), // Incorrect string, integer or decimal value.
    (1265, Kind::Job), // Data truncated.
    (1411, Kind::Job), // Incorrect value for a function, in a generated column or a trigger.
    (1369, Kind::Job), // CHECK OPTION of a view.
    (1416, Kind::Job), // Cannot get a geometry object.
    (1526, Kind::Job), // No partition for the value.
    (1748, Kind::Job), // A row that does not match the partition.
    (1118, Kind::Job), // The row is too large for the storage engine.
    (1301, Kind::Job), // The result of a function was larger than max_allowed_packet.
    (3140, Kind::Job), // Invalid JSON text.
    (3141, Kind::Job), // Invalid JSON text in an argument.
    (3143, Kind::Job), // An invalid JSON path, in a generated column.
    (3144, Kind::Job), // A JSON value from a string of another character set.
    (3150, Kind::Job), // JSON too large.
    (3157, Kind::Job), // JSON nested too deep.
    (3988, Kind::Job), // MySQL: text that the column's character set does not have.
    (3903, Kind::Job), // A JSON value that a functional index cannot take.
    (3905, Kind::Job), // Too many values for a multi-valued index.
    (3906, Kind::Job), // Values too large for a multi-valued index.
    (4038, Kind::Job), // MariaDB: a syntax error in JSON text.
    (4042, Kind::Job), // MariaDB: an invalid JSON path.
    // One row alone above max_allowed_packet; a claim is cut to fit before it is sent.
    (1153, Kind::Job),
    (1105, Kind::Server),
    // The route's table or columns are not there, or not allowed, or not writable.
    (1044, Kind::Route),
    (1054, Kind::Route),
    // No default for a column that no row gives. A job without a value that it should give is rejected before it gets
    // here, so the table has changed.
    (1364, Kind::Route),
    (1109, Kind::Route),
    (1136, Kind::Route),
    (1142, Kind::Route),
    (1143, Kind::Route),
    (1146, Kind::Route),
    (1288, Kind::Route), // The view is not updatable.
    (1295, Kind::Route),
    (1471, Kind::Route), // The table is not insertable into.
    (1932, Kind::Route), // The table does not exist in the engine.
    (3105, Kind::Route), // A value for a generated column.
    (1906, Kind::Route), // MariaDB: the same.
    // The server is full, read-only, restarting or out of something.
    (1021, Kind::Server), // Disk full.
    (1114, Kind::Server), // The table is full: its disk or its tablespace is.
    (1290, Kind::Server), // --read-only, or another option.
    (1792, Kind::Server), // The transaction is read-only.
    (1836, Kind::Server), // Read-only mode.
    (1049, Kind::Server), // The database is not there (yet).
    (1045, Kind::Server), // The password is refused.
    (1040, Kind::Server), // Too many connections.
    (1053, Kind::Server), // Shutdown in progress.
    (1317, Kind::Server), // Query interrupted.
    (3024, Kind::Server), // Longer than max_execution_time.
    (1969, Kind::Server), // MariaDB: longer than max_statement_time.
    (1927, Kind::Server), // MariaDB: connection killed.
    (1665, Kind::Server), // The binary log's format does not allow the isolation level.
];

/// Judges an error of the server.
pub fn judge(error: &MySqlDatabaseError) -> Kind {
    judge_code(error.number(), error.code())
}

/// The pure part of [`judge`].
pub fn judge_code(number: u16, sqlstate: Option<&str>) -> Kind {
    if let Some((_, kind)) = TABLE.iter().find(|(code, _)| *code == number) {
        return *kind;
    }
    match sqlstate.and_then(|state| state.get(..2)) {
        Some("22" | "23" | "45") => Kind::Job,
        Some("42") => Kind::Route,
        _ => Kind::Server,
    }
}

/// Why a server lets nobody in, where a person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The user or the password is wrong.
    Password,
    /// MariaDB: the user signs in by the name that the system has for him, and not by a password.
    NoPasswordAsked,
    /// The user has no right to the database.
    Denied,
    /// The database is not there.
    NoDatabase,
    /// The user may not connect from this machine.
    Host,
}

/// What a code means to whoever wants to connect.
pub fn refusal(number: u16) -> Option<Refusal> {
    match number {
        1045 => Some(Refusal::Password),
        1698 => Some(Refusal::NoPasswordAsked),
        1044 => Some(Refusal::Denied),
        1049 => Some(Refusal::NoDatabase),
        1130 => Some(Refusal::Host),
        _ => None,
    }
}

/// Access to a database, a table or a column is denied.
pub fn is_denied(number: u16) -> bool {
    matches!(number, 1044 | 1142 | 1143)
}

/// The table is not there.
pub fn is_no_table(number: u16) -> bool {
    number == 1146
}

/// The codes of a duplicate key.
pub fn is_duplicate(number: u16) -> bool {
    matches!(number, 1062 | 1586 | 1169)
}

/// Whether a row that gave no number for the counted column was refused because there are none left: MySQL says that
/// the primary key's last number is there already, MariaDB has a code of its own, and of a BIGINT both cannot tell the
/// next.
pub fn is_out_of_numbers(number: u16, message: &str, table: &str) -> bool {
    matches!(number, 167 | 1467) || number == 1062 && message.ends_with(&format!("for key '{table}.PRIMARY'"))
}

/// The code of a number that is out of range, by which a request stops itself.
pub fn is_out_of_range(number: u16) -> bool {
    number == 1690
}

/// A value that cannot be brought into a column's character set, where it is compared and not stored. MySQL, and
/// MariaDB by its rules for mixing collations.
pub fn is_incomparable(number: u16) -> bool {
    matches!(number, 3988 | 1267 | 1270 | 1271)
}

/// The column that an error's text names, as in `Data too long for column 'openid' at row 3`.
pub fn column_in(message: &str) -> Option<&str> {
    let named = ["Column '", "Field '"].iter().find_map(|start| message.strip_prefix(start));
    if let Some(rest) = named {
        return rest.split_once('\'').map(|(name, _)| name);
    }
    // What stands before it may be the job's own text, so the last one counts.
    let (_, rest) = message.rsplit_once("for column ")?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '`'))?;
    let inner = &rest[1..rest.rfind(quote).filter(|&end| end > 0)?];
    // MariaDB often writes `db`.`table`.`column`, MySQL 'table.column' for JSON.
    let name = inner.rsplit(if quote == '`' { "`.`" } else { "." }).next()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_down_full_or_locked_is_never_the_jobs_fault() {
        for code in [1040, 1045, 1053, 1114, 1205, 1213, 1290, 1836, 1146, 1142, 1054, 1364, 1927, 2013] {
            assert_ne!(judge_code(code, Some("HY000")), Kind::Job, "{code}");
        }
    }

    #[test]
    fn a_value_that_a_column_cannot_take_is_the_jobs_fault() {
        let cases = [(1406, "22001"), (1264, "22003"), (1292, "22007"), (1048, "23000"), (1452, "23000")];
        for (code, state) in cases {
            assert_eq!(judge_code(code, Some(state)), Kind::Job, "{code}");
        }
        for code in [1062, 1366, 3819, 4025, 3140] {
            assert_eq!(judge_code(code, Some("HY000")), Kind::Job, "{code}");
        }
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (at, (code, _)) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].iter().any(|(other, _)| other == code), "{code}");
        }
    }

    #[test]
    fn the_column_is_found_in_both_servers_words() {
        assert_eq!(column_in("Data too long for column 'openid' at row 3"), Some("openid"));
        assert_eq!(column_in("Incorrect integer value: 'x' for column `a`.`t`.`n` at row 1"), Some("n"));
        assert_eq!(column_in("Incorrect date value: 'for column 'x'' for column 'd' at row 1"), Some("d"));
        assert_eq!(
            column_in("Invalid JSON text: \"?\" at position 0 in value for column 't.doc'."),
            Some("doc")
        );
        assert_eq!(column_in("Column 'openid' cannot be null"), Some("openid"));
        assert_eq!(column_in("Field 'openid' doesn't have a default value"), Some("openid"));
        assert_eq!(column_in("Duplicate entry 'a' for key 'openid'"), None);
    }
}
