"""Documentation describes the present: the code it quotes is the code that runs."""

import re
from pathlib import Path

from .tables import each

ROOT = Path(__file__).parent.parent
# A path below src/truing, or of another folder of the repository.
MARKED = r"```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)```"
QUOTES = [
    (page, name, body)
    for page in [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for name, body in re.findall(MARKED, page.read_text(), re.DOTALL)
]


def test_something_is_quoted():
    assert len(QUOTES) >= 2


@each(("page", "name", "body"), QUOTES)
def test_a_quote_is_in_the_source(page: Path, name: str, body: str):
    path = next(path for path in (ROOT / "src" / "truing" / name, ROOT / name) if path.exists())
    source = {line.strip() for line in path.read_text().splitlines()}
    for line in body.strip().splitlines():
        assert line.strip() in source, f"{page.name} quotes a line that {name} no longer has: {line}"
