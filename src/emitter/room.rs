//! Names of rooms: strings nearly always, integers where Node code used `socket.join(42)`.

use serde::Serialize;

use super::pack;

/// A room of a namespace. For Node's adapter the room `42` is not the room `"42"`, so the type is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Room {
    /// A room with a name.
    Name(String),
    /// A room that was joined by number; it stays an integer on the wire.
    Number(i64),
}

impl Room {
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => pack::string(out, name),
            Self::Number(number) => pack::int(out, *number),
        }
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl From<&str> for Room {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Room {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<i64> for Room {
    /// A number that JavaScript cannot hold exactly names no room there; its digits may.
    fn from(number: i64) -> Self {
        if number.unsigned_abs() <= pack::MAX_SAFE_INTEGER {
            Self::Number(number)
        } else {
            Self::Name(number.to_string())
        }
    }
}

impl From<i32> for Room {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Room {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// One room or several: what `to`, `except`, `sockets_join` and `sockets_leave` take, as the official emitter does.
pub trait IntoRooms {
    /// The rooms, in the order given.
    fn into_rooms(self) -> Vec<Room>;
}

macro_rules! one_room {
    ($($kind:ty),*) => {$(
        impl IntoRooms for $kind {
            fn into_rooms(self) -> Vec<Room> {
                vec![self.into()]
            }
        }
    )*};
}

one_room!(Room, &str, String, i64, i32, u32);

impl<R: Into<Room>, const N: usize> IntoRooms for [R; N] {
    fn into_rooms(self) -> Vec<Room> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<R: Into<Room>> IntoRooms for Vec<R> {
    fn into_rooms(self) -> Vec<Room> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<R: Into<Room> + Clone> IntoRooms for &[R] {
    fn into_rooms(self) -> Vec<Room> {
        self.iter().cloned().map(Into::into).collect()
    }
}
