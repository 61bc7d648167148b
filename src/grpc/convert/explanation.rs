//! Explanations, and what happened to an elevation.

use super::counted;
use crate::domain::elevation::Decision;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::explain::{Explanation, StageExplanation};
use crate::domain::refusal::Refusal;
use crate::domain::{text, timeline};
use crate::proto::pam::v1;
use crate::status;

impl From<Explanation> for v1::Explanation {
    fn from(explanation: Explanation) -> Self {
        Self {
            status: v1::ApprovalStatus::from(explanation.status).into(),
            stages: (0..).zip(explanation.stages).map(stage).collect(),
            requester_is_candidate: explanation.requester_is_candidate,
            undecidable: explanation.undecidable,
            approve: Some(explanation.approve.into()),
            reject: Some(explanation.reject.into()),
        }
    }
}

fn stage((index, stage): (usize, StageExplanation)) -> v1::StageExplanation {
    v1::StageExplanation {
        stage: counted(index),
        rule: stage.rule(),
        open: stage.open,
        needed: stage.needed,
        missing: stage.missing,
        decisions: stage.decisions.into_iter().map(v1::CountedDecision::from).collect(),
        deciders: stage.deciders.into_iter().flatten().map(v1::Principal::from).collect(),
        people: stage.people,
        short: stage.short,
    }
}

impl From<(Decision, bool)> for v1::CountedDecision {
    fn from((decision, counts): (Decision, bool)) -> Self {
        Self { decision: Some(decision.into()), counts }
    }
}

impl From<Result<(), Refusal>> for v1::Outcome {
    fn from(outcome: Result<(), Refusal>) -> Self {
        let Err(refusal) = outcome else { return Self { allowed: true, ..Self::default() } };
        let error = Error::from(refusal);
        Self {
            allowed: false,
            reason: status::row(error.kind).reason.to_owned(),
            message: error.message.into_owned(),
        }
    }
}

impl From<(u64, Event)> for v1::TimelineEntry {
    fn from((sequence, event): (u64, Event)) -> Self {
        Self {
            sequence,
            time: Some(event.time.into()),
            text: text::shown(&timeline::words(&event)),
            event: event.fact.name().to_owned(),
            actor: event.by.map(|by| by.account.into()),
        }
    }
}
