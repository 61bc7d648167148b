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
/// The start of a citation of a row in a source file.
const MARKER: &str = "`docs/rest-api.md`";
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

#[test]
fn every_citation_of_the_page_names_a_row() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        wrong.extend(
            unknown_citations(&text)
                .into_iter()
                .map(|row| format!("{path}: {row}")),
        );
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let marker = MARKER;
    let bad =
        format!("/// Rows ({marker} 82 to\n    /// 103, A1, traps 26 and 53), and {marker} B0.");
    assert_eq!(unknown_citations(&bad), ["103", "trap 53", "B0"]);
}

/// Returns a sentence for each row that is missing, that is there twice, or that names a test that does not exist.
fn errors(page: &str, tests: &HashSet<String>) -> Vec<String> {
    let expected = row_names();
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

/// Returns the name of every row that the page must have.
fn row_names() -> BTreeSet<String> {
    let names = |(kind, count): &(&str, usize)| {
        let kind = (*kind).to_owned();
        (1..=*count).map(move |number| format!("{kind}{number}"))
    };
    KINDS.iter().flat_map(names).collect()
}

/// Returns the rows that a source file cites and the page does not have. A citation is the marker
/// and a list such as `6, 11, 13 to 16, A12 and trap 26`.
fn unknown_citations(text: &str) -> Vec<String> {
    let known = row_names();
    let prose: String = text
        .lines()
        .map(|line| {
            line.trim_start()
                .trim_start_matches(['/', '!', ' '])
                .to_owned()
                + " "
        })
        .collect();
    let mut unknown = Vec::new();
    for cited in prose.split(MARKER).skip(1) {
        let mut kind = "";
        for word in cited.split_whitespace() {
            match word.trim_end_matches([',', '.', ';', ')']) {
                "trap" | "traps" => kind = "trap ",
                "row" | "rows" | "and" | "to" => {}
                name if is_row(name) => {
                    let name = format!("{kind}{name}");
                    if !known.contains(&name) {
                        unknown.push(name);
                    }
                }
                _ => break,
            }
            if word.ends_with([')', '.', ';']) {
                break;
            }
        }
    }
    unknown
}

/// Whether a word is the number of a row: digits, or `A` or `B` and digits.
fn is_row(word: &str) -> bool {
    is_number(Some(word.strip_prefix(['A', 'B']).unwrap_or(word)))
}

/// The names of all test functions.
fn test_names() -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, text) in sources() {
        collect_tests(&text, &mut names);
    }
    names
}

/// Returns every source file in `src` and `tests`, with its path.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((
                    path.display().to_string(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    sources
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
