//! A worker's end of the local fan-out.

use std::{io, os::unix::net::UnixStream as Socket, sync::Arc};

use futures_util::SinkExt as _;
use tokio::{net::UnixStream, sync::Mutex};
use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};

use super::{ClaimName, Frame, codec, parcel::parcels};
use crate::{fault, queue::Events};

/// Where a worker hands on events; its clones are the same.
#[derive(Debug, Clone)]
pub struct ToGateways(Arc<Mutex<FramedWrite<UnixStream, LengthDelimitedCodec>>>);

impl ToGateways {
    /// Takes over a socket that the supervisor has handed down. Call it within an event loop.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(Arc::new(Mutex::new(FramedWrite::new(UnixStream::from_std(socket)?, codec())))))
    }

    /// Hands on the events of a committed claim. When it returns they are out of this process: its death takes none of
    /// them along. Whoever gives up waiting may call it again; gateways hear none of them twice.
    ///
    /// # Errors
    /// The supervisor is gone, and its gateways are about to go.
    pub async fn hand_on(&self, claim: &ClaimName, events: &Events) -> io::Result<()> {
        let mut sink = self.0.lock().await;
        for parcel in parcels(claim, events) {
            sink.send(Frame::Parcel(parcel).into_bytes()).await?;
            fault::point("parcel");
        }
        Ok(())
    }
}
