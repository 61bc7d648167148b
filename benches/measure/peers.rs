//! The peers: proxies that translate REST to gRPC in front of a service that does nothing, two nodes on one PostgreSQL,
//! and a synchronous standby.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::calls::Call;
use super::parts::{Backend, Bench, first_process};
use super::pgbench;
use super::postgres::{self, Database};
use super::rounds::{Extent, Medians, Subject};
use super::server::{Server, countersign};
use super::target::Target;

/// The peers, which `.ci/measure peers` builds.
#[derive(Args)]
pub struct Peers {
    /// The program of Envoy.
    #[arg(long)]
    envoy: PathBuf,
    /// A grpc-gateway. Its argument is the address of the service.
    #[arg(long)]
    gateway: PathBuf,
    /// The descriptors of the service, for Envoy.
    #[arg(long)]
    descriptors: PathBuf,
}

/// Measures the peers and prints them.
pub async fn run(peers: Peers, extent: Extent) {
    let bench = Bench::new(true).await;
    let axum = bench.reference(&["bare"]).await;
    let tonic = bench.reference(&["tonic"]).await;
    let envoy = envoy(&bench, &peers, &tonic).await;
    let gateway = gateway(&bench, &peers, &tonic).await;
    let sqlite = bench
        .target(&countersign(), Backend::Sqlite, extent.pending)
        .await;
    let one = nodes(&bench, &Database::new().await, extent, 1).await;
    let two = nodes(&bench, &Database::new().await, extent, 2).await;
    let database = Database::alone().await;
    pgbench::prepare(&database.server);
    bench.count_postgres(first_process(&database.server.folder(), "data"));
    let own = bench.postgres.clone().unwrap();
    let standby = Standby::start(&bench, database.server.clone()).await;
    let safe = nodes(&bench, &database, extent, 1).await;
    let points = &extent.points[2..];
    let (bench, tonic) = (&bench, &tonic);
    let approve = |target| move |point| bench.approve(target, Call::RestApprove, point);
    let bare = |call, server| move |point| bench.bare(server, call, point);
    let proxied = |proxy| move |point| bench.proxied(proxy, tonic, point);
    let pgbench = |server| move |point| bench.pgbench(server, point);
    let subjects = [
        Subject::new(BARE, BARE, points, bare(Call::RestApprove, &axum)),
        Subject::new(TONIC, BARE, points, bare(Call::Approve, tonic)),
        Subject::new(ENVOY, BARE, points, proxied(&envoy)),
        Subject::new(GATEWAY, BARE, points, proxied(&gateway)),
        Subject::new("REST approve, SQLite", BARE, points, approve(&sqlite)),
        Subject::new(ONE_NODE, BARE, points, approve(&one)),
        Subject::new(TWO_NODES, BARE, points, approve(&two)),
        Subject::new(WITH_STANDBY, BARE, points, approve(&safe)),
        Subject::new(PGBENCH, BARE, points, pgbench(&own)),
        Subject::new(PGBENCH_STANDBY, BARE, points, pgbench(&database.server)),
    ];
    let medians = Medians::measure(extent, &subjects);
    medians.print("Peers");
    let rate = |name| medians.get(name, points[0].0).unwrap().rate;
    println!(
        "Two nodes, of one: {:.2}\n",
        rate(TWO_NODES) / rate(ONE_NODE)
    );
    standby.verify().await;
}

/// Starts nodes over a new store in PostgreSQL.
async fn nodes(bench: &Bench, database: &Database, extent: Extent, nodes: usize) -> Target {
    let folder = bench.new_folder();
    let mut target = Target::start(&countersign(), &folder, &database.url(), nodes).await;
    target.backend = Some(first_process(&database.server.folder(), "data"));
    bench.file(&target, extent.pending);
    target
}

/// Starts Envoy in front of a service.
async fn envoy(bench: &Bench, peers: &Peers, service: &Server) -> Server {
    let folder = bench.new_folder();
    let configuration = ENVOY_CONFIGURATION
        .replace("DESCRIPTORS", &peers.descriptors.display().to_string())
        .replace("PORT", &service.address.port().to_string());
    let path = folder.join("envoy.yaml");
    fs::write(&path, configuration).unwrap();
    let mut command = Command::new(&peers.envoy);
    command
        .args(["--concurrency", "2", "--disable-hot-restart", "-c"])
        .arg(path);
    // The log has the address of the administration, which knows the one of the listener.
    let mut server = Server::start(command, &folder.join("log")).await;
    loop {
        let listeners = get(&server, "/listeners").await;
        if let Some((_, address)) = listeners.split_once("rest::") {
            let address = address.split_whitespace().next().unwrap();
            server.address = address.parse().unwrap();
            return server;
        }
        sleep(POLL).await;
    }
}

/// Starts grpc-gateway in front of a service.
async fn gateway(bench: &Bench, peers: &Peers, service: &Server) -> Server {
    let mut command = Command::new(&peers.gateway);
    command.arg(service.address.to_string());
    Server::start(command, &bench.new_folder().join("log")).await
}

async fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A standby that confirms every commit of a server before its client learns of it.
struct Standby(Arc<postgres::Server>);

impl Standby {
    async fn start(bench: &Bench, primary: Arc<postgres::Server>) -> Self {
        let folder = primary.folder();
        let from = ["--host", &folder, "--username=countersign"];
        let to = [
            "--pgdata=standby",
            "--write-recovery-conf",
            "--checkpoint=fast",
        ];
        primary.run("pg_basebackup", &[from, to].concat());
        let start = [
            "-D",
            "standby",
            "-l",
            "standby.log",
            "-w",
            "-o",
            "-p 5433",
            "start",
        ];
        primary.control(&start);
        bench.count_postgres(first_process(&folder, "standby"));
        let client = primary.connect().await;
        for sql in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            client.batch_execute(sql).await.unwrap();
        }
        let standby = Self(primary);
        while !standby.is_synchronous().await {
            sleep(POLL).await;
        }
        standby
    }

    async fn is_synchronous(&self) -> bool {
        let sql = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
        let rows = self.0.connect().await.query(sql, &[]).await.unwrap();
        rows.len() == 1
    }

    /// Fails if the standby is no longer synchronous.
    async fn verify(&self) {
        assert!(
            self.is_synchronous().await,
            "the standby was synchronous to the end"
        );
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.0
            .control(&["-D", "standby", "-m", "immediate", "stop"]);
    }
}

const BARE: &str = "bare axum handler";
const TONIC: &str = "bare tonic call";
const ENVOY: &str = "Envoy's transcoder, tonic that does nothing";
const GATEWAY: &str = "grpc-gateway, tonic that does nothing";
const WITH_STANDBY: &str = "REST approve, PostgreSQL with a synchronous standby";
const PGBENCH: &str = "pgbench, one row";
const PGBENCH_STANDBY: &str = "pgbench, one row, with a synchronous standby";
const ONE_NODE: &str = "REST approve, PostgreSQL, one node";
const TWO_NODES: &str = "REST approve, PostgreSQL, two nodes";
const POLL: Duration = Duration::from_millis(20);

const ENVOY_CONFIGURATION: &str = r#"
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
static_resources:
  listeners:
    - name: rest
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: rest
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: "/" }
                          route: { cluster: service }
                http_filters:
                  - name: envoy.filters.http.grpc_json_transcoder
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder
                      proto_descriptor: "DESCRIPTORS"
                      services: ["pam.v1.ApprovalService"]
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: service
      type: STATIC
      load_assignment:
        cluster_name: service
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address: { socket_address: { address: 127.0.0.1, port_value: PORT } }
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http2_protocol_options: {}
"#;
