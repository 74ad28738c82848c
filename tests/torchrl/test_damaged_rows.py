"""Rows in files and states are checked before TorchRL reads them: damage raises a short error and changes no file."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import torch
from torchrl.data import LazyMemmapStorage, LazyTensorStorage

from synth_replay.errors import CheckpointError
from tests.torchrl.helpers import filled

ROWS = 300


def made(storage=LazyTensorStorage, **options):
    return filled(storage=storage(ROWS), **options)


@pytest.fixture(scope="module")
def saved():
    buffer = made()
    buffer.sample()
    return buffer


@pytest.fixture(scope="module")
def dumped(saved, tmp_path_factory):
    path = tmp_path_factory.mktemp("dumped") / "saved"
    saved.dumps(path)
    return path


@pytest.fixture
def folder(dumped, tmp_path):
    return shutil.copytree(dumped, tmp_path / "saved")


@pytest.fixture(scope="module")
def fresh():
    return made(steps=7, refresh_every=5_000)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edited(name, *path, value):
    def edit(folder):
        held = json.loads((folder / name).read_text())
        inner = held
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (folder / name).write_text(json.dumps(held))

    return edit


def overwritten(name, value):
    def edit(folder):
        with (folder / "storage" / name).open("r+b") as file:
            file.seek(40)
            file.write(np.float32(value).tobytes())

    return edit


META, NEXT, LENGTH = "storage/meta.json", "storage/next/meta.json", "storage/storage_metadata.json"
EDITS = {
    "cut short": lambda folder: os.truncate(folder / "storage/action.memmap", 10),
    "empty": lambda folder: os.truncate(folder / "storage/next/reward.memmap", 0),
    "longer": lambda folder: os.truncate(folder / "storage/observation.memmap", 10_000),
    "deleted": lambda folder: (folder / "storage/next/observation.memmap").unlink(),
    "huge": edited(META, "observation", "shape", value=[ROWS, 5 * 10**6]),
    "narrow": edited(META, "observation", "shape", value=[ROWS, 1]),
    "wide rewards": edited(NEXT, "reward", "shape", value=[ROWS // 2, 2]),
    "text as a shape": edited(META, "action", "shape", value="x"),
    "other dtype": edited(META, "observation", "dtype", value="torch.int32"),
    "no dtype": edited(NEXT, "observation", "dtype", value="torch.nn"),
    "nested": edited(META, "action", "is_nested", value=True),
    "type": edited(META, "_type", value="<class 'os.system'>" * 200),
    "renamed": edited(META, "elsewhere", value={"type": "TensorDict"}),
    "length": edited(LENGTH, "len", value=10**9),
    "negative length": edited(LENGTH, "len", value=-5),
    "text as a length": edited(LENGTH, "len", value="7"),
    "no length": edited(LENGTH, "len", value=None),
    "batch size": edited("buffer_metadata.json", "batch_size", value="x"),
    "cursor": edited("writer/metadata.json", "cursor", value=-1),
    "NaN": overwritten("observation.memmap", np.nan),
    "infinity": overwritten("next/reward.memmap", np.inf),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_damaged_folder_raises_a_short_error_and_is_unchanged(edit, folder, fresh):
    edit(folder)
    before, rows = contents(folder), fresh.storage[:7].clone()
    with pytest.raises(CheckpointError) as raised:
        fresh.loads(folder)
    assert len(str(raised.value)) < 600
    assert contents(folder) == before
    assert len(fresh) == 7 and (fresh.storage[:7] == rows).all()


@pytest.mark.parametrize("storage", [LazyTensorStorage, LazyMemmapStorage])
def test_a_whole_folder_is_read_and_is_unchanged(storage, saved, folder):
    before = contents(folder)
    for other in (made(storage, steps=7), made(storage, steps=1)):
        other.loads(folder)
        assert (other.storage[:250] == saved.storage[:250]).all()
    assert contents(folder) == before


def test_a_storage_of_another_size_is_named(folder):
    with pytest.raises(CheckpointError, match="300 rows"):
        filled(steps=7, storage=LazyTensorStorage(200)).loads(folder)


def test_files_of_the_user_survive_a_dump(saved, tmp_path):
    (tmp_path / "prefetch.pkl").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    saved.dumps(tmp_path)
    assert (tmp_path / "prefetch.pkl").read_text() == (tmp_path / "notes.txt").read_text() == "mine"


# -- states -------------------------------------------------------------------------------------


def generated(change):
    """Returns a function that changes the generated rows of a state, column by column."""

    def edit(state):
        held = state["_synthesis"]["tensors"]
        changed = {name: change(value) for name, value in held.items() if name.startswith("store.")}
        state["_synthesis"] = state["_synthesis"] | {"tensors": held | changed}

    return edit


def written(change):
    """Returns a function that changes the text of a state."""

    def edit(state):
        meta = json.loads(state["_synthesis"]["meta"])
        change(meta)
        state["_synthesis"] = state["_synthesis"] | {"meta": json.dumps(meta)}

    return edit


def real(**change):
    def edit(state):
        state["_storage"] = state["_storage"] | change

    return edit


STATES = {
    "NaN": generated(lambda v: torch.full_like(v, torch.nan) if v.is_floating_point() else v),
    "columns": generated(lambda v: v.reshape(len(v), -1)[:, :1].repeat(1, 9)),
    "complex": generated(lambda v: v.to(torch.complex64)),
    "whole numbers": generated(lambda v: v.to(torch.int32)),
    "out of bounds": generated(lambda v: v * 1_000 + 1_000 if v.is_floating_point() else v),
    "lacking": written(lambda meta: meta["stores"]["all"].update(columns=meta["stores"]["all"]["columns"][:1])),
    "compact": written(lambda meta: meta["stores"]["all"].update(compact={"a": 1})),
    "figures": written(lambda meta: meta["figures"].update(dict.fromkeys(meta["figures"], "x"))),
    "a figure": written(lambda meta: meta["figures"].update(refreshes=1.5)),
    "a flag": written(lambda meta: meta["gate"].update(closed="no")),
    "a share": written(lambda meta: meta.update(real_share=-3)),
    "a clock": written(lambda meta: meta["clock"].update(steps=-5)),
    "no storage": lambda state: state.pop("_storage"),
    "a number as storage": lambda state: state.update(_storage=5),
    "a number as rows": real(_storage=5),
    "no rows": real(_storage={}),
    "length": real(_len=10**9),
    "text as a length": real(_len="7"),
    "cursor": lambda state: state.update(_writer={"_cursor": 10**9, "_write_count": 7}),
    "batch size": lambda state: state.update(_batch_size=[]),
}


@pytest.mark.parametrize("edit", STATES.values(), ids=STATES)
def test_a_damaged_state_raises_a_short_error_and_changes_nothing(edit, saved, fresh):
    state = saved.state_dict()
    edit(state)
    before = dict(vars(fresh.engine))
    with pytest.raises(CheckpointError) as raised:
        fresh.load_state_dict(state)
    assert len(str(raised.value)) < 600
    assert vars(fresh.engine) == before and len(fresh) == 7


@pytest.mark.parametrize("change", [{"action": torch.nan}, {"next.reward": torch.inf}])
def test_a_state_with_a_real_row_that_is_not_finite_is_refused(change, saved, fresh):
    state = saved.state_dict()
    ((name, value),) = change.items()
    rows = dict(state["_storage"]["_storage"])
    rows[name] = rows[name].clone()
    rows[name][200] = value
    real(_storage=rows)(state)
    with pytest.raises(CheckpointError, match="200"):
        fresh.load_state_dict(state)
    rows[name][200] = 0.0
    rows[name][280] = value  # not in use
    fresh_one = made(steps=7)
    fresh_one.load_state_dict(state)
    assert len(fresh_one) == 250


def test_values_that_are_no_state_are_refused(fresh):
    for held in (None, 5, {}):
        with pytest.raises(CheckpointError, match="stock buffer"):
            fresh.load_state_dict(held)
