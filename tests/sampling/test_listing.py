"""Addresses of servers from a recipe and from a file that changes."""

from pathlib import Path

import pytest

from truing.core.errors import ConfigError
from truing.sampling.listing import Listing


def test_addresses_of_both_are_joined_and_cleaned(tmp_path: Path):
    path = tmp_path / "servers.txt"
    path.write_text("\n# the second rack\nhttp://b:1/v1   # slow\n  http://c:1/\n")
    assert Listing(["http://a:1"], path).urls() == ["http://a:1", "http://b:1", "http://c:1"]
    assert Listing(["http://a:1"]).urls() == ["http://a:1"]


def test_a_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path):
    said: list[str] = []
    path = tmp_path / "servers.txt"
    path.write_text("http://a:1\n")
    listing = Listing([], path, said.append)
    path.write_text("http://a:1\nb:1\n")
    assert [listing.urls() for _ in range(2)] == [["http://a:1"]] * 2
    path.unlink()
    assert listing.urls() == ["http://a:1"]
    path.write_text("http://b:1\n")
    assert listing.urls() == ["http://b:1"]
    assert said == [
        "the list of servers is not taken: 'b:1' is no server",
        f"the list of servers is not taken: {path} cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("urls", "text", "said"),
    [
        ([], None, "no server is given"),
        ([], "a:1", "'a:1' is no server"),
        (["http://a:1"], "http://a:1/v1", "http://a:1 is given twice"),
        ([], b"\xff", "it is not UTF-8"),
    ],
)
def test_a_list_that_is_none_is_told_at_the_start(tmp_path: Path, urls, text, said: str):
    path = tmp_path / "servers.txt"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=said):
        Listing(urls, path if text is not None else None)


def test_a_file_that_is_not_there_is_told_at_the_start(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"servers.txt cannot be read: No such file"):
        Listing([], tmp_path / "servers.txt")
