//! The rows of the wire contract, read from their texts.

/// A wire case, or a part of one.
#[derive(Debug, Default)]
pub struct Row {
    /// The numbers of its wire cases.
    pub numbers: Vec<u8>,
    /// The subject.
    pub title: String,
    /// The caller; `nobody` for a request without credentials.
    pub caller: String,
    /// The kind of server; empty for the usual one.
    pub server: String,
    /// The request, without the headers that every request gets.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// The other expectations.
    pub expected: Vec<Expected>,
    /// The status of the pending request afterwards.
    pub then: String,
}

impl Row {
    /// Returns whether the answer must have no body.
    pub fn expects_nothing(&self) -> bool {
        self.expected
            .iter()
            .any(|expected| matches!(expected, Expected::Body(body) if body.is_empty()))
    }
}

/// An expectation.
#[derive(Debug)]
pub enum Expected {
    /// The whole body.
    Body(String),
    /// The code of an error.
    Code(String),
    /// A header and its value; `None` if it must be missing.
    Header(String, Option<String>),
    /// A text that the body must not contain.
    Lacks(String),
    /// A text that the body must contain.
    Has(String),
    /// The rows of the list.
    Rows(String),
}

/// Reads the rows of a table, which are separated by empty lines.
pub fn rows(text: &str) -> Vec<Row> {
    text.split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(row)
        .collect()
}

fn row(block: &str) -> Row {
    let mut row = Row {
        then: "PendingApproval".to_owned(),
        ..Row::default()
    };
    let (mut sent, mut body) = (Vec::new(), String::new());
    for line in block.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "#" => {
                let (numbers, title) = rest.split_once(": ").expect(line);
                row.numbers = numbers
                    .split(", ")
                    .map(|number| number.parse().expect(line))
                    .collect();
                title.clone_into(&mut row.title);
            }
            "as" => rest.clone_into(&mut row.caller),
            "server" => rest.clone_into(&mut row.server),
            "then" => rest.clone_into(&mut row.then),
            ">" => sent.push(rest),
            "=" => body += rest,
            _ if row.status == 0 => row.status = line.parse().expect(line),
            _ => row.expected.extend(expected(line, word, rest)),
        }
    }
    if !body.is_empty() {
        row.expected.push(Expected::Body(body));
    }
    assert!(row.status > 0 && !row.caller.is_empty(), "{block}");
    row.request = request(&sent);
    row
}

fn expected(line: &str, word: &str, rest: &str) -> Vec<Expected> {
    match word {
        "~" => vec![Expected::Has(rest.to_owned())],
        "!" => vec![Expected::Lacks(rest.to_owned())],
        "rows" => vec![Expected::Rows(rest.to_owned())],
        "empty" => {
            vec![
                Expected::Body(String::new()),
                Expected::Header("content-length".to_owned(), Some("0".to_owned())),
            ]
        }
        "error" => match rest.split_once(' ') {
            Some((code, message)) => vec![Expected::Body(format!(
                r#"{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"{message}"}}}}}}"#
            ))],
            None => vec![Expected::Code(rest.to_owned())],
        },
        _ => {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            vec![Expected::Header(
                name.to_owned(),
                (value != "-").then(|| value.to_owned()),
            )]
        }
    }
}

/// Returns the bytes of a request. An empty line separates its head and body.
fn request(lines: &[&str]) -> String {
    let end = lines
        .iter()
        .position(|line| line.is_empty())
        .expect("a head ends with an empty line");
    let (head, body) = (lines[..end].join("\r\n"), lines[end + 1..].join("\r\n"));
    let body = body
        .replace(r"\r\n", "\r\n")
        .replace(r"\u{feff}", "\u{feff}");
    let head = head.replace(
        "Content-Length: *",
        &format!("Content-Length: {}", body.len()),
    );
    format!("{head}\r\n\r\n{body}")
}
