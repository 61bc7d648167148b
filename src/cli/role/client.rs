//! A running server, as an administrator calls it.

use std::net::IpAddr;
use std::time::Duration;
use std::{env, fs};

use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::config::Connection;
use crate::domain::error::Error;
use crate::proto::pam::v1::role_service_client::RoleServiceClient;
use crate::proto::pam::v1::{CreateRoleRequest, ListAllRolesRequest, Role, UpdateRoleRequest};

/// The roles of a running server.
pub(super) struct Client(RoleServiceClient<InterceptedService<Channel, Bearer>>);

impl Client {
    /// A client of that server; it connects with the first call.
    pub(super) fn new(connection: &Connection) -> Result<Self, Error> {
        let channel = endpoint(&connection.server)?.connect_lazy();
        let client = RoleServiceClient::with_interceptor(channel, Bearer::of(connection)?);
        Ok(Self(client.max_decoding_message_size(LONGEST_PAGE)))
    }

    /// All roles, by display name.
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

    /// Creates a role; answers it with its id.
    pub(super) async fn create(&mut self, role: Role) -> Result<Role, Status> {
        let answer = self.0.create_role(CreateRoleRequest { role: Some(role) }).await?;
        Ok(answer.into_inner().role.unwrap_or_default())
    }

    /// Replaces a role, if it still is at its revision.
    pub(super) async fn update(&mut self, role: Role) -> Result<Role, Status> {
        let answer = self.0.update_role(UpdateRoleRequest { role: Some(role) }).await?;
        Ok(answer.into_inner().role.unwrap_or_default())
    }
}

/// Adds the bearer token to every call.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// The token of the file, or else of the environment.
    fn of(connection: &Connection) -> Result<Self, Error> {
        let token = match &connection.token_file {
            Some(path) => fs::read_to_string(path)
                .map_err(|cause| Error::invalid("The file of the token cannot be read.").because(cause))?,
            None => env::var(TOKEN).map_err(|_| Error::invalid(NO_TOKEN))?,
        };
        let header = format!("Bearer {}", token.trim());
        let mut value: MetadataValue<Ascii> =
            header.parse().map_err(|_| Error::invalid("What is given as a token is none."))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The server's end. Without TLS it has to be on this machine: a token does not travel in the clear.
fn endpoint(server: &Uri) -> Result<Endpoint, Error> {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    if server.scheme_str() != Some("http") || !is_here {
        return Err(Error::invalid(
            "The server is called over plain HTTP on this machine only, such as http://127.0.0.1:8086.",
        ));
    }
    Ok(Endpoint::from(server.clone()).connect_timeout(CONNECT).timeout(ANSWER))
}

const ANSWER: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Room for a page of the longest roles.
const LONGEST_PAGE: usize = 512 * 1024 * 1024;
const NO_TOKEN: &str =
    "The token of an administrator is needed, in COUNTERSIGN_TOKEN or in the file of --token-file.";
const TOKEN: &str = "COUNTERSIGN_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_leaves_the_machine_in_the_clear() {
        for here in
            ["http://127.0.0.1:8086", "http://localhost:8086", "http://[::1]:8086/", "http://127.9.9.9"]
        {
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
            assert!(endpoint(&elsewhere.parse().unwrap()).is_err(), "{elsewhere}");
        }
    }
}
