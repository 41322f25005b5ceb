"""Files as an attacker would make them: by reader, functions that write one beside a path and return it."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Make = Callable[[Path], Path]


class _Runs:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/mer-was-here",)


def _file(suffix: str, data: bytes | Callable[[], bytes]) -> Make:
    def make(path: Path) -> Path:
        out = path.with_name(path.name + suffix)
        out.write_bytes(data if isinstance(data, bytes) else data())
        return out

    return make


def _hdf5(change: Callable[[h5py.File, h5py.Group], None], ids: Sequence[str] = ("one",)) -> Make:
    """A container under a valid seal that `change` adds to: it is given the file and the group of the clip `one`."""

    def make(path: Path) -> Path:
        from mer.core.seal import write_seal

        out = path.with_name(path.name + ".h5")
        with h5py.File(out, "w") as file:
            told = {"complete": True, "schema_version": 2, "parameters": "{}", "inputs": "{}", "stage": "align"}
            file.attrs.update(told)
            group = file.create_group("clips/one")
            if ids:
                file["clip_ids"], file["failures"] = np.array(ids, dtype=h5py.string_dtype()), "{}"
            change(file, group)
        with out.open("r+b", buffering=0) as raw:
            write_seal(raw)
        return out

    return make


def _virtual(file: h5py.File, group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    group.create_virtual_dataset("frames", layout)


def _external_data(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("frames", (16,), "u1", external=[("/etc/passwd", 0, 16)])


def _link(file: h5py.File, group: h5py.Group) -> None:
    group["frames"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft(file: h5py.File, group: h5py.Group) -> None:
    group["frames"] = h5py.SoftLink("/clips/one/frames")


def _unwritten(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("frames", (10**6, 1000, 1000, 3), "u1", chunks=(1, 1000, 1000, 3))


def _zeros(file: h5py.File, group: h5py.Group) -> None:
    data = group.create_dataset("frames", (200, 1000, 1000), "u1", chunks=(10, 1000, 1000), compression="gzip")
    data[:2] = 0


def _huge_chunk(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("frames", (1 << 31, 2), "u1", chunks=(1 << 30, 2), compression="gzip", maxshape=(None, 2))


def _filtered(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("frames", (64, 64), "u1", chunks=(8, 64), compression="lzf")


def _objects(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("frames", (3,), h5py.vlen_dtype(np.int32))
    group.create_dataset("refs", (2,), h5py.ref_dtype)


def _texts(file: h5py.File, group: h5py.Group) -> None:
    group.create_dataset("files", (2000, 2000), h5py.string_dtype(length=4000), chunks=(1, 2000), compression="gzip")


def _nothing(file: h5py.File, group: h5py.Group) -> None:
    group["frames"] = h5py.Empty("u1")


def _loop(file: h5py.File, group: h5py.Group) -> None:
    group["again"] = file["clips"]


def _ids_elsewhere(file: h5py.File, group: h5py.Group) -> None:
    file["clip_ids"], file["failures"] = h5py.ExternalLink("/etc/passwd", "/x"), "{}"


def _deep_json(file: h5py.File, group: h5py.Group) -> None:
    file.attrs["parameters"] = "[" * 60_000


def _texts_elsewhere(change: Callable[[bytearray, int], None]) -> Make:
    """A container whose bytes `change` changes: it is given where the letters of its texts are kept."""

    def make(path: Path) -> Path:
        from mer.core.seal import read_seal, write_seal

        out = _hdf5(lambda file, group: None)(path)
        with out.open("r+b", buffering=0) as raw:
            raw.truncate((read_seal(raw.fileno()) or (0,))[0])
            data = bytearray(out.read_bytes())
            change(data, data.index(b"GCOL"))
            raw.write(data)
            write_seal(raw)
        return out

    return make


def _long(letters: int, data: bytearray, heap: int) -> None:
    """Let every text of so many letters, of the attributes or the arrays, say that it is 4 GiB long."""
    named = struct.pack("<IQ", letters, heap)
    assert named in data
    data[:] = data.replace(named, struct.pack("<IQ", 0xFFFFFFFF, heap))


def _endless(data: bytearray, heap: int) -> None:
    """End the texts with free space that says that it is empty."""
    data[heap + 16 : heap + 32] = bytes(16)


def _workbook(members: dict[str, bytes], compressed: bool = True) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as box:
        for name, data in members.items():
            box.writestr(name, data)
    return out.getvalue()


def _xlsx(change: Callable[[dict[str, bytes]], None]) -> Make:
    def data() -> bytes:
        import openpyxl

        book, out = openpyxl.Workbook(), io.BytesIO()
        book.active.append(["Subject", "OnsetFrame"])
        book.active.append([1, '=HYPERLINK("http://example.invalid","x")'])
        book.active.append([2, '=WEBSERVICE("http://example.invalid")'])
        book.active.append([3, "=cmd|' /C calc'!A0"])
        book.save(out)
        with zipfile.ZipFile(out) as box:
            members = {name: box.read(name) for name in box.namelist()}
        change(members)
        return _workbook(members)

    return _file(".xlsx", data)


SHEET = "xl/worksheets/sheet1.xml"


def _swap(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        assert old in members[name], (name, old)
        members[name] = members[name].replace(old, new, 1)

    return change


def _outside_book(members: dict[str, bytes]) -> None:
    rels = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    )
    rels += b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLinkPath" '
    members["xl/externalLinks/_rels/externalLink1.xml.rels"] = rels + (
        b'Target="file:///etc/passwd" TargetMode="External"/></Relationships>'
    )
    members["xl/externalLinks/externalLink1.xml"] = b"<externalLink/>"


def _climbing(members: dict[str, bytes]) -> None:
    members["../../../../tmp/mer-was-here"] = b"x"
    members["/tmp/mer-was-here"] = b"x"


def _many_cells(members: dict[str, bytes]) -> None:
    row = b"<row>" + b"<c><v>1</v></c>" * 1000 + b"</row>"
    members[SHEET] = members[SHEET].replace(b"</sheetData>", row * 12_000 + b"</sheetData>")


def _far_cells(members: dict[str, bytes]) -> None:
    cells = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(5, 40_000))
    members[SHEET] = members[SHEET].replace(b"</sheetData>", cells + b"</sheetData>")


def _shared(members: dict[str, bytes]) -> None:
    members["xl/sharedStrings.xml"] = b"<sst>" + b"<si><t>" + b"x" * 190_000_000 + b"</t></si></sst>"


def _deep_xml(members: dict[str, bytes]) -> None:
    members[SHEET] = members[SHEET].replace(b"</sheetData>", b"<x>" * 2_000_000 + b"</sheetData>")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, rows: int, depth: int = 8, kind: int = 2, before: bytes = b"") -> bytes:
    packer, channels = zlib.compressobj(9), {0: 1, 2: 3, 6: 4}[kind]
    row = bytes(1 + width * channels * depth // 8)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + before
    return start + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _text_bomb() -> bytes:
    return b"".join(_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(50_000_000), 9)) for _ in range(20))


def _tiff(width: int, height: int) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 16)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + struct.pack("<I", 8)


def _avi(width: int, height: int) -> Make:
    """A real video whose header claims another size."""

    def make(path: Path) -> Path:
        import av

        out = path.with_name(path.name + ".avi")
        with av.open(str(out), "w") as box:
            stream = box.add_stream("rawvideo", rate=25)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr24"
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), index, np.uint8))
                frame.pts = index
                box.mux(stream.encode(frame))
            box.mux(stream.encode())
        data = out.read_bytes().replace(struct.pack("<II", 16, 16), struct.pack("<II", width, height))
        out.write_bytes(data)
        return out

    return make


def _playlist(text: bytes) -> Make:
    """What FFmpeg takes for a list of other files or addresses, whatever it is called."""
    return _file(".mp4", text)


def _boxes() -> bytes:
    return b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08free" * 2_000_000


def _safetensors(header: bytes, data: bytes = b"", size: int | None = None) -> Make:
    return _file(".safetensors", struct.pack("<Q", len(header) if size is None else size) + header + data)


def _levels(count: int) -> bytes:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{k}: &a{k} {{{', '.join(f'k{n}: *a{k - 1}' for n in range(9))}}}" for k in range(1, count)]
    return "\n".join(lines).encode()


_CODE = pickle.dumps({"a": _Runs()})
#: Protocols and lists by which FFmpeg would reach for other files or addresses.
_LISTS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
)

FILES: dict[str, Sequence[Make]] = {
    "container": [
        *map(_hdf5, (_virtual, _external_data, _link, _soft, _unwritten, _zeros, _huge_chunk, _filtered)),
        *map(_hdf5, (_objects, _texts, _nothing, _loop, _deep_json)),
        _hdf5(_ids_elsewhere, ids=()),
        _hdf5(lambda file, group: None, ids=("one", "../../x", "/clips", "")),
        _hdf5(lambda file, group: None, ids=("one",) * 100_000),
        # The attribute `stage` ("align"), and the name of its clip ("one").
        *(_texts_elsewhere(partial(_long, len(text))) for text in ("align", "one")),
        _texts_elsewhere(_endless),
        _file(".h5", _CODE),
    ],
    "keras": [_hdf5(_link), _hdf5(_unwritten), _file(".h5", _CODE)],
    "xlsx": [
        _xlsx(lambda members: None),
        *map(_xlsx, (_outside_book, _climbing, _many_cells, _far_cells, _shared, _deep_xml)),
        _xlsx(_swap(SHEET, b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><worksheet')),
        _xlsx(_swap(SHEET, b"<dimension", b'<dimension ref="A1:XFD1048576"/><x')),
        _xlsx(_swap(SHEET, b'r="2"', b'r="1048576"')),
        _xlsx(_swap(SHEET, b'r="2"', b'r="99999999999999999999"')),
        _file(".xlsx", lambda: _workbook({"xl/workbook.xml": bytes(150_000_000), "[Content_Types].xml": b"<x/>"})),
        _file(".xlsx", lambda: _workbook({f"xl/{k}.xml": b"<x/>" for k in range(60_000)})),
        _file(".xlsx", _CODE),
    ],
    "csv": [
        _file(".csv", b'Subject,x\n"' + b"a" * 20_000_000),
        _file(".csv", b"Subject" + b"," * 10_000_000),
        _file(".csv", b"Subject\n" * 3_000_000),
        _file(".csv", b"Subject;=cmd|' /C calc'!A0\n1;\x1b]0;owned\x07\n"),
        _file(".csv", "Subject,x\n\u202e1,\ufeff\n".encode("utf-16")),
    ],
    "tables": [
        _file(".csv", b"clip\n../../../etc/passwd\n"),
        _file(".csv", b"clip\n/etc/passwd\n"),
        _file(".csv", b"clip,onset\n" + b"x" * 5000 + b",1\n"),
        _file(".csv", b'clip\n"a\nb"\n'),
        _file(".csv", b"vid,pred_onset\r,pred_offset,type\na,1,2,me\n"),
        _file(".csv", b"clip,fps\na\0b,25\n"),
        _file(".csv", b"clip,onset\n.," + b"9" * 6000 + b"\n"),
    ],
    "png": [
        _file(".png", lambda: _png(60_000, 60_000, 1)),
        _file(".png", lambda: _png(9_999, 10_000, 10_000, 16)),
        _file(".png", lambda: _png(1, 99_999_999, 1)),
        _file(".png", lambda: _png(4, 4, 200_000_000 // 13)),
        _file(".png", lambda: _png(4, 4, 4, before=_text_bomb())),
        _file(".png", _CODE),
    ],
    "pictures": [
        _file(".tiff", _tiff(100_000, 100_000)),
        _file(".tiff", _tiff(9_000, 9_000)),
        _file(".tiff", b"II*\0" + struct.pack("<I", 8) + b"\xff\xff" + bytes(786_420)),
        _file(".jpg", b"\xff\xd8" + b"\xff\xe1\xff\xff" * 3 + bytes(70_000)),
        _file(".jpg", b"\xff\xd8" + b"\xff" * 20_000_000),
        _file(".bmp", b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 30_000, 30_000, 1, 1, 1) + bytes(60)),
        _file(".jpg", b"P6\n30000 30000\n255\n"),
    ],
    "video": [
        _avi(30_000, 30_000),
        _avi(16_000, 16),
        *map(_playlist, _LISTS),
        _file(".mp4", _boxes),
        _file(".mkv", b"\x1a\x45\xdf\xa3" + bytes(2_000_000)),
        _file(".avi", _CODE),
    ],
    "safetensors": [
        _file(".safetensors", _CODE),
        _safetensors(b"{}", size=1 << 62),
        _safetensors(b'{"a":{"dtype":"F32","shape":[99999999999,9999],"data_offsets":[0,4]}}', bytes(4)),
        _safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,4]}}', bytes(4)),
        _safetensors(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}',
            bytes(4),
        ),
        _safetensors(b"[" * 90_000_000),
    ],
    "pth": [
        _file(".pth", _CODE),
        _file(".pt", lambda: _workbook({"archive/data.pkl": _CODE, "archive/version": b"3"}, compressed=False)),
        _file(".pth", lambda: _workbook({"archive/data.pkl": bytes(500_000_000), "archive/version": b"3"})),
        _file(".pth", b"\x80\x02" + b"(" * 50_000_000),
        _file(".pth", b"\x80\x02]q\0" + b"(h\0h\0h\0lq\0" * 200_000 + b"."),
    ],
    "checkpoint": [
        _file(".safetensors", _CODE),
        _safetensors(b'{"__metadata__":{"mer":"' + b"[" * 100_000 + b'"}}'),
        _safetensors(b'{"__metadata__":{"mer":"[1]","curve":"' + b"[" * 100_000 + b'"}}'),
        _safetensors(b'{"__metadata__":{"mer":"{\\"format\\":1}"}}'),
    ],
    "configuration": [
        _file(".yaml", _levels(12)),
        _file(".yaml", b"a: &a [*a]\n"),
        _file(".yaml", b"[" * 400_000),
        _file(".yaml", b"? " * 200_000),
        _file(".yaml", b"a: !!python/object/apply:os.system ['touch /tmp/mer-was-here']\n"),
        _file(".yaml", b"__use_yte__: true\n?__import__('os').system('touch /tmp/mer-was-here'):\n  a: 1\n"),
        _file(
            ".yaml", b"datasets: {a: {reader: videos, root: /tmp}}\nplugins: [/etc/passwd, os.system, ../x.py, 'a b']\n"
        ),
        _file(".yaml", b"results: '/dev/null/x'\ndatasets: {'../../x': {reader: videos, root: /tmp}}\n"),
        _file(".yaml", b"seed: " + b"9" * 300_000),
        _file(".yaml", b"seed: " + b":".join([b"59"] * 100_000)),
        _file(".yaml", b"datasets: {a: {reader: videos, root: /tmp}}\nresults: " + b"x" * 300),
        _file(".yaml", b"datasets: {a: {reader: videos, root: /tmp}}\nplugins: [" + b"x" * 300 + b".py]"),
    ],
    "review": [
        _file(".json", b"[" * 1_000_000),
        _file(".json", b'{"format":' + b"9" * 100_000 + b"}"),
        _file(".json", b'{"a":1e999999999,"b":NaN}'),
    ],
    "curves": [
        _file(".npz", _CODE),
        _file(
            ".npz",
            lambda: _workbook(
                {
                    "names.npy": b"\x93NUMPY\1\0\x76\0"
                    + b"{'descr':'|O','fortran_order':False,'shape':(1,)}".ljust(117)
                    + b"\n"
                    + _CODE
                }
            ),
        ),
        _file(
            ".npz",
            lambda: _workbook(
                {
                    "names.npy": b"\x93NUMPY\1\0\x76\0"
                    + b"{'descr':'<f8','fortran_order':False,'shape':(99999999999,)}".ljust(117)
                    + b"\n"
                }
            ),
        ),
    ],
}
