"""Count the answers that get a false one by rule, by which rule, how alike the two are, and how fast.

    python benchmarks/negatives.py examples/rows/facts.jsonl

prints a line for each file: rows with a true answer, the share that gets a negative by all rules, and by
figures alone, the median share of words in common, and rows in a second; then the share by each rule.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

from truing.core.records import Record
from truing.data.load import load_records
from truing.text.negatives.make import Negative, alike, falsify
from truing.text.negatives.passages import read_passage
from truing.text.negatives.table import RULES

FIGURES = ("numbers", "percentages", "years", "dates", "units", "numerals")


def made(records: Sequence[Record], rules: Sequence[str]) -> list[tuple[str, Negative]]:
    """Return the true answers that get a negative by these rules, and the negatives."""
    found: list[tuple[str, Negative]] = []
    for record in records:
        true = record.chosen.text
        negative = falsify(read_passage(true, record.prompt[-1].content), rules)
        if isinstance(negative, Negative):
            found.append((true, negative))
    return found


def measure(path: str) -> None:
    """Print the figures of one file."""
    loaded = load_records([path])
    records = [
        one for one in loaded.records if one.responses and one.prompt and one.chosen.label is not False
    ]
    begun = time.perf_counter()
    found = made(records, tuple(RULES))
    seconds = time.perf_counter() - begun
    figures = made(records, FIGURES)
    common = statistics.median(alike(true, negative.text) for true, negative in found)
    print(
        f"{path}: {len(records)} rows, {len(found) / len(records):.0%} by all rules, "
        f"{len(figures) / len(records):.0%} by figures alone, {common:.0%} of words in common, "
        f"{len(records) / seconds:.0f} rows a second"
    )
    for name in RULES:
        print(f"    {name:12} {len(made(records, (name,))) / len(records):.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="rows with true answers")
    for path in parser.parse_args().files:
        measure(path)


if __name__ == "__main__":
    main()
