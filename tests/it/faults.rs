//! Bad input, and servers that fail: a fault of a job ends that job and nothing else, a fault of a server or of a
//! route is waited for and said once, and no worker dies of either.

mod alter;
mod input;
mod outage;
mod packet;
mod redis_side;
mod route;
mod server;
pub(crate) mod tls;
mod transaction;
