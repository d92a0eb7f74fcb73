"""Counts that can't be meant, over arrays of two elements: refused before an element is read.

Node reads in these cases and ends; the conformance script `counts` has those in which it answers.
"""

from __future__ import annotations

import pytest
from conftest import addon_path
from napi_python import host, load_addon

BEYOND_PROPERTIES = [2**24 + 1, 2**31, 2**32 + 1, 2**53 - 1]
BEYOND_ARGUMENTS = [2**17 + 1, 2**32 + 1, 2**53 - 1]
BEYOND_BUFFERS = [2**31, 2**32 + 1, 2**53 - 1]


@pytest.mark.parametrize(
    ("function", "counts", "status"),
    [
        ("napi_define_class", BEYOND_PROPERTIES, "napi_invalid_arg"),
        ("napi_define_properties", BEYOND_PROPERTIES, "napi_invalid_arg"),
        ("node_api_create_object_with_properties", BEYOND_PROPERTIES, "napi_invalid_arg"),
        ("napi_call_function", BEYOND_ARGUMENTS, "napi_pending_exception"),
        ("napi_make_callback", BEYOND_ARGUMENTS, "napi_pending_exception"),
        ("napi_new_instance", BEYOND_ARGUMENTS, "napi_pending_exception"),
        ("napi_create_buffer_copy", BEYOND_BUFFERS, "napi_generic_failure"),
        ("napi_create_bigint_words", [2**24 + 1, 2**31 - 1], "napi_pending_exception"),
    ],
)
def test_a_count_is_judged_before_the_array_is_read(
    function: str, counts: list[int], status: str
) -> None:
    with load_addon(addon_path("counts"), restart="never") as addon:
        for count in counts:
            call = f"addon.{function}({count}, function () {{}})"
            script = f"(({{status, thrown}}) => [status, thrown])({call})"
            found, thrown = host(addon).run_script(script)
            assert found == status
            assert thrown is None or isinstance(thrown, ValueError), "a RangeError"
