from pathlib import Path

import pytest

import truing
from truing.core.errors import ConfigError

ROWS = [
    {"prompt": f"How long is bridge {name}?", "completion": f"Bridge {name} is {length:,} metres long."}
    for name, length in zip("ABC", (2450, 1320, 980), strict=True)
]


def test_rows_in_memory_get_negatives_and_the_same_call_the_same_ones():
    made = truing.negatives(ROWS, ["numbers"], near=1, progress=False)
    assert [row["chosen"] for row in made.rows] == [row["completion"] for row in ROWS]
    assert made.without == {}
    assert made.path == Path("negatives")
    assert "3" in made._repr_html_()
    assert truing.negatives(ROWS, ["numbers"], near=1, progress=False).rows == made.rows


def test_samples_of_a_policy_are_negatives(model_folder: Path):
    made = truing.negatives(
        ROWS, by="samples", policy=model_folder, near=1, max_new_tokens=4, max_errors=1.0, progress=False
    )
    assert len(made.rows) + sum(made.without.values()) == len(ROWS)


def test_other_rows_in_the_same_folder_are_refused():
    truing.negatives(ROWS, near=1, progress=False)
    with pytest.raises(ConfigError, match="other rows"):
        truing.negatives(ROWS[:2], near=1, progress=False)


def test_a_changed_argument_names_itself():
    truing.negatives(ROWS, ["numbers"], near=1, progress=False)
    with pytest.raises(ConfigError, match="another request"):
        truing.negatives(ROWS, ["units"], near=1, progress=False)
