//! A world in plain terms: names, sets and numbers.
//!
//! Moments are counted in ticks of 100 ns from the beginning of the world, lengths of time in seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A person or a group, by name.
pub type Name = &'static str;

pub const PEOPLE: [Name; 6] = ["ann", "ben", "cat", "dan", "eve", "fay"];
pub const GROUPS: [Name; 3] = ["ops", "dba", "sec"];

pub const SECOND: i64 = 10_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// The longest duration in seconds, and how far ahead a start may be.
pub const LONGEST: i64 = 3_660 * 86_400;

#[derive(Clone)]
pub struct World {
    /// The moment at which it begins, in ticks since 1970.
    pub began: i64,
    pub now: i64,
    pub people: Vec<Name>,
    pub groups: BTreeMap<Name, BTreeSet<Name>>,
    /// The groups whose members the directory does not know.
    pub unknown: BTreeSet<Name>,
    /// The people who cannot call, since the directory knows no valid credentials of them.
    pub strangers: BTreeSet<Name>,
    pub administrators: BTreeSet<Name>,
    /// How long an approval waits where the role says nothing else.
    pub timeout: i64,
    pub most_pending: Option<usize>,
    pub most_filings: Option<usize>,
    pub role: Option<Role>,
    /// How often the role has been written.
    pub revision: u64,
    pub elevations: Vec<Elevation>,
}

#[derive(Clone, Debug, Default)]
pub struct Role {
    pub candidates: Vec<Name>,
    pub stages: Vec<Stage>,
    pub longest: i64,
    pub auto_approve_owners: bool,
    pub timeout: Option<i64>,
    /// In minutes since midnight, the second excluded.
    pub window: Option<(u16, u16)>,
    pub justification: Rule,
    pub decision: Rule,
}

#[derive(Clone)]
pub struct Stage {
    pub named: Vec<Name>,
    pub required_approvals: usize,
}

/// What a reason must be like.
#[derive(Clone, Default)]
pub struct Rule {
    pub required: bool,
    pub min_length: usize,
    pub pattern: Option<&'static str>,
}

/// Finds a ticket anywhere, and a ticket alone.
pub const PATTERNS: [&str; 2] = ["INC[0-9]", "^INC[0-9]$"];

#[derive(Clone, Debug, PartialEq)]
pub struct Elevation {
    pub requester: Name,
    pub create_time: i64,
    pub justification: Option<&'static str>,
    pub asked: i64,
    pub duration: i64,
    pub start: i64,
    /// The state after the last event.
    pub state: &'static str,
    pub activate_time: Option<i64>,
    pub ends_at: Option<i64>,
    pub approval: Option<Approval>,
    /// The client's id of the request, with the filing.
    pub request: Option<(u128, Filing)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub until: i64,
    /// The stage that was open after the last decision.
    pub reached: usize,
    /// Whether it was approved, once that is settled.
    pub approved: Option<bool>,
    pub decisions: Vec<Decision>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub by: Name,
    pub stage: usize,
    pub approve: bool,
    pub reason: Option<&'static str>,
    pub at: i64,
}

/// A call.
#[derive(Clone, Debug)]
pub enum Command {
    Close {
        elevation: usize,
    },
    CreateRole(Role),
    Decide {
        elevation: usize,
        approve: bool,
        reason: Option<&'static str>,
    },
    DeleteRole,
    File {
        filing: Filing,
        request: Option<u128>,
    },
    UpdateRole {
        role: Role,
        revision: u64,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Filing {
    pub duration: Option<i64>,
    pub justification: Option<&'static str>,
    pub start: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: i64,
    pub by: Option<PlainActor>,
    /// The elevation that it is about; else it is about the role.
    pub elevation: Option<usize>,
    pub what: EventKind,
}

/// An account, and the principal of the role that it is or belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainActor {
    pub who: Name,
    pub via: Option<Name>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    Activated {
        until: i64,
        revision: u64,
        candidate: Option<Name>,
    },
    Approved(Decided),
    Closed,
    Expired,
    Filed {
        elevation: Elevation,
        revision: u64,
        approved_as: Option<Name>,
    },
    Lapsed(&'static str),
    Rejected(Decided),
    RoleCreated,
    RoleDeleted,
    RoleUpdated,
    Scheduled,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub reason: Option<&'static str>,
    pub revision: u64,
    pub candidate: Option<Name>,
    pub stage: usize,
    pub open: usize,
}

/// Where an approval stands for one caller. An answer is empty when it is yes.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainExplanation {
    pub status: &'static str,
    pub candidate: bool,
    pub undecidable: bool,
    pub stages: Vec<PlainStage>,
    pub approve: String,
    pub reject: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlainStage {
    pub open: bool,
    pub required_approvals: usize,
    pub missing: usize,
    pub decisions: Vec<(Name, bool)>,
    pub deciders: Option<Vec<Name>>,
    pub people: Option<usize>,
    pub insufficient: bool,
}

impl World {
    /// Returns the named people who can call; `None` if the directory cannot know.
    pub fn callers(&self, named: &[Name]) -> Option<BTreeSet<Name>> {
        if named.iter().any(|named| self.unknown.contains(named)) {
            return None;
        }
        let can_call = self
            .people
            .iter()
            .copied()
            .filter(|who| !self.strangers.contains(who));
        Some(
            can_call
                .filter(|who| self.as_whom(who, named).is_some())
                .collect(),
        )
    }

    /// Whether an account is the named one, or in the named group.
    pub fn is(&self, who: Name, named: Name) -> bool {
        who == named
            || self
                .groups
                .get(named)
                .is_some_and(|group| group.contains(who))
    }

    /// Returns the first named principal that an account is or belongs to.
    pub fn as_whom(&self, who: Name, named: &[Name]) -> Option<Name> {
        named.iter().copied().find(|named| self.is(who, named))
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            began,
            now,
            people,
            groups,
            unknown,
            strangers,
            administrators,
            timeout,
            ..
        } = self;
        writeln!(
            f,
            "the world began at {began} and is at {now}, with {people:?}, strangers {strangers:?}"
        )?;
        writeln!(
            f,
            "groups {groups:?}, not known {unknown:?}, administrators {administrators:?}"
        )?;
        let (pending, filings) = (self.most_pending, self.most_filings);
        writeln!(
            f,
            "timeout {timeout}, at most pending {pending:?}, filed {filings:?}"
        )?;
        write!(f, "revision {} of the role {:?}", self.revision, self.role)?;
        for (number, elevation) in self.elevations.iter().enumerate() {
            write!(f, "\n{number}: {elevation:?}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.required_approvals, self.named)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.required, self.min_length, self.pattern) {
            (false, 0, None) => f.write_str("any"),
            (required, min_length, pattern) => {
                write!(f, "required {required}, {min_length}, {pattern:?}")
            }
        }
    }
}
