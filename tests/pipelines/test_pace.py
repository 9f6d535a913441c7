"""The pace of a machine, timed on the tiny model."""

from pathlib import Path

from truing.evals.suites.headlines import load_headlines
from truing.pipelines.pace import sampling_pace


def test_a_pace_is_of_seconds_above_nothing_and_of_the_tokens_that_differ(model_folder: Path):
    few = [headline for headline in load_headlines() if headline.language == "en"][:4]
    pace, tokens = sampling_pace(str(model_folder), "float32", few)
    assert set(pace) == {"load", "read", "write"}
    assert pace["load"] > 0 and pace["read"] > 0 and pace["write"] >= 0
    assert 1 < tokens < 200
