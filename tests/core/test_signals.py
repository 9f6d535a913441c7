import os
import signal
import threading

import pytest

from truing.core.errors import Stopped
from truing.core.signals import Terminated, reason_of, signal_of, terminable, unheard


def test_sigterm_is_an_exception_of_the_block_that_ctrl_c_s_handlers_catch():
    with pytest.raises(KeyboardInterrupt) as caught, terminable():
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(caught.value, Terminated)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_program_keeps_the_handler_that_it_has(handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with terminable():
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_last_writes_are_not_interrupted():
    before = signal.getsignal(signal.SIGINT)
    with unheard():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_has_no_handlers_to_set():
    done: list[str] = []

    def work() -> None:
        with terminable(), unheard():
            done.append("here")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["here"]


@pytest.mark.parametrize(
    ("stop", "step", "number", "reason"),
    [
        (Terminated(), 0, signal.SIGTERM, "stopped by SIGTERM before the first step"),
        (KeyboardInterrupt(), 7, signal.SIGINT, "stopped by SIGINT after step 7"),
        (Stopped("stopped on request after step 3", signal=0), 3, 0, "stopped on request after step 3"),
    ],
)
def test_a_stop_says_its_signal_and_where_the_run_stood(stop, step, number, reason):
    assert signal_of(stop) == number
    assert reason_of(stop, step) == reason
