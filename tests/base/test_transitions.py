import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.errors import (
    ImageObservationError,
    InvalidTransitionsError,
    SpecMismatchError,
    UnsupportedSpaceError,
)
from synth_replay.spaces import space_from_dict, space_leaves, space_to_dict

BOX = spaces.Box(-1.0, 1.0, (2,), np.float64)
SPACES = [
    BOX,
    spaces.Box(np.array([-np.inf, 0.0]), np.array([np.inf, 1e30]), dtype=np.float64),
    spaces.Box(0, 5, (2, 3), np.int32),
    spaces.Discrete(4),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 5]),
    spaces.MultiBinary(3),
    spaces.Dict({"b": BOX, "a": spaces.Dict({"x": spaces.Discrete(2), "y": BOX})}),
]


def make(n=4, **changes):
    columns = {
        "observations": np.zeros((n, 2)),
        "actions": np.zeros((n, 2)),
        "rewards": np.zeros(n),
        "next_observations": np.zeros((n, 2)),
        "terminations": np.zeros(n),
    }
    return Transitions(**(columns | changes))


def test_column_rewards_are_flattened_and_flags_become_bool():
    rows = make(rewards=np.ones((4, 1)), terminations=torch.tensor([[0.0], [1.0], [0.0], [1.0]]))
    assert rows.rewards.shape == (4,)
    assert rows.terminations.dtype == bool and rows.terminations.tolist() == [False, True, False, True]


def test_unequal_lengths_name_every_column():
    with pytest.raises(InvalidTransitionsError, match="same number of rows"):
        make(actions=np.zeros((3, 2)))


@pytest.mark.parametrize("flags", [[0, 1, 2, 0], [0.5, 0, 0, 0], [np.nan, 0, 0, 0]])
def test_a_flag_that_is_neither_zero_nor_one_is_refused(flags):
    with pytest.raises(InvalidTransitionsError, match="0 and 1"):
        make(terminations=np.array(flags))


def test_scalars_with_two_numbers_per_row_are_refused():
    with pytest.raises(InvalidTransitionsError, match="one number per row"):
        make(rewards=np.zeros((4, 2)))


def test_a_column_that_is_no_array_is_refused():
    with pytest.raises(InvalidTransitionsError, match="must be an array"):
        make(rewards=3.0)


def test_leaves_and_from_leaves_are_inverse_for_nested_observations():
    nested = {"a": {"x": np.arange(3)}, "b": np.ones((3, 2))}
    rows = Transitions(nested, np.zeros((3, 1)), np.zeros(3), nested, np.zeros(3), returns_to_go=np.arange(3))
    back = Transitions.from_leaves(rows.leaves())
    assert back.observations["a"]["x"].tolist() == [0, 1, 2]
    assert set(rows.leaves()) >= {"observations/a/x", "observations/b", "returns_to_go"}
    assert len(rows[1:]) == 2 and rows[np.array([2])].returns_to_go.tolist() == [2]


def test_concatenate_keeps_order_and_to_torch_gives_float_flags():
    both = Transitions.concatenate([make(2), make(3, terminations=np.ones(3))])
    assert both.terminations.tolist() == [False, False, True, True, True]
    assert both.to_torch()["terminations"].dtype == torch.float32


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_space_descriptions_round_trip_through_json(space):
    import json

    assert space_from_dict(json.loads(json.dumps(space_to_dict(space)))) == space


def test_leaves_of_a_dict_space_follow_gymnasium_flattening_order():
    space = SPACES[-1]
    sizes = [sum(leaf.categories) or leaf.size for leaf in space_leaves("observations", space)]
    assert sum(sizes) == gym.spaces.flatdim(space)
    assert [leaf.name for leaf in space_leaves("o", space)] == ["o/a/x", "o/a/y", "o/b"]


def test_images_are_refused_with_a_pointer_to_latent_encoders():
    with pytest.raises(ImageObservationError, match="encoder"):
        TransitionSpec(spaces.Box(0, 255, (3, 84, 84), np.uint8), BOX)


@pytest.mark.parametrize("space", [spaces.Text(5), spaces.Tuple((BOX,)), spaces.Discrete(100_000)])
def test_other_spaces_are_refused(space):
    with pytest.raises(UnsupportedSpaceError):
        TransitionSpec(space, BOX)
    with pytest.raises(UnsupportedSpaceError):
        space_to_dict(spaces.Text(5))


def test_unknown_extra_columns_are_refused():
    with pytest.raises(SpecMismatchError, match="Unknown extra"):
        TransitionSpec(BOX, BOX, extras=["mood"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["observations", "actions", "rewards", "next_observations"])
def test_values_that_are_not_finite_are_refused_with_their_row(column, value):
    rows = make()
    getattr(rows, column)[2] = value
    with pytest.raises(InvalidTransitionsError, match=f"{column}.*row 2"):
        TransitionSpec(BOX, BOX).check(rows)


def test_rows_of_another_environment_are_refused():
    with pytest.raises(SpecMismatchError, match="shape"):
        TransitionSpec(spaces.Box(-1, 1, (3,)), BOX).check(make())
    with pytest.raises(SpecMismatchError, match="missing"):
        TransitionSpec(spaces.Dict({"a": BOX}), BOX).check(make())


def test_actions_outside_their_bounds_are_refused_but_sloppy_observations_are_not():
    spec = TransitionSpec(BOX, BOX)
    spec.check(make(observations=np.full((4, 2), 7.0)))
    with pytest.raises(InvalidTransitionsError, match="environment units"):
        spec.check(make(actions=np.full((4, 2), 7.0)))


@pytest.mark.parametrize("actions", [[0, 1, 2, 3], [0, 1, -1, 0], [0.5, 0, 0, 0]])
def test_categories_that_do_not_exist_are_refused(actions):
    with pytest.raises(InvalidTransitionsError):
        TransitionSpec(BOX, spaces.Discrete(3)).check(make(actions=np.array(actions)))


def test_strings_are_refused():
    with pytest.raises(InvalidTransitionsError, match="real numbers, not <U1"):
        TransitionSpec(BOX, BOX).check(make(observations=np.full((4, 2), "a")))
