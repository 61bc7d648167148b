//! Reads of decisions and of the scheduler.

use uuid::Uuid;

use super::{Dialect, ELEVATION_COLUMNS, ELEVATIONS, List, Parameter, Statement};
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::quota::Load;
use crate::domain::status::Status;
use crate::store::FilingKey;

impl List {
    /// Reads the elevations of the role that the requester holds or waits for.
    pub(in crate::store) fn live(dialect: &'static Dialect, key: &FilingKey) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_requester(key.requester);
        list.and_live(key.role, key.now);
        let sql = format!(
            "SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {}",
            list.condition
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Reads the last elevation that the requester filed under the client request id `request`.
    pub(in crate::store) fn filed_before(
        dialect: &'static Dialect,
        key: &FilingKey,
        request: Uuid,
    ) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_requester(key.requester);
        let request = list.parameter(Parameter::Id(request));
        let sql = format!(
            "SELECT {ELEVATION_COLUMNS} FROM elevation WHERE {} AND client_request = {request} \
             ORDER BY create_time DESC, id DESC LIMIT 1",
            list.condition
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Reads the elevations that are due at `now`, the earliest first.
    pub(in crate::store) fn due(dialect: &'static Dialect, now: Moment, limit: u32) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let [now, limit] =
            [now.ticks(), limit.into()].map(|value| list.parameter(Parameter::Integer(value)));
        let sql = format!(
            "SELECT {ELEVATION_COLUMNS} FROM elevation WHERE due <= {now} ORDER BY due, id LIMIT {limit}"
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Reads the first due time after `now`.
    pub(in crate::store) fn next_due(dialect: &'static Dialect, now: Moment) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let now = list.parameter(Parameter::Integer(now.ticks()));
        let sql = format!("SELECT min(due) FROM elevation WHERE due > {now}");
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Counts the elevations at `now`: the pending ones, with the time when the oldest was filed, and the active ones.
    /// Also reads the earliest due time. A pending or active elevation is due at its end, and every elevation that has
    /// not ended is due at some time.
    pub(in crate::store) fn census(dialect: &'static Dialect, now: Moment) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let now = list.parameter(Parameter::Integer(now.ticks()));
        let sql = format!(
            "SELECT count(CASE WHEN state = 'PendingApproval' AND due > {now} THEN 1 END), \
             min(CASE WHEN state = 'PendingApproval' AND due > {now} THEN create_time END), \
             count(CASE WHEN state = 'Active' AND due > {now} THEN 1 END), \
             min(CASE WHEN due <= {now} THEN due END) FROM elevation WHERE due IS NOT NULL"
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Counts the requester's pending elevations and those filed in the last hour.
    pub(in crate::store) fn load(dialect: &'static Dialect, key: &FilingKey) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_requester(key.requester);
        list.and_any_status(&[Status::PendingApproval], key.now);
        let pending = std::mem::replace(&mut list.condition, String::from("TRUE"));
        list.and_requester(key.requester);
        let since = list.parameter(Parameter::Integer(Load::since(key.now).ticks()));
        let sql = format!(
            "SELECT (SELECT count(*) FROM elevation WHERE {pending}), \
             (SELECT count(*) FROM elevation WHERE {} AND create_time > {since})",
            list.condition
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }

    /// Reads whether any elevation of `role` is pending, scheduled or active at `now`.
    pub(in crate::store) fn in_use(
        dialect: &'static Dialect,
        role: RoleId,
        now: Moment,
    ) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        list.and_live(role, now);
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM elevation WHERE {})",
            list.condition
        );
        Statement {
            sql,
            parameters: list.parameters,
        }
    }
}
