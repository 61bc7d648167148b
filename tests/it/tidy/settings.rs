//! The README lists what `serve --help` does.

use clap::{Arg, CommandFactory};
use countersign::config::Cli;

const README: &str = include_str!("../../../README.md");

#[test]
fn every_setting_is_in_the_help_and_in_the_readme() {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let with_environment = |arg: &&Arg| arg.get_env().is_some();
    let expected: Vec<_> = serve
        .get_arguments()
        .filter(with_environment)
        .map(row)
        .collect();
    let wrong: Vec<String> = expected
        .iter()
        .filter(|row| !README.contains(&**row))
        .map(|row| format!("not in the README: {row}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let rows = README
        .lines()
        .filter(|line| line.starts_with("| `--"))
        .count();
    assert_eq!(
        rows,
        expected.len(),
        "the README has settings that there are not"
    );
    for arg in serve.get_arguments() {
        assert!(
            !arg.is_hide_set() && arg.get_help().is_some(),
            "{} is not in the help",
            arg.get_id()
        );
        let only_flags = ["dev", "help"];
        assert!(
            arg.get_env().is_some() || only_flags.contains(&arg.get_id().as_str()),
            "{}",
            arg.get_id()
        );
    }
}

/// How the row of a setting begins, with its default where it has a fixed one.
fn row(arg: &Arg) -> String {
    let flag = arg.get_long().unwrap();
    let environment = arg.get_env().unwrap().to_str().unwrap();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    match defaults[..] {
        [default] if default != "false" => {
            format!("| `--{flag}` | `{environment}` | `{default}` |")
        }
        _ => format!("| `--{flag}` | `{environment}` | "),
    }
}
