"""TorchRL's own arguments, samplers and iteration work with and without generated rows."""

from __future__ import annotations

import pytest
import torch
from tensordict import TensorDict
from torchrl.data import (
    Bounded,
    Composite,
    LazyMemmapStorage,
    LazyTensorStorage,
    ListStorage,
    OneHot,
    SamplerWithoutReplacement,
    SliceSampler,
    TensorDictReplayBuffer,
    Unbounded,
)
from torchrl.envs import MultiStepTransform

from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay_torchrl import CFGMixedBuffer, SyntheticReplayBuffer
from tests.conftest import TINY, rollout
from tests.torchrl.helpers import QUIET, buffer, filled, pendulum


def mixed(**options):
    offline = rollout("Pendulum-v1", 300)
    made = CFGMixedBuffer(offline, env=pendulum(), storage=LazyTensorStorage(900), batch_size=30, **(QUIET | options))
    made.extend(pendulum().rollout(200))
    return made


def stream(seed):
    return torch.Generator().manual_seed(seed)


# -- generator= ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [buffer, mixed], ids=["synthetic", "mixed"])
def test_a_torch_generator_is_torchrls_and_anything_else_is_ours(make):
    host = stream(3)
    assert make(generator=host)._rng is host and make(torch_generator=host)._rng is host
    both = make(generator=TINY, torch_generator=host)
    assert both._rng is host and both.engine.generator.config == TINY
    assert make(generator=TINY)._rng is None
    assert make(generator=host).engine.generator.config != TINY  # our default


@pytest.mark.parametrize("make", [buffer, mixed], ids=["synthetic", "mixed"])
def test_two_random_streams_or_something_else_as_one_are_refused(make):
    with pytest.raises(ConfigError, match="once"):
        make(generator=stream(1), torch_generator=stream(2))
    with pytest.raises(ConfigError, match="random stream"):
        make(torch_generator=3)


def test_with_a_real_ratio_of_one_the_stream_gives_the_stock_buffers_batches():
    made = filled(generator=stream(5), real_ratio=1)
    stock = TensorDictReplayBuffer(storage=LazyTensorStorage(2_000), batch_size=32, generator=stream(5))
    stock.extend(made.storage[:250].clone())
    for _ in range(3):
        ours, theirs = made.sample(), stock.sample()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs.keys(True, True))


def test_the_stream_decides_the_real_rows_of_mixed_batches():
    index = []
    for seed in (1, 1, 2):
        made = filled(generator=TINY, torch_generator=stream(seed), seed=0)
        torch.manual_seed(len(index))  # the global stream does not matter
        index.append(made.sample()["index"])
    assert torch.equal(index[0], index[1]) and not torch.equal(index[0], index[2])


def test_a_saved_stream_resumes(tmp_path):
    made, other = filled(generator=TINY, torch_generator=stream(1)), filled(torch_generator=stream(9), steps=5)
    made.sample()
    made.dumps(tmp_path / "saved")
    other.loads(tmp_path / "saved")
    assert torch.equal(made.sample()["index"], other.sample()["index"])


# -- iteration ----------------------------------------------------------------------------------


def passed(made, passes=1):
    """Returns how often each stored row came in some passes, and the number of batches."""
    times, batches = torch.zeros(len(made)), 0
    for _ in range(passes):
        for batch in made:
            index = batch["index"][batch["index"] >= 0]
            times.index_add_(0, index, torch.ones(len(index)))
            batches += 1
            assert batches < 500, "it does not end"
    return times, batches


@pytest.mark.parametrize("storage", [LazyTensorStorage, LazyMemmapStorage])
@pytest.mark.parametrize("steps", [250, 256])
def test_a_pass_without_replacement_ends_and_every_real_row_was_in_it(storage, steps):
    made = filled(steps=steps, sampler=SamplerWithoutReplacement(), storage=storage(2_000))
    times, batches = passed(made)
    assert batches == 16 and times.min() == 1 and times.max() <= 2 and times.sum() == 16 * 16


def test_several_passes_draw_each_real_row_equally_often():
    times, batches = passed(filled(sampler=SamplerWithoutReplacement()), passes=4)
    assert times.min() >= 4 and times.max() <= 5 and batches <= 4 * 16


def test_an_incomplete_last_batch_is_dropped_where_the_sampler_says_so():
    made = filled(sampler=SamplerWithoutReplacement(drop_last=True))
    times, batches = passed(made)
    assert batches == 250 // 16 and times.max() == 1 and times.sum() == 15 * 16
    assert len(list(made)) == 15


def test_without_shuffling_real_rows_come_in_order():
    made = filled(sampler=SamplerWithoutReplacement(shuffle=False))
    first, second = (batch["index"] for batch, _ in zip(made, range(2), strict=False))
    assert [sorted(index[index >= 0].tolist()) for index in (first, second)] == [list(range(16)), list(range(16, 32))]


def test_next_returns_none_at_the_end_of_a_pass():
    made, batches = filled(sampler=SamplerWithoutReplacement()), 0
    while made.next() is not None:
        batches += 1
        assert batches < 100
    assert batches == 16 and made.next() is not None


def test_a_mixed_buffer_passes_over_its_online_rows():
    made = mixed(sampler=SamplerWithoutReplacement())
    times, batches = passed(made)
    assert batches == 20 and times.min() == 1
    assert passed(mixed(sampler=SamplerWithoutReplacement(), plan="oorb"))[0].min() == 1


def test_a_pass_that_would_not_end_is_refused():
    for made in (
        filled(sampler=SamplerWithoutReplacement(), real_ratio=0.0),
        mixed(sampler=SamplerWithoutReplacement(), online_ratio=0.0, synthetic_online_ratio=0.0),
    ):
        with pytest.raises(UnsupportedBufferError, match="would never end"):
            passed(made)
        assert len(made.sample()) in (30, 32)


def test_an_endless_sampler_stays_endless():
    for number, _ in enumerate(filled(steps=60, refresh_every=5_000)):
        if number == 50:
            return


# -- real ratio 1 -------------------------------------------------------------------------------


def prioritized(**options):
    from torchrl.data import PrioritizedSampler

    try:
        return PrioritizedSampler(2_000, 0.7, 0.9)
    except RuntimeError as error:
        pytest.skip(f"TorchRL has no priorities on this machine: {error}")


PLAIN = {
    "slices": lambda: {"sampler": SliceSampler(num_slices=4, end_key=("next", "done"), strict_length=False)},
    "priorities": lambda: {"sampler": prioritized()},
    "a list": lambda: {"storage": ListStorage(2_000), "collate_fn": torch.stack},
    "consumed rows": lambda: {"consume_after_n_samples": 2},
    "several steps": lambda: {"transform": MultiStepTransform(3, 0.9)},
    "ahead": lambda: {"prefetch": 2},
}


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_where_nothing_is_generated_every_part_of_torchrl_is_accepted(options):
    rows, batches = pendulum().rollout(100, break_when_any_done=False), []
    made = SyntheticReplayBuffer(env=pendulum(), real_ratio=1, batch_size=16, **options())
    stock = TensorDictReplayBuffer(batch_size=16, **({"storage": LazyTensorStorage(2_000)} | options()))
    for one in (made, stock):
        one.extend(rows.clone())
        torch.manual_seed(1)
        batches.append(one.sample())
        one.sample()
    assert len(made) == len(stock) and made.stats()["synth/refreshes"] == 0
    assert batches[0].shape == batches[1].shape
    if "prefetch" not in options():  # threads share the global stream
        assert all(torch.equal(batches[0][key], batches[1][key]) for key in batches[1].keys(True, True))
    with pytest.raises(UnsupportedBufferError):
        buffer(**options())


def test_unsupported_parts_are_refused_when_they_replace_others_later():
    made, plain = filled(steps=20), filled(steps=20, real_ratio=1)
    slices = SliceSampler(num_slices=4)
    for change, text in (
        (lambda one: one.set_sampler(slices), "neighbours"),
        (lambda one: one.set_storage(ListStorage(50)), "columns"),
        (lambda one: one.share(), "other processes"),
    ):
        with pytest.raises(UnsupportedBufferError, match=text):
            change(made)
        change(plain)
    assert len(made.sample()) == 32 and plain.sampler is slices
    made.set_sampler(SamplerWithoutReplacement())
    made.set_storage(LazyTensorStorage(40))
    assert len(made) == 0


def test_a_storage_of_two_dimensions_works_where_nothing_is_generated():
    made = SyntheticReplayBuffer(env=pendulum(), real_ratio=1, batch_size=4, storage=LazyTensorStorage(90, ndim=2))
    made.extend(TensorDict.stack([pendulum().rollout(10) for _ in range(3)]))
    assert made.sample().shape == (4,) and made.engine.steps == 30


# -- booleans -----------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [Unbounded((4,), dtype=torch.bool), Bounded(0, 1, (4,), dtype=torch.bool)])
def test_booleans_are_generated_as_booleans(spec):
    made = SyntheticReplayBuffer(
        observation_spec=Composite(mask=spec), action_spec=OneHot(2), batch_size=32, real_ratio=0.0, **QUIET
    )
    after = {"mask": torch.rand(300, 4) < 0.5, "reward": torch.rand(300, 1), "done": torch.zeros(300, 1).bool()}
    action = torch.nn.functional.one_hot(torch.randint(2, (300,)), 2)
    made.extend(TensorDict({"mask": torch.rand(300, 4) < 0.5, "action": action, "next": after}, [300]))
    batch = made.sample()
    assert batch["mask"].dtype == torch.bool and (batch["index"] == -1).all() and batch["mask"].any()
