//! Patterns of Redis, for channels and for keys.

/// A pattern that matches this text only.
pub fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_own_text_only() {
        assert_eq!(literal("socket.io#/chat"), "socket.io#/chat");
        assert_eq!(literal("{a*b?[c]\\}"), "{a\\*b\\?\\[c\\]\\\\}");
    }
}
