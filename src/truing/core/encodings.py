"""Text that is not UTF-8: GB18030, as Chinese editors and spreadsheets may save it, is told by its bytes."""

import shlex
from pathlib import Path

from truing.core.messages import Sentence, message


def is_gb18030(data: bytes) -> bool:
    """Tell whether each line with more than ASCII in it is no UTF-8, but GB18030 that is mostly Chinese.

    The last line may be cut short anywhere and is then not looked at.
    """
    *lines, last = data.split(b"\n")
    texts = [_decoded(line) for line in (lines or [last]) if not line.isascii()]
    if not texts or None in texts:
        return False
    signs = [sign for text in texts if text for sign in text if ord(sign) > 127]
    chinese = sum("\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef" for sign in signs)
    return 2 * chinese > len(signs)


def _decoded(line: bytes) -> str | None:
    """A line of GB18030 as text; None where it is UTF-8, or neither."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return line.decode("gb18030")
        except UnicodeDecodeError:
            return None
    return None


def gb18030_remedy(path: Path) -> Sentence:
    """The command that makes UTF-8 of a file."""
    source, target = shlex.quote(str(path)), shlex.quote(str(path.with_stem(f"{path.stem}-utf8")))
    return message("iconv -f GB18030 -t UTF-8 {source} > {target}", source=source, target=target)
