//! What a client is given when it connects.

use std::convert::Infallible;

use super::adapter::Client;

/// Before the client hears that it is connected: its own room, which is named like its id, as on a Node server.
pub(super) async fn admit(client: Client) -> Result<(), Infallible> {
    client.join(client.id.to_string());
    Ok(())
}

/// After it has heard it.
pub(super) async fn connected(client: Client) {
    tracing::debug!(client = %client.id, namespace = client.ns(), "connected");
}
