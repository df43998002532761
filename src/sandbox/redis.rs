//! A private Redis, with its append-only file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::binary::find_program;
use super::folder::Folder;
use super::server::{Kind, SOCKET, Server, ServerFolder};

/// A private Redis server.
pub type Redis = Server<RedisKind>;

/// How a private Redis is run.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Flush each write before it is answered (`appendfsync always`), instead of once a second.
    pub flush_always: bool,
    /// Remove the folder when this process ends, instead of keeping the data.
    pub throwaway: bool,
    /// More arguments for redis-server, for example `["--maxmemory", "5mb"]`.
    pub extra: Vec<String>,
}

/// What makes a [`Server`] a Redis.
#[derive(Debug)]
pub struct RedisKind {
    program: PathBuf,
    options: RedisOptions,
}

impl Redis {
    /// Starts redis-server with its data in `folder`, and returns when it has loaded them and answers.
    pub async fn start(folder: &Path, options: &RedisOptions) -> Result<Self> {
        let program = find_program("redis-server")?;
        let folder = Folder::open(folder).await?;
        fs::create_dir_all(folder.data())?;
        let throwaway = options.throwaway;
        Self::launch(folder, RedisKind { program, options: options.clone() }, throwaway).await
    }

    /// Its URL, as `REDIS_URL` takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The command line with which a person looks into it; more arguments may follow.
    pub fn client_line(&self) -> String {
        format!("redis-cli -p {}", self.port())
    }
}

impl Kind for RedisKind {
    const NAME: &'static str = "redis-server";

    fn invocation(&self, folder: &ServerFolder<'_>, port: u16) -> (PathBuf, Vec<String>) {
        let appendfsync = if self.options.flush_always { "always" } else { "everysec" };
        let port = port.to_string();
        let data = folder.0.data().to_string_lossy().into_owned();
        let mut args: Vec<String> = [
            ["--bind", "127.0.0.1"],
            ["--port", &port],
            ["--dir", &data],
            // The append-only file alone: a second form of persistence would only cost time.
            ["--appendonly", "yes"],
            ["--appendfsync", appendfsync],
            ["--save", ""],
            ["--daemonize", "no"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        if let Some(socket) = folder.0.socket(SOCKET) {
            args.extend(["--unixsocket".to_owned(), socket.to_string_lossy().into_owned()]);
        }
        args.extend(self.options.extra.iter().cloned());
        (self.program.clone(), args)
    }

    async fn answers(&self, _folder: &Path, port: u16, pid: i32) -> Result<()> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
        let field = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.with_context(|| format!("INFO has no {name}"))
        };
        ensure!(field("process_id")? == pid.to_string(), "another Redis listens on port {port}");
        ensure!(field("loading")? == "0", "it is still loading its data");
        Ok(())
    }
}
