//! How much text a column takes.

use std::borrow::Cow;

/// The room of a text column.
///
/// What is longer the servers refuse, but for white space at the end: that they cut off without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Room {
    most: usize,
    unit: Unit,
    /// CHAR gives no spaces back at the end, whoever put them there.
    padded: bool,
    /// Whether the column holds the characters of every text.
    unicode: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Characters,
    /// Of UTF-8.
    Bytes,
}

impl Room {
    pub(super) fn of(type_name: &str, length: Option<usize>, collation: Option<&str>) -> Self {
        let charset = collation.and_then(|collation| collation.split('_').next()).unwrap_or("utf8mb4");
        let unicode = charset.starts_with("utf8");
        let bytes = match type_name {
            "tinytext" => (1 << 8) - 1,
            "text" => (1 << 16) - 1,
            "mediumtext" => (1 << 24) - 1,
            "longtext" => u32::MAX as usize,
            // The others count characters.
            _ => {
                let (most, padded) = (length.unwrap_or(usize::MAX), type_name == "char");
                return Self { most, unit: Unit::Characters, padded, unicode };
            }
        };
        let (most, unit) = match charset {
            _ if unicode => (bytes, Unit::Bytes),
            // Four bytes are the longest character of any: what is within that is never cut.
            "big5" | "cp932" | "eucjpms" | "euckr" | "gb18030" | "gb2312" | "gbk" | "sjis" | "ucs2"
            | "ujis" | "utf16" | "utf16le" | "utf32" => (bytes / 4, Unit::Characters),
            _ => (bytes, Unit::Characters),
        };
        Self { most, unit, padded: false, unicode }
    }

    /// The text as the column keeps it; `None` when it would cut off white space.
    pub(in super::super) fn kept<'a>(&self, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let text = if self.padded { unpadded(text) } else { text };
        // Most texts are short.
        let fits = text.len() <= self.most
            || !text.ends_with(char::is_whitespace)
            || (self.unit == Unit::Characters && text.chars().count() <= self.most);
        fits.then_some(text)
    }

    /// Bytes as the text that the column holds then, where that is known.
    pub(in super::super) fn text_of(&self, bytes: Vec<u8>) -> Result<String, Vec<u8>> {
        // Another character set takes the bytes for its own.
        if !self.unicode && !bytes.is_ascii() {
            return Err(bytes);
        }
        String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes)
    }
}

fn unpadded(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => text.trim_end_matches(' ').into(),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(' ').len());
            text.into()
        }
    }
}
