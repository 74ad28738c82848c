"""The check of a step before it is stored."""

from __future__ import annotations

import numpy as np
import pytest

from synth_replay.buffers.incoming import refuse_nonfinite
from synth_replay.errors import InvalidTransitionsError


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_numbers_are_stored_and_infinity_is_not(dtype):
    values = np.full((2, 3), np.finfo(dtype).max, dtype)
    refuse_nonfinite({"observation": values}, 0, 0)
    for bad in (np.inf, -np.inf, np.nan):
        values[1, 2] = bad
        match = rf"The observation of environment 1 is {bad} at environment step 12 \(position 4 "
        with pytest.raises(InvalidTransitionsError, match=match):
            refuse_nonfinite({"action": np.zeros((2, 1)), "observation": values}, 10, 4)


def test_parts_of_dict_observations_are_named_and_whole_numbers_are_let_through():
    frames, flags = np.zeros((1, 3, 8, 8), np.uint8), np.ones((1, 2), bool)
    refuse_nonfinite({"observation": {"camera": frames, "flags": flags}, "reward": np.zeros(1)}, 0, 0)
    with pytest.raises(InvalidTransitionsError, match="observation 'arm' 'speed' of environment 0"):
        refuse_nonfinite({"observation": {"arm": {"speed": np.array([[1.0, np.nan]])}}}, 0, 0)
