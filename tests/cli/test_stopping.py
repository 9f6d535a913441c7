"""A verb that is stopped says what is kept, and exits with the code of its signal."""

import pytest
from typer.main import get_command

from truing.cli import sample, training
from truing.cli.main import app
from truing.cli.stopping import _KEPT
from truing.core.signals import Terminated


def test_the_table_names_verbs():
    assert set(_KEPT) <= set(get_command(app).commands)


@pytest.mark.parametrize(
    ("verb", "place", "stop", "code", "told"),
    [
        (("train", "r.yaml"), (training, "_load"), Terminated, 143, "goes on from the last"),
        (("train", "r.yaml"), (training, "_load"), KeyboardInterrupt, 130, "goes on from the last"),
        (("check", "r.yaml"), (training, "_load"), Terminated, 143, "stopped; nothing was written"),
        (("sample", "m", "--prompt", "Hi"), (sample, "look_at"), Terminated, 143, "--file has put into"),
    ],
)
def test_it_says_what_is_kept(here, monkeypatch, verb, place, stop, code, told):
    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr(*place, stopped)
    ended = here(*verb)
    assert ended.returncode == code
    assert told in ended.stderr and "Traceback" not in ended.stderr
