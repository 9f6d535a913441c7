"""TensorBoard's event files, byte by byte as their format says."""

import struct


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3]) + varint(content)
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def simple(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def tensor(tag: str, value: float, *, raw: bool) -> bytes:
    numbers = struct.pack("<f", value)
    return field(1, tag.encode()) + field(8, field(1, 1) + field(4 if raw else 5, numbers))


def event(step: int, *values: bytes) -> bytes:
    content = (
        b"\x09" + struct.pack("<d", 1.7e9) + field(2, step) + field(5, b"".join(field(1, v) for v in values))
    )
    return struct.pack("<Q", len(content)) + b"crc1" + content + b"crc2"
