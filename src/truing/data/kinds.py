"""Kinds of files by their first bytes, not their names, and the command that converts each into rows.

To name another kind, add a line to `OTHERS`: its first bytes, its name, and the command that converts it.
`{path}` and `{target}` in a command are the file and the one to write, quoted for a shell.
"""

import shlex
from pathlib import Path
from typing import NoReturn

from truing.core.errors import DataError
from truing.core.messages import Sentence, message

PANDAS = (
    "python -c \"import pandas; pandas.{reader}({path!r}).to_json({target!r}, orient='records', lines=True)\""
)
OTHERS: dict[bytes, tuple[Sentence, str]] = {
    b"PK\x03\x04": (message("an Excel workbook, or another zip archive"), "read_excel"),
    b"\xd0\xcf\x11\xe0": (message("an Excel workbook of the old kind"), "read_excel"),
    b"ORC": (message("an ORC file"), "read_orc"),
    b"\x80\x04\x95": (message("a Python pickle"), "read_pickle"),
    b"\x80\x05\x95": (message("a Python pickle"), "read_pickle"),
    b"\x89HDF": (message("an HDF5 file"), "read_hdf"),
    b"BZh": (message("packed with bzip2"), "bunzip2 --keep {path}"),
    b"\xfd7zXZ": (message("packed with xz"), "unxz --keep {path}"),
    b"\x04\x22\x4d\x18": (message("packed with lz4"), "lz4 -d {path} {target}"),
    b"7z\xbc\xaf\x27\x1c": (message("a 7z archive"), "7z x {path}"),
    b"SQLite format 3": (
        message("an SQLite database"),
        "sqlite3 -json {path} 'SELECT * FROM TABLE' > {target}",
    ),
}


def refuse_others(path: Path, head: bytes) -> None:
    """Raise `DataError` for a file whose first bytes are of a kind that truing does not read."""
    for start, (what, command) in OTHERS.items():
        if head.startswith(start):
            raise DataError(message("{path} is {what}", path=path, what=what), hint=_command(command, path))


def _command(command: str, path: Path) -> str:
    target = path.with_name(f"{path.name}.jsonl")
    if command.startswith("read_"):
        return PANDAS.format(reader=command, path=str(path), target=str(target))
    return command.format(path=shlex.quote(str(path)), target=shlex.quote(str(target)))


def refuse_folder(folder: Path) -> NoReturn:
    """Raise `DataError` for a folder; the hint says which path to give instead."""
    names = {item.name for item in folder.iterdir()}
    if {"state.json", "dataset_info.json"} <= names or "dataset_dict.json" in names:
        raise DataError(
            message("{path} is a data set in the form of `save_to_disk`", path=folder),
            hint=f'python -c "import datasets; datasets.load_from_disk({str(folder)!r})'
            f'.to_json({str(folder.with_suffix(".jsonl"))!r})"',
        )
    raise DataError(
        message("{path} is a folder", path=folder),
        hint=message("name its files, for example '{path}/*.jsonl'", path=folder),
    )


def parts_of(folder: Path) -> list[Path]:
    """List the `part-…` files of a folder that Spark or Dask wrote, in order; none for another folder."""
    found = sorted(item for item in folder.iterdir() if item.name.startswith("part-") and item.is_file())
    return [item for item in found if item.suffix != ".crc" and item.stat().st_size]
