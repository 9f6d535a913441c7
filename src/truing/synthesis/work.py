"""The folder of a verb that makes rows with models: the same command goes on in it after any end.

    config.json     what was asked, the hashes of files and models, and the versions it began with
    answers.sqlite  every answer of a model, kept before the next is waited for
    rows.jsonl      the rows that were made
    results.json    the counts and numbers
    report.html     the same for people
    run.lock        the process that works here; empty when none does

Another request in the same folder is an error that names the change. Budgets and speed may change.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.changes import compare
from truing.config.holding import acquire, release
from truing.config.run_folder import CONFIG, read_config, versions
from truing.core.errors import ConfigError, RewardError
from truing.core.files import write_atomic
from truing.core.messages import joined, message
from truing.core.secrets import masked
from truing.data.convert import write_jsonl
from truing.judges.cache import ANSWERS as OF_JUDGES
from truing.judges.cache import AnswerCache

ANSWERS, ROWS, RESULTS, REPORT = "answers.sqlite", "rows.jsonl", "results.json", "report.html"
# Keys, wherever they stand, that change no answer: how fast and for how much money it is asked.
FREE = frozenset(
    {
        "output",
        "page_language",
        "api_key_env",
        "timeout",
        "retries",
        "concurrency",
        "max_requests",
        "max_total_tokens",
        "max_cost",
        "price_prompt",
        "price_completion",
        "max_errors",
    }
)


@dataclass(frozen=True)
class WorkFolder:
    """A folder that this process holds. Make one with `work_folder`."""

    path: Path
    continued: bool  # whether an earlier process began it

    def write_rows(self, rows: Iterable[Mapping[str, Any]], name: str = ROWS) -> Path:
        """Replace a file of rows; it is the old one or the whole new one."""
        write_jsonl(self.path / name, (dict(row) for row in rows))
        return self.path / name

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Replace `results.json`, with the versions that made it."""
        content = {**masked(results), "versions": versions()}
        write_atomic(self.path / RESULTS, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def answers_in(output: Path | str) -> AnswerCache:
    """Return the cache of a folder; its file is made with the first answer."""
    return AnswerCache(Path(output) / ANSWERS, failures=True)


@contextmanager
def work_folder(path: Path | str, verb: str, asked: Mapping[str, Any]) -> Iterator[WorkFolder]:
    """Hold the folder of a verb while it works.

    `asked` is everything that decides the rows: the recipe, the hashes of files, what the models are. Raises
    ConfigError where the folder was begun with another request, UsageError where another process works in
    it, StorageError where nobody can.
    """
    path = Path(path)
    mine = acquire(path)
    try:
        yield WorkFolder(path, _recorded(path, {"verb": verb, **asked}))
        _forget_failures(path)
    except RewardError:  # too many failed: the same command asks them again
        _forget_failures(path)
        raise
    finally:
        release(path, mine)


def _forget_failures(path: Path) -> None:
    for answers in (ANSWERS, OF_JUDGES):
        AnswerCache(path / answers).forget_failures()


def _recorded(path: Path, asked: Mapping[str, Any]) -> bool:
    """Record a request in the folder; tell whether it was recorded before. Raises ConfigError for another."""
    asked = masked(json.loads(json.dumps(asked)))
    old = read_config(path)
    if old is None:
        content = {"recipe": asked, "versions": versions()}
        write_atomic(path / CONFIG, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return False
    changes = compare(_bound(old["recipe"]), _bound(asked))
    if changes:
        raise ConfigError(
            joined(
                "\n",
                [
                    message("{path} was begun with another request", path=path),
                    *(one.told for one in changes),
                ],
            ),
            hint=message("choose another output, or remove {path}", path=path),
        )
    return True


def _bound(value: Any) -> Any:
    """Return a request without the keys that change no answer."""
    if isinstance(value, dict):
        return {key: _bound(one) for key, one in value.items() if key not in FREE}
    if isinstance(value, list):
        return [_bound(one) for one in value]
    return value
