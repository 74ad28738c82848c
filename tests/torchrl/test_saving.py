"""Files and state dicts hold the whole buffer, and reading them runs no code."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchrl.data import LazyTensorStorage, SamplerWithoutReplacement
from torchrl.envs import GymEnv

from synth_replay.buffers import LinearSchedule
from synth_replay.errors import CheckpointError, SpecMismatchError, SynthReplayError
from synth_replay_torchrl import CFGMixedBuffer
from tests.conftest import TINY, rollout
from tests.torchrl.helpers import QUIET, filled, pendulum


def mixed(steps=210, **options):
    made = CFGMixedBuffer(
        rollout("Pendulum-v1", 300), env=pendulum(), storage=LazyTensorStorage(500), batch_size=30, **(QUIET | options)
    )
    if steps:
        torch.manual_seed(0)
        env = pendulum()
        env.set_seed(0)
        made.extend(env.rollout(steps, break_when_any_done=False))
    return made


KINDS = {
    "synthetic": lambda **options: filled(**options),
    "mixed": mixed,
    "additive_noise": lambda **options: filled(**({"generator": "additive_noise"} | options)),
    "validated": lambda **options: filled(validate=0.1, **options),
    "schedule": lambda **options: filled(real_ratio=LinearSchedule(1.0, 0.5, 100), **options),
    "unfitted": lambda **options: filled(**({"refresh_every": 5_000} | options)),
}


def through_files(saved, other, folder):
    saved.dumps(folder)
    other.loads(folder)


def through_torch(saved, other, folder):
    held = io.BytesIO()
    torch.save(saved.state_dict(), held)
    held.seek(0)
    other.load_state_dict(torch.load(held, weights_only=True))


@pytest.mark.parametrize(
    ("make", "way"),
    [(make, through_torch) for make in KINDS.values()]
    + [(KINDS[name], through_files) for name in ("synthetic", "mixed")],
    ids=[*KINDS, "synthetic in files", "mixed in files"],
)
def test_a_loaded_buffer_resumes_as_the_saved_one(make, way, tmp_path):
    saved, other = make(seed=1), make(steps=12, seed=2)
    saved.sample()
    way(saved, other, tmp_path / "saved")
    for _ in range(2):
        batches = []
        for one in (saved, other):
            torch.manual_seed(5)
            batches.append(one.sample())
        for key in batches[0].keys(True, True):
            assert torch.equal(batches[0][key], batches[1][key]), key
        figures = [one.stats() | {"synth/refresh_seconds": 0} for one in (saved, other)]
        np.testing.assert_equal(figures[0], figures[1])
        rows = pendulum().rollout(200, break_when_any_done=False)
        for one in (saved, other):  # the next refits are the same, too
            one.extend(rows.clone())
    assert np.array_equal(getattr(saved, "last_sources", 0), getattr(other, "last_sources", 0))


def test_snapshots_of_the_report_are_kept():
    saved, other = mixed(), mixed(steps=0)
    saved.sample()
    other.load_state_dict(saved.state_dict())
    ours, theirs = saved.engine.snapshots.held, other.engine.snapshots.held
    assert [s.step for s in ours] == [s.step for s in theirs] == [210]
    for name, rows in ours[0].rows.items():
        for column, array in rows.leaves().items():
            assert np.array_equal(array, theirs[0].rows[name].leaves()[column])


def test_settings_are_those_of_the_buffer_that_reads():
    saved, other = filled(), filled(steps=10, real_ratio=lambda step: 0.25, refresh_every=400)
    saved.sample()
    other.load_state_dict(saved.state_dict())
    assert (other.sample()["index"] >= 0).sum() == 8 and other.engine.refresh_config.every == 400


# -- nothing in a file is executed --------------------------------------------------------------


class Touch:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.fixture(scope="module")
def fitted():
    made = filled(sampler=SamplerWithoutReplacement())
    made.sample()
    return made


@pytest.fixture(scope="module")
def dumped(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("dumped") / "saved"
    fitted.dumps(path)
    return path


@pytest.fixture
def folder(dumped, tmp_path):
    return shutil.copytree(dumped, tmp_path / "saved")


@pytest.fixture(scope="module")
def unfitted():
    return filled(steps=7, refresh_every=5_000, sampler=SamplerWithoutReplacement())


def with_archive(folder, payload):
    """Replaces the folder of rows by a TorchRL archive that contains a pickle."""
    with zipfile.ZipFile(folder / "storage" / "next" / "_tensordict", "w") as archive:
        archive.writestr("meta.json", json.dumps({"_type": "<class 'tensordict.tensorclass.NonTensorData'>"}))
        archive.writestr("other.pickle", payload)


EDITS = {
    "prefetched batches": lambda folder, payload: (folder / "prefetch.pkl").write_bytes(payload),
    "text beside the rows": lambda folder, payload: (folder / "storage" / "other.pickle").write_bytes(payload),
    "nested": lambda folder, payload: (folder / "storage" / "next" / "other.pickle").write_bytes(payload),
    "sampler": lambda folder, payload: (folder / "sampler" / "pickle.pkl").write_bytes(payload),
    "transform": lambda folder, payload: (folder / "transform.t").write_bytes(payload),
    "our old file": lambda folder, payload: (folder / "synthesis.pkl").write_bytes(payload),
    "an archive": with_archive,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_file_of_a_folder_is_unpickled(edit, folder, unfitted, tmp_path):
    edit(folder, pickle.dumps(Touch(tmp_path / "ran"), protocol=2))
    with pytest.raises(CheckpointError):
        unfitted.loads(folder)
    assert not (tmp_path / "ran").exists()


def test_a_trusted_folder_loads_with_other_files_in_it(folder, unfitted):
    (folder / "storage" / "notes.txt").write_text("of the user's own")
    with pytest.raises(CheckpointError, match="trusted=True"):
        unfitted.loads(folder)
    other = filled(steps=7, sampler=SamplerWithoutReplacement())
    other.loads(folder, trusted=True)
    assert len(other) == 250


def test_links_and_paths_out_of_the_folder_are_refused(folder, unfitted, tmp_path):
    target = tmp_path / "elsewhere"
    (folder / "storage").rename(target)
    (folder / "storage").symlink_to(target)
    with pytest.raises(CheckpointError, match="storage"):
        unfitted.loads(folder)
    (folder / "storage").unlink()
    target.rename(folder / "storage")
    path = folder / "storage" / "storage_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"is_pytree": True}))
    with pytest.raises(CheckpointError, match="no tensordict"):
        unfitted.loads(folder)


def test_bytes_in_a_state_dict_are_not_unpickled(unfitted, tmp_path):
    payload = torch.frombuffer(bytearray(pickle.dumps(Touch(tmp_path / "ran"))), dtype=torch.uint8)
    for held in (payload, {"meta": payload, "tensors": {}}):
        with pytest.raises(CheckpointError, match="older version"):
            unfitted.load_state_dict(unfitted.state_dict() | {"_synthesis": held})
    assert not (tmp_path / "ran").exists()


def rewards(observations, actions, next_observations):  # a function that a configuration may name
    return np.zeros(len(actions)), np.zeros(len(actions), bool)


def test_a_function_that_only_the_state_names_is_not_called():
    named = replace(TINY, relabel=replace(TINY.relabel, function=f"{__name__}:rewards"))
    saved = filled(generator=named)
    saved.sample()
    with pytest.raises(CheckpointError, match="rewards"):
        filled(steps=7).load_state_dict(saved.state_dict())
    other = filled(steps=7, generator=named)
    other.load_state_dict(saved.state_dict())
    other.engine.request_refresh()
    batch = other.sample()
    assert (batch["next", "reward"][batch["index"] < 0] == 0).all()


# -- damage -------------------------------------------------------------------------------------


def broken(meta, path, value):
    *keys, last = path.split("/")
    inner = meta
    for key in keys:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return meta


PATHS = (
    "draws draws/draws gate gate/closed begun "
    "clock/steps clock/last_at rng rng/state figures figures/rows generator generator/kind generator/spec stores "
    "generator/config generator/config/relabel stores/all stores/all/columns stores/all/capacity snapshots real_share"
)


NONE_OR_IGNORED = {("figures", "{}"), ("figures/rows", "None"), ("figures/rows", "-5"), ("stores", "{}")}
NONE_OR_IGNORED |= {("stores/all", "None")} | {("snapshots", repr(v)) for v in (None, "x", -5, [], {}, 1e400)}


@pytest.mark.parametrize("value", [None, "x", -5, [], {}, 1e400])
def test_a_damaged_state_is_refused_by_name_and_changes_nothing(value, fitted, unfitted):
    state = fitted.state_dict()
    text, tensors = state["_synthesis"]["meta"], state["_synthesis"]["tensors"]
    for path in PATHS.split():
        damaged = {"meta": json.dumps(broken(json.loads(text), path, value)), "tensors": tensors}
        before = dict(vars(unfitted.engine))
        if (path, repr(value)) in NONE_OR_IGNORED:
            continue
        with pytest.raises(SynthReplayError):
            unfitted.load_state_dict(state | {"_synthesis": damaged})
        assert vars(unfitted.engine) == before


def test_a_missing_tensor_and_other_lengths_are_refused(fitted, unfitted):
    for change in (lambda t: t.popitem(), lambda t: t.update({"store.all.rewards": torch.zeros(3)})):
        state = fitted.state_dict()
        tensors = dict(state["_synthesis"]["tensors"])
        change(tensors)
        state["_synthesis"] = {"meta": state["_synthesis"]["meta"], "tensors": tensors}
        with pytest.raises(CheckpointError):
            unfitted.load_state_dict(state)


def test_states_of_other_buffers_are_refused(fitted):
    state = fitted.state_dict()
    with pytest.raises(CheckpointError, match="stores"):
        mixed(steps=0).load_state_dict(state)
    with pytest.raises(CheckpointError, match="generator="):
        filled(steps=7, generator="additive_noise").load_state_dict(state)
    with pytest.raises(SpecMismatchError):
        filled(GymEnv("CartPole-v1"), steps=7).load_state_dict(state)


FILES = "synthesis.json storage/meta.json storage/storage_metadata.json writer/metadata.json buffer_metadata.json"


@pytest.mark.parametrize("name", FILES.split())
def test_damaged_files_are_refused_by_name(name, folder, unfitted):
    for content in ("", "[", "[]", "null", "{}", '{"a": 1}'):
        (folder / name).write_text(content)
        with pytest.raises(CheckpointError):
            unfitted.loads(folder)
