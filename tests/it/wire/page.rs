//! The page of the wire contract, `docs/rest-api.md`: it has every row, and each row names the tests that check it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use super::{TABLE, rows};

const PAGE: &str = include_str!("../../../docs/rest-api.md");
/// The names of the tables of [`TABLE`], in its order.
const TABLE_NAMES: [&str; 6] = [
    "actions",
    "lists",
    "filters",
    "creations",
    "headers",
    "atom",
];
/// How the first cells of each kind of row begin, and how many rows there are.
const KINDS: [(&str, usize); 4] = [("", 102), ("B", 46), ("A", 26), ("trap ", 52)];

#[test]
fn every_row_of_the_page_names_its_tests() {
    let wrong = errors(PAGE, &test_names());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_error_of_the_page_is_found() {
    let tests = test_names();
    let bad = [
        ("| 14 |", "| 114 |"),
        ("| trap 52 |", "| trap 51 |"),
        ("| A26 |", "|A26 |"),
        ("`wire/actions.txt` |", "`wire/lists.txt` |"),
        ("`sam_clicks_twice`", "`sam_clicks_thrice`"),
        ("| row 91, row 92 |", "| row 91, row 192 |"),
        ("| row 91, row 92 |", "| row 91, rows of errors |"),
        ("| row 91, row 92 |", "| |"),
    ];
    for (good, bad) in bad {
        assert!(PAGE.contains(good), "{good}");
        assert!(
            !errors(&PAGE.replacen(good, bad, 1), &tests).is_empty(),
            "{bad} passes"
        );
    }
}

/// Returns a sentence for each row that is missing, that is there twice, or that names a test that does not exist.
fn errors(page: &str, tests: &HashSet<String>) -> Vec<String> {
    let expected: BTreeSet<String> = KINDS
        .iter()
        .flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}")))
        .collect();
    let mut errors = Vec::new();
    let mut found = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (name, last) = (cells[0], cells[cells.len() - 1]);
        if !KINDS
            .iter()
            .any(|(kind, _)| is_number(name.strip_prefix(kind)))
        {
            continue;
        }
        if !found.insert(name.to_owned()) {
            errors.push(format!("{name} is there twice"));
        }
        for proof in last.split(", ") {
            if !exists(name, proof, &expected, tests) {
                errors.push(format!("{name} names {proof:?}, which does not exist"));
            }
        }
    }
    errors.extend(
        expected
            .symmetric_difference(&found)
            .map(|name| format!("{name} is missing, or unknown")),
    );
    errors
}

fn is_number(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a row may name this as its test: a table that has the row's number, another row, or a test function.
fn exists(name: &str, proof: &str, expected: &BTreeSet<String>, tests: &HashSet<String>) -> bool {
    if let Some(row) = proof.strip_prefix("row ") {
        return expected.contains(row);
    }
    let Some(quoted) = proof
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    else {
        return false;
    };
    match quoted
        .strip_prefix("wire/")
        .and_then(|file| file.strip_suffix(".txt"))
    {
        Some(table) => TABLE_NAMES
            .iter()
            .position(|known| *known == table)
            .is_some_and(|at| {
                rows(TABLE[at])
                    .iter()
                    .any(|row| row.numbers.iter().any(|n| n.to_string() == name))
            }),
        None => tests.contains(quoted),
    }
}

/// The names of all test functions in `src` and `tests`.
fn test_names() -> HashSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = HashSet::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                collect_tests(&fs::read_to_string(path).unwrap(), &mut names);
            }
        }
    }
    names
}

fn collect_tests(text: &str, names: &mut HashSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, after)) = line.split_once("fn ").filter(|_| is_test) {
            names.extend(after.split_once('(').map(|(name, _)| name.to_owned()));
            is_test = false;
        }
    }
}
