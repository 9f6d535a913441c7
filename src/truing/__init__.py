"""truing: align language models with people's intent, from rows of feedback to a measured, safer model.

Axis letters used in shape comments everywhere: `T` tokens of a packed row, `N` scored (target) tokens,
`B` responses or pairs, `D` hidden size, `V` vocabulary, `H` heads.
"""

__version__ = "0.1.0"
