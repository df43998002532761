//! JSON text that a server takes as it is.

/// How deep JSON for a JSON column may nest; MySQL's own limit. MariaDB's is 32, and it says so itself.
const DEPTH: usize = 100;

/// Checks what the parser lets pass unread: nesting, and escapes that are no characters.
pub(in super::super) fn check(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut depth, mut quoted, mut at) = (0usize, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += escape_length(&text[at..])? - 1,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth > DEPTH {
            return Err(format!("nests deeper than {DEPTH} levels"));
        }
        at += 1;
    }
    Ok(())
}

/// The length of the escape at the beginning, both halves of a surrogate pair together.
fn escape_length(text: &str) -> Result<usize, String> {
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    if text.as_bytes().get(1) != Some(&b'u') {
        return Ok(2);
    }
    match (unit(2), text.get(6..8), unit(8)) {
        (Some(0xD800..=0xDBFF), Some("\\u"), Some(0xDC00..=0xDFFF)) => Ok(12),
        (Some(0xD800..=0xDFFF), ..) => Err("holds a lone surrogate".into()),
        _ => Ok(6),
    }
}
