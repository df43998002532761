//! JSON text to MessagePack in one pass, without a tree in between.
//!
//! Promises: the result equals what `JSON.parse` and notepack would write, except that integers JavaScript cannot
//! hold exactly (beyond 2^53) and numbers beyond a double's range (`1e400`) become strings of their own
//! digits. Text that is not JSON, or is nested deeper than [`MAX_DEPTH`], is an error, and the buffer is as it was.
//! There is no recursion, so no text can overflow the stack.
//!
//! It does not look for duplicate keys: both are written, and every reader keeps the last.

use super::{
    MAX_DEPTH,
    pack::{self, Kind},
};

/// Why text could not be transcoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonError {
    /// Not JSON at this byte.
    #[error("it is not JSON at byte {0}")]
    Malformed(usize),
    /// More than [`MAX_DEPTH`] arrays and objects inside each other.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Appends the MessagePack form of one JSON text.
pub(super) fn transcode(text: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let start = out.len();
    // Most values are scalars: they open nothing, and should not pay for clearing a stack.
    let done = if text.trim_start().starts_with(['{', '[']) {
        Transcoder { text, at: 0, out, open: &mut [Open::default(); MAX_DEPTH], depth: 0 }.run()
    } else {
        Transcoder { text, at: 0, out, open: &mut [], depth: 0 }.run()
    };
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// A container that has been opened and not yet closed.
#[derive(Clone, Copy, Default)]
struct Open {
    header_at: usize,
    length: usize,
    is_map: bool,
}

struct Transcoder<'t, 'o> {
    text: &'t str,
    at: usize,
    out: &'o mut Vec<u8>,
    open: &'o mut [Open],
    depth: usize,
}

type Step = Result<(), JsonError>;

impl Transcoder<'_, '_> {
    fn run(&mut self) -> Step {
        loop {
            let opened = self.value_or_opening()?;
            if !opened && !self.next_in_container()? {
                return if self.peek().is_none() { Ok(()) } else { self.malformed() };
            }
        }
    }

    /// Writes a scalar or an empty container (false: a value is complete), or opens a container (true: its first
    /// value comes next).
    fn value_or_opening(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'{') => self.begin(true),
            Some(b'[') => self.begin(false),
            Some(b'"') => self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.literal("true").map(|()| pack::boolean(self.out, true)).map(|()| false),
            Some(b'f') => self.literal("false").map(|()| pack::boolean(self.out, false)).map(|()| false),
            Some(b'n') => self.literal("null").map(|()| pack::nil(self.out)).map(|()| false),
            _ => self.malformed(),
        }
    }

    fn begin(&mut self, is_map: bool) -> Result<bool, JsonError> {
        let slot = self.open.get_mut(self.depth).ok_or(JsonError::TooDeep)?;
        *slot = Open { header_at: pack::open(self.out), length: 0, is_map };
        self.depth += 1;
        self.at += 1;
        if self.peek() == Some(if is_map { b'}' } else { b']' }) {
            self.end();
            return Ok(false);
        }
        self.element()?;
        Ok(true)
    }

    fn end(&mut self) {
        self.at += 1;
        self.depth -= 1;
        let Open { header_at, length, is_map } = self.open[self.depth];
        pack::close(self.out, header_at, if is_map { Kind::Map } else { Kind::Array }, length);
    }

    /// Counts one more element; in a map, also reads its key.
    fn element(&mut self) -> Step {
        let container = &mut self.open[self.depth - 1];
        container.length += 1;
        if container.is_map {
            self.expect(b'"')?;
            self.string()?;
            self.expect(b':')?;
            self.at += 1;
        }
        Ok(())
    }

    /// After a complete value: closes what ends here; true when another value follows, false when the text's value
    /// is complete.
    fn next_in_container(&mut self) -> Result<bool, JsonError> {
        while self.depth > 0 {
            let close = if self.open[self.depth - 1].is_map { b'}' } else { b']' };
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.element()?;
                    return Ok(true);
                }
                Some(byte) if byte == close => self.end(),
                _ => return self.malformed(),
            }
        }
        Ok(false)
    }

    fn number(&mut self) -> Step {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        let mut integral = true;
        if self.byte() == Some(b'.') {
            integral = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            integral = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.write_number(&self.text[start..self.at], integral);
        Ok(())
    }

    fn write_number(&mut self, digits: &str, integral: bool) {
        let safe = -(pack::MAX_SAFE_INTEGER as i64)..=pack::MAX_SAFE_INTEGER as i64;
        match (integral, digits.parse::<i64>(), digits.parse::<f64>()) {
            (true, Ok(value), _) if safe.contains(&value) => pack::int(self.out, value),
            (false, _, Ok(value)) if value.is_finite() => pack::float(self.out, value),
            _ => pack::string(self.out, digits),
        }
    }

    fn digits(&mut self) -> Step {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.malformed() }
    }

    fn literal(&mut self, word: &str) -> Step {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.malformed()
    }

    /// A string, from its opening quote to behind its closing one. One without escapes is copied as it is.
    fn string(&mut self) -> Step {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.byte() == Some(b'"') {
            pack::string(self.out, &self.text[start..self.at]);
            self.at += 1;
            return Ok(());
        }
        let header_at = pack::open(self.out);
        self.out.extend_from_slice(&self.text.as_bytes()[start..self.at]);
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return self.malformed(),
            }
            let start = self.at;
            self.skip_plain();
            self.out.extend_from_slice(&self.text.as_bytes()[start..self.at]);
        }
        self.at += 1;
        let length = self.out.len() - header_at - 1;
        pack::close(self.out, header_at, Kind::Str, length);
        Ok(())
    }

    /// To the next quote, backslash, control character or end.
    fn skip_plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        self.at += plain.unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Step {
        self.at += 1;
        let plain = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.malformed(),
        };
        self.at += 1;
        self.out.push(plain);
        Ok(())
    }

    /// `\uXXXX`, or a pair of them. Half a pair has no UTF-8 form: it becomes U+FFFD, as in Node.
    fn unicode_escape(&mut self) -> Step {
        let mut code = self.four_digits()?;
        if (0xd800..0xdc00).contains(&code) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 1;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.at = before;
            }
        }
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// The four digits behind the `u` that stands here.
    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            self.at += 1;
            match self.byte().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.malformed(),
            }
        }
        self.at += 1;
        Ok(code)
    }

    fn expect(&mut self, byte: u8) -> Step {
        if self.peek() == Some(byte) { Ok(()) } else { self.malformed() }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Malformed(self.at))
    }
}

#[cfg(test)]
mod tests;
