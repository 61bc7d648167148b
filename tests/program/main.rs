//! The program as its users meet it: a process, called by clients that are not ours.
//!
//! The tests are ignored, because they need tools that `.ci/install` installs. `.ci/run` runs each of them as a step:
//! `cargo test --test program -- --ignored story`. The variable `TESTED_PROGRAM` may name a program that is built.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::print_stdout,
    reason = "the log of a failed test shows the commands"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a story or a table reads best in one piece"
)]

mod clients;
mod described;
mod program;
mod readme;
mod story;
