import pytest
from pydantic import ValidationError

from truing.store.settings import ProjectSettings, drawn, drawn_number


@pytest.mark.parametrize(
    "given", [{"kinds": ()}, {"gold": 0.6, "second_looks": 0.5}, {"overlap": 0}, {"x": 1}]
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, object]):
    with pytest.raises(ValidationError):
        ProjectSettings.model_validate(given)


def test_settings_come_back_from_json():
    settings = ProjectSettings(kinds=("ranking", "pair"), overlap=3, gold=0.1, language="zh")
    assert ProjectSettings.model_validate_json(settings.model_dump_json()) == settings


def test_a_drawn_number_is_a_function_of_its_arguments():
    assert drawn_number(1, "mix", 2, 3) == drawn_number(1, "mix", 2, 3)
    assert len({drawn_number(seed, "mix", person) for seed in range(4) for person in range(4)}) == 16


def test_drawn_numbers_are_evenly_spread():
    """The mean of 4000 uniform numbers has a standard error of 0.2887 / √4000 = 0.0046; allow five."""
    numbers = [drawn(0, "mix", 1, position) for position in range(4000)]
    assert sum(numbers) / 4000 == pytest.approx(0.5, abs=0.023)
    assert 0 <= min(numbers) < max(numbers) < 1
