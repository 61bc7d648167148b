//! Worlds and what people ask for in them, by chance. A seed gives the same ones on every machine.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::due;
use super::world::{
    Command, DAY, Elevation, Filing, GROUPS, HOUR, LONGEST, Name, PATTERNS, PEOPLE, Role, Rule,
    SECOND, Stage, World,
};

/// SplitMix64.
pub struct Chance(u64);

/// What happens next in a world.
#[derive(Clone, Debug)]
pub enum Step {
    /// An account becomes an administrator, or stops being one.
    Administrator(Name),
    /// A call.
    Asks(Name, Command),
    /// An account joins a group, or leaves it.
    Member(Name, Name),
    /// Time passes until a moment.
    Passes(i64),
    /// The clerk looks what time has done to an elevation.
    Turns(usize),
    /// The credentials of an account expire, or are created.
    Stranger(Name),
    /// The role is gone, however that came.
    Vanishes,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn some<T: Clone>(&mut self, one_in: usize, of: &[T]) -> Option<T> {
        self.one_in(one_in).then(|| self.pick(of))
    }

    fn minute(&mut self) -> u16 {
        u16::try_from(self.below(1_440)).unwrap()
    }

    pub fn world(&mut self) -> World {
        let people = PEOPLE[..4 + self.below(3)].to_vec();
        let mut groups = BTreeMap::new();
        for name in &GROUPS[..self.below(GROUPS.len() + 1)] {
            groups.insert(
                *name,
                people.iter().copied().filter(|_| self.one_in(2)).collect(),
            );
        }
        let unknown: BTreeSet<Name> = groups.keys().copied().filter(|_| self.one_in(8)).collect();
        let administrators = people.iter().copied().filter(|_| self.one_in(4)).collect();
        let strangers = people.iter().copied().filter(|_| self.one_in(12)).collect();
        let mut world = World {
            began: self.pick(&BEGINNINGS) + i64::from(self.minute()) * 60 * SECOND,
            now: 0,
            people,
            groups,
            unknown,
            strangers,
            administrators,
            timeout: self.pick(&[60, 3_600, 7 * 86_400]),
            most_pending: self.some(8, &[1, 2]),
            most_filings: self.some(8, &[1, 3]),
            role: None,
            revision: 0,
            elevations: Vec::new(),
        };
        if !self.one_in(16) {
            world.role = Some(self.role(&world));
            world.revision = 1;
        }
        world
    }

    pub fn role(&mut self, world: &World) -> Role {
        let candidates = if self.one_in(2) {
            self.names(world)
        } else {
            world.people.clone()
        };
        let stages = (0..self.pick(&[0, 1, 1, 2, 2, 3]))
            .map(|_| self.stage(world))
            .collect();
        Role {
            candidates,
            stages,
            longest: self.pick(&[60, 3_600, 86_400]),
            auto_approve_owners: self.one_in(4),
            timeout: self.some(3, &[30, 600, 86_400]),
            window: self.window(),
            justification: self.rule(),
            decision: self.rule(),
        }
    }

    fn stage(&mut self, world: &World) -> Stage {
        let named = self.names(world);
        let people = world
            .people
            .iter()
            .filter(|who| world.as_whom(who, &named).is_some())
            .count();
        let required_approvals = self.pick(&[1, 1, 1, 2, 2, 3]);
        Stage {
            named,
            required_approvals: if self.one_in(8) {
                required_approvals
            } else {
                required_approvals.min(people.max(1))
            },
        }
    }

    fn names(&mut self, world: &World) -> Vec<Name> {
        let all: Vec<Name> = world.groups.keys().chain(&world.people).copied().collect();
        (0..=self.below(5)).map(|_| self.pick(&all)).collect()
    }

    fn window(&mut self) -> Option<(u16, u16)> {
        let (one, other) = (self.minute(), self.minute());
        match self.below(16) {
            0 => Some((one.min(other), one.max(other) + 1)),
            1 => Some((0, self.pick(&[1_380, 1_440]))),
            _ => None,
        }
    }

    fn rule(&mut self) -> Rule {
        let (required, min_length) = (self.one_in(12), self.some(12, &[3, 5]).unwrap_or_default());
        Rule {
            required,
            min_length,
            pattern: self.some(16, &PATTERNS),
        }
    }

    pub fn reason(&mut self) -> Option<&'static str> {
        self.pick(&REASONS)
    }

    pub fn step(&mut self, world: &World) -> Step {
        let groups: Vec<Name> = world.groups.keys().copied().collect();
        match self.below(24) {
            0 => Step::Administrator(self.pick(&world.people)),
            1..=3 if !groups.is_empty() => {
                Step::Member(self.pick(&groups), self.pick(&world.people))
            }
            4..=6 => Step::Passes(self.moment(world)),
            7 | 8 if !world.elevations.is_empty() => Step::Turns(self.due(world)),
            9 if self.one_in(16) => Step::Vanishes,
            10 => Step::Stranger(self.pick(&world.people)),
            _ => {
                let ask = self.ask(world);
                Step::Asks(self.who(world, &ask), ask)
            }
        }
    }

    /// A caller who is allowed to make the call, more often than not.
    fn who(&mut self, world: &World, ask: &Command) -> Name {
        let may = |who: &Name| match (ask, &world.role) {
            (Command::Close { elevation }, _) => world.elevations[*elevation].requester == *who,
            (Command::CreateRole(_) | Command::DeleteRole | Command::UpdateRole { .. }, _) => {
                world.administrators.contains(who)
            }
            (Command::Decide { elevation, .. }, Some(role)) => {
                let is_named = |stage: &Stage| world.as_whom(who, &stage.named).is_some();
                world.elevations[*elevation].requester != *who && role.stages.iter().any(is_named)
            }
            (
                Command::File {
                    request: Some(id), ..
                },
                _,
            ) if world.elevations.iter().any(|e| e.request.is_some()) => {
                let named = |elevation: &Elevation| {
                    elevation
                        .request
                        .as_ref()
                        .is_some_and(|named| named.0 == *id)
                };
                world
                    .elevations
                    .iter()
                    .any(|elevation| elevation.requester == *who && named(elevation))
            }
            (Command::File { .. }, Some(role)) => world.as_whom(who, &role.candidates).is_some(),
            (_, None) => true,
        };
        let able: Vec<Name> = world.people.iter().copied().filter(may).collect();
        if able.is_empty() || self.one_in(6) {
            self.pick(&world.people)
        } else {
            self.pick(&able)
        }
    }

    /// Rather a moment at which something happens, or the tick before.
    fn moment(&mut self, world: &World) -> i64 {
        let after = self.pick(&[
            1,
            SECOND,
            30 * SECOND,
            59 * SECOND,
            HOUR - 1,
            HOUR,
            DAY - 1,
            DAY,
        ]);
        let next = world
            .elevations
            .iter()
            .filter_map(due)
            .filter(|due| *due > world.now)
            .min();
        match next {
            Some(due) if self.one_in(2) => due - i64::from(self.one_in(2)),
            _ => world.now + after,
        }
    }

    /// One that time has done something to, where there is any.
    fn due(&mut self, world: &World) -> usize {
        let is_due =
            |number: &usize| due(&world.elevations[*number]).is_some_and(|due| due <= world.now);
        let all: Vec<usize> = (0..world.elevations.len()).filter(is_due).collect();
        if all.is_empty() {
            self.elevation(world)
        } else {
            self.pick(&all)
        }
    }

    /// The last one more often than the others.
    fn elevation(&mut self, world: &World) -> usize {
        let last = world.elevations.len() - 1;
        if self.one_in(3) {
            self.below(last + 1)
        } else {
            last
        }
    }

    fn ask(&mut self, world: &World) -> Command {
        match self.below(32) {
            0 => Command::CreateRole(self.role(world)),
            1..=4 => Command::UpdateRole {
                role: self.changed(world),
                revision: self.revision(world),
            },
            5 => Command::DeleteRole,
            6 | 7 if !world.elevations.is_empty() => Command::Close {
                elevation: self.elevation(world),
            },
            8..=22 if !world.elevations.is_empty() => Command::Decide {
                elevation: self.elevation(world),
                approve: !self.one_in(8),
                reason: self.reason(),
            },
            _ => self.file(world),
        }
    }

    fn revision(&mut self, world: &World) -> u64 {
        if self.one_in(6) {
            world.revision + 1
        } else {
            world.revision
        }
    }

    /// Another role, or the same with one thing changed.
    fn changed(&mut self, world: &World) -> Role {
        let Some(role) = world.role.clone().filter(|_| !self.one_in(4)) else {
            return self.role(world);
        };
        let mut role = role;
        match self.below(4) {
            0 => role.candidates = self.names(world),
            1 => role.longest = self.pick(&[30, 60, 3_600]),
            2 if role.stages.len() > 1 => drop(role.stages.remove(self.below(role.stages.len()))),
            _ if role.stages.is_empty() => role.stages.push(self.stage(world)),
            _ => {
                let stage = self.below(role.stages.len());
                role.stages[stage] = self.stage(world);
            }
        }
        role
    }

    fn file(&mut self, world: &World) -> Command {
        let named = world
            .elevations
            .iter()
            .rfind(|before| before.request.is_some());
        if let Some((id, filing)) = named
            .and_then(|before| before.request.clone())
            .filter(|_| self.one_in(3))
        {
            let filing = if self.one_in(3) {
                self.filing(world)
            } else {
                filing
            };
            return Command::File {
                filing,
                request: Some(id),
            };
        }
        Command::File {
            filing: self.filing(world),
            request: self.some(3, &[1, 2]),
        }
    }

    fn filing(&mut self, world: &World) -> Filing {
        let ahead = [-HOUR, -1, 1, 30 * SECOND, 60 * SECOND, 8 * HOUR];
        let start = match self.below(64) {
            0 => Some(world.now + LONGEST * SECOND),
            1 => Some(world.now + LONGEST * SECOND + 1),
            2..=20 => Some(world.now + self.pick(&ahead)),
            _ => None,
        };
        Filing {
            duration: self.pick(&[
                None,
                None,
                Some(0),
                Some(1),
                Some(60),
                Some(60),
                Some(600),
                Some(600),
                Some(LONGEST),
            ]),
            justification: self.reason(),
            start,
        }
    }
}

/// The days on which the clocks of Berlin are changed, and one in between.
const BEGINNINGS: [i64; 3] = [
    17_747_424_000_000_000,
    17_928_864_000_000_000,
    17_829_504_000_000_000,
];

pub const REASONS: [Option<&str>; 9] = [
    None,
    None,
    Some("INC1"),
    Some("INC1"),
    Some(" INC1 broke "),
    Some("äö "),
    Some(" \t "),
    Some("\u{200b}\u{3164}"),
    Some("o\u{308} a\u{200b}"),
];
