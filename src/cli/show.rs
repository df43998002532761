//! What people read: aligned tables, and text from elsewhere that cannot disturb a terminal.

use std::io::{self, Write as _};

use serde::Serialize;

/// Writes a line to standard output. When nobody reads any more, that is an error, which ends the command quietly.
pub(super) fn say(line: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", line.as_ref())
}

/// Writes a value as JSON to standard output.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(say(serde_json::to_string_pretty(value)?)?)
}

/// Aligns rows of cells, the first row being the titles; columns of numbers but the first to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
    let width = |at| rows.iter().map(|row| cell(row, at).chars().count()).max().unwrap_or(0);
    let numeric =
        |at| at > 0 && rows.iter().skip(1).all(|row| !cell(row, at).starts_with(char::is_alphabetic));
    let layout: Vec<(usize, bool)> = (0..columns).map(|at| (width(at), numeric(at))).collect();
    let line = |row: &Vec<String>| {
        let cells = layout.iter().enumerate().map(|(at, (width, numeric))| {
            let text = cell(row, at);
            if *numeric { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text from elsewhere on one line: control characters escaped, cut after so many characters.
pub(super) fn shown(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (at, letter) in text.chars().enumerate() {
        if at == most {
            line.push_str("...");
            break;
        }
        if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
    }
    line
}

/// A length of time as people say it: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn ago(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..120_000 => format!("{} s", milliseconds / 1_000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        7_200_000..172_800_000 => format!("{} h", milliseconds / 3_600_000),
        _ => format!("{} d", milliseconds / 86_400_000),
    }
}

/// How long something takes, in at most three digits: `0.8 ms`, `12 ms`, `1.2 s`, `45 s`, `3 min`. Rounded as in the
/// dashboard, where halves go up.
pub(super) fn took(milliseconds: f64) -> String {
    let whole = |unit: f64| (milliseconds / unit).round();
    let tenths = |unit: f64| (milliseconds / unit * 10.0).round() / 10.0;
    match milliseconds {
        ..9.95 => format!("{:.1} ms", tenths(1.0)),
        ..999.5 => format!("{} ms", whole(1.0)),
        ..9_950.0 => format!("{:.1} s", tenths(1_000.0)),
        ..119_500.0 => format!("{} s", whole(1_000.0)),
        _ => format!("{} min", whole(60_000.0)),
    }
}

/// `1 job`, `2 jobs`.
pub(super) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Things by their names: `queue "message"`, `queues "message", "orders"`.
pub(super) fn named<'a>(thing: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
    let more = if names.len() == 1 { "" } else { "s" };
    format!("{thing}{more} {}", names.join(", "))
}

/// A word for the shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_table_is_aligned_with_numbers_to_the_right() {
        let rows =
            [row(["queue", "waiting", "state"]), row(["a", "7", "on"]), row(["long name", "12", "off"])];
        let expected = "queue      waiting  state\na                7  on\nlong name       12  off";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn text_from_elsewhere_stays_on_its_line_and_moves_no_cursor() {
        assert_eq!(shown("a\n\u{1b}[2Jb", 100), "a\\n\\u{1b}[2Jb");
        assert_eq!(shown("abcdef", 3), "abc...");
    }

    #[test]
    fn times_and_counts_are_said_as_people_say_them() {
        assert_eq!([ago(850), ago(12_000), ago(180_000)], ["850 ms", "12 s", "3 min"]);
        let delays = [0.004, 0.84, 9.94, 9.96, 999.4, 999.6, 9_949.0, 9_951.0, 600_000.0];
        let said = ["0.0 ms", "0.8 ms", "9.9 ms", "10 ms", "999 ms", "1.0 s", "9.9 s", "10 s", "10 min"];
        assert_eq!(delays.map(took), said);
        // What is halfway and above goes up.
        let delays = [0.25, 12.5, 2_250.0, 44_500.0, 119_499.0, 119_500.0, 150_000.0, 179_900.0];
        let said = ["0.3 ms", "13 ms", "2.3 s", "45 s", "119 s", "2 min", "3 min", "3 min"];
        assert_eq!(delays.map(took), said);
        assert_eq!([count(1, "job"), count(0, "job")], ["1 job", "0 jobs"]);
        assert_eq!(named("queue", ["a"]), "queue \"a\"");
        assert_eq!(named("queue", ["a", "b\n"]), "queues \"a\", \"b\\n\"");
    }

    #[test]
    fn a_word_for_the_shell_is_quoted_where_it_must_be() {
        assert_eq!(quoted("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(quoted("{\"a\":1}"), "'{\"a\":1}'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
