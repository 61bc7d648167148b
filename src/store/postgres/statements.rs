//! Writing the rows of a group, each kind by one statement.

use tokio::{join, try_join};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::plan::{Plan, Put};
use super::row::Json;
use crate::domain::elevation::Elevation;
use crate::domain::id::RoleId;
use crate::domain::moment::Moment;
use crate::domain::role::Role;
use crate::domain::version::Version;
use crate::domain::window::Window;
use crate::store::Record;
use crate::store::columns::{
    RolePrincipal, channel_name, decisions_to_json, named, principals_to_json, rules_to_json,
    stages_to_json, time_of_day, verdict_name,
};

/// The statements that write.
pub(super) struct WriteStatements {
    events: Statement,
    new_elevations: Statement,
    elevations: Statement,
    guards: Statement,
    role: Statement,
    delete_role: Statement,
    unname: Statement,
    name: Statement,
}

/// An elevation to write.
struct Row<'a> {
    elevation: &'a Elevation,
    put: &'a Put<'a>,
}

impl WriteStatements {
    /// Prepares the statements.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let (events, new_elevations, elevations, guards) = try_join!(
            client.prepare(EVENTS),
            client.prepare(NEW_ELEVATIONS),
            client.prepare(ELEVATIONS),
            client.prepare(GUARDS),
        )?;
        let (role, delete_role, unname, name) = try_join!(
            client.prepare(ROLE),
            client.prepare(DELETE_ROLE),
            client.prepare(UNNAME),
            client.prepare(NAME),
        )?;
        Ok(Self {
            events,
            new_elevations,
            elevations,
            guards,
            role,
            delete_role,
            unname,
            name,
        })
    }

    /// Writes everything of the plan but the head. All statements go out together; the first that fails ends the
    /// transaction, and with it those behind.
    pub(super) async fn write(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let (events, new, changed, guards, roles) = join!(
            biased;
            self.put_events(client, plan),
            self.put_new_elevations(client, plan),
            self.put_elevations(client, plan),
            self.put_guards(client, plan),
            self.put_roles(client, plan),
        );
        events.and(new).and(changed).and(guards).and(roles)
    }

    async fn put_events(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let sequences = column(&plan.events, |(header, _)| header.sequence.cast_signed());
        let subjects = column(&plan.events, |(_, draft)| draft.event().subject.id());
        let headers = column(&plan.events, |(header, _)| &header.bytes[..]);
        let payloads = column(&plan.events, |(_, draft)| draft.payload());
        client
            .execute(&self.events, &[&sequences, &subjects, &headers, &payloads])
            .await?;
        Ok(())
    }

    async fn put_new_elevations(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let rows = elevations(plan, |version| version == Version::ABSENT.next());
        if rows.is_empty() {
            return Ok(());
        }
        let approval = |row: &Row<'_>| row.elevation.approval.clone();
        client
            .execute(
                &self.new_elevations,
                &[
                    &column(&rows, |row| row.elevation.id.0),
                    &column(&rows, |row| row.put.version.0.cast_signed()),
                    &column(&rows, |row| row.put.since.cast_signed()),
                    &column(&rows, |row| row.elevation.requester.id.0),
                    &column(&rows, |row| &*row.elevation.requester.name),
                    &column(&rows, |row| row.elevation.role.0),
                    &column(&rows, |row| &*row.elevation.role_display_name),
                    &column(&rows, |row| row.elevation.justification.as_deref()),
                    &column(&rows, |row| row.elevation.requested_duration.seconds()),
                    &column(&rows, |row| row.elevation.duration.seconds()),
                    &column(&rows, |row| row.elevation.requested_start_time.ticks()),
                    &column(&rows, |row| row.elevation.create_time.ticks()),
                    &column(&rows, |row| row.elevation.activate_time.map(Moment::ticks)),
                    &column(&rows, |row| row.elevation.expire_time.map(Moment::ticks)),
                    &column(&rows, |row| row.elevation.state.name()),
                    &column(&rows, |row| row.elevation.id.fim_request_id()),
                    &column(&rows, |row| approval(row).map(|approval| approval.id.0)),
                    &column(&rows, |row| {
                        approval(row).map(|approval| approval.pending_expire_time.ticks())
                    }),
                    &column(&rows, outcome),
                    &column(&rows, decisions),
                    &column(&rows, |row| channel_name(row.elevation.channel)),
                    &column(&rows, due),
                    &column(&rows, stage),
                    &column(&rows, |row| {
                        row.elevation.client_request.map(|request| request.id)
                    }),
                    &column(&rows, |row| {
                        row.elevation
                            .client_request
                            .map(|request| request.fingerprint)
                    }),
                ],
            )
            .await?;
        Ok(())
    }

    /// Writes elevations, each in place of its earlier version.
    async fn put_elevations(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let rows = elevations(plan, |version| version != Version::ABSENT.next());
        if rows.is_empty() {
            return Ok(());
        }
        let ids = column(&rows, |row| row.elevation.id.0);
        let since = column(&rows, |row| row.put.since.cast_signed());
        let versions = column(&rows, |row| row.put.version.0.cast_signed());
        let activated = column(&rows, |row| row.elevation.activate_time.map(Moment::ticks));
        let expires = column(&rows, |row| row.elevation.expire_time.map(Moment::ticks));
        let states = column(&rows, |row| row.elevation.state.name());
        let (outcomes, decisions) = (column(&rows, outcome), column(&rows, decisions));
        let lives = column(&rows, |row| row.elevation.duration.seconds());
        let (due, stages) = (column(&rows, due), column(&rows, stage));
        let columns: [&(dyn ToSql + Sync); 11] = [
            &ids, &versions, &since, &activated, &expires, &states, &outcomes, &decisions, &lives,
            &due, &stages,
        ];
        client.execute(&self.elevations, &columns).await.map(drop)
    }

    async fn put_guards(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let guards = plan.puts.iter().filter_map(|put| match put.record {
            Record::Guard(account) => Some((account.0, put.version.0.cast_signed())),
            _ => None,
        });
        let (accounts, versions): (Vec<_>, Vec<_>) = guards.unzip();
        if !accounts.is_empty() {
            client
                .execute(&self.guards, &[&accounts, &versions])
                .await?;
        }
        Ok(())
    }

    /// Roles change seldom, so one after the other.
    async fn put_roles(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        for put in &plan.puts {
            match put.record {
                Record::Elevation(_) | Record::Guard(_) => {}
                Record::Role(role) => self.put_role(client, role, put).await?,
                Record::RoleDeleted(id) => self.delete_role(client, *id, put).await?,
            }
        }
        Ok(())
    }

    /// Writes a role in place of its earlier version, with the index of its principals.
    async fn put_role(&self, client: &Client, role: &Role, put: &Put<'_>) -> Result<(), Error> {
        client.execute(&self.unname, &[&role.id.0]).await?;
        client
            .execute(
                &self.role,
                &[
                    &role.id.0,
                    &put.version.0.cast_signed(),
                    &put.since.cast_signed(),
                    &role.display_name,
                    &role.description,
                    &role.max_duration.seconds(),
                    &Json(principals_to_json(&role.candidates)),
                    &Json(stages_to_json(&role.stages)),
                    &time_of_day(role.rules.window.map(Window::from)),
                    &time_of_day(role.rules.window.map(Window::to)),
                    &Json(rules_to_json(&role.rules)),
                ],
            )
            .await?;
        let named: Vec<RolePrincipal> = named(role).collect();
        let principals = column(&named, |named| named.principal.0);
        let parts = column(&named, |named| named.part);
        let stages = column(&named, |named| named.stage);
        client
            .execute(&self.name, &[&principals, &parts, &stages, &role.id.0])
            .await?;
        Ok(())
    }

    /// Ends a role: nobody is named by it any more, and its id stays taken.
    async fn delete_role(&self, client: &Client, id: RoleId, put: &Put<'_>) -> Result<(), Error> {
        client.execute(&self.unname, &[&id.0]).await?;
        let (version, since) = (put.version.0.cast_signed(), put.since.cast_signed());
        client
            .execute(&self.delete_role, &[&version, &since, &id.0])
            .await?;
        Ok(())
    }
}

/// The elevations of the plan that get such a version.
fn elevations<'a>(plan: &'a Plan<'a>, such: fn(Version) -> bool) -> Vec<Row<'a>> {
    let elevation = |put: &'a Put<'a>| match put.record {
        Record::Elevation(elevation) if such(put.version) => Some(Row { elevation, put }),
        _ => None,
    };
    plan.puts.iter().filter_map(elevation).collect()
}

/// One column of all rows, which is how `unnest` takes them.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

fn outcome(row: &Row<'_>) -> Option<&'static str> {
    let approval = row.elevation.approval.as_ref();
    approval
        .and_then(|approval| approval.outcome)
        .map(verdict_name)
}

fn due(row: &Row<'_>) -> Option<i64> {
    row.elevation.due().map(Moment::ticks)
}

fn stage(row: &Row<'_>) -> i64 {
    let stage = row
        .elevation
        .approval
        .as_ref()
        .map_or(0, |approval| approval.stage);
    i64::try_from(stage).unwrap_or(i64::MAX)
}

fn decisions(row: &Row<'_>) -> Json<String> {
    Json(decisions_to_json(
        row.elevation
            .approval
            .as_ref()
            .map_or(&[], |approval| &approval.decisions),
    ))
}

const EVENTS: &str = "INSERT INTO event (sequence, subject, header, payload) \
     SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bytea[], $4::bytea[])";
const NEW_ELEVATIONS: &str = "INSERT INTO elevation (id, version, since, requester_id, requester_name, role, \
     role_display_name, justification, requested_duration, duration, requested_start_time, create_time, activate_time, expire_time, \
     state, fim_request_id, approval, pending_expire_time, outcome, decisions, channel, due, stage, client_request, \
     fingerprint) SELECT * FROM unnest($1::uuid[], \
     $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::bigint[], \
     $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::uuid[], \
     $17::uuid[], $18::bigint[], $19::text[], $20::jsonb[], $21::text[], $22::bigint[], $23::bigint[], $24::uuid[], \
     $25::uuid[])";
const ELEVATIONS: &str = "UPDATE elevation SET version = put.version, since = put.since, \
     activate_time = put.activate_time, expire_time = put.expire_time, state = put.state, outcome = put.outcome, \
     decisions = put.decisions, duration = put.duration, due = put.due, stage = put.stage FROM unnest($1::uuid[], \
     $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::jsonb[], $9::bigint[], \
     $10::bigint[], $11::bigint[]) AS put (id, version, since, activate_time, expire_time, state, outcome, decisions, \
     duration, due, stage) WHERE elevation.id = put.id";
const GUARDS: &str = "INSERT INTO guard (account, version) SELECT * FROM unnest($1::uuid[], $2::bigint[]) \
     ON CONFLICT (account) DO UPDATE SET version = excluded.version";
const ROLE: &str = "INSERT INTO role (id, version, since, display_name, description, max_duration, candidates, \
     stages, available_from, available_to, rules) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
     ON CONFLICT (id) DO UPDATE SET \
     version = excluded.version, since = excluded.since, display_name = excluded.display_name, \
     description = excluded.description, max_duration = excluded.max_duration, candidates = excluded.candidates, \
     stages = excluded.stages, available_from = excluded.available_from, available_to = excluded.available_to, \
     rules = excluded.rules";
const DELETE_ROLE: &str = "UPDATE role SET deleted = true, version = $1, since = $2 WHERE id = $3";
const UNNAME: &str = "DELETE FROM role_principal WHERE role = $1";
// Somebody may be named twice, in different letters.
const NAME: &str = "INSERT INTO role_principal (principal, part, stage, role) \
     SELECT named.*, $4 FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS named ON CONFLICT DO NOTHING";
