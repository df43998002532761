//! The rooms that a token names. Pure.

use serde_json::Value;

/// A list of rooms and of beginnings of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Rooms(Vec<Name>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// This room.
    Is(Box<str>),
    /// Every room whose name begins like this.
    Begins(Box<str>),
}

impl Rooms {
    /// The claim `rooms`: a list of names. A `*` at the end of a name stands for any rest, an empty one included; the
    /// name `*` is every room. Anywhere else a `*` is refused, because it would not do what it looks like.
    ///
    /// # Errors
    /// What is wrong with the claim.
    pub(super) fn read(claim: Option<&Value>) -> Result<Self, String> {
        let Some(Value::Array(items)) = claim else {
            return Err("the token has no rooms: a list such as [\"account:7\", \"orders:*\"]".into());
        };
        items.iter().map(name).collect::<Result<_, _>>().map(Self)
    }

    /// Whether its bearer may join this room.
    pub(in crate::gateway) fn hold(&self, room: &str) -> bool {
        self.0.iter().any(|name| match name {
            Name::Is(name) => **name == *room,
            Name::Begins(begin) => room.starts_with(&**begin),
        })
    }
}

fn name(item: &Value) -> Result<Name, String> {
    let Value::String(text) = item else { return Err(format!("the token's room {item} is no text")) };
    let (begin, pattern) = text.strip_suffix('*').map_or((text.as_str(), false), |begin| (begin, true));
    if begin.contains('*') {
        return Err(format!("the token's room {text:?} has a * before its end, where it stands for nothing"));
    }
    Ok(if pattern { Name::Begins(begin.into()) } else { Name::Is(begin.into()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn hold(rooms: Value, room: &str) -> bool {
        Rooms::read(Some(&rooms)).unwrap().hold(room)
    }

    #[test]
    fn a_name_is_its_room_and_a_star_is_any_rest() {
        let rooms = json!(["account:7", "orders:*"]);
        for room in ["account:7", "orders:", "orders:1", "orders:a:b*", "orders:🚀"] {
            assert!(hold(rooms.clone(), room), "{room}");
        }
        for room in ["account:71", "account:", "ACCOUNT:7", "orders", "xorders:1", " account:7", "", "*"] {
            assert!(!hold(rooms.clone(), room), "{room}");
        }
        assert!(hold(json!(["*"]), "any") && !hold(json!([]), "any") && !hold(json!([""]), "any"));
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        for claim in [json!("a"), json!({}), json!([1]), json!(["a", null]), json!(["a*b"]), json!(["**"])] {
            assert!(Rooms::read(Some(&claim)).is_err(), "{claim}");
        }
        assert!(Rooms::read(None).is_err());
    }

    proptest! {
        #[test]
        fn a_pattern_holds_exactly_what_begins_like_it(begin in "[a-c:]{0,4}", room in "[a-c:*]{0,6}") {
            let pattern = json!([format!("{begin}*")]);
            prop_assert_eq!(hold(pattern, &room), room.as_bytes().get(..begin.len()) == Some(begin.as_bytes()));
        }

        #[test]
        fn a_name_without_a_star_holds_itself_only(name in "[a-c:]{0,3}", room in "[a-c:]{0,3}") {
            prop_assert_eq!(hold(json!([name]), &room), name == room);
        }

        #[test]
        fn more_names_never_hold_less(
            names in prop::collection::vec("[a-b]{0,2}\\*?", 0..5), more in "[a-b]{0,2}\\*?", room in "[a-b]{0,3}",
        ) {
            let mut all = names.clone();
            all.push(more);
            prop_assert!(!hold(json!(names), &room) || hold(json!(all), &room));
        }
    }
}
