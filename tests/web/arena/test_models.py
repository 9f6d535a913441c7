"""Models of the arena by their names."""

import pytest

from truing.core.errors import ConfigError, UsageError
from truing.sampling.streamed import ServedStreamer
from truing.sampling.streaming import LocalStreamer
from truing.web.arena.models import open_models

SERVED = {"model": "qwen3", "base_url": "http://127.0.0.1:1/v1", "api_key_env": None}


def test_models_here_share_memory_and_one_thread_and_others_are_asked_by_their_address():
    found = open_models(["runs/mine", "runs/other", SERVED], 1e9)
    one, other, served = found.values()
    assert list(found) == ["runs/mine", "runs/other", "qwen3"]
    assert isinstance(one, LocalStreamer) and isinstance(other, LocalStreamer)
    assert one.shelf is other.shelf and one.turns is other.turns and one.shelf.most == 1e9
    assert isinstance(served, ServedStreamer) and served.endpoint.base_url == SERVED["base_url"]


@pytest.mark.parametrize(
    ("specs", "error", "told"),
    [
        (["a", "a"], UsageError, "given twice"),
        (["a", {"model": "b", "adress": "x"}], ConfigError, "adress"),
        (["a", {"name": "panel"}], ConfigError, "panel"),
    ],
)
def test_a_wrong_model_is_told_before_anything_is_opened(specs, error: type[Exception], told: str):
    with pytest.raises(error, match=told):
        open_models(specs)
