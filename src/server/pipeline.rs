//! The layers that a request passes on its way to the router, from the outside in: the observer, the dialect, the
//! admission.

pub(crate) mod admission;
pub(crate) mod content_type;
pub(crate) mod dialect;
pub(crate) mod forwarded;
mod head;
pub(crate) mod observer;
mod operations;
pub(crate) mod streams;
