//! Explanations of approvals, and the events of elevations.

use super::fields::counted;
use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::explain::{CountedDecision, Explanation, StageExplanation};
use crate::domain::refusal::Refusal;
use crate::domain::{text, timeline};
use crate::errors;
use crate::proto::pam::v1;

impl From<Explanation> for v1::Explanation {
    fn from(explanation: Explanation) -> Self {
        Self {
            status: v1::ApprovalStatus::from(explanation.status).into(),
            stages: (0..).zip(explanation.stages).map(stage).collect(),
            requester_is_candidate: explanation.requester_is_candidate,
            undecidable: explanation.undecidable,
            approve: Some(outcome(
                explanation.approve,
                explanation.caller_is_requester,
            )),
            reject: Some(outcome(explanation.reject, explanation.caller_is_requester)),
        }
    }
}

fn stage((index, stage): (usize, StageExplanation)) -> v1::StageExplanation {
    v1::StageExplanation {
        stage: counted(index),
        rule: stage.rule(),
        open: stage.open,
        required_approvals: stage.required_approvals,
        missing: stage.missing,
        decisions: stage
            .decisions
            .into_iter()
            .map(v1::CountedDecision::from)
            .collect(),
        eligible_approvers: stage
            .deciders
            .into_iter()
            .flatten()
            .map(v1::Principal::from)
            .collect(),
        eligible_approver_count: stage.people,
        insufficient: stage.insufficient,
    }
}

impl From<CountedDecision> for v1::CountedDecision {
    fn from(counted: CountedDecision) -> Self {
        Self {
            decision: Some(counted.decision.into()),
            counts: counted.counts,
        }
    }
}

/// Returns the outcome that a decision would have. Requesters may read their own requests, so they get the true reason.
fn outcome(answer: Result<(), Refusal>, caller_is_requester: bool) -> v1::Outcome {
    let Err(refusal) = answer else {
        return v1::Outcome {
            allowed: true,
            ..v1::Outcome::default()
        };
    };
    let is_own = caller_is_requester && refusal == Refusal::AccessDenied;
    let error = Error::from(refusal);
    let message = if is_own {
        "You are the requester, who never decides a request."
    } else {
        &*error.message
    };
    v1::Outcome {
        allowed: false,
        reason: errors::row(error.kind).reason.to_owned(),
        message: message.to_owned(),
    }
}

impl From<(u64, Event)> for v1::TimelineEvent {
    fn from((sequence, event): (u64, Event)) -> Self {
        Self {
            sequence,
            event_time: Some(event.time.into()),
            text: text::shown(&timeline::words(&event)),
            event: event.fact.name().to_owned(),
            actor: event.by.map(|by| by.account.into()),
        }
    }
}
