"""Behaviours of TorchRL's TensorDictReplayBuffer, from its sources: writing, sampling, epochs, transforms, files."""

from __future__ import annotations

import pickle

import pytest
import torch
from tensordict import TensorDict
from torchrl.data import (
    Bounded,
    Composite,
    LazyMemmapStorage,
    LazyTensorStorage,
    ListStorage,
    PrioritizedSampler,
    SamplerWithoutReplacement,
    SliceSampler,
    TensorDictMaxValueWriter,
    TensorDictReplayBuffer,
    TensorStorage,
    Unbounded,
)
from torchrl.envs import MultiStepTransform, ObservationNorm, RewardScaling

from synth_replay.errors import SynthReplayError
from synth_replay_torchrl import SyntheticReplayBuffer
from tests.conftest import TINY

KINDS = ("stock", 1.0, 0.5)
SIZE, BATCH = 240, 20
SPECS = {"observation_spec": Composite(observation=Unbounded((3,))), "action_spec": Bounded(-1, 1, (2,))}
OURS = {"generator": TINY, "progress": False, "device": "cpu", "refresh_every": 100}


def rows(count=200, start=0):
    """Transitions whose rewards are their positions in the order of writing."""
    flags = {name: torch.zeros(count, 1, dtype=torch.bool) for name in ("done", "terminated", "truncated")}
    seen = torch.randn(count + 1, 3)
    reward = torch.arange(start, start + count, dtype=torch.float32)[:, None]
    after = {"observation": seen[1:], "reward": reward, **{name: flag.clone() for name, flag in flags.items()}}
    after["done"][9::10] = after["terminated"][9::10] = True
    return TensorDict(
        {"observation": seen[:-1], "action": torch.rand(count, 2) * 2 - 1, "next": after, **flags}, [count]
    )


def buffer(kind, held=200, batch_size=BATCH, **host):
    host.setdefault("storage", LazyTensorStorage(SIZE))
    if kind == "stock":
        made = TensorDictReplayBuffer(batch_size=batch_size, **host)
    else:
        made = SyntheticReplayBuffer(**SPECS, real_ratio=kind, batch_size=batch_size, **OURS, **host)
    if held:
        made.extend(rows(held))
    return made


def real(batch):
    """The rows that come from the storage; a stock buffer has no others."""
    return batch[batch["index"] >= 0]


def numbers(batch):
    return real(batch)["next", "reward"].ravel()


@pytest.fixture(params=KINDS, ids=str)
def kind(request):
    torch.manual_seed(0)
    return request.param


# -- writing ------------------------------------------------------------------------------------


def test_rows_are_written_one_by_one_or_together_and_their_places_returned(kind):
    made, held = buffer(kind, held=0), rows(6)
    assert made.add(held[0]) == 0 and len(made) == 1
    assert made.extend(held[1:]).tolist() == [1, 2, 3, 4, 5] and len(made) == 6
    assert made.write_count == 6
    assert torch.equal(made[2:4]["observation"], held[2:4]["observation"]) and made[0]["action"].shape == (2,)


def test_a_full_storage_overwrites_the_oldest(kind):
    made = buffer(kind)
    assert made.extend(rows(60, start=1_000)).tolist() == [*range(200, 240), *range(20)]
    assert len(made) == SIZE and made.write_count == 260
    held = made.storage[:SIZE]["next", "reward"].ravel()
    assert held[:20].min() == 1_040 and held[20] == 20 and held[200] == 1_000


def test_a_row_can_be_changed_in_place(kind):
    made = buffer(kind)
    made[3] = rows(1, start=7_000)[0]
    assert made[3]["next", "reward"] == 7_000


def test_an_empty_buffer_starts_anew(kind):
    made = buffer(kind)
    made.empty()
    assert len(made) == 0
    made.extend(rows(5))
    assert len(made) == 5


def test_a_max_value_writer_keeps_the_best_rows(kind):
    made = buffer(
        kind, held=0, storage=LazyTensorStorage(120), writer=TensorDictMaxValueWriter(rank_key=("next", "reward"))
    )
    made.extend(rows(200))
    assert sorted(made.storage[:]["next", "reward"].ravel().tolist()) == list(range(80, 200))
    assert numbers(made.sample()).min() >= 80


# -- sampling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", [LazyTensorStorage, LazyMemmapStorage])
def test_a_batch_has_the_keys_dtypes_and_shapes_of_the_rows(kind, storage):
    batch, held = buffer(kind, storage=storage(SIZE)).sample(), rows(2)
    assert batch.batch_size == (BATCH,) and batch["index"].shape == (BATCH,)
    for key in held.keys(True, True):
        assert batch[key].dtype == held[key].dtype and batch[key].shape == (BATCH, *held[key].shape[1:]), key


def test_another_batch_size_may_be_asked_for_with_a_warning(kind):
    with pytest.warns(UserWarning, match="conflicting batch_sizes"):
        assert len(buffer(kind).sample(33)) == 33
    assert len(buffer(kind, batch_size=None).sample(7)) == 7
    with pytest.raises(RuntimeError, match="batch_size not specified"):
        buffer(kind, batch_size=None).sample()


def test_the_index_of_a_row_is_its_place(kind):
    made = buffer(kind)
    batch, info = made.sample(return_info=True)
    assert torch.equal(batch["index"], torch.as_tensor(info["index"]))
    found = real(batch)
    assert torch.equal(made.storage[found["index"]]["observation"], found["observation"])


def test_seeds_of_torch_decide_the_batch(kind):
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        made = buffer(kind)
        torch.manual_seed(seed)
        found.append(made.sample()["observation"])
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_torch_generator_decides_the_batch(kind):
    name = "generator" if kind == "stock" else "torch_generator"
    found = []
    for seed in (1, 1, 2):
        made = buffer(kind, **{name: torch.Generator().manual_seed(seed)})
        torch.manual_seed(len(found))
        found.append(numbers(made.sample()).sort().values)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_an_empty_buffer_says_so(kind):
    made = buffer(kind, held=0)
    assert not made.can_sample()
    with pytest.raises(RuntimeError, match="empty storage"):
        made.sample()


# -- epochs -------------------------------------------------------------------------------------


def share(kind):
    return BATCH if kind == "stock" else round(BATCH * kind)


@pytest.mark.parametrize("held", [200, 190])
def test_without_replacement_a_pass_has_every_row_and_ends(kind, held):
    made = buffer(kind, held=held, sampler=SamplerWithoutReplacement())
    batches = list(made)
    seen = torch.cat([numbers(batch) for batch in batches])
    assert len(batches) == -(held // -share(kind)) and set(seen.tolist()) == set(range(held))
    assert len(list(made)) in (len(batches), len(batches) - 1)  # a filled last batch took rows of the next pass


def test_an_incomplete_last_batch_is_dropped_if_the_sampler_drops_it(kind):
    made = buffer(kind, held=195, sampler=SamplerWithoutReplacement(drop_last=True))
    assert [len(batch) for batch in made] == [BATCH] * (195 // share(kind))


def test_without_replacement_and_order_rows_come_as_they_were_written(kind):
    made = buffer(kind, sampler=SamplerWithoutReplacement(shuffle=False))
    seen = [numbers(batch).sort().values for batch in made]
    assert torch.cat(seen).tolist() == list(range(200))


def test_next_returns_the_batches_of_a_pass_and_then_none(kind):
    made, count = buffer(kind, sampler=SamplerWithoutReplacement()), 0
    while made.next() is not None:
        count += 1
    assert count == 200 // share(kind)


def test_with_replacement_iteration_never_ends(kind):
    batches = iter(buffer(kind))
    assert all(len(next(batches)) == BATCH for _ in range(40))


# -- transforms, copies, files ------------------------------------------------------------------


def test_transforms_are_applied_when_rows_are_sampled(kind):
    made = buffer(kind, transform=RewardScaling(loc=-1_000.0, scale=1.0, in_keys=[("next", "reward")]))
    assert (made.sample()["next", "reward"] < -700).all() and (made.storage[:200]["next", "reward"] >= 0).all()
    made.append_transform(ObservationNorm(100.0, 0.0, in_keys=["observation"]))
    assert (made.sample()["observation"] == 100).all()


def test_a_batch_can_be_changed_without_changing_the_storage(kind):
    made = buffer(kind)
    before = made.storage[:200].clone()
    made.sample().zero_()
    assert (made.storage[:200] == before).all()


@pytest.mark.parametrize("way", ["files", "state", "pickle"])
@pytest.mark.parametrize("sampler", [None, SamplerWithoutReplacement])
def test_saving_and_loading_loses_nothing(kind, way, sampler, tmp_path):
    def make(held):
        return buffer(kind, held=held, **({} if sampler is None else {"sampler": sampler()}))

    made, other = make(200), make(3)
    made.sample()
    if way == "files":
        made.dumps(tmp_path / "saved")
        other.loads(tmp_path / "saved")
    elif way == "state":
        other.load_state_dict(made.state_dict())
    else:
        other = pickle.loads(pickle.dumps(made))
    assert len(other) == 200
    found = []
    for one in (made, other):
        torch.manual_seed(3)
        found.append([one.sample() for _ in range(2)])
        assert one.extend(rows(1)).item() == 200
    for ours, theirs in zip(*found, strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs.keys(True, True))


def test_at_a_real_ratio_of_one_batches_are_the_stock_buffers_bit_for_bit():
    for sampler in (None, SamplerWithoutReplacement):
        found = []
        for kind in ("stock", 1.0):
            torch.manual_seed(4)
            made = buffer(kind, **({} if sampler is None else {"sampler": sampler()}))
            found.append([made.sample() for _ in range(12)])
        for ours, theirs in zip(*found, strict=True):
            assert all(torch.equal(ours[key], theirs[key]) for key in theirs.keys(True, True))


# -- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "priorities": (lambda: {"sampler": PrioritizedSampler(SIZE, 0.7, 0.9)}, "no priority of their own"),
    "slices": (lambda: {"sampler": SliceSampler(num_slices=2, end_key=("next", "done"))}, "no neighbours"),
    "consumed rows": (lambda: {"consume_after_n_samples": 1}, "rows that sampling removes"),
    "prefetching": (lambda: {"prefetch": 2}, "threads must not overlap"),
    "shared buffers": (lambda: {"shared": True}, "other processes"),
    "lists": (lambda: {"storage": ListStorage(SIZE), "collate_fn": torch.stack}, "read as columns"),
    "two dimensions": (lambda: {"storage": LazyTensorStorage(SIZE, ndim=2)}, "ndim=1"),
    "several steps": (lambda: {"transform": MultiStepTransform(3, 0.9)}, "sums rewards"),
    "transforms before the storage": (
        lambda: {"transform": ObservationNorm(0.0, 2.0, in_keys=["observation"], in_keys_inv=["observation"])},
        "before they are stored",
    ),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_generated_rows_cannot_serve_is_refused_with_the_reason(options, reason):
    try:
        buffer("stock", held=0, **options())
    except RuntimeError as error:
        pytest.skip(f"TorchRL itself cannot do it on this machine: {error}")
    buffer(1.0, held=0, **options())
    with pytest.raises(SynthReplayError, match=reason):
        buffer(0.5, held=0, **options())


def test_a_storage_that_is_full_from_the_start_is_taken():
    held = rows(150)
    made = SyntheticReplayBuffer(**SPECS, storage=TensorStorage(held), batch_size=BATCH, **OURS)
    made.engine.request_refresh()
    assert (made.sample()["index"] == -1).sum() == 10
