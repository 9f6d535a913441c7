import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from truing.core.errors import StorageError
from truing.judges.cache import AnswerCache, key_of


@pytest.fixture
def cache(tmp_path: Path) -> AnswerCache:
    return AnswerCache(tmp_path / "deep" / "answers.sqlite")


def test_what_is_put_is_got_in_another_process_too(cache: AnswerCache):
    assert cache.get("a") is None
    cache.put("a", "评分 \x00 'quoted'\nSCORE: 7")
    assert cache.get("a") == "评分 \x00 'quoted'\nSCORE: 7"
    code = (
        "import sys; from pathlib import Path; from truing.judges.cache import AnswerCache;"
        "sys.stdout.buffer.write(AnswerCache(Path(sys.argv[1])).get('a').encode())"
    )
    other = subprocess.run([sys.executable, "-c", code, str(cache.path)], capture_output=True, check=True)
    assert other.stdout.decode() == "评分 \x00 'quoted'\nSCORE: 7"


def test_the_last_answer_counts(cache: AnswerCache):
    cache.put("a", "first")
    cache.put("a", "second")
    assert cache.get("a") == "second"


def test_many_threads(cache: AnswerCache):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.put(f"{i % 20}", f"answer {i % 20}"), range(80)))
        found = list(pool.map(lambda i: cache.get(f"{i}"), range(20)))
    assert found == [f"answer {i}" for i in range(20)]


def test_a_file_that_is_no_cache(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("x" * 5000)
    with pytest.raises(StorageError, match=r"notes\.txt cannot be used: file is not a database"):
        AnswerCache(path).get("a")
    assert path.read_text() == "x" * 5000


def test_a_key_depends_on_every_part_and_on_no_order():
    request = {"model": "wise", "messages": [{"role": "user", "content": "a\ud800"}], "seed": 0}
    assert key_of(request) == key_of(dict(reversed(request.items())))
    others = [{**request, "model": "w"}, {**request, "seed": 1}, {**request, "messages": []}]
    assert len({key_of(one) for one in [request, *others]}) == 4
