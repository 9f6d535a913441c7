"""Work beside the main thread: its result or its error comes to whoever asks."""

import threading

import pytest

from truing.core.threads import in_thread


def test_the_result_is_of_another_thread_that_ends_with_the_process():
    found = in_thread(threading.current_thread).result(timeout=10)
    assert found is not threading.current_thread() and found.daemon


def test_an_error_is_raised_where_the_result_is_asked_for():
    def fail() -> None:
        raise KeyboardInterrupt("there")

    with pytest.raises(KeyboardInterrupt, match="there"):
        in_thread(fail).result(timeout=10)
