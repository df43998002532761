//! Somebody who is called over HTTP.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::{PATIENCE, eventually};

/// What a call is answered with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Status(u16),
    Redirect,
    /// Nothing, for ever.
    Hang,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) signature: Option<String>,
    pub(super) body: Value,
}

#[derive(Default)]
struct Heard {
    calls: Vec<Call>,
    will: VecDeque<Answer>,
}

/// It answers 200 where nothing else was said.
pub(super) struct Receiver {
    pub(super) url: String,
    heard: Arc<Mutex<Heard>>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let app = Router::new().fallback(called).with_state(heard.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, heard, server }
    }

    /// The next calls are answered like this, one after the other.
    pub(super) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.heard.lock().unwrap().will.extend(answers);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.heard.lock().unwrap().calls.clone()
    }

    /// Waits for so many calls.
    pub(super) async fn hears_calls(&self, count: usize) -> Vec<Call> {
        eventually(PATIENCE, "it is called so often", async || match self.calls() {
            calls if calls.len() >= count => Ok(calls),
            calls => Err(calls),
        })
        .await
    }

    /// The messages of a kind so far.
    pub(super) fn told(&self, kind: &str) -> Vec<Value> {
        self.calls().into_iter().map(|call| call.body).filter(|body| body["kind"] == kind).collect()
    }

    /// Waits for a message of this kind that says `begins` or `ends`.
    pub(super) async fn hears(&self, kind: &str, state: &str) -> Value {
        eventually(PATIENCE, &format!("{kind} {state}"), async || {
            let found = self.told(kind).into_iter().find(|body| body["state"] == state);
            found.ok_or_else(|| self.calls())
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn called(
    State(heard): State<Arc<Mutex<Heard>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signature = headers.get("x-rowcast-signature").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = {
        let mut heard = heard.lock().unwrap();
        heard.calls.push(Call { path: uri.path().to_owned(), signature, body });
        heard.will.pop_front().unwrap_or(Answer::Status(200))
    };
    match answer {
        Answer::Status(status) => (StatusCode::from_u16(status).unwrap(), "as it was told").into_response(),
        Answer::Redirect => Redirect::temporary("/elsewhere").into_response(),
        Answer::Hang => std::future::pending().await,
    }
}
