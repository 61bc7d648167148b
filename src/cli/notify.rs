//! Notifies the service manager about the state of the server (`Type=notify` of systemd). Without `NOTIFY_SOCKET` in
//! the environment it sends nothing.

use std::io;

use sd_notify::NotifyState;

/// Reports that the server accepts requests.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// Reports that the server reloads; [`ready`] reports its end.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // From version 253 on, systemd needs the time to distinguish this reload from an earlier one.
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
