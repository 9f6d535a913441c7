"""Detect the format of a file's rows; where several fit, the one that needs the most keys."""

from collections import Counter
from collections.abc import Sequence

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.fields import Row, present
from truing.data.formats import FORMATS, Format, either
from truing.data.unranked import UNRANKED


def detect(rows: Sequence[Row], *, unranked: bool = False) -> Format:
    """Find the format that most rows have and that needs the most keys.

    More than half of the rows is enough; the others are then bad rows with a reason. If all rows had to fit,
    one row without `chosen` would turn a preference file into a file of prompts. With `unranked` that format
    is known too. Raises `DataError` where no format fits, or several do.
    """
    assert rows
    known = [*FORMATS.values(), *([UNRANKED] if unranked else [])]
    matching = [each for each in known if 2 * sum(map(each.matches, rows)) > len(rows)]
    if not matching:
        raise _unrecognised(rows)
    most = max(len(each.needs) for each in matching)
    best = [each for each in matching if len(each.needs) == most]
    if len(best) > 1:
        names = " and ".join(f"{each.name} ({each.title})" for each in best)
        raise DataError(
            message("the rows can be read in more than one way: {names}", names=names),
            hint=message("say which with --format {name}, or data.format in a recipe", name=best[0].name),
        )
    return best[0]


def _unrecognised(rows: Sequence[Row]) -> DataError:
    seen = Counter(key for row in rows for key, value in row.items() if value is not None)
    keys = [key for key, count in seen.most_common(12) if 2 * count > len(rows)]
    typical = dict.fromkeys(keys, "")
    common = ", ".join(keys)[:200] or message("(none in common)")
    start = message("no format fits; most rows have the keys {keys}", keys=common)
    near = max(FORMATS.values(), key=lambda each: (_likeness(each, typical), -len(each.needs)))
    missing = near.missing(typical)
    if not _likeness(near, typical):
        hint = "rename the columns, or say --format with one of: {names}"
        return DataError(start, hint=message(hint, names=", ".join(FORMATS)))
    has = " and ".join(f"`{key}`" for need in near.needs if (key := present(typical, need)))
    said = "{start}: rows have {has} but no `{key}`"
    hint = "the nearest format is {name}, which needs {names}"
    return DataError(
        message(said, start=start, has=has, key=either(missing[0])),
        hint=message(hint, name=near.name, names=", ".join(near.needs)),
    )


def _likeness(each: Format, typical: Row) -> float:
    """Return the share of needed keys that are there; 0 for a format that has all but another shape."""
    missing = len(each.missing(typical))
    return 1 - missing / len(each.needs) if missing else 0.0
