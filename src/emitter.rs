//! stub
/// Whether socket.io reserves an event's name.
pub fn is_reserved(event: &str) -> bool {
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
        .contains(&event)
}
