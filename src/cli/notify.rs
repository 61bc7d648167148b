//! Tells the service manager how far the server is, if it was started by one (`Type=notify` of systemd). Without
//! `NOTIFY_SOCKET` in the environment nothing is sent.

use std::io;

use sd_notify::NotifyState;

/// Reports that the server takes requests.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// Reports that the server reads again what it can; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // From version 253 on, systemd needs the time to tell this reload from an earlier one.
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => warn(&error),
    }
}

/// Reports that the server shuts down.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn(&error);
    }
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "cannot report to the service manager at NOTIFY_SOCKET");
}
