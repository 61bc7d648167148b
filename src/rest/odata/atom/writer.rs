//! Writes XML that every reader accepts, whatever characters its texts contain.

use std::borrow::Cow;

use xml::EmitterConfig;
use xml::EventWriter;
use xml::common::XmlVersion;
use xml::writer::XmlEvent;
use xml::writer::events::StartElementBuilder;

/// A document that is being written.
pub struct Writer(EventWriter<Vec<u8>>);

impl Writer {
    /// Begins a document.
    pub fn new() -> Self {
        let mut writer = Self(EmitterConfig::new().create_writer(Vec::new()));
        let version = XmlVersion::Version10;
        writer.write(XmlEvent::StartDocument {
            version,
            encoding: Some("utf-8"),
            standalone: None,
        });
        writer
    }

    /// Begins an element.
    pub fn open<'a>(&mut self, element: StartElementBuilder<'a>) {
        self.write(element);
    }

    /// Ends the innermost element.
    pub fn close(&mut self) {
        self.write(XmlEvent::end_element());
    }

    /// Writes an element with nothing in it.
    pub fn empty(&mut self, element: StartElementBuilder<'_>) {
        self.open(element);
        self.close();
    }

    /// Writes an element with a text in it.
    pub fn leaf<'a>(&mut self, element: impl Into<Start<'a>>, text: &str) {
        self.open(element.into().0);
        self.text(text);
        self.close();
    }

    /// Writes a text. Readers turn a plain carriage return into a line feed, so it is written as a reference.
    fn text(&mut self, text: &str) {
        for (number, part) in readable(text).split('\r').enumerate() {
            if number > 0 {
                self.write(XmlEvent::raw_characters("&#xD;"));
            }
            self.write(XmlEvent::characters(part));
        }
    }

    /// Ends the document and returns it.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner()
    }

    fn write<'a>(&mut self, event: impl Into<XmlEvent<'a>>) {
        self.0
            .write(event)
            .expect("elements are nested, and memory takes what is written to it");
    }
}

/// The start of an element: a name, or a name with attributes.
pub struct Start<'a>(StartElementBuilder<'a>);

impl<'a> From<&'a str> for Start<'a> {
    fn from(name: &'a str) -> Self {
        Self(XmlEvent::start_element(name))
    }
}

impl<'a> From<StartElementBuilder<'a>> for Start<'a> {
    fn from(element: StartElementBuilder<'a>) -> Self {
        Self(element)
    }
}

/// Returns the text with U+FFFD for each character that XML 1.0 cannot contain, not even as a reference.
fn readable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

/// Returns whether a character is allowed by XML 1.0, section 2.2.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut writer = Writer::new();
        writer.leaf(XmlEvent::start_element("a").attr("b", text), text);
        String::from_utf8(writer.finish()).unwrap()
    }

    #[test]
    fn no_text_breaks_the_document() {
        for (text, attribute, inside) in [
            ("", "", ""),
            (
                "<b>&amp;]]>",
                "&lt;b&gt;&amp;amp;]]&gt;",
                "&lt;b&gt;&amp;amp;]]&gt;",
            ),
            ("\"O'Brien\"", "&quot;O&apos;Brien&quot;", "\"O'Brien\""),
            (
                "J\u{fc}rgen \u{1f511}",
                "J\u{fc}rgen \u{1f511}",
                "J\u{fc}rgen \u{1f511}",
            ),
        ] {
            let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
            assert_eq!(
                written(text),
                format!("{head}<a b=\"{attribute}\">{inside}</a>")
            );
        }
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced_and_the_rest_is_kept() {
        for (text, inside) in [
            ("a\r\nb\rc", "a&#xD;\nb&#xD;c"),
            ("\t\n", "\t\n"),
            ("bell\u{7}, escape\u{1b}", "bell\u{fffd}, escape\u{fffd}"),
            (
                "\u{0}\u{b}\u{fffe}\u{ffff}",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            (
                "\u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}",
                "\u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}",
            ),
        ] {
            let mut writer = Writer::new();
            writer.leaf(XmlEvent::start_element("a"), text);
            let written = String::from_utf8(writer.finish()).unwrap();
            assert!(
                written.ends_with(&format!("<a>{inside}</a>")),
                "{written:?}"
            );
        }
    }
}
