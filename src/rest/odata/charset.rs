//! The charsets of bodies: the one that a `Content-Type` declares, and decoding of bytes in it.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, X_USER_DEFINED};

/// A charset that contains ASCII, under one of its labels in the WHATWG Encoding Standard.
#[derive(Clone, Copy, Debug)]
pub struct Charset {
    encoding: &'static Encoding,
    range: Range,
}

/// The bytes that the label allows. The Encoding Standard reads some labels as a wider charset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Range {
    /// Every byte.
    All,
    /// No byte above 0x7f.
    Ascii,
    /// No byte from 0x80 to 0x9f, where Windows has letters and ISO 8859 has control characters.
    Iso,
}

impl Charset {
    /// The charset of queries, paths, and bodies that declare none.
    pub const UTF_8: Self = Self {
        encoding: UTF_8,
        range: Range::All,
    };

    /// Returns the charset of a label, in any case; `None` if it is unknown or does not contain ASCII.
    pub fn of(label: &str) -> Option<Self> {
        let label = label.to_ascii_lowercase();
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        let range = match encoding.name().strip_prefix("windows-") {
            _ if label.contains("ascii") || label.starts_with("ansi") => Range::Ascii,
            Some(number) if !label.contains(number) => Range::Iso,
            _ => Range::All,
        };
        if encoding.is_ascii_compatible() && encoding != X_USER_DEFINED {
            Some(Self { encoding, range })
        } else {
            None
        }
    }

    /// Decodes bytes without a byte order mark; `None` if they are malformed in this charset.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let fits = match self.range {
            Range::All => true,
            Range::Ascii => bytes.is_ascii(),
            Range::Iso => !bytes.iter().any(|byte| (0x80..=0x9f).contains(byte)),
        };
        if !fits {
            return None;
        }
        self.encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// Returns the bytes after a byte order mark of UTF-8, if this is UTF-8.
    pub fn without_mark(self, bytes: &[u8]) -> &[u8] {
        match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.encoding == UTF_8 => rest,
            _ => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_in_their_charset_or_refused() {
        #[rustfmt::skip]
        let table: [(&str, &[u8], Option<&str>); 33] = [
            ("utf-8", b"\xc3\xbc", Some("ü")),
            ("UTF8", b"\xc3\xbc", Some("ü")),
            ("utf-8", b"\xef\xbf\xbd", Some("\u{fffd}")),
            ("utf-8", b"\xfc", None),
            ("utf-8", b"\xc3", None),
            ("utf-8", b"\xc0\xaf", None),
            ("utf-8", b"\xed\xa0\x80", None),
            ("iso-8859-1", b"\xfcber", Some("über")),
            ("ISO-8859-1", b"\xa0", Some("\u{a0}")),
            ("iso-8859-1", b"\x80", None),
            ("iso-8859-1", b"\x9f", None),
            ("latin1", b"\x93", None),
            ("csISOLatin1", b"\xe9", Some("é")),
            ("windows-1252", b"\x80", Some("€")),
            ("cp1252", b"\x93", Some("\u{201c}")),
            ("us-ascii", b"plain", Some("plain")),
            ("us-ascii", b"\xfc", None),
            ("ascii", b"\x80", None),
            ("ANSI_X3.4-1968", b"\xe9", None),
            ("iso-8859-15", b"\xa4", Some("€")),
            ("iso-8859-9", b"\xfd", Some("ı")),
            ("iso-8859-9", b"\x80", None),
            ("windows-1254", b"\x80", Some("€")),
            ("iso-8859-5", b"\xd0", Some("а")),
            ("windows-1251", b"\xc0", Some("А")),
            ("windows-1253", b"\xd2", None),
            ("koi8-r", b"\xc1", Some("а")),
            ("shift_jis", b"\x82\xa0", Some("あ")),
            ("shift_jis", b"\x82", None),
            ("euc-jp", b"\xff", None),
            ("gb18030", b"\xd6\xd0", Some("中")),
            ("big5", b"\xa4\xa4", Some("中")),
            ("big5", b"\xa4\x20", None),
        ];
        for (label, bytes, expected) in table {
            let text = Charset::of(label).unwrap().decode(bytes);
            assert_eq!(text.as_deref(), expected, "{label} {bytes:x?}");
        }
    }

    #[test]
    fn a_charset_is_known_and_contains_ascii() {
        for label in [
            "",
            "utf-7",
            "utf-16",
            "utf-16le",
            "utf-32",
            "iso-2022-jp",
            "hz-gb-2312",
            "x-user-defined",
            "utf 8",
        ] {
            assert!(Charset::of(label).is_none(), "{label}");
        }
    }

    #[test]
    fn only_utf8_has_a_mark() {
        let marked = b"\xef\xbb\xbf{}";
        assert_eq!(Charset::UTF_8.without_mark(marked), b"{}");
        assert_eq!(Charset::UTF_8.without_mark(b"{}"), b"{}");
        assert_eq!(
            Charset::of("windows-1252").unwrap().without_mark(marked),
            marked
        );
    }
}
