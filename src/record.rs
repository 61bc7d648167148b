//! The record: the ordered list of all events, each stored once as bytes and chained to the one before by its hash.
//!
//! An event is a header and a payload, both protobuf (`proto/record/v1`). The header holds the hash of the payload and
//! the hash of the header before, so that the hash of the last header stands for everything. What is hashed is what is
//! stored; nothing is encoded again to be verified.

mod payload;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::error::Error;
use crate::domain::event::{Event, Subject};
use crate::proto::record::v1::{self, EventKind, SubjectKind};

/// A SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The end of the record: where the next event is chained to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The sequence of the last event; 0 when there is none.
    pub sequence: u64,
    /// The hash of its header; the random id of the record when there is none.
    pub hash: Hash,
}

/// An event as bytes, before its place in the record is known. Making one needs no lock, so that the writer does not
/// spend its time on it.
#[derive(Clone, Debug)]
pub struct Draft {
    event: Event,
    kind: EventKind,
    payload: Vec<u8>,
    payload_sha256: Hash,
}

impl Draft {
    /// The event as bytes.
    pub fn of(event: Event) -> Self {
        let (kind, payload) = payload::encode(&event);
        let payload_sha256 = Hash::of(&payload);
        Self { event, kind, payload, payload_sha256 }
    }

    /// The event itself.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Puts the event behind `head`, and moves `head` to it.
    pub fn seal(&self, head: &mut Head) -> Header {
        let sequence = head.sequence + 1;
        let bytes = v1::Header {
            sequence,
            time: self.event.time.ticks(),
            subject_kind: subject_kind(self.event.subject).into(),
            subject: self.event.subject.id().into_bytes().to_vec(),
            kind: self.kind.into(),
            payload_sha256: self.payload_sha256.0.to_vec(),
            previous_hash: head.hash.0.to_vec(),
        }
        .encode_to_vec();
        *head = Head { sequence, hash: Hash::of(&bytes) };
        Header { sequence, bytes }
    }

    /// The bytes of the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// The header of an event at its place in the record.
#[derive(Clone, Debug)]
pub struct Header {
    /// The place.
    pub sequence: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An event as it is stored, for ever.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// Its place in the record.
    pub sequence: u64,
    /// The bytes of its header.
    pub header: Vec<u8>,
    /// The bytes of its payload.
    pub payload: Vec<u8>,
}

impl Envelope {
    /// The hash that the next header carries.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.header)
    }

    /// The header, read.
    pub fn header(&self) -> Result<v1::Header, Error> {
        v1::Header::decode(&*self.header).map_err(Error::internal)
    }

    /// The event that these bytes tell of.
    pub fn event(&self) -> Result<Event, Error> {
        payload::decode(&self.header()?, &self.payload)
    }
}

fn subject_kind(subject: Subject) -> SubjectKind {
    match subject {
        Subject::Elevation(_) => SubjectKind::Elevation,
        Subject::Role(_) => SubjectKind::Role,
    }
}
