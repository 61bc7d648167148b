//! The namespaces of OData in Atom.

/// The elements of Atom.
pub const ATOM: &str = "http://www.w3.org/2005/Atom";
/// The elements of the Atom Publishing Protocol.
pub const PUBLISHING: &str = "http://www.w3.org/2007/app";
/// The properties of OData.
pub const DATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices";
/// The other elements and attributes of OData.
pub const METADATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";
/// The scheme of categories, which name types.
pub const SCHEME: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/scheme";
