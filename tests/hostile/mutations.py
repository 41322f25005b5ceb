"""Files changed as damage and malice change them; a seed alone decides what comes out."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib

_INTERESTING = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
)
_PLAIN = """0 -1 1e999 nan inf 99999999999999999999 1.5 true null ~ ' " , ; : - # & * ! % @ ` | > < { } [ ] ( ) \\ / ..
../../x C:\\x CON =1+1 @SUM(A1) &a *a <<: !!binary !!python/name:os.system __class__ __proto__ 2020-01-01"""
_WORDS = [
    *_PLAIN.split(),
    *(
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\x00",
        "\x1b[2J",
        "\u202e",
        "\u2028",
        "\ufeff",
        "é",
        "数",
        "x" * 300,
        '=HYPERLINK("http://x")',
    ),
]


def mutated(data: bytes, others: list[bytes], kind: str, seed: int) -> bytes:
    """Return a changed copy: bytes, parts of archives, or words of text, as the kind of file asks.

    Args:
        data: a good file.
        others: more good files of the kind, to splice with.
        kind: `zip`, `png`, `text`, `safetensors` or `bytes`.
        seed: of all choices.
    """
    chance = random.Random(seed)
    if kind == "zip" and data[:2] == b"PK" and chance.random() < 0.8:
        return _in_archive(data, chance)
    if kind == "png" and chance.random() < 0.6:
        return _in_chunks(data, chance)
    if kind == "text" and chance.random() < 0.8:
        return _in_words(data, chance)
    if kind == "safetensors" and chance.random() < 0.6:
        return _in_header(data, chance)
    return _in_bytes(data, others, chance)


def _in_bytes(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not out:
            break
        # Headers come first, and are what steers a reader.
        at = chance.randrange(len(out)) if chance.random() < 0.5 else chance.randrange(min(len(out), 512))
        match chance.randrange(8):
            case 0:
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                out[at] = chance.choice(_INTERESTING) & 0xFF
            case 2:
                size = chance.choice((2, 4, 8))
                number = chance.choice(_INTERESTING) & ((1 << 8 * size) - 1)
                out[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
            case 3:
                del out[at : at + chance.choice((1, 4, 64, 4096))]
            case 4:
                part = out[at : at + chance.choice((1, 4, 64, 4096))]
                out[at:at] = part * chance.choice((1, 2, 50))
            case 5:
                out[at:] = b"" if chance.random() < 0.5 else bytes(len(out) - at)
            case 6:
                length = chance.choice((4, 64, 1024))
                out[at : at + length] = chance.randbytes(length)
            case 7:
                other = chance.choice(others or [data])
                begin = chance.randrange(len(other) + 1)
                out[at:] = other[begin : begin + len(out)]
    return bytes(out)


def _in_archive(data: bytes, chance: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as given:
        members = {name: given.read(name) for name in given.namelist()}
    chosen = chance.choice(sorted(members))
    change = _in_words if chance.random() < 0.6 else lambda part, luck: _in_bytes(part, list(members.values()), luck)
    members[chosen] = change(members[chosen], chance)
    if chance.random() < 0.1:
        members.pop(chance.choice(sorted(members)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, part in members.items():
            made.writestr(name, part)
    return out.getvalue()


def _in_chunks(data: bytes, chance: random.Random) -> bytes:
    at, out = 8, bytearray(data[:8])
    chunks = []
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    one = chance.choice(chunks)
    if one[0] == b"IDAT" and chance.random() < 0.5:
        one[1] = zlib.compress(_in_bytes(zlib.decompress(one[1]), [], chance))
    else:
        one[chance.randrange(2)] = _in_bytes(chance.choice(chunks)[1] or b"IHDR", [], chance)
    if chance.random() < 0.2:
        chunks.insert(chance.randrange(len(chunks)), chance.choice(chunks))
    for name, part in chunks:
        name = bytes(name[:4]).ljust(4, b"x")
        out += struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
    return bytes(out)


def _in_words(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(chance.choice((1, 1, 2, 6))):
        words = [(m.start(), m.end()) for m in re.finditer(r"[^\s<>,:=\"{}\[\]]+|[<>,:=\"{}\[\]\n]", text)]
        if not words:
            break
        begin, end = chance.choice(words)
        word = chance.choice(_WORDS) if chance.random() < 0.6 else text[slice(*chance.choice(words))]
        match chance.randrange(4):
            case 0:
                text = text[:begin] + word + text[end:]
            case 1:
                text = text[:begin] + word + text[begin:]
            case 2:
                text = text[:begin] + text[end:]
            case 3:
                last = chance.choice(words)[1]
                text = text[:begin] + text[begin:last] * chance.choice((1, 2, 20)) + text[begin:]
    return text[:2_000_000].encode("utf-8", "surrogateescape")


def _in_header(data: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header = _in_words(data[8 : 8 + length], chance)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]
