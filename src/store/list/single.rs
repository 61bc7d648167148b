//! Reads of decisions and of the scheduler.

use uuid::Uuid;

use super::{Dialect, ELEVATION_COLUMNS, ELEVATIONS, List, Parameter, Statement};
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::quota::Load;
use crate::domain::status::Status;
use crate::store::{Alarm, DueRead, ElevationRead, FilingKey};

impl DueRead {
    /// Returns the work at `now`. `next` is the time of the first alarm after it.
    pub(in crate::store) fn new(
        now: Moment,
        elevations: Vec<ElevationRead>,
        spent: Vec<Alarm>,
        next: Option<Moment>,
    ) -> Self {
        let hides_others = spent.len() >= ALARMS_AT_ONCE;
        Self {
            elevations,
            next: if hides_others { Some(now) } else { next },
            spent,
        }
    }
}

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

    /// Reads the elevations of the due alarms at `now`, the earliest first.
    pub(in crate::store) fn due(dialect: &'static Dialect, now: Moment, limit: u32) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let alarms = list.due_alarms(now);
        let limit = list.parameter(Parameter::Integer(limit.into()));
        list.statement(format!(
            "SELECT {ELEVATION_COLUMNS} FROM {alarms} JOIN elevation ON id = alarm_id AND due = alarm_due \
             ORDER BY due, id LIMIT {limit}"
        ))
    }

    /// Reads the due alarms at `now` that are spent.
    pub(in crate::store) fn spent(dialect: &'static Dialect, now: Moment) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let alarms = list.due_alarms(now);
        list.statement(format!(
            "SELECT alarm_due, alarm_id FROM {alarms} \
             WHERE NOT EXISTS (SELECT 1 FROM elevation WHERE id = alarm_id AND due = alarm_due) \
             ORDER BY alarm_due, alarm_id"
        ))
    }

    /// Reads the time of the first alarm after `now` that is not spent. If the next few are all spent, reads the last of
    /// their times, so that the scheduler does not wake for each of them.
    pub(in crate::store) fn next_due(dialect: &'static Dialect, now: Moment) -> Statement {
        let mut list = Self::new(dialect, &ELEVATIONS);
        let now = list.parameter(Parameter::Integer(now.ticks()));
        list.statement(format!(
            "SELECT coalesce(min(CASE WHEN due = alarm_due THEN due END), max(alarm_due)) \
             FROM (SELECT due AS alarm_due, id AS alarm_id FROM alarm WHERE due > {now} ORDER BY due, id LIMIT 64) AS alarms \
             LEFT JOIN elevation ON id = alarm_id"
        ))
    }

    /// Returns the first due alarms at `now`, as a table of a statement.
    fn due_alarms(&mut self, now: Moment) -> String {
        let now = self.parameter(Parameter::Integer(now.ticks()));
        format!(
            "(SELECT due AS alarm_due, id AS alarm_id FROM alarm WHERE due <= {now} \
             ORDER BY due, id LIMIT {ALARMS_AT_ONCE}) AS alarms"
        )
    }

    fn statement(self, sql: String) -> Statement {
        Statement {
            sql,
            parameters: self.parameters,
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
             min(CASE WHEN due <= {now} THEN due END) FROM elevation WHERE ended = 0"
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
        let live = list.source();
        let pending = std::mem::replace(&mut list.condition, String::from("TRUE"));
        list.and_requester(key.requester);
        let since = list.parameter(Parameter::Integer(Load::since(key.now).ticks()));
        let sql = format!(
            "SELECT (SELECT count(*) FROM {live} WHERE {pending}), \
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

/// The number of due alarms that one read checks.
const ALARMS_AT_ONCE: usize = 512;
