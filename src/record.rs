//! The record: the ordered list of all events, each stored once as bytes and chained to the one before by its hash.
//!
//! An event is a header and a payload, both protobuf (`proto/record/v1`). The header contains the hash of the payload
//! and the hash of the previous header. So the hash of the last header covers the whole record. The hashes are of the
//! stored bytes; verification encodes no event again.

mod payload;
mod principal;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::error::Error;
use crate::domain::event::{Event, Subject};
use crate::proto::record::v1::{self, EventKind, SubjectKind};

/// A SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Returns the hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The end of the record, to which the next event is chained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The sequence of the last event; 0 if there is none.
    pub sequence: u64,
    /// The hash of its header; the random id of the record if there is none.
    pub hash: Hash,
}

impl Head {
    /// Moves to the next event. Fails if `next` is not chained to this head, or does not match its header.
    pub fn follow(&mut self, next: &Envelope) -> Result<(), Error> {
        let header = next.header()?;
        let follows = next.sequence == self.sequence + 1
            && header.sequence == next.sequence
            && header.previous_hash == self.hash.0
            && header.payload_sha256 == Hash::of(&next.payload).0;
        if !follows {
            return Err(Error::internal(format!(
                "event {} of the record does not follow",
                self.sequence + 1
            )));
        }
        *self = Self {
            sequence: next.sequence,
            hash: next.hash(),
        };
        Ok(())
    }
}

/// An event as bytes, before its place in the record is known. Its encoding needs no lock, so that the writer spends no
/// time on it.
#[derive(Clone, Debug)]
pub struct Draft {
    event: Event,
    kind: EventKind,
    payload: Vec<u8>,
    payload_sha256: Hash,
}

impl Draft {
    /// Encodes the event as bytes.
    pub fn of(event: Event) -> Self {
        let (kind, payload) = payload::encode(&event);
        let payload_sha256 = Hash::of(&payload);
        Self {
            event,
            kind,
            payload,
            payload_sha256,
        }
    }

    /// Returns the event itself.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Appends the event after `head`, and moves `head` to it.
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
        *head = Head {
            sequence,
            hash: Hash::of(&bytes),
        };
        Header { sequence, bytes }
    }

    /// Returns the bytes of the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// The header of an event, with its place in the record.
#[derive(Clone, Debug)]
pub struct Header {
    /// The place.
    pub sequence: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An event as it is stored, permanently.
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
    /// Returns the hash that the next header carries.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.header)
    }

    /// Decodes the header.
    pub fn header(&self) -> Result<v1::Header, Error> {
        v1::Header::decode(&*self.header).map_err(Error::internal)
    }

    /// Decodes the event.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group, Principal};
    use crate::domain::event::{Actor, Channel, Decided, Fact, Origin};
    use crate::domain::id::ElevationId;
    use crate::domain::moment::Moment;

    /// These bytes were written by another encoder. Old records contain them, so they must never change.
    const PAYLOAD: &str = "0a650a1c0a108d1d96b9e76d58c7a58552aedf7b12571208505249565c73616d12200a108dbafde7cb125fbaaad44f35c2588b34120a53514c204f776e65727318011a176265617265723a3031323334353637383961626364656620022a08706f7274616c2d3712026f6b1807221c0a10e9010058c10c542fb64c39d40597ca351208505249565c6a656e";
    const HEADER: &str = "082a1009180122100000000000000000000000000000000128033220fabb51e4910265a29906a4a2f5737be372528f9a1bad0e91452787e998e3dbbc3a200707070707070707070707070707070707070707070707070707070707070707";
    const HASH: &str = "0c99cd4c64979df685e6a93956b27dae03004bf3a2cd7d184a72392c0882ec71";

    #[test]
    fn the_bytes_of_an_event_never_change() {
        let account = |name| Account::named(name).unwrap();
        let by = Actor {
            account: account("PRIV\\sam"),
            via: Some(Principal::Group(Group::named("SQL Owners").unwrap())),
            credential: "bearer:0123456789abcdef".to_owned(),
            origin: Origin {
                channel: Channel::PamWebApi,
                request_id: "portal-7".to_owned(),
            },
        };
        let requester_via = Some(Principal::Account(account("PRIV\\jen")));
        let decided = Decided {
            reason: Some("ok".to_owned()),
            role_revision: 7,
            requester_via,
            stage: 0,
            open_stage: 0,
        };
        let subject = Subject::Elevation(ElevationId(Uuid::from_u128(1)));
        let event = Event {
            time: Moment::from_ticks(-5),
            subject,
            by: Some(by),
            fact: Fact::Approved(decided),
        };
        let mut head = Head {
            sequence: 41,
            hash: Hash([7; 32]),
        };
        let draft = Draft::of(event.clone());
        let header = draft.seal(&mut head);
        assert_eq!(hex(draft.payload()), PAYLOAD);
        assert_eq!(hex(&header.bytes), HEADER);
        assert_eq!((head.sequence, hex(&head.hash.0)), (42, HASH.to_owned()));
        let stored = Envelope {
            sequence: 42,
            header: header.bytes,
            payload: draft.payload().to_vec(),
        };
        assert_eq!(stored.event().unwrap(), event);
    }

    #[test]
    fn only_the_next_event_as_it_was_written_follows() {
        let mut end = Head {
            sequence: 0,
            hash: Hash([7; 32]),
        };
        let start = end;
        let [first, second] = [1, 2].map(|number| {
            let subject = Subject::Elevation(ElevationId(Uuid::from_u128(number)));
            let draft = Draft::of(Event {
                time: Moment::from_ticks(5),
                subject,
                by: None,
                fact: Fact::Expired,
            });
            let header = draft.seal(&mut end);
            Envelope {
                sequence: header.sequence,
                header: header.bytes,
                payload: draft.payload().to_vec(),
            }
        });
        let mut head = start;
        head.follow(&first).unwrap();
        let before = head;
        let other = Envelope {
            payload: vec![1],
            ..second.clone()
        };
        let renumbered = Envelope {
            sequence: 3,
            ..second.clone()
        };
        let foreign = Envelope {
            header: first.header.clone(),
            ..second.clone()
        };
        for wrong in [&first, &other, &renumbered, &foreign] {
            head.follow(wrong).unwrap_err();
            assert_eq!(head, before);
        }
        head.follow(&second).unwrap();
        assert_eq!(head, end);
        Head {
            hash: Hash([8; 32]),
            ..start
        }
        .follow(&first)
        .unwrap_err();
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
