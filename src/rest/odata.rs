//! The parts of OData version 3 that the REST dialect speaks: grammar, literals, query options, formats and printing.

pub mod address;
pub mod atom;
pub mod body;
mod charset;
pub mod date;
pub mod document;
pub mod entity;
pub mod expression;
pub mod filter;
pub mod form;
pub mod format;
pub mod list;
pub mod literal;
pub mod model;
pub mod moment;
pub mod pages;
pub mod query;
pub mod set;
pub mod single;
pub mod token;
