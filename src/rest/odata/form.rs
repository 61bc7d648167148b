//! Forms, and query strings, which are written alike.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::charset::Charset;
use crate::errors::Error;

/// Returns the names and values of a form: `&` is between them, `+` is a space, and `%` begins an encoded byte. `None`
/// if a name or a value is malformed in the charset.
pub fn pairs(form: &[u8], charset: Charset) -> Option<Vec<(String, String)>> {
    let pairs = form
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|written| pair(written, charset)).collect()
}

fn pair(written: &[u8], charset: Charset) -> Option<(String, String)> {
    let (name, value) = match written.iter().position(|byte| *byte == b'=') {
        Some(end) => (&written[..end], &written[end + 1..]),
        None => (written, &[][..]),
    };
    Some((text(name, charset)?, text(value, charset)?))
}

fn text(written: &[u8], charset: Charset) -> Option<String> {
    let spaced: Vec<u8> = written
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    charset.decode(&bytes).map(Cow::into_owned)
}

/// Returns the names and values of a query string.
///
/// # Errors
///
/// If it is not UTF-8.
pub fn query(query: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let pairs = pairs(query.unwrap_or_default().as_bytes(), Charset::UTF_8);
    pairs.ok_or_else(|| Error::invalid("The query must be UTF-8 after percent-decoding."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_a_browser_writes_it() {
        for form in [
            "",
            "&&",
            "a",
            "a=",
            "=a",
            "a=b=c",
            "a=1&a=2",
            "a+b=c+d",
            "%61%2Bb=%2b",
            "a%3Db=%26",
            "%=%4&%zz=%25zz",
            "ü=%C3%BC",
            "%EF%BF%BD=x",
        ] {
            let expected: Vec<_> = form_urlencoded::parse(form.as_bytes())
                .into_owned()
                .collect();
            assert_eq!(query(Some(form)).unwrap(), expected, "{form}");
        }
        assert_eq!(query(None).unwrap(), []);
    }

    #[test]
    fn a_query_that_is_not_utf8_is_refused() {
        for bad in ["a=%FC", "%FC=a", "_=%C3", "a=1&b=%ED%A0%80"] {
            assert!(query(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_form_has_the_charset_that_is_declared() {
        let latin = Charset::of("iso-8859-1").unwrap();
        assert_eq!(
            pairs(b"a=%FCber+alles", latin).unwrap(),
            [("a".to_owned(), "über alles".to_owned())]
        );
        assert_eq!(
            pairs(b"a=\xfc", latin).unwrap(),
            [("a".to_owned(), "ü".to_owned())]
        );
        assert_eq!(pairs(b"a=\xfc", Charset::UTF_8), None);
    }
}
