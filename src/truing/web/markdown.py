"""Markdown of models and people as elements that a page may hold: an allow-list, nothing else.

`markdown_tree(text)` reads CommonMark with tables and returns nested lists, one for each call of `element`
in `static/base.js`: a script builds a page without parsing markup. `markdown(text)` is the same tree as
markup, for templates. HTML in the text stays text, images become their words, and links are absolute and lead
to http, https or mailto. No element has a style, a class of the text's own, or an address that the browser
would fetch by itself, so a page with `default-src 'self'` shows it without a request. Every block has
`dir="auto"`: Hebrew below English reads from the right.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from truing.text.shown import clipped, language, plain

MarkdownNode = str | list[Any]  # a text, or [name, attributes, children]

SCHEMES = ("http://", "https://", "mailto:")
# Elements by the tags of markdown-it. Headings are paragraphs in bold: those of a response do not belong to
# the outline of the page around it.
_ELEMENTS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "p"),
    **{
        tag: tag
        for tag in ("p", "ul", "ol", "li", "blockquote", "hr", "br", "code", "em", "strong", "s", "a")
    },
    **{tag: tag for tag in ("table", "thead", "tbody", "tr", "th", "td")},
}
_BLOCKS = {"p", "ul", "ol", "li", "blockquote", "th", "td"}
_EMPTY = {"hr", "br"}
_DEEPEST = 40  # elements in each other: a page of nine thousand is built by nobody
_SIDES = {"text-align:right": "right", "text-align:center": "center"}  # of a table's columns


def text_row(text: str) -> dict[str, Any]:
    """Return a text for a page: as it is without escapes of terminals, as elements, and its language."""
    return {"text": clipped(plain(text)), "tree": markdown_tree(text), "lang": language(text)}


@lru_cache(maxsize=1024)
def markdown_tree(text: str) -> list[MarkdownNode]:
    """Return the elements of a text. One longer than `clipped` shows ends with the number left out."""
    return _grown(_READER.parse(clipped(plain(text))))


def markdown(text: str) -> Markup:
    """Return the elements of a text as markup."""
    return Markup("").join(_markup(node) for node in markdown_tree(text))


def _grown(tokens: Sequence[Token], depth: int = 0) -> list[MarkdownNode]:
    """Return the tree of tokens, in which a tag that is not allowed, or too deep, leaves its content."""
    root: list[MarkdownNode] = []
    open_: list[list[MarkdownNode]] = [root]
    for token in tokens:
        if token.nesting < 0:
            _close(open_)
        elif token.nesting > 0:
            children = open_[-1]
            # A paragraph of a tight list is hidden.
            if token.tag in _ELEMENTS and not token.hidden and depth + len(open_) <= _DEEPEST:
                children = []
                open_[-1].append([_ELEMENTS[token.tag], _attributes(token), children])
            open_.append(children)
        elif token.type == "inline":
            open_[-1] += _grown(token.children or [], depth + len(open_))
        else:
            open_[-1] += _leaf(token)
    return root


def _close(open_: list[list[MarkdownNode]]) -> None:
    """Leave the innermost element; a link without words gets its address for words."""
    children = open_.pop()
    last = open_[-1][-1] if open_[-1] else None
    if isinstance(last, list) and last[0] == "a" and not children:
        children.append(last[1]["href"])


def _leaf(token: Token) -> list[MarkdownNode]:
    if token.type in ("fence", "code_block"):
        return [["pre", {"dir": "auto"}, [["code", {}, [token.content]]]]]
    if token.type == "image":
        return [token.content or str(token.attrs.get("src", ""))]
    if token.type == "code_inline":
        return [["code", {}, [token.content]]]
    if token.type == "softbreak":
        return [["br", {}, []]]
    if token.tag in _EMPTY:
        return [[token.tag, {}, []]]
    return [token.content] if token.content else []


def _attributes(token: Token) -> dict[str, str]:
    given, name = token.attrs, _ELEMENTS[token.tag]
    found: dict[str, str] = {}
    if name != token.tag:
        found["class"] = "heading"
    if side := _SIDES.get(str(given.get("style", ""))):
        found["class"] = side
    if name == "ol" and "start" in given:
        found["start"] = str(given["start"])
    if name == "a":
        found |= {"href": str(given["href"]), "rel": "noopener noreferrer nofollow", "target": "_blank"}
    if name in _BLOCKS:
        found["dir"] = "auto"
    return found


def _markup(node: MarkdownNode) -> Markup:
    if isinstance(node, str):
        return Markup.escape(node)
    name, attributes, children = node
    given = Markup("").join(Markup(' {}="{}"').format(*one) for one in attributes.items())
    opened = Markup("<{}{}>").format(name, given)
    if name in _EMPTY:
        return opened
    return opened + Markup("").join(_markup(child) for child in children) + Markup("</{}>").format(name)


def _may_link(url: str) -> bool:
    return url.lower().startswith(SCHEMES)


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    reader.validateLink = _may_link
    return reader


_READER = _reader()
