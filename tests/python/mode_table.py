"""Which files of tests run in which modes, and what cannot be done in a mode.

Every file is in one of the three tables. Where a test cannot pass in a mode, `LIMITS` says so, with
the line of the documentation that says so to users; the test has to fail there, in that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
from napi_python import AddonCrashed


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The files that run in all modes in every run.
QUICK: Final = _names("""
    test_awaitables test_buffers test_bulk test_callables test_callbacks test_conversions
    test_dlpack
    test_errors test_extending test_identity test_iteration test_js_class test_limits test_objects
    test_proxies
    test_remote test_scripts_in_depth test_thenables test_values test_views
    test_write_back
    """)

#: The files that run in all modes with `--modes all` only: they wait, or take long.
LONG: Final = _names(
    """
    test_aio test_async_failures test_blocked_loop test_collect test_completion test_gather
    test_lent test_long_conversions test_loop test_nested_threads test_on test_packages test_places
    test_promise test_require test_shown_text test_steps test_threads test_threads_callbacks
    test_trio test_turns
    """
)

#: The modes in which a file does not run, and why.
LEFT_OUT: Final = {
    "A loop does not take the turns over a socket": {
        "socket": _names("test_blocked_loop test_steps test_turns"),
    },
    "other threads that call it get `WrongThreadError`": {
        "caller": _names(
            """
            test_aio test_async_failures test_blocked_loop test_gather test_lent
            test_nested_threads test_promise test_steps test_threads test_threads_callbacks
            test_turns
            """
        ),
    },
    "what is due waits for a turn of that thread": {
        "caller": _names("test_loop test_places test_trio")
    },
}

#: The files that run as they are: why, and which.
AS_THEY_ARE: Final = {
    "it is about the end of a process, its start, or what the system does to it": """
        test_cgroup test_clock test_core_file test_counts test_crash test_crash_document
        test_crash_report test_ends test_exit
        test_exits test_failing_allocations test_faults test_fork test_hostile_answers
        test_hostile_frames test_hostile_memory test_import test_interrupts test_kills
        test_little_memory test_many_addons test_memory test_memory_errors test_mixed_load
        test_out_of_memory test_output test_restart test_restart_modules test_start_failures
        test_storm test_forged_releases test_floods test_budget test_shared_misuse
        test_references test_executor test_scale test_bulk_hosts
        test_records test_minimize""",
    "it is about the confinement of a process": """
        test_denials test_fs_denials test_fs_watch test_hostile_package test_sandbox
        test_sandbox_advice test_sandbox_life test_sandbox_limits
        test_sandbox_missing test_shared_limits test_serve test_serve_users""",
    "it is about the memory that two processes share; `test_in_process` has that of one": """
        test_pool_arguments test_shared_buffers""",
    "it reads native stacks, in which names of a second addon of the process are missing": """
        test_debug""",
    "it names the modes itself": """
        test_caller_thread test_conformance test_fallback test_first_steps test_fuzz
        test_in_process test_large_messages test_logs test_modes test_profile
        test_real_addons test_tracing test_uv test_uv_in_process""",
    "it opens no addon, or programs of the documentation do": """
        test_cache test_command_docs test_command_line test_commands test_cuda test_documents
        test_install test_node_modules test_node_modules_page test_package test_pool
        test_pool_dlpack test_repl test_signatures test_site test_stubs test_table
        test_unsupported""",
    "it counts events by the million": "test_events",
}


@dataclass(frozen=True)
class Limit:
    """What a mode cannot do."""

    #: A part of a line of docs/modes.md.
    reason: str
    modes: tuple[str, ...]
    #: Files and functions.
    tests: frozenset[str]
    #: What such a test raises.
    raises: tuple[type[BaseException], ...] = (Exception, pytest.fail.Exception)
    #: It ends the process of the test, so that it runs in one of its own: `test_modes`.
    ends: bool = False


IN_PROCESS: Final = ("own", "caller")

LIMITS: Final = [
    Limit(
        "ends the program",
        IN_PROCESS,
        _names("""
            test_async_failures::test_work_that_crashes_fails_each_pending_promise_once
            test_awaitables::test_results_for_a_dead_host_are_dropped
            test_lent::test_objects_lent_to_a_host_that_dies_are_dropped
            test_lent::test_object_that_comes_back_from_a_dead_process_is_no_breach
            test_gather::test_gather_fails_with_its_process
            test_trio::test_wait_ends_with_the_process
            """),
        ends=True,
    ),
    Limit(
        "ends the program",
        ("own",),
        _names(
            """
            test_aio::test_crash_fails_every_call_in_flight
            test_nested_threads::test_crash_on_top_names_the_call_on_top
            test_nested_threads::test_crash_below_does_not_name_the_call_that_was_on_top
            """
        ),
        ends=True,
    ),
    Limit(
        "These raise `ValueError` with `isolated=False`",
        IN_PROCESS,
        _names(
            """
            test_async_failures::test_task_of_napi_rs_that_is_aborted
            test_require::test_options_are_those_of_load_addon
            test_require::test_several_modules_in_one_process
            test_require::test_strict
            """
        ),
        raises=(ValueError,),
    ),
    Limit(
        'the sandbox is `"none"` in every report',
        IN_PROCESS,
        _names(
            """
            test_require::test_only_its_own_tree_is_readable
            test_require::test_package_is_found_above_the_root
            """
        ),
    ),
    Limit(
        "is given up at the deadline",
        ("own",),
        _names(
            """
            test_nested_threads::test_cancelled_call_below_a_busy_one_costs_the_process
            test_threads::test_deadline_in_native_code_costs_the_process
            """
        ),
        raises=(AddonCrashed,),
    ),
    Limit(
        "other threads that call it get `WrongThreadError`",
        ("caller",),
        _names("""
            test_awaitables::test_futures_of_two_loops_that_are_passed_twice_keep_their_results
            test_awaitables::test_coroutine_given_inside_of_aio_runs_on_the_loop_that_waits
            test_awaitables::test_coroutine_of_a_later_callback_runs_on_the_loop_that_waited
            test_awaitables::test_coroutines_without_a_loop_share_one
            test_awaitables::test_coroutines_of_loops_in_several_threads_stay_on_theirs
            test_awaitables::test_awaitables_of_threads_are_settled_at_once
            test_callables::test_this_of_methods_and_of_other_kinds_of_functions
            test_conversions::test_threads_may_register_while_others_convert
            test_require::test_require_from_two_threads
            """),
    ),
]


def kind(file: str) -> str | None:
    """Returns "quick" or "long" for a file that runs in all modes."""
    return "quick" if file in QUICK else "long" if file in LONG else None


def left_out(file: str, mode: str) -> bool:
    """Tells whether a file does not run in a mode."""
    return any(file in of_mode.get(mode, ()) for of_mode in LEFT_OUT.values())


def limit(test: str, mode: str) -> Limit | None:
    """Returns why a test cannot pass in a mode; `test` is a file and a function."""
    name = test.partition("[")[0].replace(".py", "")
    found = [one for one in LIMITS if mode in one.modes and name in one.tests]
    return found[0] if found else None
