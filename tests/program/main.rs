//! The program as its users meet it: a process, called by clients that are not ours.
//!
//! The tests are ignored, because they need tools that `.ci/install` installs. `.ci/run` runs each of them as a step:
//! `cargo test --test program -- --ignored story`. The variable `TESTED_PROGRAM` may name a program that is built.

mod clients;
mod described;
mod program;
mod readme;
mod story;
