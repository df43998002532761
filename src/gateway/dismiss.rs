//! Taking leave of a client: because an emitter asks for it, or because it may not stay. That one is told why: an event
//! [`CLOSING`] comes before the disconnection.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use socketioxide::{SendError, SocketError};
use tokio::time::sleep;

use super::{
    adapter::{Client, Hub, Io},
    lines::{LineRef, Lines},
    slow::Slow,
};

/// The event that says why a connection ends. No event of an application has such a name by accident.
const CLOSING: &str = "rowcast:closing";
/// How long a client may take to close its connection by itself, as the official one does when it is told.
const CLOSES_ITSELF: Duration = Duration::from_secs(1);
/// How long a client that is talking has to hear why it is disconnected.
const HEARS: Duration = Duration::from_millis(500);

/// Disconnects clients.
pub(super) struct Dismiss {
    io: Io,
    hub: Arc<Hub>,
    lines: Arc<Lines>,
    slow: Arc<Slow>,
}

#[derive(Serialize)]
struct Farewell {
    code: &'static str,
    message: &'static str,
}

impl Dismiss {
    pub(super) fn new(io: Io, hub: Arc<Hub>, lines: Arc<Lines>, slow: Arc<Slow>) -> Self {
        Self { io, hub, lines, slow }
    }

    /// Takes leave of a client in its namespace, at once. When it is in no other one, its connection ends as well.
    pub(super) fn now(&self, client: Client, code: &'static str, message: &'static str) {
        tracing::info!(client = %client.id, code, "a client is disconnected");
        if tell(&client, code, message) { self.leave(client) } else { self.slow.drop_client(client) }
    }

    /// As [`Dismiss::now`], but the client has a moment to hear why. A client that goes on talking after it was
    /// disconnected loses its connection in the middle of whatever it has not read.
    pub(super) fn soon(self: &Arc<Self>, client: Client, code: &'static str, message: &'static str) {
        tracing::info!(client = %client.id, code, "a client is disconnected");
        if !tell(&client, code, message) {
            return self.slow.drop_client(client);
        }
        let dismiss = self.clone();
        drop(tokio::spawn(async move {
            sleep(HEARS).await;
            if client.connected() {
                dismiss.leave(client);
            }
        }));
    }

    /// Takes leave of a client in its namespace, without a word. Its connection stays.
    pub(super) fn disconnect(&self, client: Client) {
        if let Err(SocketError::InternalChannelFull) = client.clone().disconnect() {
            self.slow.drop_client(client);
        }
    }

    /// Takes leave of a client in all its namespaces, without a word, and sees to it that its connection ends.
    pub(super) fn close(&self, client: &Client) {
        let lines = self.lines.of(client);
        for namespace in self.hub.names() {
            // In this library a client's socket has the same id in every namespace.
            if let Some(client) = self.io.of(namespace).and_then(|namespace| namespace.get_socket(client.id))
            {
                self.disconnect(client);
            }
        }
        cut_soon(lines, || true);
    }

    /// Takes leave of a client in its namespace. When it is in no other one, its connection ends.
    fn leave(&self, client: Client) {
        let lines = self.lines.of(&client);
        let (hub, id) = (self.hub.clone(), client.id.to_string());
        self.disconnect(client);
        cut_soon(lines, move || !hub.has_client(&id));
    }
}

/// Cuts connections that are still there when a client could have closed them by itself, where this still holds then.
fn cut_soon(lines: Vec<LineRef>, holds: impl FnOnce() -> bool + Send + 'static) {
    if lines.is_empty() {
        return;
    }
    drop(tokio::spawn(async move {
        sleep(CLOSES_ITSELF).await;
        if holds() {
            lines.iter().for_each(LineRef::cut);
        }
    }));
}

/// Whether there was a place for it in the client's queue.
fn tell(client: &Client, code: &'static str, message: &'static str) -> bool {
    let told = client.emit(CLOSING, &Farewell { code, message });
    !matches!(told, Err(SendError::Socket(SocketError::InternalChannelFull)))
}
