//! The threads of a store.

use std::thread::{self, JoinHandle};

use crate::domain::error::Error;

/// A thread that is joined when this is dropped.
#[derive(Debug)]
pub(super) struct StoreThread(Option<JoinHandle<()>>);

impl StoreThread {
    /// Starts a thread with that name.
    pub(super) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<Self, Error> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        Ok(Self(Some(thread.map_err(Error::internal)?)))
    }
}

impl Drop for StoreThread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // The panic hook has logged a panic of the thread.
            let _ = thread.join();
        }
    }
}
