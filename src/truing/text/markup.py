"""Values and words on their way into the templates of pages.

Jinja's autoescape does the escaping; `shown` is a template's `finalize`, and `words` its function `t`.
"""

from markupsafe import Markup

from truing.core.words import t
from truing.text.shown import plain


def shown(value: object) -> object:
    """Return a value for a template: text without escapes and hidden marks, anything else as it is."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def words(text: str, /, **filled: object) -> Markup:
    """Return a template's text in the language of the page: markup, unlike the values that fill it."""
    found = Markup(t(text))  # noqa: S704
    return found.format(**{name: shown(value) for name, value in filled.items()}) if filled else found
