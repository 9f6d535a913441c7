from fractions import Fraction

import pytest

from truing.text.negatives.guarded import Spans
from truing.text.negatives.quantities import find_quantities
from truing.text.negatives.writing import write

WRITTEN = [
    ("35,000 people", "48000", "48,000"),
    ("35000 people", "48000", "48000"),
    ("999 people", "1200", "1200"),
    ("1,200 people", "900", "900"),
    ("3.50 km", "2.7", "2.70"),
    ("１，２００名", "1500", "１，５００"),
    ("３．５％", "4.2", "４．２"),
    ("-3.5%", "-4.2", "-4.2"),
    ("+3.5%", "4.2", "+4.2"),
    ("两千亿元", "3000", "三千"),
    ("三个", "2", "二"),
    ("两个", "3", "三"),
    ("三点五万", "2.5", "二点五"),
    ("二〇二四年", "2021", "二〇二一"),
    ("Twelve people", "9", "Nine"),
    ("2024-03-15", "2021", "2021"),
    ("in March 2024", "7", "July"),
    ("on Mar 15", "7", "Jul"),
    ("March 3rd", "4", None),
    ("3 km", "2.5", None),
    ("-3%", "4", None),
    ("twelve", "120", None),
]


@pytest.mark.parametrize(("text", "value", "written"), WRITTEN)
def test_a_number_is_written_in_the_format_of_the_old_one(text: str, value: str, written: str | None):
    first = find_quantities(text, Spans([]))[0]
    if text == "March 3rd":
        first = find_quantities(text, Spans([]))[1]
    assert write(first, text[first.start : first.end], Fraction(value)) == written


def test_a_padded_month_stays_padded():
    text = "2024-03-15"
    month = find_quantities(text, Spans([]))[1]
    assert write(month, text[month.start : month.end], Fraction(7)) == "07"
