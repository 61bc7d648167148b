//! The forms of JSON that OData v3 knows, and which of them a client gets (`wire.md` 82 to 90, A21).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A form of JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// JSON light with minimal metadata, which whoever asks for nothing else gets.
    Light,
    /// JSON light without `odata.metadata`.
    NoMetadata,
    /// The older form, `{"d":..}`, of version 2 of the protocol, whose moments are counts of milliseconds.
    Verbose2,
    /// The same of version 3, whose moments are texts.
    Verbose3,
}

impl Format {
    /// The form that a request asks for, by `$format` or by its headers. No form is refused: whoever can read none of
    /// them gets JSON light, as the original did.
    pub(super) fn of(option: Option<&str>, headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = match option {
            None => accepted.flat_map(|value| value.split(',')).filter_map(Range::parse).collect(),
            Some("json") => Vec::new(),
            Some(option) => Vec::from_iter(Range::parse(option)),
        };
        match Range::best(&ranges) {
            Flavour::NoMetadata => Self::NoMetadata,
            Flavour::Verbose if reads_version_3(headers) => Self::Verbose3,
            Flavour::Verbose => Self::Verbose2,
            Flavour::Any | Flavour::Light => Self::Light,
        }
    }

    /// Whether it is the older form.
    pub(super) fn is_verbose(self) -> bool {
        matches!(self, Self::Verbose2 | Self::Verbose3)
    }

    /// The headers `Content-Type` and `DataServiceVersion` of answers in it.
    pub(super) fn headers(self) -> (HeaderValue, HeaderValue) {
        let (content_type, version) = match self {
            Self::Light => ("application/json; odata=minimalmetadata; streaming=true; charset=utf-8", "3.0"),
            Self::NoMetadata => ("application/json; odata=nometadata; streaming=true; charset=utf-8", "3.0"),
            Self::Verbose2 => ("application/json; odata=verbose; charset=utf-8", "2.0"),
            Self::Verbose3 => ("application/json; odata=verbose; charset=utf-8", "3.0"),
        };
        (HeaderValue::from_static(content_type), HeaderValue::from_static(version))
    }
}

/// Whether the client reads version 3 of the protocol. Whoever says nothing does; what stands behind a `;` is who it is.
fn reads_version_3(headers: &HeaderMap) -> bool {
    let most = headers.get(MAX_DATA_SERVICE_VERSION).and_then(|version| version.to_str().ok());
    let most = most.and_then(|version| version.split(';').next()).map(str::trim);
    !matches!(most, Some("1.0" | "2.0"))
}

/// One of the things that an `Accept` header lists, if JSON is a case of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    flavour: Flavour,
    quality: f32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flavour {
    /// Whatever there is.
    Any,
    Light,
    NoMetadata,
    Verbose,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next()?;
        let mut range = Self { flavour: Flavour::Light, quality: 1.0 };
        match &*media {
            "application/json" => {}
            "*/*" | "application/*" => range.flavour = Flavour::Any,
            _ => return None,
        }
        for part in parts {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("odata", "verbose")) => range.flavour = Flavour::Verbose,
                Some(("odata", "nometadata")) => range.flavour = Flavour::NoMetadata,
                Some(("q", quality)) => range.quality = quality.parse().ok()?,
                _ => {}
            }
        }
        (range.quality > 0.0).then_some(range)
    }

    /// The first of those that are wanted most. Plain JSON goes before the older form, when both are wanted as much.
    fn best(ranges: &[Self]) -> Flavour {
        let most = ranges.iter().map(|range| range.quality).fold(0.0, f32::max);
        let wanted = || ranges.iter().filter(|range| range.quality >= most).map(|range| range.flavour);
        match wanted().next() {
            Some(Flavour::Verbose) if wanted().any(|flavour| flavour == Flavour::Light) => Flavour::Light,
            flavour => flavour.unwrap_or(Flavour::Any),
        }
    }
}

const MAX_DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("maxdataserviceversion");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_json_that_they_can_read() {
        #[rustfmt::skip]
        let table = [
            ("", "", Format::Light),
            ("*/*", "", Format::Light),
            ("application/json, text/javascript, */*; q=0.01", "", Format::Light),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", Format::Light),
            ("text/xml", "", Format::Light),
            ("application/atom+xml,application/xml", "3.0;NetFx", Format::Light),
            ("application/json;odata=nometadata", "", Format::NoMetadata),
            ("application/json; odata=NoMetadata, */*", "", Format::NoMetadata),
            ("application/json;odata=fullmetadata", "", Format::Light),
            ("application/json;odata=minimalmetadata", "", Format::Light),
            ("application/json;odata=verbose", "", Format::Verbose3),
            ("application/json;odata=verbose", "3.0", Format::Verbose3),
            ("application/json;odata=verbose", "2.0", Format::Verbose2),
            ("application/json;odata=verbose", "1.0;datajs", Format::Verbose2),
            ("application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1", "2.0", Format::Verbose2),
            ("application/json;odata=verbose, application/json", "", Format::Light),
            ("application/json;q=0.5, application/json;odata=verbose", "", Format::Verbose3),
            ("application/json, application/json;odata=verbose;q=0.9", "", Format::Light),
            ("application/json;odata=verbose;q=0, */*", "", Format::Light),
            ("application/json;odata=verbose;q=x", "", Format::Light),
        ];
        for (accept, version, format) in table {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            if !version.is_empty() {
                headers.insert(MAX_DATA_SERVICE_VERSION, version.parse().unwrap());
            }
            assert_eq!(Format::of(None, &headers), format, "{accept} {version}");
        }
    }

    #[test]
    fn the_query_option_outweighs_the_header() {
        let headers = HeaderMap::from_iter([(ACCEPT, "application/json;odata=verbose".parse().unwrap())]);
        assert_eq!(Format::of(Some("json"), &headers), Format::Light);
        let nothing = HeaderMap::new();
        assert_eq!(Format::of(Some("application/json;odata=verbose"), &nothing), Format::Verbose3);
    }
}
