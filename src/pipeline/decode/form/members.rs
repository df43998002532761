//! The members of an ENUM or SET.

/// Members as the table declares them.
///
/// The servers find a member by the column's collation, and take digits that name none for a member's place. Here a
/// member is found by its name alone, whose case matters where it does for the collation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Members {
    names: Vec<String>,
    /// Whether a text may have several, with commas between them.
    several: bool,
    /// Whether the collation tells no upper from lower case.
    folds: bool,
}

impl Members {
    /// Those of `enum('a','b')`.
    pub(super) fn of(type_name: &str, collation: Option<&str>) -> Self {
        Self {
            names: names(type_name),
            several: type_name.starts_with("set"),
            folds: collation.is_some_and(|collation| collation.ends_with("_ci")),
        }
    }

    /// A text as the column keeps it; `None` for what names no member.
    pub(in super::super) fn kept(&self, text: &str) -> Option<String> {
        if self.several { self.all(text) } else { self.one(text).map(|at| self.names[at].clone()) }
    }

    /// Several members, in the order of the table and each once.
    fn all(&self, text: &str) -> Option<String> {
        let given = text.split(',').filter(|_| !text.is_empty());
        let mut places = given.map(|name| self.one(name)).collect::<Option<Vec<usize>>>()?;
        places.sort_unstable();
        places.dedup();
        let names: Vec<&str> = places.iter().map(|&at| self.names[at].as_str()).collect();
        Some(names.join(","))
    }

    fn one(&self, text: &str) -> Option<usize> {
        let text = text.trim_end_matches(' ');
        let exactly = self.names.iter().position(|name| name == text);
        if exactly.is_some() || !self.folds {
            return exactly;
        }
        let folded = text.to_lowercase();
        self.names.iter().position(|name| name.to_lowercase() == folded)
    }
}

fn names(type_name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = type_name.split_once('\'').map_or("", |(_, rest)| rest).chars().peekable();
    let mut name = String::new();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' if rest.next_if_eq(&'\'').is_some() => name.push('\''),
            '\'' => {
                names.push(std::mem::take(&mut name));
                // To behind the next opening quote.
                if rest.find(|&letter| letter == '\'').is_none() {
                    break;
                }
            }
            '\\' => name.push(match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('0') => '\0',
                Some(letter) => letter,
                None => '\\',
            }),
            letter => name.push(letter),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_of_the_table_whatever_they_hold() {
        let names = names(r"enum('a\\b','c''d','e\nf','g,h','','日本')");
        assert_eq!(names, ["a\\b", "c'd", "e\nf", "g,h", "", "日本"]);
        assert_eq!(super::names("set('a')"), ["a"]);
        assert!(super::names("type").is_empty());
    }

    #[test]
    fn a_member_is_spelled_as_the_table_spells_it_and_what_names_none_is_no_member() {
        let kept =
            |type_name: &str, collation: &str, text: &str| Members::of(type_name, Some(collation)).kept(text);
        let same = |text: &str| Some(text.to_owned());
        let (ci, bin) = ("utf8mb4_general_ci", "utf8mb4_bin");
        for (type_name, collation, text, expected) in [
            ("enum('a','b')", ci, "b", same("b")),
            ("enum('a','b')", ci, "A ", same("a")),
            ("enum('a','b')", bin, "a ", same("a")),
            ("enum('a','b')", bin, "A", None),
            ("enum('a','b')", ci, "c", None),
            ("enum('a','b')", ci, "", None),
            ("enum('e')", ci, "é", None),
            ("enum('a','b')", ci, "1", None),
            ("enum('a','b')", ci, "0", None),
            ("enum('a','b')", ci, " +01 ", None),
            ("enum('1','0','5')", ci, "0", same("0")),
            ("enum('1','0','5')", ci, "5 ", same("5")),
            ("enum('1','0','5')", ci, "2", None),
            ("enum('','a')", ci, "", same("")),
            ("set('a','b','c')", ci, "C,a,c", same("a,c")),
            ("set('a','b','c')", ci, "", same("")),
            ("set('a','b','c')", ci, "a,", None),
            ("set('a','b','c')", ci, "a, b", None),
            ("set('a','b','c')", ci, "3", None),
            ("set('a','b','c')", ci, "0", None),
            ("set('1','2','4')", ci, "4,1", same("1,4")),
            ("set('1','2','4')", ci, "3", None),
        ] {
            assert_eq!(kept(type_name, collation, text), expected, "{type_name} {text:?}");
        }
    }
}
