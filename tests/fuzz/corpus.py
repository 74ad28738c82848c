"""Small whole files of every kind that the package reads, and how each kind is read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np

from synth_replay import GeneratorConfig, TransitionGenerator
from synth_replay.datasets import (
    ShardWriter,
    create_dataset,
    open_dataset,
    open_pixels,
    write_offline_procgen,
    write_vd4rl_hdf5,
    write_vd4rl_npz,
)
from synth_replay.encoders import FrozenEncoder, encode_transitions
from synth_replay.errors import SynthReplayError
from synth_replay.transitions import TransitionSpec
from synth_replay.upsampling import Workplace
from tests.conftest import TINY, rollout
from tests.datasets.pixels.helpers import SIZE, episode_of
from tests.encoders.helpers import encoder, pixel_rollout

JOB = {"sample": {"generator": "abc"}, "output": {"rows": 10}}


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        make: Writes a whole file or folder at a path.
        read: Reads it to the end.
        mend: Recomputes hashes after a change, as an attacker who knows the format would.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    mend: Callable[[Path], object] = lambda path: None


def _dataset(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        env, rows = gym.make("Pendulum-v1"), rollout("Pendulum-v1")[:60]
        spec = TransitionSpec(env.observation_space, env.action_space)
        with create_dataset(path, spec, 60, format=name, meta={"note": "whole"}) as writer:
            writer.write(rows)

    return make


def _read(path: Path) -> None:
    dataset = open_dataset(path)
    rows = dataset.read()
    for name, array in rows.leaves().items():
        assert np.isfinite(array).all(), f"{name} holds NaN or infinity"
    try:
        dataset.spec.check(rows)
    except SynthReplayError as error:
        raise AssertionError(f"rows that do not satisfy their spec: {error}") from error


def _sb3_layout(path: Path) -> None:
    rows = rollout("Pendulum-v1")[:60]
    np.savez_compressed(
        path,
        observations=rows.observations,
        actions=rows.actions,
        rewards=rows.rewards,
        terminals=rows.terminations,
        timeouts=np.arange(60) % 20 == 19,
    )


def _fitted(path: Path) -> None:
    env = gym.make("Pendulum-v1")
    made = TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0, device="cpu")
    labels = np.arange(300) % 2
    made.fit(rollout("Pendulum-v1")[:300], labels=labels, progress=False).save(path)


def _sample(path: Path) -> None:
    TransitionGenerator.load(path, "cpu").sample(5)


def _rehash(path: Path) -> None:
    """Recomputes the hash of a generator's JSON, as anybody who edits the file can."""
    file = path / "generator.json"
    held = json.loads(file.read_text())
    if isinstance(held, dict) and "meta" in held:
        held["meta_sha256"] = hashlib.sha256(json.dumps(held["meta"], sort_keys=True).encode()).hexdigest()
        file.write_text(json.dumps(held))


def _pixels(write: Callable[..., object]) -> Callable[[Path], None]:
    return lambda path: write(path, [episode_of(0, 5), episode_of(1, 4)])


def _procgen(path: Path) -> None:
    rng = np.random.default_rng(0)
    from synth_replay.datasets import PixelEpisode

    frames = rng.integers(0, 256, (6, 3, 64, 64), np.uint8)
    write_offline_procgen(path, [PixelEpisode(frames, rng.integers(0, 15, 5), np.zeros(5, np.float32), True)])


def _frames(**options: object) -> Callable[[Path], None]:
    return lambda path: [None for _ in open_pixels(path, **options).episodes()] and None


def _half_done(path: Path) -> None:
    env, rows = gym.make("Pendulum-v1"), rollout("Pendulum-v1")[:40]
    writer = ShardWriter(path, TransitionSpec(env.observation_space, env.action_space), 80, shard_rows=40)
    writer.write(0, rows)


def _resume(path: Path) -> None:
    env, rows = gym.make("Pendulum-v1"), rollout("Pendulum-v1")[:40]
    writer = ShardWriter(path, TransitionSpec(env.observation_space, env.action_space), 80, shard_rows=40)
    for number in writer.missing():
        writer.write(number, rows)
    writer.finish()


def _unfinished(path: Path) -> None:
    place = Workplace(path / "o", JOB)
    with place.work():
        (place.folder / "mine").write_text("progress")


def _cached(path: Path) -> None:
    encode_transitions([pixel_rollout()[:20]], encoder(), cache=path, note="whole")


TARGETS: dict[str, Target] = {
    "d.npz": Target(_dataset("npz"), _read),
    "shifted.npz": Target(_sb3_layout, _read),
    "d.hdf5": Target(_dataset("d4rl"), _read),
    "d.h5": Target(_dataset("d3rlpy"), _read),
    "minari-v0": Target(_dataset("minari"), _read),
    "parquet": Target(_dataset("parquet"), _read),
    "half-done": Target(_half_done, _resume),
    "unfinished": Target(_unfinished, lambda path: Workplace(path / "o", JOB)),
    "vd4rl-npz": Target(_pixels(write_vd4rl_npz), _frames(size=SIZE)),
    "vd4rl.hdf5": Target(_pixels(write_vd4rl_hdf5), _frames(size=SIZE)),
    "procgen": Target(_procgen, _frames(game="coinrun")),
    "generator": Target(_fitted, _sample),
    "generator, rehashed": Target(_fitted, _sample, _rehash),
    "config.yaml": Target(TINY.save, GeneratorConfig.load),
    "config.json": Target(TINY.save, GeneratorConfig.load),
    "encoder.safetensors": Target(lambda path: encoder().save(path), FrozenEncoder.load),
    "encoding cache": Target(_cached, _cached),
}


def copied(source: Path, target: Path) -> Path:
    """Replaces ``target`` by a copy of the file or folder ``source``, and returns it."""
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.write_bytes(source.read_bytes())
    return target
