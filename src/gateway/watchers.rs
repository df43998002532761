//! Clients that look after the cluster rather than at rows, in the namespaces `/cluster` and `/admin`: who is let in.
//!
//! It is a token of operators that lets them in, as at the dashboard, and no client's token. Where none is configured,
//! this machine may look.

use std::{fmt, sync::Arc};

use serde_json::Value;
use socketioxide::{
    extract::{Event, TryData},
    handler::ConnectHandler,
};

use super::{
    adapter::{Adapter, Client},
    api::Api,
    chatter::Chatter,
    doors::Whence,
    slow::Slow,
};

/// What lets them in.
pub(super) struct Watchers {
    pub(super) api: Arc<Api>,
    pub(super) slow: Arc<Slow>,
    pub(super) chatter: Arc<Chatter>,
}

/// Why somebody may not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Nothing,
    Wrong,
    TooMany,
    NoTokens,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => {
                "no_token: ROWCAST_READ_TOKEN or ROWCAST_ADMIN_TOKEN is wanted, as auth: { token }"
            }
            Self::Wrong => "bad_token: the token is neither ROWCAST_READ_TOKEN nor ROWCAST_ADMIN_TOKEN",
            Self::TooMany => "too many attempts; wait a little, and try again",
            Self::NoTokens => "without ROWCAST_READ_TOKEN only this machine may look",
        })
    }
}

impl Watchers {
    /// Takes the clients of `/cluster`: they hear what is published there.
    pub(super) fn handler(self: Arc<Self>) -> impl ConnectHandler<Adapter, (Client,)> {
        heard.with(async move |client: Client, TryData(auth): TryData<Value>| {
            self.enter(&client, &auth.unwrap_or_default()).map(drop)
        })
    }

    /// Lets a client in, or says why not. Returns what it may show the next time, where it has given a token: as
    /// `token`, or as `password` like the Admin UI.
    ///
    /// # Errors
    /// Why it may not look.
    pub(super) fn enter(self: &Arc<Self>, client: &Client, auth: &Value) -> Result<Option<String>, Denied> {
        let pass = self.admit(client, auth).inspect_err(|denied| {
            tracing::debug!(client = %client.id, namespace = client.ns(), "somebody may not look: {denied}");
        })?;
        self.slow.enter(client);
        client.join(client.id.to_string());
        let watchers = self.clone();
        client.on_fallback(async move |client: Client, Event(event): Event| {
            // They ask for nothing that is done here; and they may not say more than any other client.
            if watchers.chatter.permit(&client) {
                tracing::debug!(event, namespace = client.ns(), "what is asked for is not done");
            }
        });
        Ok(pass)
    }

    fn admit(&self, client: &Client, auth: &Value) -> Result<Option<String>, Denied> {
        let whence = client.req_parts().extensions.get::<Whence>().copied();
        let Some(whence) = whence else { return Err(Denied::Nothing) };
        let login = &self.api.login;
        if !login.has_tokens() {
            return if whence.here { Ok(None) } else { Err(Denied::NoTokens) };
        }
        if auth["sessionId"].as_str().is_some_and(|pass| login.is_pass(pass)) {
            return Ok(None);
        }
        // The UI connects without anything first, which is no attempt.
        let given = ["token", "password"].into_iter().find_map(|name| auth[name].as_str());
        let Some(given) = given.filter(|given| !given.is_empty()) else { return Err(Denied::Nothing) };
        let namespace = client.ns();
        if let Some(pass) = login.pass_for(given) {
            tracing::info!(client = %whence.client, namespace, "somebody looks");
            return Ok(Some(pass));
        }
        if !login.may_try(whence.client) {
            return Err(Denied::TooMany);
        }
        tracing::warn!(client = %whence.client, namespace, "a wrong token was given");
        Err(Denied::Wrong)
    }
}

async fn heard(client: Client) {
    tracing::debug!(client = %client.id, namespace = client.ns(), "connected");
}
