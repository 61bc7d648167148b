//! Documents: the content of a response, printed as JSON or as Atom.

use std::io;

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::atom::Writer;
use super::format::{DocumentKind, Format};

/// A document that can be printed in every form of JSON and in Atom.
pub trait Document: Serialize {
    /// The kind of document.
    const KIND: DocumentKind;

    /// Prints the document as Atom.
    fn print_atom(&self, atom: &mut Writer);
}

/// Returns a response with a body.
pub fn answer<D: Document>(status: StatusCode, format: Format, document: &D) -> Response {
    let text = match format {
        Format::Atom(_) => {
            let mut atom = Writer::new();
            document.print_atom(&mut atom);
            atom.finish()
        }
        Format::Light | Format::NoMetadata | Format::Verbose(_) => json(document),
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, format.content_type(D::KIND));
    // Forbid caching: a decided approval must be missing from the next list, also in browsers that cache by default.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(DATA_SERVICE_VERSION, format.version().header());
    response
}

fn json(document: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    document
        .serialize(&mut serde_json::Serializer::with_formatter(
            &mut text, Ascii,
        ))
        .expect("documents are plain structs, which always print as JSON");
    text
}

/// Prints JSON in ASCII, for clients that misread the charset.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for run in fragment.split_inclusive(|character: char| !character.is_ascii()) {
            let ascii = run.trim_end_matches(|character: char| !character.is_ascii());
            writer.write_all(ascii.as_bytes())?;
            for unit in run[ascii.len()..].encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

pub const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii() {
        let response = |text: &str| {
            let mut bytes = Vec::new();
            text.serialize(&mut serde_json::Serializer::with_formatter(
                &mut bytes, Ascii,
            ))
            .unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            response("Jürgen's \"💾\"\n"),
            r#""J\u00fcrgen's \"\ud83d\udcbe\"\n""#
        );
        assert_eq!(response("éé"), r#""\u00e9\u00e9""#);
        assert_eq!(response(""), r#""""#);
    }
}
