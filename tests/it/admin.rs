//! What an operator does around a server: files of roles.

mod role;
