//! Many clients in one room, on a thread of their own, and what they have heard.

use std::{
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{sync::oneshot, task::JoinSet};

use crate::client::Client;

/// So many connect at once.
const AT_ONCE: usize = 64;

/// Clients that listen; they go with the value.
pub(crate) struct Crowd {
    heard: Arc<Heard>,
    /// The thread ends when this is gone.
    _stay: oneshot::Sender<()>,
}

#[derive(Default)]
struct Heard {
    count: AtomicU64,
    /// Milliseconds from PUBLISH to the client, of each.
    delays: Mutex<Vec<f64>>,
}

impl Crowd {
    /// Returns when all have subscribed. `started` is when the clock of the messages began.
    pub(crate) fn gather(address: &str, room: &str, count: usize, started: Instant) -> Result<Self> {
        let heard = Arc::new(Heard::default());
        let (stay, gone) = oneshot::channel();
        let (ready, all) = mpsc::channel();
        let (address, room, own) = (address.to_owned(), room.to_owned(), heard.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            if let Err(error) = keep_aside() {
                eprintln!("the clients may disturb the server: {error:#}");
            }
            runtime.block_on(async {
                let clients = match connect(&address, &room, count).await {
                    Ok(clients) => clients,
                    Err(error) => return ready.send(Err(error)).ok(),
                };
                ready.send(Ok(())).ok();
                let mut listening = JoinSet::new();
                for client in clients {
                    let heard = own.clone();
                    listening.spawn(client.listen(move |text| heard.hear(text, started)));
                }
                tokio::select! {
                    Some(ended) = listening.join_next() => eprintln!("a client has ended: {ended:?}"),
                    _ = gone => {}
                }
                Some(())
            })
        });
        all.recv().context("the clients' thread")??;
        Ok(Self { heard, _stay: stay })
    }

    pub(crate) fn count(&self) -> u64 {
        self.heard.count.load(Ordering::Relaxed)
    }

    /// Waits until so many messages were heard.
    pub(crate) async fn hears(&self, count: u64) -> Result<()> {
        let began = Instant::now();
        while self.count() < count {
            ensure!(began.elapsed() < Duration::from_secs(60), "{} of {count} were heard", self.count());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ensure!(self.count() == count, "{} instead of {count} were heard", self.count());
        Ok(())
    }

    /// The delays since the last time, in milliseconds.
    pub(crate) fn delays(&self) -> Vec<f64> {
        std::mem::take(&mut *self.heard.lock())
    }
}

/// Keeps this thread on the last core. Otherwise the server would be interrupted by the very clients that it writes to,
/// and pay for it, now more and now less.
fn keep_aside() -> Result<()> {
    let last = std::thread::available_parallelism()?.get() - 1;
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread.file_name().context("a thread")?;
    let done =
        Command::new("taskset").args(["-cp", &last.to_string()]).arg(thread).output().context("taskset")?;
    ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

async fn connect(address: &str, room: &str, count: usize) -> Result<Vec<Client>> {
    let (mut connecting, mut clients) = (JoinSet::new(), Vec::with_capacity(count));
    for _ in 0..count {
        if connecting.len() == AT_ONCE {
            clients.push(connecting.join_next().await.context("a client")???);
        }
        let (address, room) = (address.to_owned(), room.to_owned());
        connecting.spawn(async move { Client::connect(&address, &room).await });
    }
    while let Some(client) = connecting.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

impl Heard {
    /// An event begins with the time of its PUBLISH: `42["row",{"at":123,`.
    fn hear(&self, text: &[u8], started: Instant) {
        const START: &[u8] = b"42[\"row\",{\"at\":";
        let digits = text.strip_prefix(START).unwrap_or_default();
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let at = digits.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
        let delay = started.elapsed().as_secs_f64() * 1e3 - at as f64 / 1e3;
        self.lock().push(delay);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<f64>> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
