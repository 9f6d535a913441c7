"""Did it get better? Sampled tasks with intervals, and one HTML report, whose words are added here."""

from truing.core.words import add_words
from truing.evals.words_zh import ZH

add_words("zh", ZH)
