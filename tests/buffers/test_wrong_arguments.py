"""Wrong counts, seeds and ratios raise a short error that names the argument."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay.buffers.options import synther_engine
from synth_replay.errors import ConfigError
from tests.conftest import TINY

SPACES = spaces.Box(-8, 8, (3,)), spaces.Box(-2, 2, (1,))


def build(**options):
    return synther_engine(*SPACES, generator=TINY, device="cpu", **options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"refresh_every": 10**400},
        {"store_rows": 2**63},
        {"refresh_every": float("nan")},
        {"refresh_every": float("inf")},
        {"real_ratio": lambda: 0.5},
        {"real_ratio": lambda step, rows: 0.5},
        {"seed": -1},
        {"seed": "1"},
        {"seed": 1.0},
        {"seed": True},
    ],
    ids=lambda wrong: f"{wrong!s:.40}",
)
def test_a_wrong_argument_has_a_short_error(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name) as raised:
        build(**wrong)
    assert len(str(raised.value)) < 300


def test_seeds_and_counts_of_numpy_are_numbers():
    assert build(seed=np.int64(3), refresh_every=np.float64(500)).next_refresh == 500


def test_an_error_inside_a_users_ratio_function_is_raised_unchanged():
    def ratio(step):
        raise TypeError("of the user's own")

    with pytest.raises(TypeError, match="own"):
        build(real_ratio=ratio)
