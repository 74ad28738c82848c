"""D4RL files against h5py, and the shift inside episodes against a loop over rows."""

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay.datasets import open_dataset
from tests.conftest import rollout
from tests.datasets.helpers import ROW_COLUMNS, assert_rows, read, spec_and_rows, spec_of, write


def save(path, **columns):
    with h5py.File(path, "w") as file:
        for name, array in columns.items():
            file.create_dataset(name, data=array, compression="gzip")
    return path


def test_h5py_reads_what_we_write_under_d4rls_names(tmp_path):
    spec, rows = spec_and_rows("Pendulum-v1")
    with h5py.File(write(tmp_path / "d.hdf5", spec, rows)) as file:
        assert set(file) == {"observations", "actions", "rewards", "next_observations", "terminals", "timeouts"}
        for name in ("observations", "actions", "rewards", "next_observations"):
            np.testing.assert_array_equal(file[name][:], np.float32(getattr(rows, name)))
            assert file[name].compression == "gzip" and file[name].chunks
        np.testing.assert_array_equal(file["terminals"][:], rows.terminations)


def test_unrelated_rows_are_marked_so_that_no_reader_joins_them(tmp_path):
    """d4rl.qlearning_dataset ignores next_observations, shifts, and skips rows with a timeout."""
    spec, rows = spec_and_rows()
    with h5py.File(write(tmp_path / "d.hdf5", spec, rows)) as file:
        assert (file["timeouts"][:] ^ file["terminals"][:]).all()


def test_a_d4rl_file_with_everything_is_read_as_it_is(tmp_path):
    rows = rollout("Pendulum-v1", 450)
    columns = {name: getattr(rows, name) for name in ROW_COLUMNS[:-1]}
    infos = {"infos/qpos": np.zeros((450, 2)), "metadata/algorithm": "SAC"}
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        for name, value in (columns | infos | {"terminals": rows.terminations, "timeouts": rows.truncations}).items():
            file[name] = value
    dataset = open_dataset(tmp_path / "d.hdf5", action_space=spec_of("Pendulum-v1").action_space)
    assert dataset.meta["notes"] == [] and dataset.spec.extras == ()
    assert_rows(dataset.read(), rows, (*ROW_COLUMNS, "truncations"))


def shifted_by_a_loop(observations, terminals, timeouts):
    """(row, next observation) of every row that is kept."""
    kept = []
    for i, observation in enumerate(observations):
        if terminals[i]:
            kept.append((i, observation))
        elif not timeouts[i] and i + 1 < len(observations):
            kept.append((i, observations[i + 1]))
    return kept


@given(
    flags=st.lists(st.sampled_from([(0, 0), (0, 0), (0, 0), (1, 0), (0, 1), (1, 1)]), min_size=2, max_size=60),
    rows=st.integers(1, 70),
    suffix=st.sampled_from([".hdf5", ".npz"]),
)
@settings(max_examples=80, deadline=None)
def test_missing_next_observations_are_shifted_inside_episodes(tmp_path_factory, flags, rows, suffix):
    terminals, timeouts = np.array(flags, np.float32).T
    observations = np.arange(len(flags), dtype=np.float32)[:, None] * [1, 2]
    kept = shifted_by_a_loop(observations, terminals, timeouts)
    if not (terminals.any() or timeouts.any()) or not kept:
        return
    columns = {"observations": observations, "actions": np.zeros((len(flags), 1)), "rewards": observations[:, 0]}
    columns |= {"terminals": terminals, "timeouts": timeouts}
    path = tmp_path_factory.mktemp("d") / f"d{suffix}"
    np.savez(path, **columns) if suffix == ".npz" else save(path, **columns)
    dataset = open_dataset(path)
    chunks = list(dataset.chunks(rows))
    assert len(dataset) == len(kept) and all(0 < len(chunk) <= rows for chunk in chunks)
    found = type(chunks[0]).concatenate(chunks)
    np.testing.assert_array_equal(found.rewards, [i for i, _ in kept])
    np.testing.assert_array_equal(found.next_observations, [after for _, after in kept])
    np.testing.assert_array_equal(found.terminations, terminals[found.rewards.astype(int)])


def test_what_was_assumed_about_missing_next_observations_is_noted(tmp_path):
    rows = rollout("CartPole-v1", 300)
    columns = {name: getattr(rows, name) for name in ("observations", "actions", "rewards")}
    path = save(tmp_path / "d.hdf5", **columns, terminals=rows.terminations)
    dataset = open_dataset(path)
    ends, limits, actions = dataset.meta["notes"]
    assert f"at {rows.terminations.sum()} terminations" in ends
    assert "nor timeouts" in limits and "number of actions" in actions
    found = dataset.read()
    inside = ~rows.terminations[: len(found)]
    np.testing.assert_array_equal(found.next_observations[inside], rows.next_observations[: len(found)][inside])
    np.testing.assert_array_equal(found.next_observations[~inside], found.observations[~inside])


def test_dumps_of_d3rlpy_1_mark_their_time_limits_by_episode_terminals(tmp_path):
    rows = rollout("Pendulum-v1", 450)
    columns = {name: getattr(rows, name) for name in ("observations", "actions", "rewards")}
    path = save(tmp_path / "d.h5", **columns, terminals=rows.terminations, episode_terminals=rows.truncations)
    found = read(path)
    kept = ~rows.truncations & (np.arange(450) < 449)
    np.testing.assert_array_equal(found.next_observations, np.float32(rows.next_observations[kept]))
