"""The sections of a recipe for online training."""

import pytest
from pydantic import ValidationError

from truing.config.online import CriticSection, Online, SamplingSection


def test_numbers_left_out_are_the_methods_own():
    online = Online()
    assert online.group_size is online.epochs is online.target_kl is None
    assert (online.mini_batches, online.truncated, online.skip_failed) == (1, "keep", 0.1)


def test_what_makes_no_sense_is_refused():
    wrong: list[tuple[type, dict]] = [
        (Online, {"group_size": 0}),
        (Online, {"skip_failed": 1.5}),
        (Online, {"truncated": "cut"}),
        (SamplingSection, {"max_new_tokens": 0}),
        (SamplingSection, {"timeout": 0}),
        (CriticSection, {"start": ""}),
        (CriticSection, {"learning_rate": 0}),
    ]
    for section, keys in wrong:
        with pytest.raises(ValidationError):
            section(**keys)


def test_the_bound_on_age_follows_from_overlap_unless_it_is_given():
    assert (Online().oldest, Online(overlap=True).oldest, Online(overlap=True, max_staleness=3).oldest) == (
        0,
        1,
        3,
    )


def test_servers_may_stand_in_a_file_alone():
    assert not SamplingSection().served
    assert SamplingSection(servers_file="s.txt").served and SamplingSection(servers=("http://a",)).served
