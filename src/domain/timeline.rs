//! What happened, in plain words.

use jiff::SignedDuration;

use super::account::Principal;
use super::event::{Event, Fact, Filed, Lapse};
use super::moment::Life;

/// An event in one sentence, for people. It names nobody whom only those may know who may read the role.
pub fn words(event: &Event) -> String {
    let who = event.by.as_ref().map_or("Nobody", |by| &by.account.name);
    match &event.fact {
        Fact::Activated(activated) => format!("It became active, until {}.", activated.expires_at),
        Fact::Approved(decided) => format!("{who} approved it in stage {}.", decided.stage + 1),
        Fact::Closed => format!("{who} closed it."),
        Fact::Expired => "Its time had passed, so it expired.".to_owned(),
        Fact::Filed(filed) if filed.requested_life == Life::ZERO => {
            format!("{who} gave {} up.", filed.role_display_name)
        }
        Fact::Filed(filed) => format!("{who} asked to hold {}.", asked(filed)),
        Fact::Lapsed(Lapse::Approvals) => {
            "It did not start: too few of those who approved are approvers still.".to_owned()
        }
        Fact::Lapsed(Lapse::Candidacy) => {
            "It did not start: the requester may not hold the role any more.".to_owned()
        }
        Fact::Lapsed(Lapse::Role) => "It did not start: the role is no more.".to_owned(),
        Fact::Rejected(decided) => format!("{who} rejected it in stage {}.", decided.stage + 1),
        Fact::RoleCreated(_) => format!("{who} created the role."),
        Fact::RoleDeleted => format!("{who} deleted the role."),
        Fact::RoleUpdated(_) => format!("{who} changed the role."),
        Fact::Scheduled => "Nothing is missing any more but its start.".to_owned(),
    }
}

fn asked(filed: &Filed) -> String {
    let life = SignedDuration::from_secs(filed.requested_life.seconds());
    let how = match (&filed.approval, &filed.approved_as) {
        (Some(approval), _) => format!("approvers may decide until {}", approval.pending_until),
        (None, Some(owner)) => format!("approved as {}, who owns the role", name(owner)),
        (None, None) => "nobody has to approve".to_owned(),
    };
    format!("{} for {life:#} from {}; {how}", filed.role_display_name, filed.requested_start)
}

fn name(principal: &Principal) -> &str {
    match principal {
        Principal::Account(account) => &account.name,
        Principal::Group(group) => &group.name,
    }
}
