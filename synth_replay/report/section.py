"""What a page is made of; the template knows nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Picture:
    """An inline image.

    Attributes:
        uri: Data URI.
        alt: What it shows, in words and numbers.
        caption: Short text under it.
        note: A figure to set beside the caption.
    """

    uri: str
    alt: str
    caption: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: What it shows.
        header: One text per column.
        rows: Texts.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Section:
    """One heading and what is under it.

    Attributes:
        key: Anchor.
        title: Heading.
        text: Paragraphs.
        pictures: Images.
        layout: ``panels`` for many small ones, ``pair`` for two or three side by side, ``single`` for wide ones.
        summary: What the pictures show as a whole.
        tables: Tables, after the pictures.
        missing: Why there is nothing to see, if there is nothing.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    layout: Literal["panels", "pair", "single"] = "single"
    summary: str = ""
    tables: tuple[Table, ...] = ()
    missing: str = ""
