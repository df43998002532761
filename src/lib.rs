//! rowcast: LPUSH a JSON job to a Redis list, and it becomes exactly one MySQL row and exactly one socket.io event.

pub mod sandbox;
