//! The response forms of OData v3, and which of them a client gets (`docs/rest-api.md` 82 to 90, A21).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A form of responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Atom, for clients that read nothing else.
    Atom(Version),
    /// JSON light with minimal metadata, the default.
    Light,
    /// JSON light without `odata.metadata`.
    NoMetadata,
    /// The older form of JSON, `{"d":..}`. It is the only one below version 3 of the protocol.
    Verbose(Version),
}

/// A version of the protocol, oldest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// Lists have neither counts nor next links.
    One,
    /// Moments in JSON are counts of milliseconds.
    Two,
    /// There is JSON light, and entries name their actions.
    Three,
}

/// A kind of body, each with a media type of its own in Atom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentKind {
    /// A single row.
    Entry,
    /// An error.
    Error,
    /// A list.
    Feed,
    /// The names of the sets.
    Service,
}

impl Format {
    /// Returns the form of rows and errors that a request asks for, by `$format` or by its headers. No form is refused:
    /// if the client can read none of them, it gets JSON light, as from the original.
    pub fn of(option: Option<&str>, headers: &HeaderMap) -> Self {
        Self::among(&["application/atom+xml"], option, headers)
    }

    /// Returns the form of the service document that a request asks for.
    pub fn of_service_document(option: Option<&str>, headers: &HeaderMap) -> Self {
        Self::among(
            &["application/atom+xml", "application/atomsvc+xml"],
            option,
            headers,
        )
    }

    /// Returns the form that a request asks for, if these media types ask for Atom.
    fn among(atom: &[&str], option: Option<&str>, headers: &HeaderMap) -> Self {
        let mut ranges = Vec::new();
        match option {
            None => {
                for value in headers.get_all(ACCEPT) {
                    for text in value.to_str().unwrap_or_default().split(',') {
                        ranges.extend(Range::parse(text, atom));
                    }
                }
            }
            Some("json") => {}
            Some(option) => ranges.extend(Range::parse(option, atom)),
        }
        match (Range::best(&ranges), Version::most(headers)) {
            (Flavour::Atom, most) => Self::Atom(most),
            (Flavour::Verbose, most) | (_, most @ (Version::One | Version::Two)) => {
                Self::Verbose(most)
            }
            (Flavour::NoMetadata, Version::Three) => Self::NoMetadata,
            (Flavour::Any | Flavour::Light, Version::Three) => Self::Light,
        }
    }

    /// Returns whether it is the older form of JSON.
    pub fn is_verbose(self) -> bool {
        matches!(self, Self::Verbose(_))
    }

    /// Returns whether moments are counts of milliseconds.
    pub fn counts_milliseconds(self) -> bool {
        matches!(self, Self::Verbose(Version::One | Version::Two))
    }

    /// Returns the protocol version of responses in this form.
    pub fn version(self) -> Version {
        match self {
            Self::Atom(version) | Self::Verbose(version) => version,
            Self::Light | Self::NoMetadata => Version::Three,
        }
    }

    /// Returns the header `Content-Type` of a document of that kind in this form.
    pub fn content_type(self, kind: DocumentKind) -> HeaderValue {
        HeaderValue::from_static(match (self, kind) {
            (Self::Atom(_), DocumentKind::Entry) => {
                "application/atom+xml; type=entry; charset=utf-8"
            }
            (Self::Atom(_), DocumentKind::Error) => "application/xml; charset=utf-8",
            (Self::Atom(_), DocumentKind::Feed) => "application/atom+xml; type=feed; charset=utf-8",
            (Self::Atom(_), DocumentKind::Service) => "application/atomsvc+xml; charset=utf-8",
            (Self::Light, _) => {
                "application/json; odata=minimalmetadata; streaming=true; charset=utf-8"
            }
            (Self::NoMetadata, _) => {
                "application/json; odata=nometadata; streaming=true; charset=utf-8"
            }
            (Self::Verbose(_), _) => "application/json; odata=verbose; charset=utf-8",
        })
    }
}

impl Version {
    /// Returns the newest existing version that the client reads. Text after a `;` names the client. A version older
    /// than the first counts as the first. A malformed header counts as a missing one.
    pub fn most(headers: &HeaderMap) -> Self {
        let header = match headers.get(MAX_DATA_SERVICE_VERSION) {
            Some(header) => header.to_str().unwrap_or_default(),
            None => return Self::Three,
        };
        let (version, _) = header.split_once(';').unwrap_or((header, ""));
        match version.trim().split_once('.') {
            Some(("0" | "1", minor)) if is_number(minor) => Self::One,
            Some(("2", minor)) if is_number(minor) => Self::Two,
            _ => Self::Three,
        }
    }

    /// Returns the header `DataServiceVersion` of responses of this version.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::One => "1.0",
            Self::Two => "2.0",
            Self::Three => "3.0",
        })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One of the ranges of an `Accept` header, if it is a known form.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    flavour: Flavour,
    quality: f32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flavour {
    /// Any form.
    Any,
    Atom,
    Light,
    NoMetadata,
    Verbose,
}

impl Range {
    fn parse(text: &str, atom: &[&str]) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next()?;
        let mut range = Self {
            flavour: Flavour::Light,
            quality: 1.0,
        };
        match &*media {
            "application/json" => {}
            "*/*" | "application/*" => range.flavour = Flavour::Any,
            media if atom.contains(&media) => range.flavour = Flavour::Atom,
            _ => return None,
        }
        let is_json = range.flavour != Flavour::Atom;
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            match (name.trim(), value.trim()) {
                ("odata", "verbose") if is_json => range.flavour = Flavour::Verbose,
                ("odata", "nometadata") if is_json => range.flavour = Flavour::NoMetadata,
                ("q", quality) => range.quality = quality.parse().ok()?,
                _ => {}
            }
        }
        if range.quality > 0.0 {
            Some(range)
        } else {
            None
        }
    }

    /// Returns the first of the most preferred forms. At equal preference, plain JSON goes before Atom and the older
    /// form.
    fn best(ranges: &[Self]) -> Flavour {
        let most = ranges.iter().map(|range| range.quality).fold(0.0, f32::max);
        let preferred: Vec<Flavour> = ranges
            .iter()
            .filter(|range| range.quality >= most)
            .map(|range| range.flavour)
            .collect();
        match preferred.first() {
            None => Flavour::Any,
            Some(Flavour::Atom | Flavour::Verbose) if preferred.contains(&Flavour::Light) => {
                Flavour::Light
            }
            Some(first) => *first,
        }
    }
}

const MAX_DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("maxdataserviceversion");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_a_form_that_they_can_read() {
        let [one, two, three] = [Version::One, Version::Two, Version::Three];
        #[rustfmt::skip]
        let table = [
            ("", "", Format::Light),
            ("*/*", "", Format::Light),
            ("*/*", "4.0", Format::Light),
            ("*/*", "any", Format::Light),
            ("*/*", "2", Format::Light),
            ("*/*", "2.x", Format::Light),
            ("application/json, text/javascript, */*; q=0.01", "", Format::Light),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", Format::Light),
            ("text/xml", "", Format::Light),
            ("application/xml", "", Format::Light),
            ("application/json;odata=nometadata", "", Format::NoMetadata),
            ("application/json; odata=NoMetadata, */*", "", Format::NoMetadata),
            ("application/json;odata=fullmetadata", "", Format::Light),
            ("application/json;odata=minimalmetadata", "", Format::Light),
            ("application/json;odata=verbose", "", Format::Verbose(three)),
            ("application/json;odata=verbose", "3.0", Format::Verbose(three)),
            ("application/json;odata=verbose", "2.0", Format::Verbose(two)),
            ("application/json;odata=verbose", "1.0;datajs", Format::Verbose(one)),
            ("application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1", "2.0", Format::Verbose(two)),
            ("application/json;odata=verbose, application/json", "", Format::Light),
            ("application/json;q=0.5, application/json;odata=verbose", "", Format::Verbose(three)),
            ("application/json, application/json;odata=verbose;q=0.9", "", Format::Light),
            ("application/json;odata=verbose;q=0, */*", "", Format::Light),
            ("application/json;odata=verbose;q=x", "", Format::Light),
            // Before version 3 there is no JSON light.
            ("", "2.0", Format::Verbose(two)),
            ("*/*", "1.0", Format::Verbose(one)),
            ("application/json", "2.0;NetFx", Format::Verbose(two)),
            ("application/json;odata=nometadata", " 2.0 ; NetFx", Format::Verbose(two)),
            ("application/json", "0.9", Format::Verbose(one)),
            // The .NET client, of version 3 and of version 2.
            ("application/atom+xml,application/xml", "3.0;NetFx", Format::Atom(three)),
            ("application/atom+xml,application/xml", "2.0;NetFx", Format::Atom(two)),
            ("application/atom+xml", "", Format::Atom(three)),
            ("Application/Atom+XML;type=feed;charset=utf-8", "1.0", Format::Atom(one)),
            ("application/atom+xml, */*;q=0.5", "", Format::Atom(three)),
            ("application/atom+xml;odata=verbose", "", Format::Atom(three)),
            // JSON, if the client reads it as well as Atom.
            ("application/atom+xml, application/json", "", Format::Light),
            ("application/atom+xml, application/json", "2.0", Format::Verbose(two)),
            ("application/atom+xml;q=0.9, application/json", "", Format::Light),
            ("application/atom+xml;q=0, */*", "", Format::Light),
            ("*/*, application/atom+xml", "", Format::Light),
            ("application/atomsvc+xml", "", Format::Light),
        ];
        for (accept, version, format) in table {
            assert_eq!(
                Format::of(None, &headers(accept, version)),
                format,
                "{accept} {version}"
            );
        }
    }

    #[test]
    fn the_service_document_has_a_media_type_of_its_own() {
        for (accept, version, format) in [
            ("application/atomsvc+xml", "", Format::Atom(Version::Three)),
            (
                "application/atom+xml,application/xml",
                "2.0;NetFx",
                Format::Atom(Version::Two),
            ),
            (
                "application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1",
                "2.0",
                Format::Atom(Version::Two),
            ),
            ("application/json", "", Format::Light),
        ] {
            assert_eq!(
                Format::of_service_document(None, &headers(accept, version)),
                format,
                "{accept}"
            );
        }
    }

    #[test]
    fn no_answer_is_newer_than_the_client_reads() {
        for accept in [
            "",
            "*/*",
            "application/json;odata=verbose",
            "application/atom+xml",
        ] {
            for (most, version) in [
                ("1.0", Version::One),
                ("2.0", Version::Two),
                ("3.0", Version::Three),
            ] {
                assert_eq!(
                    Format::of(None, &headers(accept, most)).version(),
                    version,
                    "{accept} {most}"
                );
            }
        }
    }

    #[test]
    fn the_query_option_outweighs_the_header() {
        let verbose = headers("application/json;odata=verbose", "");
        assert_eq!(Format::of(Some("json"), &verbose), Format::Light);
        assert_eq!(
            Format::of(Some("json"), &headers("application/atom+xml", "")),
            Format::Light
        );
        let nothing = HeaderMap::new();
        let asked = Format::of(Some("application/json;odata=verbose"), &nothing);
        assert_eq!(asked, Format::Verbose(Version::Three));
    }

    fn headers(accept: &str, version: &str) -> HeaderMap {
        let all = [(ACCEPT, accept), (MAX_DATA_SERVICE_VERSION, version)];
        let given = all.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }
}
