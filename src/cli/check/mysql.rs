//! MySQL or MariaDB: what it promises to keep, and whether rowcast's own tables are there and usable.

use super::{super::reach::PATIENCE, finding::Findings};
use crate::{
    config::Settings,
    route::{Route, Table},
    store::{Fault, SqlFacts, Store, advice, default_table, known_migrations},
};

const ABOUT: &str = "mysql";

/// Connects and judges the server.
pub(super) async fn check(settings: &Settings) -> (Option<Store>, Findings) {
    let mut found = Findings::default();
    let mut store = match connect(settings).await {
        Ok(store) => store,
        Err(sentence) => {
            found.problem(ABOUT, format!("{sentence} (DATABASE_URL is {})", settings.database_url));
            return (None, found);
        }
    };
    match store.facts().await {
        Ok(facts) => {
            found.ok(ABOUT, format!("{} at {}", facts.version, settings.database_url));
            judge(&facts, settings.max_job_bytes as u64, &mut found);
        }
        Err(fault) => found.problem(ABOUT, fault.to_string()),
    }
    if let Err(sentence) = check_tables(&mut store, settings, &mut found).await {
        found.problem(ABOUT, sentence);
    }
    (Some(store), found)
}

async fn connect(settings: &Settings) -> Result<Store, String> {
    let mut store =
        Store::new(&settings.database_url).map_err(|_| "the address cannot be read".to_owned())?;
    match tokio::time::timeout(PATIENCE, store.connect()).await {
        Ok(Ok(_)) => Ok(store),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(store.silence(PATIENCE)),
    }
}

fn judge(facts: &SqlFacts, max_job: u64, found: &mut Findings) {
    if facts.read_only {
        found.problem(
            ABOUT,
            "it is read-only; point DATABASE_URL at the primary, or SET GLOBAL read_only = 0",
        );
    }
    if facts.sql_mode.contains("STRICT_ALL_TABLES") {
        found.ok(ABOUT, "rowcast's sessions are strict: no value is cut or rounded silently");
    } else {
        found.problem(ABOUT, "the session's strict mode does not hold; does a proxy stand between?");
    }
    if facts.max_packet < max_job + max_job / 4 {
        found.warning(ABOUT, format!(
            "max_allowed_packet is {} bytes, and jobs may have {max_job} (ROWCAST_MAX_JOB_BYTES): larger ones become \
             dead letters; SET GLOBAL max_allowed_packet = {}",
            facts.max_packet,
            (2 * max_job).next_power_of_two()
        ));
    }
    if facts.binlog_format.as_deref() == Some("STATEMENT") {
        let text = "binlog_format is STATEMENT: workers lock more than they need to; \
                    SET GLOBAL binlog_format = 'ROW'";
        found.warning(ABOUT, text);
    }
    if facts.flush_log == 1 {
        found.ok(
            ABOUT,
            "innodb_flush_log_at_trx_commit is 1: a committed row survives a crash of the machine",
        );
    } else {
        found.warning(ABOUT, format!(
            "innodb_flush_log_at_trx_commit is {}: a crash of the machine can lose the last second of committed rows, \
             whose jobs are gone from Redis; SET GLOBAL innodb_flush_log_at_trx_commit = 1",
            facts.flush_log
        ));
    }
}

/// rowcast's own tables: recorded, there, and usable.
async fn check_tables(store: &mut Store, settings: &Settings, found: &mut Findings) -> Result<(), String> {
    let complete = check_migrations(store, settings, found).await?;
    let checkpoints = Table::parse("rowcast_checkpoints")?;
    match store.schema(&checkpoints).await {
        Ok(schema) => check_checkpoints(store, &checkpoints, schema.not_transactional, found).await,
        // The missing migration says so.
        Err(_) if !complete => {}
        Err(_) => found.problem(
            ABOUT,
            "rowcast_checkpoints is not there, or may not be seen, though its migration is recorded",
        ),
    }
    Ok(())
}

/// Whether all migrations are recorded as applied that the routes need.
async fn check_migrations(
    store: &mut Store,
    settings: &Settings,
    found: &mut Findings,
) -> Result<bool, String> {
    let applied = match store.applied_migrations().await {
        // The rights that a worker needs do not include this table; the checkpoints are tried by themselves.
        Err(Fault::Route(text)) => {
            found.warning(ABOUT, format!("cannot tell which migrations were applied: {text}"));
            return Ok(true);
        }
        applied => applied.map_err(|fault| fault.to_string())?,
    };
    // The default route's table is made for everybody, but missed by nobody else.
    let unneeded = default_table().map(|(version, _)| version).filter(|_| !uses_default_table(settings));
    let missing: Vec<String> = known_migrations()
        .filter(|(version, _)| !applied.contains(version) && Some(*version) != unneeded)
        .map(|(version, description)| format!("{version} {description}"))
        .collect();
    if !missing.is_empty() {
        let text = format!("migrations are missing: {}; run `rowcast migrate`", missing.join(", "));
        found.problem(ABOUT, text);
    }
    Ok(missing.is_empty())
}

fn uses_default_table(settings: &Settings) -> bool {
    let default = Route::original().table;
    settings.routes.iter().any(|route| route.table.name == default.name)
}

async fn check_checkpoints(
    store: &mut Store,
    table: &Table,
    not_transactional: Option<String>,
    found: &mut Findings,
) {
    if let Some(engine) = not_transactional {
        found.fixable(
            ABOUT,
            format!(
                "rowcast_checkpoints is stored by {engine}, without transactions: rows could go in twice"
            ),
            format!("{};", advice::with_transactions(table)),
        );
    }
    match store.try_checkpoint().await {
        Ok(()) => found.ok(ABOUT, "checkpoints can be written, read and deleted"),
        Err(fault) => found.problem(
            ABOUT,
            format!("cannot use rowcast_checkpoints: {fault}; GRANT SELECT, INSERT, UPDATE, DELETE on it"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    #[test]
    fn what_could_lose_or_refuse_rows_is_told() {
        let good = SqlFacts {
            sql_mode: "STRICT_TRANS_TABLES,STRICT_ALL_TABLES".into(),
            max_packet: 16 << 20,
            flush_log: 1,
            ..SqlFacts::default()
        };
        let worst = |facts: SqlFacts| {
            let mut found = Findings::default();
            judge(&facts, 1 << 20, &mut found);
            found.0.into_iter().find(|finding| finding.level != Level::Ok)
        };
        assert_eq!(worst(good.clone()), None);
        let cases = [
            (SqlFacts { read_only: true, ..good.clone() }, Level::Problem, "primary"),
            (SqlFacts { sql_mode: String::new(), ..good.clone() }, Level::Problem, "strict"),
            (SqlFacts { max_packet: 1 << 20, ..good.clone() }, Level::Warning, "= 2097152"),
            (SqlFacts { flush_log: 2, ..good.clone() }, Level::Warning, "last second"),
            (SqlFacts { binlog_format: Some("STATEMENT".into()), ..good }, Level::Warning, "ROW"),
        ];
        for (facts, level, text) in cases {
            let finding = worst(facts).unwrap();
            assert!(finding.level == level && finding.text.contains(text), "{finding:?}");
        }
    }
}
