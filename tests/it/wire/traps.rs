//! The traps of the wire contract, and what keeps the server out of each.

use std::path::Path;

use super::{TABLE, rows};

/// What shows that the server does not fall into a trap.
enum Proof {
    /// The rows of a wire case.
    Case(u8),
    /// A test, by its file and its name.
    Test(&'static str, &'static str),
    /// There is nothing to fall into, for a reason.
    Nothing(&'static str),
}
use Proof::{Case, Nothing, Test};

const REST: &str = "tests/it/rest.rs";
const STORIES: &str = "tests/it/stories.rs";
const ODATA: &str = "tests/it/odata.rs";

#[rustfmt::skip]
const TRAPS: [(u8, &[Proof]); 52] = [
    (1, &[Case(1), Case(4)]),
    (2, &[Case(91), Case(92)]),
    (3, &[Case(93)]),
    (4, &[Case(98)]),
    (5, &[Case(98)]),
    (6, &[Case(65)]),
    (7, &[Case(66), Case(74)]),
    (8, &[Case(74), Case(77)]),
    (9, &[Case(75)]),
    (10, &[Case(67), Case(68)]),
    (11, &[Case(20), Case(71)]),
    (12, &[Case(76), Test(REST, "request_approve_extend_deactivate")]),
    (13, &[Case(78), Test("src/rest/date.rs", "dates_of_dotnet_are_read_with_the_month_first")]),
    (14, &[Case(23), Case(71)]),
    (15, &[Case(38), Test(ODATA, "jen_filters_her_history")]),
    (16, &[Case(38), Test(ODATA, "a_list_says_how_many_and_goes_on_where_it_ends")]),
    (17, &[Case(23), Test(REST, "the_requests_to_the_byte")]),
    (18, &[Test(STORIES, "sam_approves_and_jen_holds_the_role_for_an_hour"), Test("tests/it/documented.rs", "get_requests")]),
    (19, &[Case(23)]),
    (20, &[Case(1), Case(24)]),
    (21, &[Case(17), Case(24)]),
    (22, &[Case(25)]),
    (23, &[Case(11), Case(21), Case(22)]),
    (24, &[Case(15)]),
    (25, &[Case(6)]),
    (26, &[Case(40), Case(53), Case(78)]),
    (27, &[Case(48), Case(51), Test("src/rest/expression.rs", "what_is_written_is_what_is_meant")]),
    (28, &[Case(45), Case(46), Case(47)]),
    (29, &[Case(38), Case(53)]),
    (30, &[Case(23)]),
    (31, &[Case(20)]),
    (32, &[Nothing("roles have no availability window so far, which reads as the original's unset values")]),
    (33, &[Test("tests/it/parity.rs", "both_dialects_show_everybody_the_same"), Test(STORIES, "nobody_decides_their_own_request")]),
    (34, &[Test(REST, "request_approve_extend_deactivate")]),
    (35, &[Case(3), Test("tests/it/parity.rs", "both_dialects_close_alike")]),
    (36, &[Test("tests/it/parity.rs", "both_dialects_decide_alike")]),
    (37, &[Test(STORIES, "a_requester_who_left_the_group_cannot_be_approved_any_more"), Test(STORIES, "an_approver_who_left_the_group_cannot_approve_any_more")]),
    (38, &[Test("tests/it/races.rs", "of_two_approvers_exactly_one_wins")]),
    (39, &[Test(REST, "what_was_decided_is_gone_from_the_very_next_list")]),
    (40, &[Case(94)]),
    (41, &[Case(72), Case(73)]),
    (42, &[Case(85), Case(88), Case(90), Test("src/rest/format.rs", "everybody_gets_a_form_that_they_can_read")]),
    (43, &[Case(83)]),
    (44, &[Case(19)]),
    (45, &[Case(99)]),
    (46, &[Case(82), Case(101)]),
    (47, &[Case(20), Test(ODATA, "links_follow_a_trusted_proxy_and_nobody_else")]),
    (48, &[Case(12), Case(28)]),
    (49, &[Case(20), Case(42)]),
    (50, &[Case(70), Case(78)]),
    (51, &[Case(41), Test(ODATA, "jen_filters_her_history")]),
    (52, &[Test(STORIES, "everything_survives_a_restart"), Test("tests/it/way.rs", "the_whole_way_with_the_program_killed_at_every_step")]),
];

#[test]
fn every_trap_is_known_with_what_keeps_out_of_it() {
    let cases: Vec<u8> = TABLE
        .into_iter()
        .flat_map(rows)
        .flat_map(|row| row.numbers)
        .collect();
    for (trap, (number, proofs)) in (1..).zip(TRAPS) {
        assert_eq!(number, trap);
        assert!(!proofs.is_empty(), "{trap}");
        for proof in proofs {
            match proof {
                Case(case) => assert!(cases.contains(case), "{trap}: no row {case}"),
                Test(file, name) => {
                    assert!(is_test(file, name), "{trap}: no test {name} in {file}")
                }
                Nothing(reason) => assert!(reason.contains(' '), "{trap}"),
            }
        }
    }
}

/// Whether a file has a test of that name.
fn is_test(file: &str, name: &str) -> bool {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let mut lines = text.lines().map(str::trim_start);
    let is_marked = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    let mut before = "";
    lines.any(|line| {
        let found = is_marked(before) && line.contains(&format!("fn {name}("));
        before = line;
        found
    })
}
