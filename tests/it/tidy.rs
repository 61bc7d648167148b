//! The house rules, checked over the source text. A rule is a function of a file's path and text that returns its
//! faults. Every rule is shown a bad text, which must fail.

use std::fs;
use std::path::Path;

use language::{language, rooms_above_ceilings, temporary};
use source::{Used, is_word, lex, paths, test_modules};

mod circles;
mod docs;
mod language;
mod settings;
mod source;

/// Modules, and the modules of the crate that they may import. Every module must be listed.
const IMPORTS: Table = &[
    ("main", "cli config telemetry"),
    ("lib", ""),
    (
        "cli",
        "auth config directory domain errors ids proto rest server service store store::postgres store::sqlite telemetry time \
         tokens_file",
    ),
    ("config", "domain telemetry"),
    (
        "server",
        "auth domain errors grpc ids proto rest service store telemetry time",
    ),
    ("auth", "directory domain errors time tokens_file"),
    (
        "rest",
        "domain::moment proto rest::odata rest::resources errors",
    ),
    ("rest::odata", "domain::moment errors proto"),
    ("rest::resources", "domain::moment proto rest::odata errors"),
    ("grpc", "domain errors proto service time"),
    ("service", "directory domain ids record store time"),
    ("store", "domain record telemetry time"),
    ("directory", "domain tokens_file"),
    ("ids", ""),
    ("record", "domain proto"),
    ("telemetry", "domain time"),
    ("time", "domain"),
    ("tokens_file", "domain"),
    ("domain", ""),
    ("errors", "domain"),
    ("proto", ""),
];

/// Modules that have to be named in the table: the name of the module around them is not enough.
const BACKENDS: &[&str] = &["store::postgres", "store::sqlite"];

/// Modules that have to be named in the table too, and may import nothing from the module around them.
const ROOMS: &[&str] = &["rest::odata", "rest::resources"];

/// The messages of the contract that `rest::odata` may use: those of every list, none of privileged access.
const LIST_MESSAGES: &[&str] = &["Comparison", "Operator", "OrderBy", "Value", "value"];
/// Names that say in what state a thing is, and not what it is. The events of `domain::event` are rightly past.
const PARTICIPLES: &[&str] = &[
    "Asked",
    "Begun",
    "Checked",
    "Described",
    "Filling",
    "Guarded",
    "Known",
    "Loaded",
    "Measured",
    "Named",
    "Prepared",
    "Queued",
    "Reading",
    "Refused",
    "Running",
    "Scraped",
    "Seen",
    "Sending",
    "Shown",
    "Standing",
    "Unserved",
    "Waiting",
    "Wanted",
    "Written",
];
/// Parts of words that OData does not use: `rest::odata` is a dialect, not privileged access.
const SPECIAL_WORDS: &[&str] = &[
    "approv",
    "candidate",
    "elevation",
    "pam",
    "requestor",
    "role",
];

/// Modules that may be named in the table without the module around them.
const PARTS: &[&str] = &["domain::moment"];

/// Modules that may use these crates, and no others.
const ONLY_CRATES: Table = &[(
    "domain",
    "jiff proptest regex_lite strum unicase unicode_normalization unicode_properties uuid",
)];

/// Modules that never use these crates, nor those of the same family: `tonic` means `tonic_types` too.
const NEVER_CRATES: Table = &[
    ("grpc", "axum http hyper rusqlite tokio_postgres"),
    ("rest", "rusqlite tokio_postgres"),
    (
        "service",
        "axum http hyper prost rusqlite tokio_postgres tonic",
    ),
];

/// Files and folders that are written for people.
const PROSE: &[&str] = &[
    ".ci",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "README.md",
    "SECURITY.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "deny.toml",
    "docs",
    "fuzz/fuzz_targets",
    "proto",
    "src",
    "tests/it",
];

const MOST_LINES: usize = 400;

/// Modules, each with a list of words.
type Table = &'static [(&'static str, &'static str)];

/// Returns the faults of a file, from its path and text.
type Rule = fn(&str, &str) -> Vec<String>;

#[test]
fn imports_point_down() {
    hold(imports, &["src"]);
}

#[test]
fn odata_knows_no_message_of_privileged_access() {
    hold(list_messages, &["src/rest"]);
}

#[test]
fn odata_has_no_word_of_privileged_access() {
    hold(general_words, &["src/rest/odata"]);
}

#[test]
fn rights_are_checked_in_one_place() {
    hold(rights, &["src"]);
}

#[test]
fn crates_stay_where_they_belong() {
    hold(crates, &["src"]);
}

#[test]
fn files_are_short() {
    hold(length, &["src"]);
}

#[test]
fn the_oldest_rust_that_is_promised_knows_the_code() {
    hold(guards, &["src", "build.rs"]);
}

#[test]
fn nothing_is_left_for_later() {
    hold(left_for_later, &["src", "proto", "tests", "build.rs"]);
}

#[test]
fn names_are_meaningful() {
    hold(names, &["src", "proto", "tests", "build.rs"]);
}

#[test]
fn types_are_nouns() {
    hold(participles, &["src"]);
}

#[test]
fn panics_are_argued() {
    hold(panics, &["src"]);
}

#[test]
fn the_contract_is_commented() {
    hold(contract, &["proto"]);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    hold(
        machine,
        &[
            "src",
            "proto",
            "tests",
            ".ci",
            "Cargo.toml",
            "README.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "book.toml",
            "docs",
            "build.rs",
            "deny.toml",
        ],
    );
}

#[test]
fn the_language_is_plain() {
    let files = read(PROSE);
    let mut wrong = rooms_above_ceilings(&files);
    wrong.extend(files.iter().flat_map(|(path, text)| temporary(path, text)));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn read(places: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for place in places {
        collect(root, place, &mut files);
    }
    assert!(!files.is_empty(), "no file was read");
    files
}

fn hold(rule: Rule, places: &[&str]) {
    let files = read(places);
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| rule(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Every text file at or below a path, by its path from the root. A path that is not there has none.
fn collect(root: &Path, path: &str, files: &mut Vec<(String, String)>) {
    let full = root.join(path);
    if full.is_dir() {
        for entry in fs::read_dir(&full).expect("a readable folder") {
            let name = entry.expect("a readable folder").file_name();
            collect(root, &format!("{path}/{}", name.to_string_lossy()), files);
        }
    } else if let Ok(text) = fs::read_to_string(&full) {
        files.push((path.to_owned(), text));
    }
}

/// Imports point down only, see [`IMPORTS`].
fn imports(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let Some(allowed) = row(IMPORTS, &module) else {
        return vec![format!(
            "{path}: the module {module} is not in the table of imports"
        )];
    };
    let targets = paths(&lex(text))
        .into_iter()
        .filter_map(|used| Some((used.line, target(&module, &used)?)));
    targets
        .filter(|(_, target)| {
            !around(target).any(|target| is_inside(&module, target) || has(allowed, target))
        })
        .map(|(line, target)| format!("{path}:{line}: {module} may not import {target}"))
        .collect()
}

/// See [`LIST_MESSAGES`].
fn list_messages(path: &str, text: &str) -> Vec<String> {
    let inside = module(path).is_some_and(|module| within(&module, "rest::odata"));
    paths(&lex(text))
        .iter()
        .filter(|used| inside && used.segments.starts_with(&["crate", "proto"]))
        .filter(|used| {
            let message = used.segments.get(4);
            message.is_some_and(|message| !LIST_MESSAGES.contains(message) && *message != "self")
        })
        .map(|used| {
            format!(
                "{path}:{}: rest::odata may not use {}",
                used.line, used.segments[4]
            )
        })
        .collect()
}

/// See [`SPECIAL_WORDS`]. The path of an import is no word.
fn general_words(path: &str, text: &str) -> Vec<String> {
    let tokens = lex(text);
    let tests = test_modules(&tokens);
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_path = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        let word = token.text.to_lowercase();
        let is_special = SPECIAL_WORDS.iter().any(|special| word.contains(special));
        if is_special && !is_path && !tests.iter().any(|lines| lines.contains(&token.line)) {
            faults.push(format!("{path}:{}: {}", token.line, token.text));
        }
    }
    faults
}

/// Rules are in the domain, and the services ask for them. No transport does.
fn rights(path: &str, text: &str) -> Vec<String> {
    let is_inside = ["domain", "service"]
        .iter()
        .any(|room| module(path).is_some_and(|module| within(&module, room)));
    paths(&lex(text))
        .iter()
        .filter(|used| !is_inside && used.segments.starts_with(&["crate", "domain", "rights"]))
        .map(|used| format!("{path}:{}: only service and domain check rights", used.line))
        .collect()
}

/// See [`PARTICIPLES`].
fn participles(path: &str, text: &str) -> Vec<String> {
    let tokens = lex(text);
    let mut faults = Vec::new();
    for pair in tokens.windows(2) {
        let is_type = ["enum", "struct", "trait", "type"].contains(&pair[0].text);
        if is_type && PARTICIPLES.contains(&pair[1].text) {
            faults.push(format!("{path}:{}: {}", pair[1].line, pair[1].text));
        }
    }
    faults
}

/// See [`ONLY_CRATES`] and [`NEVER_CRATES`].
fn crates(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let dependencies = dependencies();
    let only = row(ONLY_CRATES, &module);
    let never = row(NEVER_CRATES, &module).unwrap_or_default();
    let family = |name: &str| {
        never
            .split_whitespace()
            .any(|never| format!("{name}_").starts_with(&format!("{never}_")))
    };
    paths(&lex(text))
        .iter()
        .filter(|used| dependencies.iter().any(|name| name == used.segments[0]))
        .filter(|used| {
            only.is_some_and(|only| !has(only, used.segments[0])) || family(used.segments[0])
        })
        .map(|used| {
            format!(
                "{path}:{}: {module} may not use {}",
                used.line, used.segments[0]
            )
        })
        .collect()
}

/// A file has at most [`MOST_LINES`], its tests not counted. A description that is served is data.
fn length(path: &str, text: &str) -> Vec<String> {
    let tests: usize = test_modules(&lex(text))
        .iter()
        .map(|lines| lines.end - lines.start)
        .sum();
    let lines = text.lines().count() - if path.ends_with(".rs") { tests } else { 0 };
    if lines > MOST_LINES && !path.ends_with(".json") {
        vec![format!("{path}: {lines} lines")]
    } else {
        Vec::new()
    }
}

/// A guard of a `match` has no pattern, for which Rust is newer than the `rust-version` of the crate. Functions that are
/// too new are found by clippy.
fn guards(path: &str, text: &str) -> Vec<String> {
    let tokens = if path.ends_with(".rs") {
        lex(text)
    } else {
        Vec::new()
    };
    let conditions = tokens
        .windows(2)
        .enumerate()
        .filter(|(_, two)| two[0].text == "if" && two[1].text == "let");
    conditions
        .filter(|(start, _)| {
            let after: Vec<&str> = tokens[*start..].iter().map(|token| token.text).collect();
            let end = after
                .iter()
                .position(|text| ["{", ";"].contains(text))
                .unwrap_or(after.len());
            after[..end].windows(2).any(|two| two == ["=", ">"])
        })
        .map(|(_, two)| format!("{path}:{}: a guard with a pattern", two[0].line))
        .collect()
}

fn left_for_later(path: &str, text: &str) -> Vec<String> {
    let later = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("HA", "CK"),
    ];
    numbered(text)
        .filter(|(_, line)| {
            line.split(|c| !is_word(c))
                .any(|word| later.contains(&word))
        })
        .map(|(number, line)| format!("{path}:{number}: {}", line.trim()))
        .collect()
}

/// No file and no declaration has a name that only says that it is useful.
fn names(path: &str, text: &str) -> Vec<String> {
    let vague = |name: &str| {
        let name = name.to_lowercase();
        ["helper", "manager", "util"]
            .iter()
            .any(|vague| name.trim_end_matches('s').ends_with(vague))
    };
    let drawer = path
        .split(['/', '.'])
        .any(|part| vague(part) || part == "types")
        || path.ends_with("/mod.rs");
    let mut wrong: Vec<String> = drawer
        .then(|| format!("{path}: the name of a drawer"))
        .into_iter()
        .collect();
    if path.ends_with(".rs") || path.ends_with(".proto") {
        let dependencies = dependencies();
        let named = lex(text)
            .into_iter()
            .filter(|token| token.text.starts_with(is_word) && vague(token.text));
        let ours = named.filter(|token| dependencies.iter().all(|name| name != token.text));
        wrong.extend(ours.map(|token| format!("{path}:{}: {}", token.line, token.text)));
    }
    wrong
}

/// Outside tests nothing is unwrapped, and an `expect` says why it cannot fail.
fn panics(path: &str, text: &str) -> Vec<String> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let tokens = lex(text);
    let tests = test_modules(&tokens);
    let argued = |quoted: &str| {
        quoted
            .split_once('"')
            .is_some_and(|(_, words)| words.contains(char::is_alphabetic))
    };
    tokens
        .windows(4)
        .filter(|four| tests.iter().all(|tests| !tests.contains(&four[0].line)))
        .filter(|four| match (four[0].text, four[1].text) {
            ("." | "::", "unwrap") => true,
            ("." | "::", "expect") => four[2].text != "(" || !argued(four[3].text),
            _ => false,
        })
        .map(|four| format!("{path}:{}: {} without a reason", four[1].line, four[1].text))
        .collect()
}

/// Everything that a proto file declares has a comment directly above it.
fn contract(path: &str, text: &str) -> Vec<String> {
    if !path.ends_with(".proto") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut before = "";
    for (number, line) in numbered(text) {
        let line = line.trim();
        if declares(line)
            && before
                .strip_prefix("//")
                .is_none_or(|words| words.trim().is_empty())
        {
            wrong.push(format!("{path}:{number}: no comment above {line}"));
        }
        before = line;
    }
    wrong
}

fn declares(line: &str) -> bool {
    let numbered = |(name, number): (&str, &str)| {
        !name.starts_with("option ")
            && number
                .trim_start_matches([' ', '-'])
                .starts_with(|c: char| c.is_ascii_digit())
    };
    let words = ["enum ", "extend ", "message ", "oneof ", "rpc ", "service "];
    !line.starts_with("//")
        && (words.iter().any(|word| line.starts_with(word))
            || line.split_once('=').is_some_and(numbered))
}

/// No absolute path into a folder that is only there by chance.
fn machine(path: &str, text: &str) -> Vec<String> {
    let local = |line: &str| {
        line.match_indices('/').any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + 1..]);
            let folder = after
                .split(|c| !is_word(c) && c != '-')
                .next()
                .unwrap_or_default();
            let absolute = !before.ends_with(|c| is_word(c) || "-.)}~*/".contains(c));
            absolute && ["home", "root", "tmp", "work"].contains(&folder)
        })
    };
    numbered(text)
        .filter(|(_, line)| local(line))
        .map(|(number, line)| format!("{path}:{number}: {}", line.trim()))
        .collect()
}

#[test]
fn every_rule_can_fail() {
    let later = concat!("// TO", "DO: later\n");
    let local = concat!("cd /", "work/repo\n");
    let quoted = concat!("let path = \"/", "root\";\n");
    let long = "\n".repeat(MOST_LINES + 1);
    let bad: &[(Rule, &str, &str)] = &[
        (
            imports,
            "src/rest/path.rs",
            "use crate::domain::error::Error;",
        ),
        (
            imports,
            "src/rest/path.rs",
            "fn f() -> crate::service::Service {}",
        ),
        (
            imports,
            "src/rest/path.rs",
            "use crate::domain::{error::Error, moment::Moment};",
        ),
        (
            imports,
            "src/rest/path.rs",
            "use crate::{proto::pam, store::{Change, Store}};",
        ),
        (
            imports,
            "src/rest/path.rs",
            "use super::super::store::Store;",
        ),
        (
            imports,
            "src/rest/path.rs",
            "mod inner { use super::super::super::store::Store; }",
        ),
        (imports, "src/rest.rs", "use super::service;"),
        (imports, "src/rest/odata/list.rs", "use super::super::Rest;"),
        (
            imports,
            "src/rest/odata/list.rs",
            "use crate::rest::resources::ROOT;",
        ),
        (imports, "src/rest/resources.rs", "use super::Rest;"),
        (
            list_messages,
            "src/rest/odata/list.rs",
            "use crate::proto::pam::v1::{Comparison, Role};",
        ),
        (imports, "src/rest.rs", "use countersign::domain;"),
        (imports, "src/rest.rs", "use crate::*;"),
        (
            imports,
            "src/rest.rs",
            "pub use {crate::errors::Kind, crate::domain as errors};",
        ),
        (imports, "src/grpc/list.rs", "use crate::store::Approver;"),
        (
            imports,
            "src/service.rs",
            "use crate::store::sqlite::SqliteStore;",
        ),
        (
            imports,
            "src/service.rs",
            "use crate::store::{Store, sqlite::SqliteStore};",
        ),
        (imports, "src/store.rs", "use self::sqlite::SqliteStore;"),
        (
            imports,
            "src/domain/role.rs",
            "#[cfg(test)] mod tests { use crate::time::Clock; }",
        ),
        (imports, "src/newcomer.rs", ""),
        (
            general_words,
            "src/rest/odata/model.rs",
            "const A: &str = \"PAM.Id\";",
        ),
        (general_words, "src/rest/odata/model.rs", "fn approve() {}"),
        (
            rights,
            "src/auth.rs",
            "use crate::domain::{caller::Caller, rights};",
        ),
        (
            rights,
            "src/grpc/roles.rs",
            "fn f() { crate::domain::rights::check() }",
        ),
        (participles, "src/domain/role.rs", "struct Shown { a: u8 }"),
        (crates, "src/domain/role.rs", "use tokio::sync::Mutex;"),
        (
            crates,
            "src/domain/role.rs",
            "#[derive(serde::Serialize)] struct Role;",
        ),
        (
            crates,
            "src/service/roles.rs",
            "use tonic_types::StatusExt;",
        ),
        (crates, "src/service.rs", "use {std::fmt, http};"),
        (crates, "src/grpc.rs", "fn f() -> axum::Router {}"),
        (crates, "src/rest.rs", "pub use ::rusqlite::Connection;"),
        (length, "src/long.rs", &long),
        (
            guards,
            "src/rest.rs",
            "match a { _ if let Some(b) = c => d, _ => e }",
        ),
        (left_for_later, "src/rest.rs", later),
        (names, "src/rest/mod.rs", ""),
        (names, "src/rest/utils.rs", ""),
        (names, "src/types.rs", ""),
        (names, "src/rest.rs", "pub struct SessionManager;"),
        (names, "src/rest.rs", "fn date_helpers() {}"),
        (names, "proto/a.proto", "message DateUtil {}"),
        (panics, "src/rest.rs", "fn f() { g().unwrap(); }"),
        (panics, "src/rest.rs", "fn f() { g().map(Option::unwrap); }"),
        (panics, "src/rest.rs", "fn f() { g().expect(\"\"); }"),
        (panics, "src/rest.rs", "fn f() { g().expect(why); }"),
        (
            panics,
            "src/rest.rs",
            "#[cfg(test)]\nmod tests {\n}\nfn f() { g().unwrap(); }",
        ),
        (contract, "proto/a.proto", "message A {}"),
        (contract, "proto/a.proto", "// A.\n\nmessage A {}"),
        (
            contract,
            "proto/a.proto",
            "// A.\nmessage A {\n  string id = 1;\n}",
        ),
        (contract, "proto/a.proto", "//\nservice A {"),
        (contract, "proto/a.proto", "  rpc A(B)\n returns (C);"),
        (
            contract,
            "proto/a.proto",
            "// A.\nenum A {\n  A_UNSPECIFIED = 0;\n}",
        ),
        (machine, ".ci/run", local),
        (machine, "src/rest.rs", quoted),
        (language, "src/rest.rs", "/// Reads what\n/// is there."),
        (
            language,
            "src/rest.rs",
            "f(\"the response that nobody reads\")",
        ),
        (language, "src/rest.rs", "// Asks who may read."),
        (
            language,
            "proto/a.proto",
            "/* It is behind\n   the server. */",
        ),
        (language, "README.md", "Each one told\n```\ncode\n```\n"),
        (language, ".ci/run", "# Starts anew.\nstart"),
        (temporary, "SECURITY.md", "It is not there yet."),
        (temporary, "build.rs", "// Refused so\n// far."),
    ];
    for (rule, path, text) in bad {
        assert!(!rule(path, text).is_empty(), "{path} passes: {text}");
    }
}

#[test]
fn no_rule_is_deceived() {
    let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n    fn f() { g().unwrap(); }\n}\n";
    let long_tests = format!(
        "#[cfg(test)]\nmod tests {{\n{}}}\n",
        "\n".repeat(MOST_LINES)
    );
    let good: &[(Rule, &str, &str)] = &[
        (
            imports,
            "src/rest/path.rs",
            "use super::Rest; use crate::rest::entity; use crate::{errors::Kind, proto};",
        ),
        (imports, "src/rest/path.rs", tests),
        (
            imports,
            "src/rest/resources/roles.rs",
            "use super::ROOT; use crate::rest::odata::list::list;",
        ),
        (
            list_messages,
            "src/rest/odata/filter.rs",
            "use crate::proto::pam::v1::{self, value::Kind, Comparison};",
        ),
        (
            imports,
            "src/rest/path.rs",
            "use crate::domain::moment::Moment;",
        ),
        (
            imports,
            "src/grpc/list.rs",
            "use crate::domain::moment::Moment; use crate::domain::text;",
        ),
        (imports, "src/domain/role.rs", "use super::moment::Seconds;"),
        (
            imports,
            "src/rest.rs",
            "// crate::store::Store\n/* /* */ crate::store */ const A: &str = \"crate::store\";",
        ),
        (
            imports,
            "src/rest.rs",
            "const A: (char, &str) = ('\"', r#\"\"crate::store::Store\"#); fn f<'a>() {}",
        ),
        (
            imports,
            "src/store/sqlite/row.rs",
            "use crate::store::sqlite; use super::super::Key; use super::failed;",
        ),
        (
            imports,
            "src/rest/path.rs",
            "pub(super) fn f() { while Kind::Invalid {} }",
        ),
        (
            crates,
            "src/domain/role.rs",
            "use std::fmt; use uuid::Uuid; fn f() { Error::invalid() }",
        ),
        (
            crates,
            "src/service.rs",
            "use crate::domain; /// [`tonic::Status`]\nuse async_trait::async_trait;",
        ),
        (length, "src/rest.rs", &long_tests),
        (
            guards,
            "src/rest.rs",
            "if let Some(a) = b && a >= c { match d { _ if e => f, _ => g } }",
        ),
        (left_for_later, "src/rest.rs", "// METHODOLOGY"),
        (
            names,
            "src/rest.rs",
            "use tokio_util::sync::CancellationToken; // a helper\nlet utility = 1;",
        ),
        (panics, "src/rest.rs", tests),
        (
            panics,
            "src/rest.rs",
            "#[expect(unused)]\nfn f() { g().expect(\"it is there\"); h().unwrap_or(1); }",
        ),
        (
            contract,
            "proto/a.proto",
            "syntax = \"proto3\";\noption a = 1;\n// A.\nmessage A {\n  // B.\n  int32 b = 1;\n}",
        ),
        (
            machine,
            ".ci/run",
            "cd \"$scratch/tmp\" && curl http://host/root && ls target/work",
        ),
        (
            language,
            "src/rest.rs",
            "/// The caller who reads no more than `what is` there. What\n\nfn is(behind: &str) { \"nobody\" }",
        ),
        (language, "README.md", "Run:\n```\ntold\n```\nwhat: is"),
        (language, "tests/it/rest.rs", "f(\"nobody is there\")"),
        (language, ".ci/run", "echo \"nobody is there\""),
        (temporary, "src/rest.rs", "let yet = 1; // so, far"),
    ];
    for (rule, path, text) in good {
        assert_eq!(rule(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// The module that a source file is.
fn module(path: &str) -> Option<String> {
    Some(
        path.strip_prefix("src/")?
            .strip_suffix(".rs")?
            .replace('/', "::"),
    )
}

fn within(module: &str, outer: &str) -> bool {
    format!("{module}::").starts_with(&format!("{outer}::"))
}

/// The words of the innermost listed module that a module is, or is in.
fn row(table: Table, module: &str) -> Option<&'static str> {
    let around = table.iter().filter(|(listed, _)| within(module, listed));
    around
        .max_by_key(|(listed, _)| listed.len())
        .map(|(_, words)| *words)
}

/// Returns whether a module may import a target without being listed for it: a module around it, or one of its own room.
fn is_inside(module: &str, target: &str) -> bool {
    match ROOMS.iter().find(|room| within(module, room)) {
        Some(room) => within(target, room),
        None => within(module, target),
    }
}

/// A target, and the module around one of [`PARTS`].
fn around(target: &str) -> impl Iterator<Item = &str> {
    let around = target.split_once("::").filter(|_| PARTS.contains(&target));
    [target].into_iter().chain(around.map(|(around, _)| around))
}

fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// Returns the target of a path: a module at the top of the crate, a backend or a part; `None` outside the crate.
fn target(module: &str, used: &Used<'_>) -> Option<String> {
    let path = absolute(module, used)?;
    let mut segments = path.split("::").filter(|segment| !segment.is_empty());
    let top = segments.next()?;
    let two = segments.next().map(|second| format!("{top}::{second}"));
    match two {
        Some(two) if [BACKENDS, PARTS, ROOMS].concat().contains(&&*two) => Some(two),
        _ => Some(top.to_owned()),
    }
}

/// Returns a path of a module from the root of the crate, or `None` if it does not begin with `crate`, `self` or `super`.
fn absolute(module: &str, used: &Used<'_>) -> Option<String> {
    let mut from: Vec<&str> = module
        .split("::")
        .filter(|part| !["lib", "main"].contains(part))
        .collect();
    from.extend(std::iter::repeat_n("", used.inside));
    let mut to = &used.segments[..];
    match to[0] {
        "crate" | "countersign" => from.clear(),
        "self" | "super" => {
            while to.first() == Some(&"super") {
                from.pop();
                to = &to[1..];
            }
        }
        _ => return None,
    }
    from.extend(
        to.iter()
            .filter(|segment| !["self", "crate", "countersign"].contains(segment)),
    );
    Some(from.join("::"))
}

/// The crates of the manifest, as they are written in Rust.
fn dependencies() -> Vec<String> {
    let sections = include_str!("../../Cargo.toml").split("\n[");
    let ours = sections
        .filter(|section| section.starts_with("dependencies]") || section.starts_with("dev-dep"));
    let names = ours
        .flat_map(str::lines)
        .filter_map(|line| line.split_once(" = "));
    names
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, _)| name.replace('-', "_"))
        .collect()
}
