"""The built pages refer to nothing that is not there. CI builds them first (``make docs``)."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"


class References(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.unnamed = set(), set(), []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        target = found.get("href" if tag in ("a", "link") else "src")
        if target:
            self.targets.add(target)
        if tag == "img" and found.get("alt") is None:
            self.unnamed.append(target)


def parsed(path):
    page = References()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@pytest.mark.slow
def test_no_link_or_picture_of_the_site_is_broken():
    if not SITE.exists():
        pytest.skip("the pages are not built: make docs")
    pages = {path: parsed(path) for path in SITE.rglob("*.html") if "_modules" not in path.parts}
    assert len(pages) > 20
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(found)
            if not found.exists() or (parts.fragment and known and unquote(parts.fragment) not in known.anchors):
                broken.append(f"{path.relative_to(SITE)} -> {target}")
    assert not broken
    assert not [name for page in pages.values() for name in page.unnamed]


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere():
    if not SITE.exists():
        pytest.skip("the pages are not built: make docs")
    for path in SITE.rglob("*.html"):
        assert "cdn.jsdelivr" not in path.read_text(encoding="utf-8"), path
