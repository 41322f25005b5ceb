"""Pictures as files, and one page that holds them all."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from mer.core.atomic import atomic_path, write_text

_HEAD = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
    "<style>body{{font:16px sans-serif;max-width:60em;margin:2em auto}}img{{max-width:100%}}</style>\n"
    "<h1>{heading}</h1>\n"
)


def write_picture_page(folder: Path, title: str, heading: str, pictures: Sequence[tuple[str, bytes, str]]) -> Path:
    """Write each picture as `<name>.png` and all of them into `index.html`; return the page.

    Args:
        folder: made when it is not there.
        title: of the window.
        heading: above the pictures.
        pictures: name, PNG file and caption of each.

    Raises:
        StorageError: the folder is not writable.
    """
    figures = []
    for name, data, words in pictures:
        caption = html.escape(words)
        with atomic_path(folder / f"{name}.png") as temporary:
            temporary.write_bytes(data)
        source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        figures.append(f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>\n')
    head = _HEAD.format(title=html.escape(title), heading=html.escape(heading))
    write_text(folder / "index.html", f"{head}{''.join(figures)}</html>\n")
    return folder / "index.html"
