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

    /// The columns that the name is made of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            _ => None,
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
    fn a_template_that_cannot_be_read_is_refused_with_the_reason() {
        for bad in ["", "a{", "a}", "a{}", "{open"] {
            assert!(RoomTemplate::parse(bad).is_err(), "{bad:?}");
        }
    }
}
