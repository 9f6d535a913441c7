r"""A line without its dress: `## **Verdict**：「A」。` and `| verdict | A |` are both `verdict: A`.

    plain       one line without markdown, in ASCII where its characters have a full width
    unwrapped   a value without brackets, quotation marks and a full stop
    boxed       the inside of a line that is only `[[A]]`, `\boxed{A}` or `<answer>A</answer>`

Whatever changes the meaning stays and makes the line unreadable: `~~A~~`, `> A`, `A?`, `A…`.
"""

import re

# Full-width forms of ASCII; marks without width, which a judge copies from text or writes by itself.
FOLDED = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x00A0: 0x20}
UNSEEN: dict[int, int | None] = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
LEADS = re.compile(r"(?:#{1,6}|[-*+•])\s+")
EMPHASIS = re.compile(r"[*`]|(?<!\w)_+|_+(?!\w)")
ROW = re.compile(r"\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|?")
STOP = re.compile(r"(.*[^.。!\s])\s*[.。!]")  # one full stop; an ellipsis says that something is missing
PAIRS = re.compile(
    r'"(.+)"|“(.+)”|\'(.+)\'|‘(.+)’|「(.+)」|『(.+)』|《(.+)》|【(.+)】|\[\[(.+)\]\]|\[(.+)\]|\((.+)\)|\$\$?(.+?)\$?\$'
    r"|\\\((.+)\\\)|\\\[(.+)\\\]|\\(?:boxed|fbox|text|textbf|mathrm|mathbf)\s*\{(.+)\}"
    r"|<(?:b|i|em|strong)>(.+)</(?:b|i|em|strong)>"
)
BOXES = re.compile(
    r"\[\[([^\[\]]+)\]\]|\$*\s*\\(?:boxed|fbox)\s*\{(.+)\}\s*\$*|\\\[\s*\\(?:boxed|fbox)\s*\{(.+)\}\s*\\\]"
    r"|<answer>\s*(.+?)\s*</answer>",
    re.IGNORECASE,
)
DEEPEST = 6  # wrappings of one value


def folded(text: str) -> str:
    """Return `text` with full-width ASCII in its usual form and without characters of no width."""
    return text.translate(FOLDED).translate(UNSEEN)


def plain(line: str) -> str:
    """Return one line without markdown; the cells of a table row of two become `cell: cell`."""
    text = folded(line).strip()
    if found := LEADS.match(text):
        text = text[found.end() :]
    if row := ROW.fullmatch(text):
        text = f"{row[1]}: {row[2]}"
    return " ".join(EMPHASIS.sub("", text).split())


def unwrapped(value: str) -> str:
    """Return a plain value without what stands around it."""
    text = value.strip()
    for _ in range(DEEPEST):
        if stop := STOP.fullmatch(text):
            text = stop[1]
        found = PAIRS.fullmatch(text)
        if found is None:
            break
        text = next(group for group in found.groups() if group is not None).strip()
    return text


def boxed(line: str) -> str | None:
    """Return the inside of a plain line that is nothing but a box; None for any other line."""
    stop = STOP.fullmatch(line)
    found = BOXES.fullmatch(stop[1] if stop else line)
    return None if found is None else next(group for group in found.groups() if group is not None).strip()
