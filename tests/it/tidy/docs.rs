//! The documentation: every link leads somewhere, every file that a page names exists, the book has
//! every page, and the README is short.

use std::fs;
use std::path::{Component, Path, PathBuf};

use countersign::errors::{Kind, row};

use super::collect;

const README_LINES: usize = 150;
/// Pages outside the book, which may link to every file of the repository.
const TOP_PAGES: [&str; 4] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
];
/// Folders whose files a page may name. A name with a placeholder, such as `tests/*.rs`, is not checked.
const FOLDERS: [&str; 8] = [
    ".ci/", "benches/", "deploy/", "docs/", "fuzz/", "proto/", "src/", "tests/",
];

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let wrong: Vec<String> = pages()
        .iter()
        .flat_map(|(path, text)| broken_links(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_file_that_the_documentation_names_exists() {
    let wrong: Vec<String> = pages()
        .iter()
        .flat_map(|(path, text)| missing_files(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_book_has_every_page() {
    let summary = read("docs/SUMMARY.md").unwrap();
    let listed = links(&summary);
    for (path, _) in pages() {
        let name = path.strip_prefix("docs/").unwrap_or("SUMMARY.md");
        assert!(
            name == "SUMMARY.md" || listed.contains(&name),
            "{path} is missing in SUMMARY.md"
        );
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").unwrap().lines().count() <= README_LINES);
}

#[test]
fn the_api_page_has_every_error_with_its_codes() {
    let page = read("docs/api.md").unwrap();
    let wrong: Vec<String> = Kind::all()
        .filter_map(|kind| wrong_error(&page, kind))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let bad = page.replace("| 503 | `OVERLOADED` |", "| 500 | `OVERLOADED` |");
    assert!(wrong_error(&bad, Kind::Overloaded).is_some());
}

#[test]
fn a_broken_page_is_found() {
    let bad = [
        "[a](nosuch.md)",
        "[a](api.md#nosuch)",
        "[a](#nosuch)",
        "[a](../README.md)",
        "[a](https://example.com) [b](nosuch.md)",
    ];
    for text in bad {
        assert_eq!(broken_links("docs/operations.md", text).len(), 1, "{text}");
    }
    assert_eq!(missing_files("README.md", "see `src/nosuch.rs`").len(), 1);
    assert_eq!(
        missing_files("README.md", "`nosuch` `.ci/nosuch --quick` `tests/*.rs`").len(),
        1
    );
    let good = "# Two words, `--flag`\n[a](api.md#errors) [b](#two-words---flag)\n```text\n[c](d)\n```\n`[e](f)`";
    assert_eq!(broken_links("docs/operations.md", good), [""; 0]);
}

/// Returns the expected row of an error if the table lacks it. Over REST there is no gRPC health.
fn wrong_error(page: &str, kind: Kind) -> Option<String> {
    let codes = row(kind);
    let reason = format!("`{}`", codes.reason);
    let grpc = format!("| `{}` |", upper_snake(&format!("{:?}", codes.grpc)));
    let http = match kind {
        Kind::NoSuchService => "| | `".to_owned(),
        _ => format!("| {} | `", codes.http.as_u16()),
    };
    let is_right = |line: &str| {
        let last = line
            .trim_end_matches([' ', '|'])
            .rsplit("| ")
            .next()
            .unwrap_or_default();
        last.contains(&reason) && line.contains(&grpc) && line.contains(&http)
    };
    (!page.lines().any(is_right)).then(|| format!("docs/api.md lacks {grpc} {http} {reason}"))
}

/// Returns `PermissionDenied` as `PERMISSION_DENIED`.
fn upper_snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

/// Returns every page with its path from the root.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for place in TOP_PAGES.iter().chain(&["docs"]) {
        collect(root, place, &mut pages);
    }
    pages.retain(|(path, _)| path.ends_with(".md"));
    assert!(pages.len() > TOP_PAGES.len(), "there are too few pages");
    pages
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Returns a line for each relative link without a target. Pages of the book may only link to each
/// other, since the book has no other files.
fn broken_links(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in links(text)
        .into_iter()
        .filter(|link| !link.starts_with("https://"))
    {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() {
            path.to_owned()
        } else {
            resolve(path, file)
        };
        let in_book = !path.starts_with("docs/") || target.starts_with("docs/");
        let found = if file.is_empty() {
            Some(text.to_owned())
        } else {
            read(&target)
        };
        let leads = match found {
            Some(page) => anchor.is_empty() || anchors(&page).iter().any(|known| known == anchor),
            None => false,
        };
        if !leads || !in_book {
            wrong.push(format!("{path}: {link}"));
        }
    }
    wrong
}

/// Returns the path from the root of a file that a page names relative to itself.
fn resolve(page: &str, file: &str) -> String {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => _ = path.pop(),
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

/// Returns the targets of all links outside code.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for line in prose(text) {
        // The even parts are outside of `code`.
        for part in line.split('`').step_by(2) {
            let targets = part.split("](").skip(1);
            links.extend(
                targets
                    .filter_map(|rest| rest.split_once(')'))
                    .map(|(target, _)| target),
            );
        }
    }
    links
}

/// Returns the lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// Returns the anchors of a page's headings, as mdBook and repository browsers make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Returns a line for each file that a page names in `code` and that does not exist.
fn missing_files(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in prose(text) {
        for code in line.split('`').skip(1).step_by(2) {
            let name = code.split([' ', ':']).next().unwrap_or_default();
            let is_checked = FOLDERS.iter().any(|folder| name.starts_with(folder))
                && !name.contains(['*', '{', '<', '…']);
            if is_checked && !Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists() {
                wrong.push(format!("{path}: {name}"));
            }
        }
    }
    wrong
}
