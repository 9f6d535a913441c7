"""Errors for people: a code and an exit code each, as docs/errors promise."""

from truing.core import errors
from truing.core.errors import ConfigError, Stopped, TruingError, UsageError

KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TruingError)]


def test_every_kind_has_a_code_of_its_own():
    codes = [one.code for one in KINDS]
    assert len(set(codes)) == len(codes)


def test_a_failure_is_no_success_and_only_mistakes_of_usage_share_an_exit_code():
    by_exit: dict[int, set[type]] = {}
    for one in KINDS:
        by_exit.setdefault(one.exit_code, set()).add(one)
    assert 0 not in by_exit
    assert all(issubclass(one, UsageError) for one in by_exit[2])
    assert all(len(found) == 1 for code, found in by_exit.items() if code not in (1, 2))


def test_a_hint_stands_beside_the_message():
    error = ConfigError("bad key", hint="look")
    assert (str(error), error.message, error.hint) == ("bad key", "bad key", "look")
    assert TruingError("x").hint == ""


def test_a_run_that_is_stopped_exits_as_its_signal_does():
    assert Stopped("stopped", signal=2).exit_code == 130
    assert Stopped("stopped", signal=15).exit_code == 143
    assert Stopped("stopped", signal=0).exit_code == 9, "a file asked for it"
