"""How the images of each released view are documented: size and colour (V16; specs/datasets.md §1 to §11)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """Documented form of a view's images: (width, height) or None where it varies, 1 or 3 channels or None."""

    size: tuple[int, int] | None = None
    channels: int | None = None

    def fault(self, width: int, height: int, channels: int | None) -> str:
        """Return the V16 message for an image of another form, '' for one as documented.

        `channels` is None where the image was not decoded.
        """
        sized = self.size is None or (width, height) == self.size
        coloured = self.channels is None or channels is None or channels == self.channels
        if sized and coloured:
            return ""
        wanted = "any size" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        found = f"{width}x{height}"
        if channels is not None and self.channels is not None:
            found, wanted = f"{found}x{channels}", f"{wanted}, grey" if self.channels == 1 else f"{wanted}x3"
        return f"{found}; expected {wanted}; another view?"


_VGA = Picture((640, 480), 3)
_COLOUR = Picture(None, 3)
#: (dataset of the rows, view of the rows) -> documented form; what is not listed is not checked.
PICTURES: dict[tuple[str, str], Picture] = {
    ("casme", "cropped"): _COLOUR,
    ("casme2", "raw"): _VGA,
    ("casme2", "selected"): _VGA,
    ("casme2", "cropped"): _COLOUR,
    ("samm", "raw"): Picture((960, 650), 1),
    ("samm_lv", "long"): Picture(None, 1),
    ("smic_hs", "raw"): _VGA,
    ("smic_vis", "raw"): _VGA,
    ("smic_nir", "raw"): Picture((640, 480)),
    ("smic_e_hs", "long"): _VGA,
    ("smic_e_vis", "long"): _VGA,
    ("smic_e_nir", "long"): Picture((640, 480)),
    ("mmew", "cropped"): Picture((231, 231), 3),
    ("casme_sq", "raw"): _VGA,
    ("casme_sq", "selected"): _VGA,
    ("casme_sq", "cropped"): _COLOUR,
    ("casme3a", "raw"): Picture((1280, 720), 3),
    ("casme3a", "selected"): Picture((1280, 720), 3),
    ("casme3c", "raw"): Picture((1280, 720), 3),
    ("meview", "raw"): Picture((1280, 720)),
    ("fourdme", "raw"): Picture(None, 1),
    ("smic_hs", "flow"): Picture((28, 28), 3),
    ("casme2", "flow"): Picture((28, 28), 3),
    ("samm", "flow"): Picture((28, 28), 3),
}

#: Views whose images may differ in size inside a clip: face crops.
CROPS = ("cropped", "aligned")

#: Folders beside the clips that the owners ship and no reader uses, in lower case without marks.
SIDE_FOLDERS = ("nonmicro", "depth")


def picture_of(dataset: str, view: str) -> Picture:
    """Return the documented form of a view's images; everything is allowed where nothing is documented."""
    return PICTURES.get((dataset, view), Picture())
