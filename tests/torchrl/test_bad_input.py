"""What TorchRL offers and we cannot give, and rows that are broken: refused by name, nothing lost."""

from __future__ import annotations

import warnings

import pytest
import torch
from torchrl.data import (
    Bounded,
    Categorical,
    Composite,
    LazyTensorStorage,
    ListStorage,
    MultiOneHot,
    NonTensor,
    OneHot,
    PrioritizedSampler,
    SliceSampler,
    TensorDictReplayBuffer,
    Unbounded,
)
from torchrl.envs import (
    Compose,
    DoubleToFloat,
    MultiStepTransform,
    ObservationNorm,
)

from synth_replay.errors import (
    CheckpointError,
    ConfigError,
    ImageObservationError,
    InvalidTransitionsError,
    UnsupportedBufferError,
    UnsupportedSpaceError,
)
from synth_replay_torchrl import SyntheticReplayBuffer
from synth_replay_torchrl.conversion import space_of
from tests.torchrl.helpers import QUIET, buffer, filled, pendulum


def test_a_spec_without_numbers_is_refused():
    with pytest.raises(UnsupportedSpaceError, match="text: NonTensor"):
        space_of("text", NonTensor(()))


def test_files_and_state_dicts_of_a_stock_buffer_are_refused_before_anything_is_lost(tmp_path):
    stock, made = TensorDictReplayBuffer(storage=LazyTensorStorage(500)), filled(steps=100)
    stock.extend(pendulum().rollout(10))
    stock.dumps(tmp_path / "stock")
    for load, given in ((made.loads, tmp_path / "stock"), (made.load_state_dict, stock.state_dict())):
        with pytest.raises(CheckpointError, match="preload"):
            load(given)
    assert len(made) == 100


def test_what_cannot_be_given_is_refused_by_name():
    with pytest.raises(UnsupportedBufferError, match="prefetch"):
        buffer(prefetch=2)
    with pytest.raises(UnsupportedBufferError, match="slices"):
        buffer(sampler=SliceSampler(num_slices=2))
    with pytest.raises(UnsupportedBufferError, match="ndim=1"):
        buffer(storage=LazyTensorStorage(100, ndim=2))
    with pytest.raises(UnsupportedBufferError, match="shared"):
        buffer(shared=True)
    with pytest.raises(UnsupportedBufferError, match="LazyTensorStorage"):
        buffer(storage=ListStorage(100))
    scaling = ObservationNorm(0.0, 2.0, in_keys=["observation"], in_keys_inv=["observation"])
    for wrong, text in ((MultiStepTransform(3, 0.99), "single steps"), (scaling, "ObservationNorm changes")):
        with pytest.raises(UnsupportedBufferError, match=text):
            buffer(transform=Compose(wrong.clone()))
        with pytest.raises(UnsupportedBufferError, match=text):
            buffer().append_transform(wrong)
        with pytest.raises(UnsupportedBufferError, match=text):
            buffer().insert_transform(0, wrong)
    with pytest.raises(UnsupportedSpaceError, match="MultiCategorical"):
        space_of("action", MultiOneHot([2, 3]))
    with pytest.raises(UnsupportedSpaceError, match="MultiCategorical"):
        space_of("action", Categorical(5, shape=(3,)))
    with pytest.raises(ConfigError, match="env="):
        SyntheticReplayBuffer(**QUIET)
    with pytest.raises(ImageObservationError, match="encoder"):
        SyntheticReplayBuffer(
            observation_spec=Composite(pixels=Bounded(0, 255, (3, 64, 64), dtype=torch.uint8)),
            action_spec=OneHot(3),
            **QUIET,
        )


def test_a_transform_that_needs_what_is_not_generated_is_named():
    made, rows = buffer(transform=DoubleToFloat(in_keys=["loc"])), pendulum().rollout(200)
    made.extend(rows.set("loc", torch.zeros(200, 1).double()))
    with pytest.warns(UserWarning, match="loc"), pytest.raises(UnsupportedBufferError, match="transform"):
        made.sample()


def test_priorities_are_refused():
    try:
        sampler = PrioritizedSampler(2_000, 0.7, 0.9)
    except RuntimeError as error:
        pytest.skip(f"TorchRL has no priorities on this machine: {error}")
    with pytest.raises(UnsupportedBufferError, match="priority"):
        buffer(sampler=sampler)


def test_rows_without_a_key_or_with_summed_rewards_are_refused_and_nothing_is_stored():
    made, rows = buffer(), pendulum().rollout(10)
    with pytest.raises(InvalidTransitionsError, match="reward"):
        made.extend(rows.exclude(("next", "reward")))
    with pytest.raises(UnsupportedBufferError, match="MultiStep"):
        made.extend(rows.clone().set("steps_to_next_obs", torch.ones(10, 1)))
    assert len(made) == 0 and made.engine.steps == 0


@pytest.mark.parametrize("key", ["observation", "action", ("next", "reward"), ("next", "observation")])
def test_nan_is_named_as_it_is_stored_and_nothing_is_lost(key):
    made, rows = filled(steps=40), pendulum().rollout(20)
    rows[key][7] = float("nan")
    with pytest.raises(InvalidTransitionsError, match=r"in row 7, environment step 48\. Nothing was stored"):
        made.extend(rows)
    with pytest.raises(InvalidTransitionsError, match="in row 0, environment step 41"):
        made.add(rows[7])
    assert len(made) == made.engine.steps == 40
    stock = buffer(real_ratio=1.0)
    stock.extend(rows)  # nothing is generated there: TorchRL decides
    assert len(stock) == 20


def test_an_emptied_buffer_forgets_its_generated_rows():
    made = filled()
    assert (made.sample()["index"] < 0).any()
    made.empty()
    made.extend(pendulum().rollout(60))
    assert len(made) == 60 and (made.sample()["index"] >= 0).all()


@pytest.mark.parametrize("size", [-1, 1.5, "5"])
def test_an_invalid_batch_size_is_refused(size):
    with pytest.raises(ConfigError, match="batch_size"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchRL warns about two batch sizes
        filled(steps=7, refresh_every=5_000).sample(size)


def test_a_nested_observation_is_refused_with_a_remedy():
    inner = Composite(obs=Unbounded((3,)))
    for spec, hint in (
        (Composite(agent=inner), "RenameTransform"),
        (Composite(agent=inner, state=Unbounded((2,))), "state"),
    ):
        with pytest.raises(ConfigError, match=hint):
            SyntheticReplayBuffer(observation_spec=spec, action_spec=Bounded(-1, 1, (2,)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e5m2])
def test_a_dtype_that_numpy_lacks_is_refused(dtype):
    spec = Composite(observation=Unbounded((3,), dtype=dtype))
    with pytest.raises(UnsupportedSpaceError, match=r"torch\.float32"):
        SyntheticReplayBuffer(observation_spec=spec, action_spec=Bounded(-1, 1, (2,)))
