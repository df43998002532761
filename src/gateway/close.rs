//! Letting go of the clients, so that each connects again by itself, and not all in the same moment.
//!
//! A client that is told to disconnect stays away: that is what "io server disconnect" means to it. One whose
//! connection ends comes back within a second or so. So only connections are ended here.
//!
//! Clients on long-polling have no connection of their own to end. They go together, last; or before, when a request of
//! theirs comes on a new connection and finds another gateway, or none.

use std::{collections::HashMap, io, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    adapter::{Hub, Io, whom},
    lines::{LineRef, Lines},
};

/// No gateway takes longer for it than this, however many clients it has.
const LONGEST: Duration = Duration::from_secs(5);
/// Of few clients each is given so much.
const EACH: Duration = Duration::from_millis(10);

/// How long whoever was let in last may take to say something.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The web server, and what makes it end what is open and answer nobody any more.
pub(super) struct Server {
    pub(super) task: JoinHandle<io::Result<()>>,
    pub(super) stop: CancellationToken,
}

/// Ends all connections, and waits for requests that are under way: in less than `most`, in which everything must end.
/// Nobody is let in any more when this begins.
pub(super) async fn close(io: &Io, hub: &Hub, lines: &Lines, server: Server, most: Duration) {
    let connections = websockets(io, hub, lines);
    let time = (EACH * u32::try_from(connections.len()).unwrap_or(u32::MAX)).min(LONGEST).min(most / 2);
    tracing::info!(
        clients = connections.len(),
        over_ms = time.as_millis() as u64,
        "letting go of the clients"
    );
    one_by_one(connections, time).await;
    let spoken = async {
        while lines.expect_more() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout((most / 10).min(LAST_WORDS), spoken).await.ok();
    server.stop.cancel();
    let rest = (most / 6).min(LONGEST);
    if timeout(rest, io.close()).await.is_err() {
        tracing::warn!("some clients did not let themselves be closed; they are cut off");
    }
    if timeout(rest, server.task).await.is_err() {
        tracing::warn!("some requests did not end; they are cut off");
    }
}

/// The connections of all clients on WebSocket, each once.
fn websockets(io: &Io, hub: &Hub, lines: &Lines) -> Vec<LineRef> {
    let nobody: [&str; 0] = [];
    let mut found = HashMap::new();
    for name in hub.names() {
        let (Some(adapter), Some(namespace)) = (hub.of(&name), io.of(name)) else { continue };
        let all = adapter.local().sockets(whom(&nobody, &nobody));
        for client in all.into_iter().filter_map(|sid| namespace.get_socket(sid)) {
            // A client has the same id in every namespace.
            found.entry(client.id).or_insert_with(|| lines.of(&client));
        }
    }
    found.into_values().flatten().collect()
}

/// In no order, so that clients that came together do not come again together.
async fn one_by_one(mut connections: Vec<LineRef>, time: Duration) {
    fastrand::shuffle(&mut connections);
    let (began, count) = (Instant::now(), connections.len().max(1) as f64);
    for (number, connection) in connections.into_iter().enumerate() {
        sleep_until(began + time.mul_f64(number as f64 / count)).await;
        connection.end();
    }
}
