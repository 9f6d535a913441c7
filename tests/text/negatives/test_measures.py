import pytest
from scipy import constants

from truing.text.negatives.measures import UNITS, nearest, spellings

SCIPY = {
    "inch": constants.inch,
    "foot": constants.foot,
    "yard": constants.yard,
    "mile": constants.mile,
    "acre": constants.acre,
    "hectare": constants.hectare,
    "ounce": constants.ounce * 1000,
    "pound": constants.pound * 1000,
    "hour": constants.hour,
    "week": constants.week,
    "litre": constants.liter * 1000,
}


@pytest.mark.parametrize(("name", "factor"), SCIPY.items())
def test_factors_are_those_of_scipy(name: str, factor: float):
    assert float(spellings()[name][0].factor) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(("name", "zero"), [("°C", 0.0), ("°F", 32.0)])
def test_temperatures_have_their_zeros(name: str, zero: float):
    unit = spellings()[name][0]
    assert float(unit.factor) * zero + float(unit.offset) == pytest.approx(273.15)


def test_no_spelling_has_two_meanings():
    forms = [form for unit in UNITS for style in unit.styles() for form in style]
    assert sorted(forms) == sorted(set(forms))


@pytest.mark.parametrize(
    ("spelling", "first"),
    [("km", "mi"), ("kilometres", "miles"), ("公里", "英里"), ("hour", "minute"), ("$", "€"), ("万", None)],
)
def test_another_unit_is_spelled_in_the_same_style(spelling: str, first: str | None):
    if first is None:
        assert spelling not in spellings()
    else:
        assert first in nearest(spelling)
        assert spelling not in nearest(spelling)


def test_units_of_one_family_stand_for_each_other_alone():
    families = {form: unit.family for unit in UNITS for style in unit.styles() for form in style}
    for form, family in families.items():
        assert {families[other] for other in nearest(form)} <= {family}
