"""A dataset of generated rows is made shard by shard."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from synth_replay import TransitionGenerator
from synth_replay.datasets import ShardWriter, open_dataset
from synth_replay.errors import DatasetError, DatasetExistsError
from synth_replay.upsampling import Output, make_dataset
from tests.conftest import TINY, rollout


@pytest.fixture(scope="module")
def generator():
    env = gym.make("Pendulum-v1")
    made = TransitionGenerator(env.observation_space, env.action_space, TINY, seed=0, device="cpu")
    return made.fit(rollout("Pendulum-v1"), progress=False)


def made(generator, path, **options):
    output = Output(path, rows=130, shard_rows=50, **options)
    assert make_dataset(output, {"sample": {}}, lambda _: generator, progress=False)
    return open_dataset(path).read().observations


def test_every_shard_has_its_own_rows_and_a_seed_decides_all_of_them(generator, tmp_path):
    rows, again, other = (made(generator, tmp_path / name, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert len(np.unique(rows, axis=0)) == 130
    np.testing.assert_array_equal(rows, again)
    assert not np.isin(rows, other).all(axis=1).any()


def test_a_finished_output_is_left_alone_and_another_job_is_refused(generator, tmp_path):
    rows = made(generator, tmp_path / "a")
    same, other = (Output(tmp_path / "a", rows=130, shard_rows=50, seed=seed) for seed in (0, 1))
    assert not make_dataset(same, {"sample": {}}, lambda _: pytest.fail("the generator was asked for"), progress=False)
    with pytest.raises(DatasetExistsError, match="seed: 0 there, 1 now"):
        make_dataset(other, {"sample": {}}, lambda _: generator, progress=False)
    np.testing.assert_array_equal(open_dataset(tmp_path / "a").read().observations, rows)


@pytest.mark.parametrize("bad", [{"rows": 0}, {"shard_rows": 0}, {"seed": -1}])
def test_an_output_that_makes_no_sense_is_refused(bad, tmp_path):
    with pytest.raises(DatasetError):
        Output(tmp_path / "a", **({"rows": 10} | bad))


def test_a_disk_that_changes_what_is_written_is_an_error_and_the_next_run_makes_only_that(
    generator, tmp_path, monkeypatch
):
    output, write = Output(tmp_path / "a", rows=130, shard_rows=50), ShardWriter.write

    def damaging(self, number, rows):
        write(self, number, rows)
        if number == 1:
            path = next(self.folder.glob("part-00001*"))
            path.write_bytes(path.read_bytes()[:-9] + b"otherwise")

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "write", damaging)
        with pytest.raises(DatasetError, match=r"1 shards read back with other contents.*Check the disk"):
            make_dataset(output, {"sample": {}}, lambda _: generator, progress=False)
    made_again = []
    monkeypatch.setattr(ShardWriter, "write", lambda *given: made_again.append(given[1]) or write(*given))
    assert make_dataset(output, {"sample": {}}, lambda _: generator, progress=False)
    assert made_again == [1] and len(open_dataset(tmp_path / "a")) == 130
