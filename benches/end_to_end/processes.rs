//! rowcast's workers as processes of their own.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};
use rowcast::{
    config::{Fanout, SecretUrl},
    queue::{Link, Registry},
};

use crate::{
    figures::cpu,
    servers::{QUEUE, Servers},
};

/// Workers that are ready, and what else it takes to tell of rows; they end with the value.
pub(crate) struct Workers {
    children: Vec<Child>,
    /// Of all these processes, those that the children have started among them.
    pids: BTreeSet<i32>,
    log: PathBuf,
}

/// Whether rows are told of, and which way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not at all.
    Silent,
    /// By workers, to Redis.
    Redis,
    /// By the workers of a supervisor, to a gateway of its that has no clients.
    Gateway(Fanout),
}

/// What a process has used since it began.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) peak_memory: u64,
}

impl Workers {
    pub(crate) async fn start(servers: &Servers, count: usize, way: Way, log_level: &str) -> Result<Self> {
        let log = std::env::temp_dir().join(format!("rowcast-bench-{}.log", std::process::id()));
        let file = fs::File::create(&log)?;
        let mut children = Vec::new();
        let (role, processes, fanout) = match way {
            Way::Silent | Way::Redis => ("worker", count, "redis"),
            Way::Gateway(Fanout::Redis) => ("up", 1, "redis"),
            Way::Gateway(Fanout::Local) => ("up", 1, "local"),
        };
        for _ in 0..processes {
            let child = Command::new(env!("CARGO_BIN_EXE_rowcast"))
                .arg(role)
                .env("REDIS_URL", servers.redis.url())
                .env("DATABASE_URL", servers.database_url())
                .env("ROWCAST_QUEUE", QUEUE)
                .env("ROWCAST_TABLE", "bench")
                .env("ROWCAST_COLUMNS", "account=account,name=name,amount=amount,at=at,note=note,data=data")
                .env("ROWCAST_ROOMS", "{table},account:{account}")
                .env("ROWCAST_PUBLISH", (way != Way::Silent).to_string())
                .env("ROWCAST_FANOUT", fanout)
                .env("ROWCAST_WORKERS", count.to_string())
                .env("ROWCAST_LISTEN", "127.0.0.1:0")
                .env("ROWCAST_LOG", "json")
                .env("RUST_LOG", log_level)
                .stdin(Stdio::null())
                .stderr(file.try_clone()?)
                .spawn()?;
            children.push(child);
        }
        let pids = children.iter().map(|child| child.id() as i32).collect();
        let mut workers = Self { children, pids, log };
        let gateways = usize::from(matches!(way, Way::Gateway(_)));
        workers.wait_until_ready(servers, count, gateways).await?;
        Ok(workers)
    }

    /// Each worker has a lease and blocks on the queue, and each gateway is there.
    async fn wait_until_ready(&mut self, servers: &Servers, workers: usize, gateways: usize) -> Result<()> {
        let link = Link::new(&SecretUrl::new(servers.redis.url()))?;
        let registries = [(Registry::new(link.clone()), workers), (Registry::of_gateways(link), gateways)];
        let mut redis = servers.redis().await?;
        for _ in 0..2_000 {
            let mut all = true;
            for (registry, wanted) in &registries {
                let members = registry.members().await?;
                let pids = members.iter().filter_map(|member| member.fields.get("pid")?.parse::<i32>().ok());
                self.pids.extend(pids);
                all &= members.len() == *wanted;
            }
            let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut redis).await?;
            let blocked = clients.lines().filter(|line| line.contains("cmd=blmove")).count();
            if all && blocked >= workers {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the workers did not get ready: {}", fs::read_to_string(&self.log)?)
    }

    pub(crate) fn usage(&self) -> Result<Vec<Usage>> {
        self.pids.iter().map(|pid| usage(*pid)).collect()
    }

    pub(crate) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        for child in &self.children {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::SIGTERM)?;
        }
        for child in &mut self.children {
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().ok();
        }
    }
}

/// The CPU time and peak memory of a process, as the kernel counts them.
pub(crate) fn usage(pid: i32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let peak_memory = peak.trim().trim_end_matches(" kB").trim().parse::<u64>()? << 10;
    Ok(Usage { cpu: cpu(u32::try_from(pid)?)?, peak_memory })
}
