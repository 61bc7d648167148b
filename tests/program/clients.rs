//! Clients that are not ours: curl for REST, buf for gRPC with the schema from reflection.

use std::process::{Command, Output};

use serde_json::Value;

/// A response over REST.
pub struct Response {
    /// The status line and the headers.
    pub head: String,
    pub body: String,
}

impl Response {
    /// The number and the phrase of the status.
    pub fn status(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.strip_prefix("HTTP/1.1 ").unwrap_or(line)
    }

    /// The body of a response that has one.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

/// Sends a request by curl.
pub fn curl(url: &str, method: &str, header: &str, more: &[&str]) -> Response {
    let output = run(Command::new("curl")
        .args(["-sS", "-i", "-X", method, url, "-H", header])
        .args(more));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Response {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Calls a method of `pam.v1` by buf. Returns the response, or the status code with the error.
pub fn buf_curl(
    address: &str,
    method: &str,
    header: &str,
    message: &Value,
) -> Result<Value, (i32, Value)> {
    let url = format!("http://{address}/pam.v1.{method}");
    let output = run(Command::new("buf")
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(["-H", header, "-d", &message.to_string(), &url]));
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        // The exit code of buf is eight times the status.
        Some(code) if code % 8 == 0 => match serde_json::from_slice(&output.stderr) {
            Ok(error) => Err((code / 8, error)),
            Err(_) => panic!("{output:?}"),
        },
        _ => panic!("{output:?}"),
    }
}

/// Returns the methods that reflection names, as `pam.v1.RoleService/GetRole`.
pub fn buf_methods(address: &str) -> Vec<String> {
    let output = run(Command::new("buf")
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(["--list-methods", &format!("http://{address}")]));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs a command that must exist, and prints it for the log of a failed test.
pub fn run(command: &mut Command) -> Output {
    println!("$ {command:?}");
    let name = command.get_program().to_owned();
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{} is needed: {error}", name.display()),
    }
}
