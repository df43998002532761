//! The cases of the official test suites of the protocols, engine.io 4 and socket.io 5, in their order. Where those
//! have a server that echoes, here it is acknowledgements and emitted events that come back.

mod engine_io;
mod socket_io;

use rowcast::emitter::{Outgoing, Target};
use serde::{Serialize, Serializer};

use crate::support::Env;

/// What the server answers to an event that is not one of its own.
const REFUSED: &str = "[{\"ok\":false,\"code\":\"unknown_event\",";

/// Emits one or two pieces of bytes to everybody.
async fn emit_bytes(env: &Env, event: &str, all: &[&[u8]]) {
    let all: Vec<Bytes<'_>> = all.iter().map(|bytes| Bytes(bytes)).collect();
    let message = match all.as_slice() {
        [one, other] => Target::new().event_args(event, &(one, other)),
        all => Target::new().event_args(event, &(&all[0],)),
    };
    publish(env, message.unwrap()).await;
}

async fn publish(env: &Env, message: Outgoing) {
    let publish = redis::cmd("PUBLISH").arg(message.channel).arg(message.payload).clone();
    publish.query_async::<()>(&mut env.redis_connection().await).await.unwrap();
}

/// Bytes that are written as such, and not as an array.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
