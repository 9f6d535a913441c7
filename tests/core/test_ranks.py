"""The place of a process among those started with it, as the environment tells it."""

import pytest

from truing.core.errors import UsageError
from truing.core.ranks import Launch, launched, require_alone

TOLD = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "here"}


def test_a_process_started_by_hand_is_alone(monkeypatch: pytest.MonkeyPatch):
    for name in TOLD:
        monkeypatch.delenv(name, raising=False)
    assert launched() == Launch(0, 1, 0) and launched().main


def test_a_launcher_tells_the_place(monkeypatch: pytest.MonkeyPatch):
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    assert launched() == Launch(3, 8, 1) and not launched().main


def test_a_size_without_a_rank_is_no_launch(monkeypatch: pytest.MonkeyPatch):
    """A container may have WORLD_SIZE set for other reasons."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert launched().size == 1


def test_work_of_one_process_is_refused_to_several_and_one_of_them_tells_it(monkeypatch: pytest.MonkeyPatch):
    for name, value in (TOLD | {"RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="`truing eval` is one process, and was started as 8") as caught:
        require_alone("`truing eval`")
    assert not caught.value.told
    monkeypatch.setenv("RANK", "5")
    with pytest.raises(UsageError) as caught:
        require_alone("`truing eval`")
    assert caught.value.told
    monkeypatch.delenv("RANK")
    require_alone("`truing eval`")
