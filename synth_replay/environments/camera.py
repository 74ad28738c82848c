"""Camera distraction: a moved and rolled camera (Stone et al. 2021, Section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_replay.errors import ConfigError

Floats = NDArray[np.float64]

_TRACK_COM = 2  # mjCAMLIGHT_TRACKCOM


class CameraDistraction:
    """Moves a camera on a sphere about the agent's centre of mass and rolls it.

    Azimuth and elevation stay within ``scale * 90`` degrees of the model's own camera pose, and the camera never goes
    below the agent. The distance is 1 - 0.5 scale to 1 + 1.5 scale times the model's, and the roll stays within
    ``scale * 90`` degrees. A moving camera's velocity is a random walk with steps of standard deviation 0.1 scale and
    norm at most 0.4 scale, at a distance of 4.

    Args:
        physics: Physics of dm_control; only the camera's pose in its data is written, before each picture.
        camera_id: Number of a camera that follows the centre of mass.
        scale: Strength of the distraction: 0.1, 0.2 or 0.3 in the papers.

    Raises:
        ConfigError: If the camera does not follow the centre of mass.
    """

    def __init__(self, physics: Any, camera_id: int, scale: float) -> None:
        model = physics.model
        if model.cam_mode[camera_id] != _TRACK_COM:
            raise ConfigError(
                f"Camera {camera_id} does not follow the agent, so it cannot be distracted; choose one that does "
                f"({', '.join(map(str, np.flatnonzero(model.cam_mode == _TRACK_COM))) or 'this model has none'}), or "
                "leave 'camera' out of kinds."
            )
        self._data, self._camera, self._body = physics.data, camera_id, model.cam_bodyid[camera_id]
        place = np.array(model.cam_poscom0[camera_id])
        self._target = place - np.linalg.norm(place) * np.array(model.cam_mat0[camera_id]).reshape(3, 3)[:, 2]
        self._start = _spherical(place, 0.0)
        distance, azimuth, angle = self._start
        turn = np.pi / 2 * scale
        self._low = np.array([distance * (1 - 0.5 * scale), azimuth - turn, max(angle - turn, 0)])
        self._high = np.array([distance * (1 + 1.5 * scale), azimuth + turn, min(angle + turn, np.pi / 2)])
        self._scale, self._turn = scale, turn

    def draw(self, rng: np.random.Generator) -> None:
        """Draws a position, a roll and their velocities."""
        self._place = rng.uniform(self._low, self._high)
        self._roll = rng.uniform(-self._turn, self._turn)
        direction = rng.normal(size=3)
        self._velocity = direction / np.linalg.norm(direction) * rng.uniform(0, 0.4 * self._scale)
        self._spin = rng.uniform(-1, 1) * np.pi / 50 * self._scale

    def move(self, rng: np.random.Generator) -> None:
        """Takes one step of the random walk."""
        pace = self._start[0] / 4 * self._scale
        velocity = self._velocity + rng.normal(size=3) * 0.1 * pace
        velocity *= min(1, 0.4 * pace / max(float(np.linalg.norm(velocity)), 1e-12))
        here = _cartesian(self._place)
        self._place = np.clip(_spherical(here + velocity, self._start[1]), self._low, self._high)
        self._velocity = _cartesian(self._place) - here
        limit = np.pi / 50 * self._scale
        self._spin = np.clip(self._spin + rng.normal() * np.pi / 300 * self._scale, -limit, limit)
        roll = np.clip(self._roll + self._spin, -self._turn, self._turn)
        self._spin, self._roll = roll - self._roll, roll

    def apply(self) -> None:
        """Sets the camera's pose until the next physics step."""
        place = _cartesian(self._place)
        self._data.cam_xpos[self._camera] = self._data.subtree_com[self._body] + place
        self._data.cam_xmat[self._camera] = _looking(self._target - place, self._roll).ravel()


def _spherical(point: Floats, near: float) -> Floats:
    """Returns distance, azimuth within half a turn of ``near``, and angle from the vertical."""
    azimuth = near + (np.arctan2(point[1], point[0]) - near + np.pi) % (2 * np.pi) - np.pi
    return np.array([np.linalg.norm(point), azimuth, np.arctan2(np.linalg.norm(point[:2]), point[2])])


def _cartesian(place: Floats) -> Floats:
    distance, azimuth, angle = place
    level = np.sin(angle)
    point: Floats = distance * np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.cos(angle)])
    return point


def _looking(direction: Floats, roll: float) -> Floats:
    """Returns the axes right, up and backwards as columns; without roll the horizon is level."""
    back = -direction / np.linalg.norm(direction)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * up, cos * up - sin * right, back], axis=1)
