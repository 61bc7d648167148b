//! An approval as it would go if its callers came one after the other: what the tester compares a race with.

use countersign::domain::approval::Verdict;
use countersign::domain::status::{ApprovalStatus, Status};
use stateright::semantics::SequentialSpec;

/// One stage: its approvers and the required approvals.
pub type Stage = (&'static [&'static str], usize);

/// An approval with its elevation, alone with one caller.
#[derive(Clone, Debug)]
pub struct Alone {
    stages: &'static [Stage],
    /// What turning the clock does to it.
    ends: Ends,
    state: Status,
    outcome: Option<Verdict>,
    decisions: Vec<(&'static str, Verdict)>,
    /// How many have approved in the stage that is open.
    approved: usize,
    stage: usize,
    turned: bool,
    /// Whether its time is over, recorded or not; `None` while no response has shown it.
    over: Option<bool>,
}

/// What turning the clock ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ends {
    /// The duration of an active elevation.
    Duration,
    /// Neither.
    Nothing,
    /// The time to decide.
    Waiting,
}

/// What a caller does. `in_time` says that it began before the clock was turned: a decision counts by its moment, which
/// may then be one before the turn, though others come first.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Close {
        in_time: bool,
    },
    Decide {
        who: &'static str,
        verdict: Verdict,
        in_time: bool,
    },
    Look,
    Turn,
}

/// A response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    AlreadyDecided,
    /// It is given up.
    Closed,
    Ended(Status),
    NotPending(ApprovalStatus),
    ShowsApproval(ApprovalStatus),
    ShowsElevation(Status),
    StageNotOpen,
    /// The decision was recorded. REST reports only that.
    Stands(Option<ApprovalStatus>),
    Turned,
}

impl Alone {
    pub fn new(stages: &'static [Stage], ends: Ends) -> Self {
        Self {
            stages,
            ends,
            state: Status::PendingApproval,
            outcome: None,
            decisions: Vec::new(),
            approved: 0,
            stage: 0,
            turned: false,
            over: Some(false),
        }
    }

    fn turns(&mut self) -> bool {
        let ended = match self.ends {
            Ends::Duration => Status::Active,
            Ends::Nothing => return true,
            Ends::Waiting => Status::PendingApproval,
        };
        self.turned = true;
        if self.state == ended {
            self.over = Some(true);
        }
        true
    }

    fn is_open(&self) -> bool {
        matches!(self.state, Status::Active | Status::PendingApproval)
    }

    /// Whether a response may report it as expired.
    fn may_be_over(&mut self) -> bool {
        let over = self.is_open() && self.over != Some(false);
        if over {
            self.over = Some(true);
        }
        over || self.state == Status::Expired
    }

    /// Whether a response may report it as not expired.
    fn may_last(&mut self) -> bool {
        let lasts = self.over != Some(true);
        if lasts {
            self.over = Some(false);
        }
        lasts
    }

    /// A refusal reports only recorded state.
    fn is_written_over(&mut self) -> bool {
        let over = self.may_be_over();
        if over {
            self.state = Status::Expired;
        }
        over
    }

    fn approval(&self) -> ApprovalStatus {
        match (self.outcome, self.state) {
            (Some(Verdict::Approve), _) => ApprovalStatus::Approved,
            (Some(Verdict::Reject), _) => ApprovalStatus::Rejected,
            (None, Status::PendingApproval) => ApprovalStatus::Pending,
            (None, Status::Closed) => ApprovalStatus::Closed,
            (None, _) => ApprovalStatus::Expired,
        }
    }

    fn shows_approval(&mut self, shown: ApprovalStatus) -> bool {
        match shown {
            ApprovalStatus::Expired => self.outcome.is_none() && self.may_be_over(),
            ApprovalStatus::Pending => self.state == Status::PendingApproval && self.may_last(),
            shown => self.approval() == shown,
        }
    }

    fn shows_elevation(&mut self, shown: Status) -> bool {
        match shown {
            Status::Expired => self.may_be_over(),
            Status::Active | Status::PendingApproval => self.state == shown && self.may_last(),
            shown => self.state == shown,
        }
    }

    fn closes(&mut self, told: Told, in_time: bool) -> bool {
        match told {
            Told::Closed if self.state == Status::Closed => true,
            Told::Closed => {
                let closes = self.is_open() && (in_time || self.may_last());
                self.state = Status::Closed;
                closes
            }
            Told::Ended(Status::Expired) => self.is_written_over(),
            Told::Ended(Status::Rejected) => self.state == Status::Rejected,
            _ => false,
        }
    }

    fn decides(&mut self, who: &'static str, verdict: Verdict, told: Told, in_time: bool) -> bool {
        let own = self
            .decisions
            .iter()
            .find(|(other, _)| *other == who)
            .map(|(_, verdict)| *verdict);
        if own == Some(verdict) {
            return matches!(told, Told::Stands(shown) if shown.is_none_or(|shown| self.shows_approval(shown)));
        }
        let pending = self.state == Status::PendingApproval;
        let named = self.stages[self.stage.min(self.stages.len() - 1)]
            .0
            .contains(&who);
        match told {
            Told::AlreadyDecided => pending && own.is_some() && self.may_last(),
            Told::NotPending(ApprovalStatus::Expired) => {
                self.outcome.is_none() && self.is_written_over()
            }
            Told::NotPending(status) => !pending && self.approval() == status,
            Told::StageNotOpen => pending && own.is_none() && !named && self.may_last(),
            Told::Stands(shown) => {
                let stands = pending && own.is_none() && named && (in_time || self.may_last());
                if stands {
                    self.decided(who, verdict, in_time);
                }
                stands && shown.is_none_or(|shown| shown == self.approval())
            }
            _ => false,
        }
    }

    fn decided(&mut self, who: &'static str, verdict: Verdict, in_time: bool) {
        self.decisions.push((who, verdict));
        if verdict == Verdict::Reject {
            self.outcome = Some(verdict);
            self.state = Status::Rejected;
            return;
        }
        self.approved += 1;
        if self.approved < self.stages[self.stage].1 {
            return;
        }
        self.approved = 0;
        self.stage += 1;
        if self.stage == self.stages.len() {
            self.outcome = Some(verdict);
            self.state = Status::Active;
            // Its duration began before the turn, or after it.
            let may_be_over = self.turned && in_time && self.ends == Ends::Duration;
            self.over = if may_be_over { None } else { Some(false) };
        }
    }
}

impl SequentialSpec for Alone {
    type Op = Call;
    type Ret = Told;

    fn invoke(&mut self, call: &Call) -> Told {
        unreachable!("{call:?} is tried with what was told, since every call returns")
    }

    fn is_valid_step(&mut self, call: &Call, told: &Told) -> bool {
        match (*call, *told) {
            (Call::Close { in_time }, told) => self.closes(told, in_time),
            (
                Call::Decide {
                    who,
                    verdict,
                    in_time,
                },
                told,
            ) => self.decides(who, verdict, told, in_time),
            (Call::Look, Told::ShowsApproval(shown)) => self.shows_approval(shown),
            (Call::Look, Told::ShowsElevation(shown)) => self.shows_elevation(shown),
            (Call::Turn, Told::Turned) => self.turns(),
            _ => false,
        }
    }
}
