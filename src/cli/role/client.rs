//! Calls a running server as an administrator.

use std::net::IpAddr;
use std::time::Duration;
use std::{env, fs};

use anyhow::{anyhow, bail};
use http::Uri;
use prost_types::FieldMask;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::cli::failure::cannot;
use crate::config::{Connection, TOKEN};
use crate::proto::pam::v1::role_service_client::RoleServiceClient;
use crate::proto::pam::v1::{
    CreateRoleRequest, GetRoleRequest, ListAllRolesRequest, Role, Shortage, UpdateRoleRequest,
};

/// A role, and the stages for which there are too few people.
pub(super) type RoleReport = (Role, Vec<Shortage>);

/// The roles of a running server.
pub(super) struct Client(RoleServiceClient<InterceptedService<Channel, Bearer>>);

impl Client {
    /// Returns a client of a server. It connects with the first call.
    pub(super) fn new(connection: &Connection) -> anyhow::Result<Self> {
        let channel = endpoint(&connection.server)?.connect_lazy();
        let client = RoleServiceClient::with_interceptor(channel, Bearer::of(connection)?);
        Ok(Self(client.max_decoding_message_size(LONGEST_PAGE)))
    }

    /// Returns all roles, by display name.
    pub(super) async fn all(&mut self) -> Result<Vec<Role>, Status> {
        let mut roles = Vec::new();
        let mut request = ListAllRolesRequest::default();
        loop {
            let page = self.0.list_all_roles(request.clone()).await?.into_inner();
            roles.extend(page.roles);
            if page.next_page_token.is_empty() {
                return Ok(roles);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Reads a role and its shortages.
    pub(super) async fn read(&mut self, role: &Role) -> Result<RoleReport, Status> {
        let answer = self
            .0
            .get_role(GetRoleRequest {
                role_id: role.id.clone(),
            })
            .await?
            .into_inner();
        Ok((answer.role.unwrap_or_default(), answer.shortages))
    }

    /// Creates a role. Returns it with its id and its shortages.
    pub(super) async fn create(&mut self, role: Role) -> Result<RoleReport, Status> {
        let answer = self
            .0
            .create_role(CreateRoleRequest { role: Some(role) })
            .await?
            .into_inner();
        Ok((answer.role.unwrap_or_default(), answer.shortages))
    }

    /// Replaces a role as a whole if its revision is still current. Returns it with its shortages.
    pub(super) async fn update(&mut self, role: Role) -> Result<RoleReport, Status> {
        let answer = self
            .0
            .update_role(UpdateRoleRequest {
                role: Some(role),
                update_mask: Some(FieldMask {
                    paths: vec!["*".to_owned()],
                }),
            })
            .await?
            .into_inner();
        Ok((answer.role.unwrap_or_default(), answer.shortages))
    }
}

/// Adds the bearer token to every call.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Reads the token from the file or, without a file, from the environment.
    fn of(connection: &Connection) -> anyhow::Result<Self> {
        let (place, token) = match (&connection.token_file, env::var_os(TOKEN)) {
            (Some(path), _) => {
                let place = format!("the token in {}", path.display());
                let what = format!("read {place}");
                (
                    place,
                    fs::read_to_string(path).map_err(|error| cannot(what, error, ""))?,
                )
            }
            (None, Some(token)) => (
                format!("the token in {TOKEN}"),
                token.into_string().unwrap_or_default(),
            ),
            (None, None) => bail!(
                "cannot call the server without the token of an administrator; put it into {TOKEN}, or name its file with \
                 --token-file"
            ),
        };
        let header = format!("Bearer {}", token.trim());
        let mut value: MetadataValue<Ascii> = header
            .parse()
            .ok()
            .filter(|_| token.trim().starts_with("cst_"))
            .ok_or_else(|| {
                cannot(
                    format_args!("use {place}"),
                    anyhow!("it is not a bearer token"),
                    MAKE,
                )
            })?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Returns the endpoint of a server. It must be on this machine, since the token is not encrypted.
fn endpoint(server: &Uri) -> anyhow::Result<Endpoint> {
    if server
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        bail!("cannot call a server by a URL that contains a user; put the token into {TOKEN}");
    }
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    if server.scheme_str() != Some("http") || !is_here {
        bail!(
            "cannot call the server at {server}: the server must be on this machine and use plain HTTP; name it as \
             http://127.0.0.1:8086 with --server"
        );
    }
    Ok(Endpoint::from(server.clone())
        .connect_timeout(CONNECT)
        .timeout(ANSWER))
}

const ANSWER: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// The maximum size of a page, enough for the largest roles, in octets.
const LONGEST_PAGE: usize = 512 * 1024 * 1024;
const MAKE: &str = "make one with `countersign token new`; it begins with cst_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_leaves_the_machine_in_the_clear() {
        for here in [
            "http://127.0.0.1:8086",
            "http://localhost:8086",
            "http://[::1]:8086/",
            "http://127.9.9.9",
        ] {
            assert!(endpoint(&here.parse().unwrap()).is_ok(), "{here}");
        }
        for elsewhere in [
            "http://192.0.2.1:8086",
            "http://127.0.0.1.example.org",
            "http://127.0.0.1:8086@example.org",
            "http://localhost.example.org",
            "http://[2001:db8::1]:8086",
            "https://127.0.0.1:8086",
            "127.0.0.1:8086",
            "/127.0.0.1",
        ] {
            assert!(
                endpoint(&elsewhere.parse().unwrap()).is_err(),
                "{elsewhere}"
            );
        }
    }
}
