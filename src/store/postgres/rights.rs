//! The rights of the database user, checked before anything is written.

use tokio_postgres::Client;

use super::error::failed;
use crate::domain::error::Error;

/// Checks that the user may create the missing tables and write to the existing ones. `done` counts the migrations that
/// the store has, `missing` those that it lacks. Changes nothing.
pub(super) async fn check(client: &Client, done: usize, missing: usize) -> Result<(), Error> {
    if missing > 0 {
        may_create(client).await?;
    }
    if done > 0 && missing > 0 {
        owns_tables(client).await?;
    }
    may_write(client).await
}

async fn may_create(client: &Client) -> Result<(), Error> {
    let row = client
        .query_typed_one(MAY_CREATE, &[])
        .await
        .map_err(failed)?;
    let (user, schema): (&str, Option<&str>) = (row.get(0), row.get(1));
    match schema {
        None => Err(Error::internal(format!(
            "the user {user} has no schema to make tables in; create one, or name one in the search_path of the user"
        ))),
        Some(_) if row.get(2) => Ok(()),
        Some(schema) => Err(Error::internal(format!(
            "the user {user} may not create tables in the schema {schema}; GRANT CREATE ON SCHEMA {schema} TO {user}, or start \
             this version once as the owner"
        ))),
    }
}

async fn owns_tables(client: &Client) -> Result<(), Error> {
    match client.query_typed_opt(FOREIGN, &[]).await.map_err(failed)? {
        None => Ok(()),
        Some(row) => {
            let (user, table): (&str, &str) = (row.get(0), row.get(1));
            Err(Error::internal(format!(
                "the user {user} does not own the table {table} and cannot bring the store up to date; start this version once \
                 as the owner"
            )))
        }
    }
}

async fn may_write(client: &Client) -> Result<(), Error> {
    match client.query_typed_opt(LACKING, &[]).await.map_err(failed)? {
        None => Ok(()),
        Some(row) => {
            let (user, table, right): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
            Err(Error::internal(format!(
                "the user {user} lacks the right {right} on the table {table}; GRANT {right} ON {table} TO {user}"
            )))
        }
    }
}

const MAY_CREATE: &str = "SELECT current_user::text, current_schema()::text, \
     coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
const FOREIGN: &str = "SELECT current_user::text, relname::text FROM pg_class \
     WHERE oid IN (to_regclass('alarm'), to_regclass('effect'), to_regclass('elevation'), to_regclass('event'), to_regclass('guard'), \
     to_regclass('head'), to_regclass('migration'), to_regclass('role'), \
     to_regclass('role_principal')) AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname LIMIT 1";
/// Exactly the rights that the statements of the store need. A user that may not change the record is worth having.
const LACKING: &str = "SELECT current_user::text, needed.name, needed.right FROM (VALUES \
     ('alarm', 'SELECT'), ('alarm', 'INSERT'), ('alarm', 'DELETE'), \
     ('effect', 'SELECT'), ('effect', 'INSERT'), ('effect', 'UPDATE'), ('effect', 'DELETE'), \
     ('elevation', 'SELECT'), ('elevation', 'INSERT'), ('elevation', 'UPDATE'), \
     ('event', 'SELECT'), ('event', 'INSERT'), \
     ('guard', 'SELECT'), ('guard', 'INSERT'), ('guard', 'UPDATE'), \
     ('head', 'SELECT'), ('head', 'UPDATE'), \
     ('migration', 'SELECT'), \
     ('role', 'SELECT'), ('role', 'INSERT'), ('role', 'UPDATE'), \
     ('role_principal', 'SELECT'), ('role_principal', 'INSERT'), ('role_principal', 'DELETE')) AS needed (name, \"right\") \
     WHERE to_regclass(needed.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(needed.name), needed.right) LIMIT 1";
