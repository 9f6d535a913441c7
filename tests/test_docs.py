"""Documentation describes the present: the code it quotes is the code that runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
QUOTES = [
    (page, name, body)
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for name, body in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page.read_text(), re.DOTALL)
]


def test_something_is_quoted():
    assert len(QUOTES) >= 2


@pytest.mark.parametrize(("page", "name", "body"), QUOTES, ids=lambda value: str(value)[-40:])
def test_a_quote_is_in_the_source(page: Path, name: str, body: str):
    source = {line.strip() for line in (ROOT / "src" / "truing" / name).read_text().splitlines()}
    for line in body.strip().splitlines():
        assert line.strip() in source, f"{page.name} quotes a line that {name} no longer has: {line}"
