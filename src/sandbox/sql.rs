//! A private MariaDB or MySQL, with its own default durability and a small memory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection};

use super::binary::{Flavour, SqlBinary, find_program};
use super::data_dir;
use super::folder::Folder;
use super::server::{Kind, SOCKET, Server, ServerFolder};

/// A private SQL server.
pub type Sql = Server<SqlKind>;

/// How a private SQL server is run.
#[derive(Debug, Clone, Default)]
pub struct SqlOptions {
    /// Allow `LOAD DATA LOCAL INFILE`, for benchmarks.
    pub local_infile: bool,
    /// Remove the folder when this process ends, instead of keeping the data.
    pub throwaway: bool,
    /// A prepared data directory to copy at the first start, which takes a fraction of creating one. It is made
    /// when it does not exist. Its name should hold the server's version: it is never renewed.
    pub template: Option<PathBuf>,
    /// More arguments for the server, for example `["--max-connections=10"]`.
    pub extra: Vec<String>,
}

/// What makes a [`Server`] an SQL server.
#[derive(Debug)]
pub struct SqlKind {
    binary: SqlBinary,
    options: SqlOptions,
}

impl Sql {
    /// Starts the server with its data in `folder`, creating them at the first start, and returns when it answers.
    /// The folder belongs to one flavour.
    pub async fn start(folder: &Path, binary: &SqlBinary, options: &SqlOptions) -> Result<Self> {
        let folder = Folder::open(folder).await?;
        data_dir::ensure(&folder.data(), binary, options.template.as_deref()).await?;
        fs::create_dir_all(folder.temporary())?;
        remove_stale_socket(&folder)?;
        let kind = SqlKind { binary: binary.clone(), options: options.clone() };
        Self::launch(folder, kind, options.throwaway).await
    }

    /// MariaDB or MySQL.
    pub fn flavour(&self) -> Flavour {
        self.kind().binary.flavour
    }

    /// The URL of a database on it, as `DATABASE_URL` takes it.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}?ssl-mode=disabled", self.port())
    }

    /// The command line with which a person looks into a database; more arguments may follow.
    pub fn client_line(&self, database: &str) -> String {
        // Either client talks to either server; an unpacked MySQL comes without one.
        let client = if find_program("mariadb").is_ok() { "mariadb" } else { "mysql" };
        format!("{client} -h 127.0.0.1 -P {} -u root {database}", self.port())
    }

    /// Creates a database if it does not exist. The name may hold anything but a backtick.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        ensure!(!name.contains('`'), "the database's name {name:?} holds a backtick");
        let mut connection = connect(self.port()).await?;
        let statement = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4");
        let created = connection.execute(AssertSqlSafe(statement)).await;
        created.with_context(|| format!("cannot create the database {name:?}"))?;
        Ok(connection.close().await?)
    }
}

impl Kind for SqlKind {
    const NAME: &'static str = "the SQL server";

    fn invocation(&self, folder: &ServerFolder<'_>, port: u16) -> (PathBuf, Vec<String>) {
        let socket = folder.0.socket(SOCKET).unwrap_or_default();
        let mut args = vec![
            "--no-defaults".to_owned(),
            format!("--datadir={}", folder.0.data().display()),
            format!("--tmpdir={}", folder.0.temporary().display()),
            format!("--socket={}", socket.display()),
            format!("--pid-file={}", folder.0.path().join("server.pid").display()),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--performance-schema=OFF".to_owned(),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--character-set-server=utf8mb4".to_owned(),
            format!("--local-infile={}", u8::from(self.options.local_infile)),
        ];
        if geteuid().is_root() {
            args.push("--user=root".to_owned());
        }
        if self.binary.flavour == Flavour::MySql {
            // A second protocol on a second port, which nobody asked for.
            args.push("--mysqlx=OFF".to_owned());
        }
        args.extend(self.options.extra.iter().cloned());
        (self.binary.path.clone(), args)
    }

    async fn answers(&self, folder: &Path, port: u16, _pid: i32) -> Result<()> {
        let mut connection = connect(port).await?;
        let data: String = sqlx::query_scalar("SELECT @@datadir").fetch_one(&mut connection).await?;
        ensure!(Path::new(&data).starts_with(folder), "another SQL server listens on port {port}");
        Ok(connection.close().await?)
    }
}

async fn connect(port: u16) -> Result<MySqlConnection> {
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(port).username("root");
    Ok(options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await?)
}

/// MySQL refuses a socket whose lock file names a live process, and the process id of a dead server may be
/// somebody's by now. The folder is ours alone and no server runs in it, so whatever lies there is stale.
fn remove_stale_socket(folder: &Folder) -> Result<()> {
    for name in ["sock", "sock.lock", "server.pid"] {
        match fs::remove_file(folder.path().join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
