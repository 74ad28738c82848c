"""The list of rooms and files in ``docs/architecture.md`` is that of the tree.

A line of its first text block without indentation names a folder; an indented one names a room and its modules:
``codec/   codec, config (all choices), labels: rows and back``. Words in parentheses and after a colon are remarks.
A longer list goes on in lines that begin with a module. ``base`` is the room of modules without a folder.
"""

from __future__ import annotations

import re

from tests.structure.tree import ROOT, package_files

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE_FOLDERS = ("synth_replay", "adapters", "pipelines")


def rooms(text):
    """Folder of each room and the modules that a list names, in its order."""
    found, top, room = {}, "", ""
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if not line.startswith(" "):
            top, room, rest = name.rstrip("/"), "", ""
        elif name.endswith("/") or name == "base":
            room = top if name == "base" else f"{top}/{name.rstrip('/')}"
        else:
            rest = line
        if room:
            found[room] = f"{found.get(room, '')} {rest}"
    return {room: modules(listed) for room, listed in found.items()}


def modules(listed):
    words = re.sub(r"\([^)]*\)", "", listed).partition(":")[0]
    return [word for part in words.split(",") if (word := part.strip())]


def page_rooms():
    block = re.search(r"```text\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert block, "docs/architecture.md has no text block with the rooms"
    return {room: names for room, names in rooms(block[1]).items() if room.partition("/")[0] in PACKAGE_FOLDERS}


def tree_rooms():
    """Folders with modules; packages are named by their folder alone."""
    found = {}
    for path in package_files():
        names = found.setdefault(str(path.parent.relative_to(ROOT)), [])
        if not path.stem.startswith("__"):
            names.append(path.stem)
    return {room: names for room, names in found.items() if names}


def test_the_page_lists_every_room_and_no_other():
    assert sorted(page_rooms()) == sorted(tree_rooms())


def test_the_page_names_every_module_once_in_its_room_and_nothing_else():
    page, tree = page_rooms(), tree_rooms()
    differing = {room: (page.get(room), names) for room, names in tree.items() if sorted(page.get(room, [])) != names}
    assert not differing, "\n".join(f"{room}: page {page}, tree {tree}" for room, (page, tree) in differing.items())


def test_the_list_is_read_as_it_is_meant():
    text = """
synth_replay/
  base          errors, runtime (device, seeds)
  codec/        codec, config: transitions and rows
  datasets/     writer, npz,
                d4rl
  datasets/parquet/  reader
adapters/
  synth_replay_sb3/  host
"""
    assert rooms(text) == {
        "synth_replay": ["errors", "runtime"],
        "synth_replay/codec": ["codec", "config"],
        "synth_replay/datasets": ["writer", "npz", "d4rl"],
        "synth_replay/datasets/parquet": ["reader"],
        "adapters/synth_replay_sb3": ["host"],
    }
