"""The table of rules that turn a true answer into a false one.

A rule takes a passage and a draw and yields changes, each good by itself. It draws from `draw.at(passage, …)`
alone, so that a row's result depends on the row and the seed. To add a rule, write it in a file of its
kind and give it a row here.
"""

from collections.abc import Callable, Iterator

from truing.text.negatives.entities import directions, entities
from truing.text.negatives.figures import dates, numbers, numerals, percentages, units, years
from truing.text.negatives.hedges import hedges
from truing.text.negatives.negation import negation
from truing.text.negatives.passages import Alteration, Draw, Passage

FalsityRule = Callable[[Passage, Draw], Iterator[Alteration]]

RULES: dict[str, FalsityRule] = {
    rule.__name__: rule
    for rule in (
        numbers,
        percentages,
        years,
        dates,
        units,
        numerals,
        negation,
        directions,
        entities,
        hedges,
    )
}
