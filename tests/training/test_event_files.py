"""TensorBoard's files in all their forms, torn and damaged."""

import struct
from pathlib import Path

import pytest

from truing.training.event_files import read_scalars

from ..event_bytes import event, field, simple, tensor


def test_numbers_are_read_in_each_of_their_forms(tmp_path: Path):
    path = tmp_path / "events.out.tfevents.1"
    first = event(300, simple("train/loss", 0.5), tensor("kl", 0.25, raw=True))
    path.write_bytes(
        first + event(301, tensor("kl", 0.125, raw=False), field(1, b"text") + field(3, b"image"))
    )
    found, offset = read_scalars(path)
    assert found == [(300, "train/loss", 0.5), (300, "kl", 0.25), (301, "kl", 0.125)]
    assert offset == path.stat().st_size
    assert read_scalars(path, len(first))[0] == [(301, "kl", 0.125)], "read on from an offset"


@pytest.mark.parametrize("cut", [1, 5, 13, 30])
def test_a_torn_record_waits_for_its_end(tmp_path: Path, cut: int):
    path, whole = tmp_path / "e", event(1, simple("a", 1.0))
    path.write_bytes(whole + event(2, simple("a", 2.0))[:-cut])
    assert read_scalars(path) == ([(1, "a", 1.0)], len(whole))


@pytest.mark.parametrize(
    "damage", [struct.pack("<Q", 2**60) + b"x" * 40, struct.pack("<Q", 4) + b"crc1\xff\xff\xff\xffcrc2"]
)
def test_damage_ends_the_reading(tmp_path: Path, damage: bytes):
    path, whole = tmp_path / "e", event(1, simple("a", 1.0))
    path.write_bytes(whole + damage)
    assert read_scalars(path)[0] == [(1, "a", 1.0)]
