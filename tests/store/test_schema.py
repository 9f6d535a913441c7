import pytest

from truing.store.project import ProjectStore
from truing.store.schema import JsonText

from .conftest import MakeStore, pair


@pytest.mark.parametrize("value", [None, {"a": [1, None]}, "\x00 and \ud800", "中文"])
def test_json_in_a_column_is_ascii_and_comes_back(value: object):
    column = JsonText()
    written = column.process_bind_param(value, None)  # pyright: ignore[reportArgumentType]
    assert written is None or written.isascii()
    assert "\x00" not in (written or "")
    assert column.process_result_value(written, None) == value  # pyright: ignore[reportArgumentType]


def test_any_text_comes_back_from_either_database(make_store: MakeStore):
    store: ProjectStore = make_store()
    store.add_items([pair(0, row={"note": "NUL \x00, half \ud83d, 中文, ‮right"})])
    assert next(store.items()).row == {"note": "NUL \x00, half \ud83d, 中文, ‮right"}
