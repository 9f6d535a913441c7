"""Text in GB18030, as Chinese editors and spreadsheets may save it, recognised by its bytes."""

import shlex
from pathlib import Path

from truing.core.messages import Sentence, message


def is_gb18030(data: bytes) -> bool:
    """Tell whether all lines with more than ASCII are GB18030, none is UTF-8, and the text is mostly Chinese.

    The last line may be cut short anywhere, so a cut last line is not read.
    """
    *lines, last = data.split(b"\n")
    texts = [_decoded(line) for line in (lines or [last]) if not line.isascii()]
    if not texts or None in texts:
        return False
    signs = [sign for text in texts if text for sign in text if ord(sign) > 127]
    chinese = sum("\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef" for sign in signs)
    return len(signs) > 1 and 2 * chinese > len(signs)  # one sign may be a character of UTF-8 that was cut


def _decoded(line: bytes) -> str | None:
    """Decode a line of GB18030; None where the line is UTF-8, or neither of the two."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return line.decode("gb18030")
        except UnicodeDecodeError:
            return None
    return None


def gb18030_remedy(path: Path) -> Sentence:
    """Return the command that converts a file to UTF-8."""
    source, target = shlex.quote(str(path)), shlex.quote(str(path.with_stem(f"{path.stem}-utf8")))
    return message("iconv -f GB18030 -t UTF-8 {source} > {target}", source=source, target=target)
