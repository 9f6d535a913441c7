"""Consent to the code that recipes name."""

from truing.config.trust import trust_all


def trust_code() -> None:
    """Let recipes run the code that they name as `module:function`, for the rest of this process.

        truing.trust_code()
        truing.train("recipe_of_mine.yaml")

    Without it such a recipe is a ConfigError that names the file, unless a person has accepted the file at a
    terminal. Functions that are passed themselves (`rewards=[fn]`) need no consent.
    """
    trust_all()
