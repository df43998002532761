//! Room templates: `"account:{accountid}"` becomes `account:7` for a row whose accountid is 7.

use std::fmt;

/// A room's name with places for the table and for columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTemplate {
    /// The parts, in order.
    pub parts: Vec<Part>,
}

/// A piece of a room's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// The route's table.
    Table,
    /// A column's value. A row in which it is NULL or absent does not go to the room.
    Column(String),
}

impl RoomTemplate {
    /// Parses a template; `{{` and `}}` stand for the braces themselves.
    ///
    /// # Errors
    /// A sentence, for a brace without its partner, an empty place or an empty template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("room {text:?} {what}");
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => plain.extend(rest.next()),
                '{' => {
                    flush(&mut plain, &mut parts);
                    parts.push(place(&mut rest).map_err(wrong)?);
                }
                '}' => {
                    return Err(wrong(
                        "has a closing brace without its partner; write }} for the brace itself",
                    ));
                }
                _ => plain.push(c),
            }
        }
        flush(&mut plain, &mut parts);
        if parts.is_empty() {
            return Err(wrong("is empty"));
        }
        Ok(Self { parts })
    }

    /// A room's name read backwards: the ways in which it could have been made, each with the columns' texts in the
    /// order of their places. A name without columns is made in one way, of none. `None` when there are more ways than
    /// anybody would mean.
    pub fn read<'t, 'r>(&'t self, table: &'t str, room: &'r str) -> Option<Vec<Vec<(&'t str, &'r str)>>> {
        let mut reading = Reading { table, so_far: Vec::new(), ways: Vec::new(), attempts: 0 };
        reading.read(&self.parts, room).then_some(reading.ways)
    }

    /// The columns that the name is made of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// More ways to read a name backwards are not followed, nor more attempts made.
const MOST_WAYS: usize = 16;
const MOST_ATTEMPTS: usize = 10_000;

/// A name that is being read backwards.
struct Reading<'t, 'r> {
    table: &'t str,
    so_far: Vec<(&'t str, &'r str)>,
    ways: Vec<Vec<(&'t str, &'r str)>>,
    attempts: usize,
}

impl<'t, 'r> Reading<'t, 'r> {
    /// Finds the ways to make `room` of `parts`; `false` when there are too many.
    fn read(&mut self, parts: &'t [Part], room: &'r str) -> bool {
        self.attempts += 1;
        let Some((part, rest)) = parts.split_first() else {
            self.ways.extend(room.is_empty().then(|| self.so_far.clone()));
            return self.ways.len() <= MOST_WAYS;
        };
        let plain = match part {
            Part::Text(text) => text.as_str(),
            Part::Table => self.table,
            Part::Column(name) => return self.read_column(name, rest, room),
        };
        room.strip_prefix(plain).is_none_or(|room| self.read(rest, room))
    }

    fn read_column(&mut self, name: &'t str, rest: &'t [Part], room: &'r str) -> bool {
        let ends = room.char_indices().map(|(at, _)| at).chain([room.len()]);
        // The last place takes all that is left.
        let mut ends = ends.filter(|end| !rest.is_empty() || *end == room.len());
        ends.all(|end| {
            let (text, room) = room.split_at(end);
            if self.so_far.iter().any(|(other, value)| *other == name && *value != text) {
                return true;
            }
            self.so_far.push((name, text));
            let few = self.attempts < MOST_ATTEMPTS && self.read(rest, room);
            self.so_far.pop();
            few
        })
    }
}

/// Reads on to the closing brace.
fn place(rest: &mut impl Iterator<Item = char>) -> Result<Part, &'static str> {
    let mut name = String::new();
    loop {
        match rest.next() {
            None => return Err("has an opening brace without its partner"),
            Some('}') if name.is_empty() => return Err("has an empty place; write {column} or {table}"),
            Some('}') if name == "table" => return Ok(Part::Table),
            Some('}') => return Ok(Part::Column(name)),
            Some(c) => name.push(c),
        }
    }
}

fn flush(plain: &mut String, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

impl fmt::Display for RoomTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Table => f.write_str("{table}"),
            Part::Column(name) => write!(f, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_into_its_parts_and_written_back() {
        let template = RoomTemplate::parse("{table}:account:{accountid}{{x}}").unwrap();
        assert_eq!(
            template.parts,
            [
                Part::Table,
                Part::Text(":account:".into()),
                Part::Column("accountid".into()),
                Part::Text("{x}".into())
            ]
        );
        assert_eq!(template.to_string(), "{table}:account:{accountid}{{x}}");
        assert_eq!(template.columns().collect::<Vec<_>>(), ["accountid"]);
    }

    #[test]
    fn a_name_is_read_backwards_in_every_way_that_could_have_made_it() {
        let read = |template: &str, room: &str| {
            let template = RoomTemplate::parse(template).unwrap();
            let ways = template.read("orders", room);
            ways.map(|ways| {
                let ways =
                    ways.iter().map(|way| way.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("|"));
                ways.collect::<Vec<_>>()
            })
        };
        let ways = |ways: &[&str]| Some(ways.iter().map(|way| (*way).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("{table}", "orders"), ways(&[""]));
        assert_eq!(read("{table}", "order"), ways(&[]));
        assert_eq!(read("a:{id}", "a:7"), ways(&["7"]));
        assert_eq!(read("a:{id}", "a:"), ways(&[""]));
        assert_eq!(read("a:{id}", "b:7"), ways(&[]));
        assert_eq!(read("{a}:{b}", "x:y:z"), ways(&["x|y:z", "x:y|z"]));
        assert_eq!(read("{a}:{a}", "x:x"), ways(&["x|x"]));
        assert_eq!(read("{a}:{a}", "x:y"), ways(&[]));
        assert_eq!(read("{a}-x", "y-x"), ways(&["y"]));
        assert_eq!(read("{a}{b}", "é"), ways(&["|é", "é|"]));
        assert_eq!(read("{a}{b}", &"x".repeat(40)), None);
        assert_eq!(read("{a}{b}{c}{d}!", &"x".repeat(500)), None, "and soon");
    }

    #[test]
    fn a_template_that_cannot_be_read_is_refused_with_the_reason() {
        for bad in ["", "a{", "a}", "a{}", "{open"] {
            assert!(RoomTemplate::parse(bad).is_err(), "{bad:?}");
        }
    }
}
