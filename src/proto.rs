//! The generated code, the descriptors that reflection serves, and a mark for calls in this process.

/// The public contract, `proto/pam`.
pub mod pam {
    /// Version 1: messages, service traits, servers and clients.
    #[allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unused_qualifications,
        reason = "generated"
    )]
    pub mod v1 {
        tonic::include_proto!("pam.v1");

        /// The descriptors of this package and all that it imports, comments included.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/pam.v1.bin"));
    }
}

/// What the record stores, `proto/record`.
pub mod record {
    /// Version 1 of the envelope and its payloads.
    #[allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unused_qualifications,
        reason = "generated"
    )]
    pub mod v1 {
        tonic::include_proto!("record.v1");
    }
}

/// Marks a call in this process, in the extensions of its request, whose caller needs the outcome and no message. The
/// response may then leave its fields empty.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeOnly;
