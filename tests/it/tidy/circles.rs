//! Finds circles of imports between the files of `src`. A file that imports from the module around it counts like any
//! other.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{lex, paths, test_modules};
use super::{absolute, module};

/// The names and texts of a few files.
type Files = &'static [(&'static str, &'static str)];

/// For every module the modules that it imports from.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_import_each_other() {
    let wrong = circles(&graph(&super::read(&["src"])));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn circles_are_found() {
    let cases: &[(Files, &[&str])] = &[
        (
            &[("a", "use crate::b::B;"), ("b", "fn f() -> crate::a::A {}")],
            &["a b"],
        ),
        (
            &[("a", "mod b; use b::B;"), ("a/b", "use super::A;")],
            &["a a::b"],
        ),
        (
            &[("a", "mod b; fn f() { b::g() }"), ("a/b", "use super::*;")],
            &["a a::b"],
        ),
        (
            &[
                ("a", "use {crate::b::{self, c}};"),
                ("b", "use crate::c;"),
                ("c", "use crate::a::A;"),
            ],
            &["a b c"],
        ),
        (
            &[
                ("a", "mod b; mod c;"),
                ("a/b", "use super::c::C;"),
                ("a/c", "use super::b;"),
            ],
            &["a::b a::c"],
        ),
        (
            &[
                ("a", "mod x { use super::super::b::B; }"),
                ("b", "use crate::a::A;"),
            ],
            &["a b"],
        ),
        (&[("a", "pub mod b;"), ("a/b", "use super::A;")], &[]),
        (
            &[("a", "use b::B;"), ("a/b", "pub(in crate::a) fn f() {}")],
            &[],
        ),
        (
            &[
                ("a", "use crate::b::B;"),
                ("b", "// crate::a\nuse std::a::A;"),
            ],
            &[],
        ),
        (
            &[
                ("a", "use crate::b::B;"),
                ("b", "#[cfg(test)]\nmod tests {\n use crate::a::A;\n}"),
            ],
            &[],
        ),
    ];
    for (files, expected) in cases {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (format!("src/{name}.rs"), (*text).to_owned()))
            .collect();
        assert_eq!(circles(&graph(&files)), *expected, "{files:?}");
    }
}

fn graph(files: &[(String, String)]) -> Graph {
    let modules: BTreeSet<String> = files.iter().filter_map(|(path, _)| module(path)).collect();
    let mut graph = Graph::new();
    for (path, text) in files {
        let Some(importer) = module(path) else {
            continue;
        };
        let tokens = lex(text);
        let tests = test_modules(&tokens);
        let imported = graph.entry(importer.clone()).or_default();
        for used in paths(&tokens) {
            if tests.iter().any(|tests| tests.contains(&used.line)) {
                continue;
            }
            let path = match absolute(&importer, &used) {
                Some(path) => path,
                None => [&[&*importer], &used.segments[..]].concat().join("::"),
            };
            imported.extend(file_of(&path, &modules).filter(|target| *target != importer));
        }
    }
    graph
}

/// Returns the innermost file that has what a path names.
fn file_of(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// Returns the groups of modules that all reach each other.
fn circles(graph: &Graph) -> Vec<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|module| (&**module, reached_from(module, graph)))
        .collect();
    let mut circles = BTreeSet::new();
    for (module, others) in &reached {
        if others.contains(module) {
            let back = others
                .iter()
                .filter(|other| reached[*other].contains(module));
            circles.insert(back.copied().collect::<Vec<_>>().join(" "));
        }
    }
    circles.into_iter().collect()
}

fn reached_from<'a>(module: &str, graph: &'a Graph) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = graph[module].iter().map(|target| &**target).collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(graph[module].iter().map(|target| &**target));
        }
    }
    reached
}
