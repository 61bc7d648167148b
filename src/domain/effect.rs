//! Effects: the work outside the store that a decision causes, such as a message to an approver.
//!
//! The commit that causes an effect also writes it, so an effect is neither lost nor carried out for a decision that did not
//! happen. It is carried out at least once. The effects of one subject are carried out in the order of their commits.

use uuid::Uuid;

use super::error::Error;
use super::id::EffectId;
use super::moment::Moment;

/// An effect that was not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effect {
    /// Its id.
    pub id: EffectId,
    /// The object whose effects are carried out in order.
    pub subject: Uuid,
    /// The description of the work, in the form of the part that carries it out.
    pub payload: EffectPayload,
    /// The time of the next attempt, or of the first.
    pub due: Moment,
    /// The number of failed attempts.
    pub attempts: u32,
}

impl Effect {
    /// Returns the effect after a failed attempt. The next attempt is at `due`.
    #[must_use]
    pub fn postponed(self, due: Moment) -> Self {
        Self {
            due,
            attempts: self.attempts.saturating_add(1),
            ..self
        }
    }
}

/// The description of an effect's work: at most [`EffectPayload::MAX_LENGTH`] bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EffectPayload(Vec<u8>);

impl EffectPayload {
    /// The maximum length, in bytes.
    pub const MAX_LENGTH: usize = 65_536;

    /// Takes the bytes.
    ///
    /// # Errors
    ///
    /// `Internal` if there are too many: only this program makes payloads.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() > Self::MAX_LENGTH {
            return Err(Error::internal("the payload of an effect is too long"));
        }
        Ok(Self(bytes))
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_at_most_64_kib() {
        let longest = vec![7; EffectPayload::MAX_LENGTH];
        assert_eq!(
            EffectPayload::new(longest.clone()).unwrap().bytes(),
            longest
        );
        let longer = [longest, vec![7]].concat();
        assert!(EffectPayload::new(longer).is_err());
    }

    #[test]
    fn an_attempt_that_failed_is_counted() {
        let effect = Effect {
            id: EffectId(Uuid::from_u128(1)),
            subject: Uuid::from_u128(2),
            payload: EffectPayload::new(vec![]).unwrap(),
            due: Moment::from_ticks(1),
            attempts: u32::MAX - 1,
        };
        let postponed = effect.clone().postponed(Moment::from_ticks(9));
        assert_eq!((postponed.due.ticks(), postponed.attempts), (9, u32::MAX));
        let postponed = postponed.postponed(Moment::from_ticks(10));
        assert_eq!((postponed.due.ticks(), postponed.attempts), (10, u32::MAX));
        assert_eq!(postponed.subject, effect.subject);
    }
}
