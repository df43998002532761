//! The two servers that are compared, each a process of its own.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Which server.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A gateway that hears rooms in this way; without it as it does by default.
    Rowcast(Option<&'static str>),
    Node,
}

/// A server that listens; it ends with the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(kind: Kind, redis: &str) -> Result<Self> {
        match kind {
            Kind::Rowcast(hear) => Self::rowcast(redis, hear),
            Kind::Node => Self::node(redis),
        }
    }

    fn rowcast(redis: &str, hear: Option<&str>) -> Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rowcast"))
            .arg("gateway")
            .current_dir(std::env::temp_dir())
            .env("REDIS_URL", redis)
            .env_remove("DATABASE_URL")
            .env("ROWCAST_HEAR", hear.unwrap_or_default())
            .env("ROWCAST_LISTEN", "127.0.0.1:0")
            .env("ROWCAST_MAX_CONNECTIONS", "10000")
            .env("ROWCAST_MAX_CONNECTIONS_PER_ADDRESS", "10000")
            .env("ROWCAST_LOG", "json")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = process.stderr.take().context("a log")?;
        let address = found(log, |line| Some(line.get("address")?.as_str()?.to_owned()))?;
        Ok(Self { process, address })
    }

    fn node(redis: &str) -> Result<Self> {
        let mut process = Command::new("node")
            .args(["plain.mjs", redis])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the comparison needs Node; run `scripts/install-tools test`")?;
        let output = process.stdout.take().context("an output")?;
        let address = found(output, |line| Some(format!("127.0.0.1:{}", line.get("ready")?.as_u64()?)));
        let address =
            address.context("the Node server needs its packages; run `scripts/install-tools test`")?;
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// What the first line that has it says; the others are read too, so that the process never waits to write.
fn found(
    output: impl Read + Send + 'static,
    wanted: impl Fn(&serde_json::Value) -> Option<String>,
) -> Result<String> {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next().transpose()? {
        if let Some(found) = serde_json::from_str(&line).ok().and_then(|line| wanted(&line)) {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(found);
        }
        eprintln!("{line}");
    }
    bail!("the server ended before it listened")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
