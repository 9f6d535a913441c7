"""Sizes are known before anything of that size is made."""

import pytest

from truing.data.measures import PRODUCTS, number, of_text, printed, size_of


def test_characters_and_elements_are_counted():
    assert size_of("abc") == 4
    assert size_of([{"a": "bc"}, 1]) == 1 + 1 + 2 + 3 + 1


@pytest.mark.parametrize(
    ("value", "size"),
    [(7, 7), (-7, 7), (2.9, 2), (float("nan"), 0), ("0012", 12), ("a", 0), (None, 0), ("9" * 5000, 10**9)],
)
def test_a_number_has_a_size(value: object, size: int):
    assert number(value) == size


@pytest.mark.parametrize(
    ("text", "values", "least"),
    [
        ("%s", "abc", 3),
        ("%50d", 1, 50),
        ("a%.50fb", 1.0, 50),
        ("%*d", (50, 1), 50),
        ("%(a)s%(a)s", {"a": "bcd"}, 6),
    ],
)
def test_what_a_format_writes_is_not_more_than_what_is_counted(text: str, values: object, least: int):
    assert len(text % values) >= least
    assert len(text) + printed(text, values) >= len(text % values)


@pytest.mark.parametrize(
    ("text", "method", "given"),
    [
        (", ", "join", [["a"] * 50]),
        ("aaa", "replace", ["", "bcd"]),
        ("aaa", "replace", ["a", "bcd"]),
        ("a", "center", [50]),
        ("a", "zfill", [50]),
        ("a\tb\t", "expandtabs", [50]),
    ],
)
def test_what_a_method_adds_is_counted(text: str, method: str, given: list):
    added = (
        len(getattr(text, method)(*given)) - len(text) - sum(map(len, given[0] if method == "join" else []))
    )
    assert of_text(text, method, given) >= added > 0


def test_searches_from_the_end_are_a_product():
    assert of_text("a" * 10, "rfind", ["b" * 10]) == of_text("a" * 10, "strip", ["b" * 10]) == 100


def test_products_have_the_arguments_of_their_filters():
    assert PRODUCTS["indent"]("ab", width=4) == 8
    assert PRODUCTS["indent"]("ab", "xyz") == 6
    assert PRODUCTS["join"]([1, 2], "ab") == 4
    assert PRODUCTS["round"](1.5, 10**9) == float("inf")
