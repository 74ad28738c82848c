"""The elements of a page, which are all that the template reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Picture:
    """An inline image.

    Attributes:
        uri: Data URI of the image.
        alt: Description of its content in words and numbers.
        caption: Short text under the image.
        note: Number beside the caption.
    """

    uri: str
    alt: str
    caption: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: Caption of the table.
        header: Text of each column's head.
        rows: Texts of each row's cells.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        key: Anchor of the section.
        title: Heading of the section.
        text: Paragraphs before the pictures.
        pictures: Images of the section.
        layout: Layout of the images: ``panels`` for many small ones, ``pair`` for two or three side by side, ``single``
            for wide ones.
        summary: Summary of all pictures in one sentence.
        tables: Tables after the pictures.
        missing: Reason for an empty section.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    layout: Literal["panels", "pair", "single"] = "single"
    summary: str = ""
    tables: tuple[Table, ...] = ()
    missing: str = ""
