//! The rules: whether a command may happen, and which events follow.
//!
//! Each command has its own function and its own facts. The service reads the facts, and the commit expects that they
//! are unchanged. A field of the facts that is `None` means that the object does not exist, never that it was not read.

mod approval;
mod call;
mod closing;
mod due;
mod filing;
mod role;
mod ruling;

pub use approval::{ApprovalFacts, approval};
pub use call::Call;
pub use closing::{ClosingFacts, closing};
pub use due::{DueFacts, due};
pub use filing::{Filing, FilingFacts, ReleaseFacts, filing, release};
pub use role::{
    CreateRoleFacts, DeleteRoleFacts, UpdateRoleFacts, create_role, delete_role, update_role,
};
pub use ruling::Ruling;
