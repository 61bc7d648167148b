//! Reads the Atom entry of a creation. The sender is not trusted: a document type is refused, so that no entity exists
//! except the five of XML. Elements, their depth, attributes and namespaces have bounds, and the caller bounds the
//! length.

use std::collections::HashSet;

use xml::attribute::OwnedAttribute;
use xml::common::XmlVersion;
use xml::name::OwnedName;
use xml::reader::XmlEvent;
use xml::{Encoding, EventReader, ParserConfig};

use super::namespaces::{ATOM, DATA, METADATA};
use crate::errors::Error;

/// The value of a property of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Elements.
    Complex,
    /// Nothing, which is not an empty text.
    Null,
    /// A text, the form of every value of a simple type.
    Text(String),
}

/// Returns the properties of an entry with their names, in their order.
///
/// Elements are recognised by their namespaces, whatever their prefixes. Elements that are no properties are ignored,
/// like unknown members of JSON.
///
/// # Errors
///
/// If the text is not well-formed, has a document type, exceeds a bound, or is not an entry. If a property occurs
/// twice, in any case, or is null and has a value. No message repeats the text.
pub fn properties(entry: &str) -> Result<Vec<(String, Value)>, Error> {
    let mut events = EventReader::new_with_config(entry.as_bytes(), limits());
    let mut reader = Reader::default();
    loop {
        match events
            .next()
            .map_err(|error| Error::invalid(MALFORMED).because(error))?
        {
            XmlEvent::StartDocument {
                version, encoding, ..
            } => {
                if version != XmlVersion::Version10 || !encoding.eq_ignore_ascii_case("utf-8") {
                    return Err(Error::invalid(MALFORMED));
                }
            }
            XmlEvent::Doctype { .. } => {
                return Err(Error::invalid("The entry must not have a document type."));
            }
            XmlEvent::StartElement { namespace, .. } if namespace.0.len() > MOST_NAMESPACES => {
                return Err(Error::invalid(TOO_LARGE));
            }
            XmlEvent::StartElement {
                name, attributes, ..
            } => reader.open(name, &attributes)?,
            XmlEvent::EndElement { .. } => reader.close()?,
            XmlEvent::Characters(text) | XmlEvent::CData(text) | XmlEvent::Whitespace(text) => {
                reader.text(&text)
            }
            XmlEvent::ProcessingInstruction { .. } | XmlEvent::Comment(_) => {}
            XmlEvent::EndDocument => return Ok(reader.properties),
        }
    }
}

fn limits() -> ParserConfig {
    let mut limits = ParserConfig::new();
    limits.override_encoding = Some(Encoding::Utf8);
    limits.allow_multiple_root_elements = false;
    limits.max_attributes = MOST_ATTRIBUTES;
    limits
}

/// Reads the properties as the elements of an entry begin and end.
#[derive(Default)]
struct Reader {
    /// The elements that have begun and not ended, outermost first.
    open: Vec<Element>,
    /// The number of elements that have begun.
    elements: usize,
    /// The property that is being read.
    property: Property,
    properties: Vec<(String, Value)>,
    /// The names of the properties, in lower case.
    names: HashSet<String>,
    has_content: bool,
    has_properties: bool,
}

/// The role of an element in an entry.
#[derive(Clone, Copy, PartialEq)]
enum Element {
    Content,
    Entry,
    /// An element inside a property.
    Inner,
    Other,
    Properties,
    Property,
}

#[derive(Default)]
struct Property {
    name: String,
    text: String,
    is_null: bool,
    is_complex: bool,
}

impl Reader {
    fn open(&mut self, name: OwnedName, attributes: &[OwnedAttribute]) -> Result<(), Error> {
        self.elements += 1;
        if self.open.len() == DEEPEST || self.elements > MOST_ELEMENTS {
            return Err(Error::invalid(TOO_LARGE));
        }
        let element = match (
            self.open.last(),
            name.namespace.as_deref(),
            &*name.local_name,
        ) {
            (None, Some(ATOM), "entry") => Element::Entry,
            (None, ..) => return Err(Error::invalid("The body is not an Atom entry.")),
            (Some(Element::Entry), Some(ATOM), "content") => {
                only(&mut self.has_content)?;
                Element::Content
            }
            (Some(Element::Content), Some(METADATA), "properties") => {
                only(&mut self.has_properties)?;
                Element::Properties
            }
            (Some(Element::Properties), Some(DATA), _) => {
                self.begin(name.local_name, attributes)?;
                Element::Property
            }
            (Some(Element::Property | Element::Inner), ..) => {
                self.property.is_complex = true;
                Element::Inner
            }
            _ => Element::Other,
        };
        self.open.push(element);
        Ok(())
    }

    fn begin(&mut self, name: String, attributes: &[OwnedAttribute]) -> Result<(), Error> {
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(Error::invalid("A property of the entry is there twice."));
        }
        let null = attributes.iter().find(|attribute| {
            attribute.name.namespace.as_deref() == Some(METADATA)
                && attribute.name.local_name == "null"
        });
        let is_null = match null.map(|attribute| attribute.value.trim()) {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => {
                return Err(Error::invalid(
                    "The attribute null of a property must be true or false.",
                ));
            }
        };
        self.property = Property {
            name,
            is_null,
            ..Property::default()
        };
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.open.last() == Some(&Element::Property) {
            self.property.text += text;
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.open.pop() != Some(Element::Property) {
            return Ok(());
        }
        let Property {
            name,
            text,
            is_null,
            is_complex,
        } = std::mem::take(&mut self.property);
        let value = match (is_null, is_complex) {
            (true, false) if text.trim().is_empty() => Value::Null,
            (true, _) => {
                return Err(Error::invalid(
                    "A property of the entry is null and has a value.",
                ));
            }
            (false, true) => Value::Complex,
            (false, false) => Value::Text(text),
        };
        self.properties.push((name, value));
        Ok(())
    }
}

/// Marks an element as present; it may occur only once.
fn only(is_there: &mut bool) -> Result<(), Error> {
    if std::mem::replace(is_there, true) {
        return Err(Error::invalid(
            "The entry must have one content, with one set of properties.",
        ));
    }
    Ok(())
}

/// An entry of the .NET client is 5 elements deep, and a few more if it has links with entries of their own.
const DEEPEST: usize = 32;
const MOST_ATTRIBUTES: usize = 32;
/// The library copies the namespaces in scope for each element.
const MOST_ELEMENTS: usize = 1_000;
const MOST_NAMESPACES: usize = 32;
const MALFORMED: &str = "The body must be well-formed XML 1.0 in UTF-8.";
const TOO_LARGE: &str = "The entry has too many elements, or an element is too deep or has too many attributes or namespaces.";

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "xmlns=\"http://www.w3.org/2005/Atom\" \
                         xmlns:d=\"http://schemas.microsoft.com/ado/2007/08/dataservices\" \
                         xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"";

    fn entry(properties: &str) -> String {
        format!(
            "<entry {NAMES}><content><m:properties>{properties}</m:properties></content></entry>"
        )
    }

    fn message(entry: &str) -> String {
        properties(entry).unwrap_err().message.into_owned()
    }

    #[test]
    fn values_are_texts_null_or_complex() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (property, value) in [
            ("<d:A>x</d:A>", text("x")),
            ("<d:A/>", text("")),
            ("<d:A> x\ty </d:A>", text(" x\ty ")),
            ("<d:A>a&lt;&#x26;&#60;&#xD;\n</d:A>", text("a<&<\r\n")),
            (
                "<d:A>J\u{fc}rgen &#x1F511;</d:A>",
                text("J\u{fc}rgen \u{1f511}"),
            ),
            (
                "<d:A><![CDATA[<b>]]>&amp;<!-- c -->x<?p i?>y</d:A>",
                text("<b>&xy"),
            ),
            (
                "<d:A m:type=\"Edm.Int64\" m:null=\"false\">1</d:A>",
                text("1"),
            ),
            ("<d:A m:null=\"true\"/>", Value::Null),
            ("<d:A m:null=\" 1 \"> </d:A>", Value::Null),
            ("<d:A null=\"true\">x</d:A>", text("x")),
            ("<d:A><d:Value>x</d:Value></d:A>", Value::Complex),
            ("<d:A>x<d:A/>y</d:A>", Value::Complex),
            ("<d:A xml:space=\"preserve\"> </d:A>", text(" ")),
        ] {
            assert_eq!(
                properties(&entry(property)).unwrap(),
                [("A".to_owned(), value)],
                "{property}"
            );
        }
    }

    #[test]
    fn what_is_no_property_is_ignored() {
        for text in [
            entry(""),
            entry("<A>x</A><m:A>x</m:A><A xmlns=\"\">x</A>"),
            format!("<entry {NAMES}/>"),
            format!("<entry {NAMES}><m:properties><d:A>x</d:A></m:properties></entry>"),
            format!(
                "<entry {NAMES}><link><m:inline>{}</m:inline></link></entry>",
                entry("<d:A>x</d:A>")
            ),
            format!(
                "<entry {NAMES}><content><properties><d:A>x</d:A></properties></content></entry>"
            ),
        ] {
            assert_eq!(properties(&text).unwrap(), [], "{text}");
        }
    }

    #[test]
    fn the_document_declares_what_it_is() {
        for declaration in [
            "<?xml version='1.0'?>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>",
        ] {
            let text = format!("{declaration}\n{}", entry("<d:A>x</d:A>"));
            assert_eq!(properties(&text).unwrap().len(), 1, "{declaration}");
        }
        for declaration in [
            "<?xml version='1.1'?>",
            "<?xml version='1.0' encoding='iso-8859-1'?>",
            "<?xml version='1.0' encoding='utf-16'?>",
            "<?xml version='1.0' encoding='us-ascii'?>",
            "<?xml version='1.0' encoding='utf'?>",
            "<?xml version='1.0' encoding='utf-7'?>",
            " <?xml version='1.0'?>",
        ] {
            assert_eq!(
                message(&format!("{declaration}{}", entry(""))),
                MALFORMED,
                "{declaration}"
            );
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let twice = "A property of the entry is there twice.";
        let null = "A property of the entry is null and has a value.";
        let one = "The entry must have one content, with one set of properties.";
        for (text, words) in [
            (entry("<d:A>x</d:A><d:A>x</d:A>"), twice),
            (entry("<d:A>x</d:A><d:B/><d:a m:null='true'/>"), twice),
            (entry("<d:A m:null='true'>x</d:A>"), null),
            (entry("<d:A m:null='true'><d:B/></d:A>"), null),
            (
                entry("<d:A m:null='yes'/>"),
                "The attribute null of a property must be true or false.",
            ),
            (entry("</m:properties><m:properties>"), one),
            (format!("<entry {NAMES}><content/><content/></entry>"), one),
            ("<entry/>".to_owned(), "The body is not an Atom entry."),
            (
                format!("<feed {NAMES}>{}</feed>", entry("")),
                "The body is not an Atom entry.",
            ),
        ] {
            assert_eq!(message(&text), words, "{text}");
        }
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in [
            String::new(),
            "x".to_owned(),
            "{}".to_owned(),
            entry("<d:A>x</d:B>"),
            entry("<d:A>x"),
            entry("<d:A>&nbsp;</d:A>"),
            entry("<d:A>&#x1;</d:A>"),
            entry("<d:A>&#0;</d:A>"),
            entry("<d:A>&#xD800;</d:A>"),
            entry("<d:A>\u{1b}</d:A>"),
            entry("<d:A>\u{ffff}</d:A>"),
            entry("<d:A m:null='true' m:null='false'/>"),
            entry(
                "<d:A xmlns:n='http://schemas.microsoft.com/ado/2007/08/dataservices/metadata' m:null='true' n:null='false'/>",
            ),
            entry("<x:A>x</x:A>"),
            entry("") + &entry(""),
            entry("") + "x",
        ] {
            assert_eq!(message(&text), MALFORMED, "{text}");
        }
    }

    #[test]
    fn there_are_no_entities_and_nothing_is_fetched() {
        let laughs = "<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>";
        for subset in [
            "<!DOCTYPE entry>".to_owned(),
            format!("<!DOCTYPE entry [{laughs}]>"),
            "<!DOCTYPE entry SYSTEM 'http://127.0.0.1:1/x.dtd'>".to_owned(),
            "<!DOCTYPE entry [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>".to_owned(),
            "<!DOCTYPE entry [<!ENTITY % a SYSTEM 'file:///etc/passwd'>]>".to_owned(),
        ] {
            let text = subset.clone() + &entry("<d:A>&a;</d:A>");
            assert_eq!(
                message(&text),
                "The entry must not have a document type.",
                "{subset}"
            );
        }
    }

    #[test]
    fn everything_has_a_bound() {
        let deep = |depth: usize| {
            entry(&format!(
                "{}{}",
                "<d:A>".repeat(depth),
                "</d:A>".repeat(depth)
            ))
        };
        assert!(properties(&deep(DEEPEST - 3)).is_ok());
        assert_eq!(message(&deep(DEEPEST - 2)), TOO_LARGE);
        assert_eq!(message(&deep(4_000)), TOO_LARGE);
        assert!(properties(&entry(&"<a/>".repeat(MOST_ELEMENTS - 3))).is_ok());
        assert_eq!(
            message(&entry(&"<a/>".repeat(MOST_ELEMENTS - 2))),
            TOO_LARGE
        );
        let attributes = |name: &str, most: usize| {
            (0..most)
                .map(|number| format!(" {name}{number}='x'"))
                .collect::<String>()
        };
        assert!(properties(&entry(&format!("<d:A{}/>", attributes("a", 20)))).is_ok());
        assert!(properties(&entry(&format!("<d:A{}/>", attributes("a", 4_000)))).is_err());
        assert!(properties(&entry(&format!("<d:A{}/>", attributes("xmlns:a", 20)))).is_ok());
        assert_eq!(
            message(&entry(&format!("<d:A{}/>", attributes("xmlns:a", 4_000)))),
            TOO_LARGE
        );
    }
}
