//! What the variables mean.

use std::time::Duration;

use super::{CERTIFICATES, ConfigError, SecretUrl, Vars, number, text_of, word};
use crate::route::{self, Mapping, OnDuplicate, RoomTemplate, Route, Table, Unknown};

/// What a worker, and every command that talks to the servers, needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `REDIS_URL`, with `ROWCAST_REDIS_CA`.
    pub redis_url: SecretUrl,
    /// `DATABASE_URL`.
    pub database_url: SecretUrl,
    /// The routes, from the file or from single variables.
    pub routes: Vec<Route>,
    /// The most jobs of one claim.
    pub batch: usize,
    /// The most bytes of one job; a larger one becomes a dead letter.
    pub max_job_bytes: usize,
    /// How long a worker counts as alive after its last sign of life.
    pub lease: Duration,
    /// How rows are published.
    pub publish: Publish,
}

/// What the publisher needs to know beside the routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The prefix of the channels, the emitter's option `key`.
    pub key: String,
    /// Which way rows' events go.
    pub fanout: Fanout,
}

/// Which way rows' events go to gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fanout {
    /// Through Redis: to every gateway, and to every Node server with the Redis adapter.
    Redis,
    /// From a worker through its supervisor to the gateways of that one.
    Local,
}

/// What the supervisor needs to know. It reads neither server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorSettings {
    /// How many workers; `auto` is one for each core.
    pub workers: usize,
    /// A worker without a sign of progress for so long is killed.
    pub stall: Duration,
    /// How long a worker may take to report that it is ready.
    pub startup: Duration,
    /// How long a draining worker may take before it is killed.
    pub drain: Duration,
    /// A worker above so many bytes of resident memory is recycled; 0 is never.
    pub max_memory: u64,
    /// A worker that has done so many jobs is recycled; 0 is never.
    pub max_jobs: u64,
}

impl Settings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Ok(Self {
            redis_url: redis_url(vars)?,
            database_url: database_url(vars)?,
            routes: routes(vars)?,
            batch: number(vars, "ROWCAST_BATCH", 4_096, 1..=50_000)?,
            max_job_bytes: number(vars, "ROWCAST_MAX_JOB_BYTES", 1 << 20, 1_024..=16 << 20)?,
            lease: Duration::from_secs(number(vars, "ROWCAST_LEASE_SECONDS", 15, 2..=3_600)?),
            publish: publish(vars)?,
        })
    }
}

impl SupervisorSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        let seconds = |name, default| number(vars, name, default, 1..=86_400).map(Duration::from_secs);
        Ok(Self {
            workers: workers(vars)?,
            stall: seconds("ROWCAST_STALL_SECONDS", 60)?,
            startup: seconds("ROWCAST_STARTUP_SECONDS", 60)?,
            drain: seconds("ROWCAST_DRAIN_SECONDS", 20)?,
            max_memory: number(vars, "ROWCAST_MAX_MEMORY_MB", 512, 0..=1_048_576)? << 20,
            max_jobs: number(vars, "ROWCAST_MAX_JOBS", 0, 0..=u64::MAX)?,
        })
    }
}

/// The most workers of one supervisor.
pub const MOST_WORKERS: u32 = 512;

fn workers(vars: &dyn Vars) -> Result<usize, ConfigError> {
    match vars.get("ROWCAST_WORKERS").as_deref() {
        None | Some("auto") => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Some(text) => match text.parse() {
            Ok(count) if (1..=MOST_WORKERS).contains(&count) => Ok(count as usize),
            _ => {
                let expected = format!("expected auto or a number from 1 to {MOST_WORKERS}");
                Err(ConfigError::new("ROWCAST_WORKERS", Some(text), expected))
            }
        },
    }
}

pub(super) fn publish(vars: &dyn Vars) -> Result<Publish, ConfigError> {
    let words = [("redis", Fanout::Redis), ("local", Fanout::Local)];
    Ok(Publish {
        key: vars.get("ROWCAST_EMITTER_KEY").unwrap_or_else(|| "socket.io".into()),
        fanout: word(vars, "ROWCAST_FANOUT", Fanout::Redis, &words)?,
    })
}

/// `REDIS_URL`, with `ROWCAST_REDIS_CA`: all that a command needs to know that speaks to Redis and of no queue.
///
/// # Errors
/// One of the two that cannot be used.
pub fn redis_url(vars: &dyn Vars) -> Result<SecretUrl, ConfigError> {
    let url = SecretUrl::new(vars.get("REDIS_URL").unwrap_or_else(|| "redis://127.0.0.1:6379".into()));
    if let Some(place) = is_place(url.expose()) {
        let problem = format!("has no scheme; expected redis://{place}, or rediss://{place} for TLS");
        return Err(ConfigError::new("REDIS_URL", Some(place), problem));
    }
    if redis::IntoConnectionInfo::into_connection_info(url.expose()).is_err() {
        const EXPECTED: &str = "expected redis://[user:password@]host:port/db";
        return Err(ConfigError::new("REDIS_URL", Some(&url.to_string()), EXPECTED));
    }
    let Some(file) = vars.get("ROWCAST_REDIS_CA") else { return Ok(url) };
    let wrong = |problem: String| ConfigError::new("ROWCAST_REDIS_CA", Some(&file), problem);
    if !url.expose().starts_with("rediss://") {
        return Err(wrong("REDIS_URL is not rediss://, so nothing would be checked against it".to_owned()));
    }
    let pem = text_of(&file).map_err(wrong)?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong(CERTIFICATES.to_owned()));
    }
    let url = url.trusting(pem);
    match crate::queue::client(&url) {
        Ok(_) => Ok(url),
        Err(_) => Err(wrong(CERTIFICATES.to_owned())),
    }
}

/// Whether a text is a host and a port and at most a number more: nothing in it is secret then.
fn is_place(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_:/[]".contains(&c));
    let port = text.rsplit_once(':')?.1.split('/').next()?;
    (plain && !text.contains("://") && port.parse::<u16>().is_ok()).then_some(text)
}

pub(super) fn database_url(vars: &dyn Vars) -> Result<SecretUrl, ConfigError> {
    const EXPECTED: &str = "expected mysql://user:password@host:port/database, with the special characters of the \
                            password percent-encoded (/ is %2F, # is %23)";
    const QUERY: &str = "what stands behind its ? is not understood; ssl-mode, for one, is DISABLED, PREFERRED, \
                         REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
    let Some(url) = vars.get("DATABASE_URL").map(SecretUrl::new) else {
        return Err(ConfigError::new("DATABASE_URL", None, format!("is not set; {EXPECTED}")));
    };
    let wrong = |problem: String| ConfigError::new("DATABASE_URL", Some(&url.to_string()), problem);
    if !url.expose().starts_with("mysql://") && !url.expose().starts_with("mariadb://") {
        return Err(wrong(EXPECTED.to_owned()));
    }
    let options: sqlx::mysql::MySqlConnectOptions = url
        .expose()
        .parse()
        .map_err(|_| wrong(if is_only_the_query(&url) { QUERY } else { EXPECTED }.to_owned()))?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(wrong(format!("names no database; {EXPECTED}")));
    }
    Ok(url)
}

/// Whether it is the query alone that is not understood.
fn is_only_the_query(url: &SecretUrl) -> bool {
    let Some((before, _)) = url.expose().split_once('?') else { return false };
    before.parse::<sqlx::mysql::MySqlConnectOptions>().is_ok_and(|options| options.get_database().is_some())
}

/// The variables that say what the routes are, as far as they are set, for whoever is to use the same. The file's name
/// is whole, so that it is found from any folder.
pub fn route_variables(vars: &dyn Vars) -> Vec<(&'static str, String)> {
    let whole =
        |path: String| std::path::absolute(&path).map_or(path, |path| path.to_string_lossy().into_owned());
    let file = vars.get(FILE).map(|path| (FILE, whole(path)));
    file.into_iter().chain(SINGLE.iter().filter_map(|name| Some((*name, vars.get(name)?)))).collect()
}

pub(super) fn routes(vars: &dyn Vars) -> Result<Vec<Route>, ConfigError> {
    let Some(path) = vars.get(FILE) else { return Ok(vec![single_route(vars)?]) };
    if let Some(name) = SINGLE.iter().find(|name| vars.get(name).is_some()) {
        return Err(ConfigError::new(
            FILE,
            Some(&path),
            format!("{name} is set as well; keep one of the two"),
        ));
    }
    let text = text_of(&path).map_err(|e| ConfigError::new(FILE, Some(&path), e))?;
    route::parse_file(&text).map_err(|e| ConfigError::new(FILE, Some(&path), e))
}

/// The variable that names a file of routes.
const FILE: &str = "ROWCAST_ROUTES";

/// The variables that describe one route.
const SINGLE: [&str; 10] = [
    "ROWCAST_QUEUE",
    "ROWCAST_TABLE",
    "ROWCAST_COLUMNS",
    "ROWCAST_ROOMS",
    "ROWCAST_EVENT",
    "ROWCAST_NAMESPACE",
    "ROWCAST_PUBLISH",
    "ROWCAST_DEDUPE",
    "ROWCAST_ON_DUPLICATE",
    "ROWCAST_UNKNOWN",
];

fn single_route(vars: &dyn Vars) -> Result<Route, ConfigError> {
    let mut route = Route::original();
    if let Some(queue) = vars.get("ROWCAST_QUEUE") {
        route.queue = queue;
    }
    if let Some(table) = parsed(vars, "ROWCAST_TABLE", Table::parse)? {
        // Another table has other columns: without a mapping they are matched by name.
        route.columns = if table == route.table { route.columns } else { None };
        route.table = table;
    }
    if let Some(columns) = parsed(vars, "ROWCAST_COLUMNS", |text| list(text, Mapping::parse))? {
        route.columns = Some(columns);
    }
    if let Some(rooms) = parsed(vars, "ROWCAST_ROOMS", |text| list(text, RoomTemplate::parse))? {
        route.rooms = rooms;
    }
    if let Some(event) = vars.get("ROWCAST_EVENT") {
        route.event = event;
    }
    if let Some(namespace) = parsed(vars, "ROWCAST_NAMESPACE", route::namespace)? {
        route.namespace = namespace;
    }
    route.publish = word(vars, "ROWCAST_PUBLISH", true, &[("true", true), ("false", false)])?;
    route.dedupe = vars.get("ROWCAST_DEDUPE");
    let words =
        [("reject", OnDuplicate::Reject), ("ignore", OnDuplicate::Ignore), ("update", OnDuplicate::Update)];
    route.on_duplicate = word(vars, "ROWCAST_ON_DUPLICATE", route::default_on_duplicate(&route), &words)?;
    route.unknown = parsed(vars, "ROWCAST_UNKNOWN", Unknown::parse_word)?.unwrap_or_default();
    match route.check() {
        Ok(()) => Ok(route),
        Err((field, problem)) => {
            let name = match field {
                "event" => "ROWCAST_EVENT",
                "columns" => "ROWCAST_COLUMNS",
                _ => "ROWCAST_QUEUE",
            };
            Err(ConfigError::new(name, vars.get(name).as_deref(), problem))
        }
    }
}

fn parsed<T>(
    vars: &dyn Vars,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = vars.get(name) else { return Ok(None) };
    parse(&text).map(Some).map_err(|e| ConfigError::new(name, Some(&text), e))
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(|item| parse(item.trim())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = [("DATABASE_URL", "mysql://root@localhost/app")];
        base.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn without_variables_the_route_is_the_original_one() {
        let settings = Settings::from_vars(&vars(&[])).unwrap();
        assert_eq!(settings.routes, [Route::original()]);
        assert_eq!(settings.redis_url.expose(), "redis://127.0.0.1:6379");
    }

    #[test]
    fn a_bad_variable_is_named_with_its_value_and_what_is_right() {
        let cases = [
            ("ROWCAST_BATCH", "many", "1 to 50000"),
            ("ROWCAST_BATCH", "0", "1 to 50000"),
            ("REDIS_URL", "http://x", "redis://"),
            (
                "REDIS_URL",
                "localhost:6379/1",
                "REDIS_URL=\"localhost:6379/1\": has no scheme; expected redis://local",
            ),
            ("REDIS_URL", "me:secret@db:6379", "\"(hidden)\": expected redis://"),
            ("ROWCAST_REDIS_CA", "ca.pem", "is not rediss://"),
            ("DATABASE_URL", "postgres://x/y", "mysql://"),
            ("DATABASE_URL", "mysql://root:secret@db", "names no database"),
            ("DATABASE_URL", "mysql://root:secret@db/app?ssl-mode=on", "ssl-mode, for one, is DISABLED"),
            ("DATABASE_URL", "mysql://root:sec/ret@db/app", "/ is %2F"),
            ("ROWCAST_COLUMNS", "a", "column=key"),
            ("ROWCAST_COLUMNS", "a=x,A=y", "twice"),
            ("ROWCAST_ROOMS", "a{", "partner"),
            ("ROWCAST_ON_DUPLICATE", "drop", "reject, ignore, update"),
            ("ROWCAST_PUBLISH", "yes", "true, false"),
            ("ROWCAST_ROUTES", "/does/not/exist.toml", "cannot be read"),
            ("ROWCAST_EVENT", "connect", "reserved"),
        ];
        for (name, value, expected) in cases {
            let error = Settings::from_vars(&vars(&[(name, value)])).unwrap_err();
            assert_eq!(error.variable, name);
            let error = error.to_string();
            assert!(error.contains(expected), "{name}={value} gave {error:?}");
            assert!(!error.contains("secret"), "{error:?} shows a secret");
        }
        let error = SupervisorSettings::from_vars(&vars(&[("ROWCAST_WORKERS", "few")])).unwrap_err();
        assert_eq!(error.to_string(), "ROWCAST_WORKERS=\"few\": expected auto or a number from 1 to 512");
    }

    #[test]
    fn a_missing_database_is_named() {
        let error = Settings::from_vars(&BTreeMap::new()).unwrap_err();
        assert_eq!(error.variable, "DATABASE_URL");
    }

    #[test]
    fn another_table_is_matched_by_name() {
        let settings = Settings::from_vars(&vars(&[("ROWCAST_TABLE", "orders")])).unwrap();
        assert_eq!(settings.routes[0].columns, None);
    }
}
