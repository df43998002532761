//! What is wrong with a routes file, for whoever wrote it, and what was probably meant. Pure.

use crate::spelling::did_you_mean;

/// How a routes file is written, in one sentence.
pub(super) const EACH_ROUTE: &str =
    "each route begins with a line [[route]], and queue = \"...\" and table = \"...\" stand below it";

/// The place, what is wrong there, and what was probably meant; on one line, because it may go to a log.
pub(super) fn in_words(text: &str, error: &toml::de::Error) -> String {
    let message = plain(&error.message().lines().collect::<Vec<_>>().join(", "));
    let words = error.span().and_then(|span| place(text, span.start)).unwrap_or_default() + &message;
    let hint = hint(text, error).map(|hint| format!("; {hint}"));
    // "unknown field `tabel`, expected one of `queue`, `table`": what stands between the quotes are names.
    let mut names = error.message().split('`').skip(1).step_by(2);
    let meant = names.next().filter(|_| error.message().starts_with("unknown field"));
    words + &hint.or_else(|| meant.map(|name| did_you_mean(name, names))).unwrap_or_default()
}

/// Without the names that types have in another language. What stands there instead is in the line that is shown.
fn plain(message: &str) -> String {
    const EXPECTED: [(&str, &str); 5] = [
        ("a string", "text in quotes"),
        ("a boolean", "true or false"),
        ("a sequence", "a list in brackets"),
        ("a map", "a table"),
        ("struct Entry", "a table for each route"),
    ];
    if let Some((_, expected)) =
        message.strip_prefix("invalid type: ").and_then(|m| m.rsplit_once(", expected "))
    {
        let known = EXPECTED.iter().find(|(theirs, _)| *theirs == expected);
        return format!("expected {}", known.map_or(expected, |(_, ours)| ours));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return rest.replacen(", expected one of ", " is not known; there are ", 1);
    }
    // The library's words for a value that should be one of several words, and for a date that should be text.
    if message == "wanted string or table" || message.contains("$__toml_private") {
        return "expected text in quotes".to_owned();
    }
    message
        .strip_prefix("missing field ")
        .map_or_else(|| message.to_owned(), |name| format!("{name} is missing"))
}

/// `line 3, column 1 (tabel = "t"): `
fn place(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default().trim().replace(char::is_control, " ");
    let shown = if line.is_empty() { line } else { format!(" ({line})") };
    let (number, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
    Some(format!("line {number}, column {column}{shown}: "))
}

/// What is right, for slips that the library has other words for.
fn hint(text: &str, error: &toml::de::Error) -> Option<String> {
    let file: toml::Table = text.parse().ok()?;
    if file.get("route").is_some_and(|route| !route.is_array()) {
        return Some(format!(
            "write [[route]] with two brackets, because there may be several: {EACH_ROUTE}"
        ));
    }
    // The line that it is about, as far as it is a key.
    let line = text.get(error.span()?.start..)?.lines().next()?;
    let before = text.get(..error.span()?.start)?.rsplit('\n').next()?;
    let key = |line: &str| {
        line.trim_matches(['[', ']', ' ', '\t']).split(['=', ' ', '\t']).next().map(str::to_owned)
    };
    let key = key(before).filter(|key| !key.is_empty()).or_else(|| key(line))?;
    let is_top = file.contains_key(&key);
    match key.as_str() {
        "columns" if is_top => Some("it belongs to a route: write [route.columns] below that route".into()),
        "queue" | "table" | "rooms" | "event" if is_top => Some(EACH_ROUTE.into()),
        // Otherwise it is one, and what is wrong is inside it.
        "columns" | "route.columns" if error.message().ends_with("expected a map") => Some(
            "columns is one table: [route.columns], and below it lines like accountid = \"time\"; \
             accountid=time,openid=stamp is the form of ROWCAST_COLUMNS"
                .into(),
        ),
        "rooms" => Some("rooms is a list: rooms = [\"{table}\", \"account:{accountid}\"]".into()),
        _ => None,
    }
}
