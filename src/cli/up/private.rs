//! `rowcast up --sandbox`: the servers around the supervisor, and what to try on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    super::{
        Variables,
        migrate::bring_up_to_date,
        show::{quoted, say},
    },
    Args,
    demo::Recipe,
};
use crate::{
    config::{Address, Fanout, SecretUrl, Settings, Vars as _, gateway_addresses, route_variables},
    emitter::Target,
    route::Route,
    sandbox::{RedisOptions, Sandbox, SqlBinary, SqlOptions, Wanted, free_ports},
    store::Store,
};

/// The sandbox's database.
const DATABASE: &str = "rowcast";

/// Private servers that run, and the variables that lead to them.
#[derive(Debug)]
pub(super) struct Private {
    pub(super) sandbox: Sandbox,
    folder: PathBuf,
    /// What everything is run with.
    pub(super) variables: Variables,
}

/// The variables with the sandbox's in their place, before it is known where its servers listen.
pub(super) fn planned(variables: Variables) -> Variables {
    at(variables, "redis://127.0.0.1:1".into(), format!("mysql://root@127.0.0.1:1/{DATABASE}"))
}

fn at(variables: Variables, redis: String, database: String) -> Variables {
    variables
        .with(BTreeMap::from([("REDIS_URL".to_owned(), redis), ("DATABASE_URL".to_owned(), database)]))
        // A first look needs no worker for each core.
        .with_defaults(BTreeMap::from([("ROWCAST_WORKERS".to_owned(), "2".to_owned())]))
}

/// The variables with an address for the gateways that is free, unless one is given.
fn with_free_address(variables: Variables) -> anyhow::Result<Variables> {
    const LISTEN: &str = "ROWCAST_LISTEN";
    let wanted = gateway_addresses(&variables)?;
    let Some(first) = wanted.first().filter(|_| variables.get(LISTEN).is_none()) else {
        return Ok(variables);
    };
    let ports = if first.shared { 1 } else { wanted.len() };
    let port = free_ports(Some(first.socket.port()), ports)?;
    Ok(variables.with_defaults(BTreeMap::from([(LISTEN.to_owned(), format!("127.0.0.1:{port}"))])))
}

/// Where gateways will listen, and the page that the first of them serves; or that they cannot, because somebody else
/// does.
fn for_browsers(addresses: &[Address]) -> String {
    // One whose port the system chooses is told in the log, when it listens.
    let addresses: BTreeSet<SocketAddr> = addresses.iter().map(|address| address.socket).collect();
    let addresses = addresses.into_iter().filter(|address| address.port() != 0);
    let (taken, free): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses.partition(|address| is_taken(*address));
    let dashboard = free.first().map(|address| format!("\n  Dashboard:     http://{address}/"));
    let free = free.iter().map(|address| format!("\n  For browsers:  http://{address}/socket.io/"));
    let taken = taken.iter().map(|address| {
        format!(
            "\n  For browsers:  nothing, because {address} is taken by another program; free it, or set ROWCAST_LISTEN"
        )
    });
    dashboard.into_iter().chain(free).chain(taken).collect()
}

fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// A job that the route takes, and the statement that shows its row; or why there is none.
async fn sample(route: &Route, settings: &Settings) -> Result<(String, String), String> {
    let original = Route::original();
    if (&route.table, &route.columns) == (&original.table, &original.columns) {
        let select = r#"SELECT * FROM pre_qqaccount WHERE openid = "a" ORDER BY id DESC LIMIT 1"#;
        return Ok((r#"{"time":1,"stamp":"a"}"#.to_owned(), select.to_owned()));
    }
    let mut store = Store::new(&settings.database_url).map_err(|error| error.to_string())?;
    let recipe = Recipe::read(route, settings.max_job_bytes, &mut store).await;
    Ok(recipe.map_err(|fault| fault.to_string())?.sample())
}

/// What makes `rowcast status` look at the queues of these variables.
fn as_flags(routes: &[(&str, String)]) -> String {
    let flag = |(name, value): &(&str, String)| match *name {
        "ROWCAST_ROUTES" => Some(format!(" --routes {}", quoted(value))),
        "ROWCAST_QUEUE" => Some(format!(" --queue {}", quoted(value))),
        _ => None,
    };
    routes.iter().filter_map(flag).collect()
}

/// What makes every command use the routes of these variables.
fn as_exports(routes: &[(&str, String)]) -> String {
    routes.iter().map(|(name, value)| format!(" {name}={}", quoted(value))).collect()
}

impl Private {
    /// Starts both servers and brings the database up to date.
    pub(super) async fn start(args: &Args, variables: Variables) -> anyhow::Result<Self> {
        let folder = args.dir.clone().or_else(|| variables.get("ROWCAST_SANDBOX_DIR").map(PathBuf::from));
        let folder = std::path::absolute(folder.unwrap_or_else(|| ".sandbox".into()))?;
        let program =
            args.mysqld.clone().or_else(|| variables.get("ROWCAST_SANDBOX_MYSQLD").map(PathBuf::from));
        let wanted = program.as_deref().map_or(Wanted::Any, Wanted::Program);
        let binary = SqlBinary::find(wanted)?;
        say(format!("starting Redis and {} under {}", binary.flavour.name(), folder.display()))?;
        // Exact even when the machine loses power: what a sandbox is for is not speed.
        let redis = RedisOptions { flush_always: true, ..RedisOptions::default() };
        let sandbox = Sandbox::start_with(&folder, &binary, &redis, &SqlOptions::default()).await?;
        let database = sandbox.sql.url(DATABASE);
        bring_up_to_date(&SecretUrl::new(database.clone())).await?;
        let variables = with_free_address(at(variables, sandbox.redis.url(), database))?;
        Ok(Self { sandbox, folder, variables })
    }

    /// What to try, ready to be pasted into a shell.
    pub(super) async fn greeting(&self, program: &Path) -> anyhow::Result<String> {
        let settings = Settings::from_vars(&self.variables)?;
        let route = settings.routes.first().context("there is no route")?;
        let (redis, redis_url) = (self.sandbox.redis.client_line(), self.sandbox.redis.url());
        let first = match sample(route, &settings).await {
            Ok((job, select)) => format!(
                "{redis} LPUSH {} {}\n  See its row:   {} -e {}",
                quoted(&route.queue),
                quoted(&job),
                self.sandbox.sql.client_line(DATABASE),
                quoted(&select)
            ),
            Err(reason) => format!("nothing would go in yet: {reason}"),
        };
        let gateways = for_browsers(&gateway_addresses(&self.variables)?);
        let pattern = Target::new().with_key(&settings.publish.key).of(&route.namespace).pattern();
        let hear = match settings.publish.fanout {
            Fanout::Redis => format!("\n  Hear events:   {redis} PSUBSCRIBE {}", quoted(&pattern)),
            // Redis has none of them.
            Fanout::Local => String::new(),
        };
        let routes = route_variables(&self.variables);
        Ok(format!(
            "\n  Push a job:    {first}{hear}{gateways}\
             \n  Who works:     {} status --redis-url {redis_url}{}\
             \n  Settings:      export REDIS_URL={} DATABASE_URL={}{}\
             \n  The data:      {}\
             \n\n  Ctrl-C stops all of it; started again, it goes on with its data.\n",
            quoted(&program.to_string_lossy()),
            as_flags(&routes),
            quoted(&redis_url),
            quoted(&self.sandbox.sql.url(DATABASE)),
            as_exports(&routes),
            quoted(&self.folder.to_string_lossy()),
        ))
    }

    /// Tells of a server that ends by itself, for as long as the others go on. It is not started again: why it ended
    /// may be to be seen in what it left, and a person is there.
    pub(super) async fn watch(sandbox: &mut Sandbox) -> Infallible {
        let tell = async |fallen: String| {
            tracing::error!("{fallen}; nothing is lost: Ctrl-C, and start again with the same command");
            std::future::pending().await
        };
        let (redis, sql) = (&mut sandbox.redis, &mut sandbox.sql);
        let redis = async { tell(redis.fallen().await).await };
        let sql = async { tell(sql.fallen().await).await };
        let (never, _): (Infallible, Infallible) = tokio::join!(redis, sql);
        never
    }

    /// Stops both servers, and returns when they are gone.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.sandbox.stop().await?;
        tracing::info!("the sandbox's servers are stopped");
        Ok(())
    }
}
