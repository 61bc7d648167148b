//! The law of the store: every test proves a sentence in the doc of [`Store`], on every backend.
//!
//! A test is a function of a [`Backend`]. `law!` names them all, once; a new backend implements the trait and gets a
//! module at the end of this file.

mod alarms;
mod batches;
mod commits;
mod effects;
mod expiry;
mod files;
mod filings;
mod flights;
pub mod history;
mod lifecycle;
mod lists;
mod migrations;
mod oracle;
mod pages;
pub mod postgres;
mod reads;
mod record;
mod sqlite;

use std::sync::Arc;

use countersign::store::Store;

/// Where stores are kept: empty when it is made, gone when it is dropped. The stores opened on it come and go.
pub trait Backend {
    fn empty() -> impl Future<Output = Self> + Send;

    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// The whole law as tests of one backend. A sentence that is missing here is reported as never used.
macro_rules! law {
    ($backend:ty, $absent:meta) => {
        sentences! { $backend, $absent, commits:
            what_is_acknowledged_is_there_after_reopening
            a_change_whose_caller_is_gone_is_written_before_the_store_opens_again
            one_unmet_expectation_leaves_nothing_of_the_change
            a_record_that_is_not_expected_is_not_written
            a_record_is_never_written_without_an_event
            a_change_that_cannot_be_written_takes_no_other_with_it
            only_one_of_two_creates_a_record
            a_stale_version_is_a_conflict
            what_was_only_relied_on_must_still_hold
            two_changes_that_rely_on_each_other_never_both_happen
            changes_that_arrive_together_see_what_those_before_them_did
            changes_of_distinct_records_all_happen_in_one_order_without_a_gap
            of_all_changes_of_one_version_exactly_one_wins
            a_change_that_is_too_late_writes_nothing
            a_change_without_records_confirms_what_it_expects
            a_refused_change_does_not_keep_an_idle_store_from_being_ready
            the_last_commit_says_whether_the_store_is_ready
        }
        sentences! { $backend, $absent, effects:
            an_effect_appears_with_its_commit_or_not_at_all
            an_effect_is_not_written_without_an_event
            the_effects_of_one_subject_come_one_after_the_other
            effects_are_read_the_earliest_first_up_to_a_limit
            of_two_that_settle_an_effect_one_is_refused
            a_postponed_effect_is_due_later_and_keeps_its_place
            an_effect_is_there_after_reopening_until_it_is_settled
            a_commit_of_effects_alone_leaves_the_record_as_it_is
        }
        sentences! { $backend, $absent, expiry:
            pending_in_a_list_is_pending_by_the_rule
        }
        sentences! { $backend, $absent, filings:
            who_files_is_told_how_much_waits_and_was_filed_within_the_hour
            of_two_filings_at_once_the_second_counts_the_first
            filings_that_arrive_together_may_each_rely_on_the_one_before
        }
        sentences! { $backend, $absent, lifecycle:
            what_is_due_is_read_in_the_order_of_its_moments
            the_events_of_an_elevation_are_its_own_in_order
            the_last_filing_under_a_name_is_found_by_who_gave_it
            the_stage_and_the_name_of_a_request_are_kept
            what_a_role_asks_for_is_kept
            an_approval_is_listed_for_the_approvers_of_the_stage_that_is_open
            what_is_written_to_have_ended_is_not_live
        }
        sentences! { $backend, $absent, alarms:
            a_spent_alarm_is_harmless_until_it_is_swept
            an_alarm_that_counts_again_is_not_swept
            many_spent_alarms_hide_no_elevation_for_good
            the_version_of_what_is_live_moves_with_all_that_a_filing_has_to_notice
        }
        sentences! { $backend, $absent, lists:
            null_is_less_than_every_value
            a_status_is_that_of_the_moment_in_a_filter_and_in_an_order
            moments_compare_by_the_millisecond
            every_comparison_selects_what_a_naive_one_does
            all_comparisons_of_a_filter_must_hold
            null_comes_first_and_in_a_descending_order_last
            what_the_order_leaves_open_is_ordered_by_filing_then_id
            every_order_is_the_naive_one
            the_total_counts_what_is_skipped_and_what_comes_after_the_page
            only_what_the_approver_may_still_decide_is_listed
            an_approver_is_named_by_account_or_by_group_as_the_role_stands_now
        }
        sentences! { $backend, $absent, pages:
            pages_in_any_order_put_together_are_the_list
            pages_of_roles_in_any_order_put_together_are_the_list
            a_row_that_stays_is_on_one_page_whatever_happens_to_others
            a_row_that_stays_is_on_one_page_while_others_move_in_the_order
            a_role_that_stays_is_on_one_page_though_the_last_row_of_a_page_is_deleted
            later_pages_show_the_present
            a_status_in_the_order_is_that_of_each_page
        }
        sentences! { $backend, $absent, reads:
            what_was_acknowledged_is_read_and_versions_count_up
            what_is_not_there_reads_as_nothing
            an_elevation_and_its_role_are_read_as_of_one_moment
            of_many_reads_at_once_each_sees_what_was_acknowledged_before_it
            a_list_never_shows_half_a_change
        }
        sentences! { $backend, $absent, record:
            every_header_carries_the_hash_of_the_one_before
            the_chain_goes_on_after_reopening
            a_header_names_the_time_and_the_subject_of_its_event
            the_stored_elevation_is_the_fold_of_its_stored_events
            events_are_read_from_behind_a_sequence_up_to_a_limit
            the_events_of_two_elevations_in_one_change_are_told_apart
        }
    };
}

macro_rules! sentences {
    ($backend:ty, $absent:meta, $part:ident: $($sentence:ident)*) => {
        mod $part {
            $(
                #[cfg_attr($absent, ignore = "no PostgreSQL is installed")]
                #[tokio::test(flavor = "multi_thread")]
                async fn $sentence() {
                    crate::law::$part::$sentence(<$backend as crate::law::Backend>::empty().await).await;
                }
            )*
        }
    };
}

mod on_sqlite {
    law!(crate::law::sqlite::File, any());
}

mod on_postgres {
    law!(crate::postgres::Database, no_postgres);
}
