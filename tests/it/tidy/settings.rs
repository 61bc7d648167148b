//! `docs/settings.md` lists the settings of `serve --help`.

use clap::{Arg, CommandFactory};
use countersign::config::Cli;

const PAGE: &str = include_str!("../../../docs/settings.md");

#[test]
fn every_setting_is_in_the_help_and_in_the_documentation() {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let mut expected = Vec::new();
    for argument in serve.get_arguments() {
        let id = argument.get_id().as_str();
        assert!(
            !argument.is_hide_set() && argument.get_help().is_some(),
            "{id} is not in the help"
        );
        if argument.get_env().is_some() {
            expected.push(row(argument));
        } else {
            assert!(
                ["dev", "help"].contains(&id),
                "{id} has no environment variable"
            );
        }
    }
    let missing: Vec<&String> = expected
        .iter()
        .filter(|row| !PAGE.contains(&***row))
        .collect();
    assert!(missing.is_empty(), "docs/settings.md lacks {missing:#?}");
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| `--"))
        .count();
    assert_eq!(
        rows,
        expected.len(),
        "docs/settings.md has settings that do not exist"
    );
}

/// Returns the start of a setting's row, with the default if that is a fixed value.
fn row(argument: &Arg) -> String {
    let flag = argument.get_long().unwrap();
    let environment = argument.get_env().unwrap().to_str().unwrap();
    match argument.get_default_values() {
        [default] if default != "false" => {
            format!(
                "| `--{flag}` | `{environment}` | `{}` |",
                default.to_str().unwrap()
            )
        }
        _ => format!("| `--{flag}` | `{environment}` | "),
    }
}
