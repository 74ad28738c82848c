"""Tables with named columns are read as the arrays that they were made from."""

import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces

from synth_replay.datasets import open_dataset, open_table
from synth_replay.errors import DatasetError, DatasetFormatError, InvalidTransitionsError, MissingExtraError
from tests.datasets.helpers import random_rows, spec_of, write

ROWS = 60
RNG = np.random.default_rng(0)
SEEN, ACTIONS = RNG.normal(size=(ROWS, 12)).astype(np.float32), RNG.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
ENDS = np.arange(ROWS) % 20 == 19


def frame(head="obs_{}", action="action_{}", after="next_obs_{}", ended="terminal", order=1):
    held = {action.format(i): ACTIONS[:, i] for i in range(2)}
    held |= {head.format(i): SEEN[:, i] for i in range(12)} | {"reward": SEEN.sum(1), ended: ENDS}
    held |= {after.format(i): SEEN[:, i] + 1 for i in range(12)} if after else {}
    return pd.DataFrame(dict(list(held.items())[::order]))


def saved(held, path):
    if path.suffix == ".parquet":
        held.to_parquet(path)
    else:
        held.to_csv(path, index=False, sep={".csv": ",", ".tsv": "\t"}[path.suffix])
    return path


def assert_rows(rows, after=True):
    np.testing.assert_allclose(rows.observations, SEEN, rtol=1e-6)
    np.testing.assert_allclose(rows.actions, ACTIONS, rtol=1e-6)
    np.testing.assert_allclose(rows.rewards, SEEN.sum(1), rtol=1e-5)
    np.testing.assert_array_equal(rows.terminations, ENDS)
    if after:
        np.testing.assert_allclose(rows.next_observations, SEEN + 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "T.CSV"])
@pytest.mark.parametrize("order", [1, -1])
def test_numbered_columns_become_vectors_in_the_order_of_their_numbers(name, order, tmp_path):
    held = frame(order=order)
    path = saved(held, tmp_path / name.lower()).rename(tmp_path / name)
    dataset = open_dataset(path)
    assert dataset.format == "table" and dataset.spec.observation_space.shape == (12,)
    assert_rows(dataset.read())
    assert [len(chunk) for chunk in dataset.chunks(25)] == [25, 25, 10]


@pytest.mark.parametrize("head", ["observations_{}", "obs.{}", "observation{}", "obs[{}]", "observations/{}"])
def test_every_usual_numbering_is_recognised(head):
    assert_rows(open_table(frame(head)).read())


def test_numbers_may_start_at_one():
    held = frame().rename(columns={f"obs_{i}": f"obs_{i + 1}" for i in range(12)})
    assert_rows(open_table(held).read())


@pytest.mark.parametrize("make", [lambda held: held, pa.Table.from_pandas, lambda held: held.convert_dtypes()])
def test_data_frames_of_several_libraries_are_read(make):
    assert_rows(open_table(make(frame())).read())


def test_cells_that_are_lists_are_vectors(tmp_path):
    held = pa.table({"observations": list(SEEN), "actions": list(ACTIONS), "rewards": SEEN.sum(1), "terminals": ENDS})
    held = held.append_column("next_observations", [list(SEEN + 1)])
    pq.write_table(held, tmp_path / "t.parquet")
    assert_rows(open_dataset(tmp_path / "t.parquet").read())
    assert_rows(open_table(held.to_pandas()).read())
    ragged = held.to_pandas()
    ragged.at[3, "observations"] = np.zeros(2)
    with pytest.raises(DatasetFormatError, match="the lists in column 'observations' differ in length"):
        open_table(ragged)


def test_keys_become_parts_of_a_dict():
    held = frame(head="observations/joint_{}", after="next_observations/joint_{}")
    held["observations/mass"] = held["next_observations/mass"] = np.float32(2)
    dataset = open_table(held)
    assert {k: s.shape for k, s in dataset.spec.observation_space.items()} == {"joint": (12,), "mass": (1,)}
    rows = dataset.read()
    np.testing.assert_array_equal(rows.observations["joint"], SEEN)
    np.testing.assert_array_equal(rows.next_observations["joint"], SEEN + 1)


def test_the_caller_may_name_the_columns(tmp_path):
    names = {f"obs_{i}": name for i, name in enumerate("abcdefghijkl")}
    held = frame(after=None, ended="crashed").rename(columns=names | {"action_0": "throttle", "reward": "profit"})
    held["lap"] = np.arange(ROWS) // 20
    given = {"observations": list("abcdefghijkl"), "actions": ["throttle", "action_1"], "rewards": "profit"}
    given |= {"terminations": "crashed", "episodes": "lap"}
    for source in (held, saved(held, tmp_path / "t.csv")):
        dataset = open_table(source, **given, action_space=spaces.Box(-2, 2, (2,)))
        rows = dataset.read()
        assert_rows(rows, after=False)
        assert not rows.truncations.any() and dataset.spec.action_space.high[0] == 2
    with pytest.raises(DatasetFormatError, match="has no column brake; it holds a, action_1, b"):
        open_table(held, **given | {"actions": ["brake"]})


@pytest.mark.parametrize("column", ["episode", "episode_id", "eps_id"])
def test_episodes_without_an_end_are_told_apart_by_their_column(column):
    held = frame(after=None).assign(terminal=False)
    held[column] = np.arange(ROWS) // 20
    rows = open_table(held).read()
    assert len(rows) == 57
    np.testing.assert_allclose(rows.next_observations[18], SEEN[19], rtol=1e-6)
    np.testing.assert_allclose(rows.observations[19], SEEN[20], rtol=1e-6)


def test_episodes_and_truncations_together_mark_every_end():
    held = frame(after=None).assign(terminal=False, truncated=False, episode=np.arange(ROWS) // 20)
    held.loc[39, "truncated"] = True  # one of the two ends; the other is known from the episodes alone
    rows = open_table(held).read()
    assert len(rows) == 57
    np.testing.assert_allclose(rows.observations[19], SEEN[20], rtol=1e-6)
    np.testing.assert_allclose(rows.next_observations[18], SEEN[19], rtol=1e-6)


def test_a_column_of_episodes_does_not_make_a_done_a_time_limit():
    held = frame(after=None, ended="done").assign(episode=np.arange(ROWS) // 20)
    dataset = open_table(held)
    rows = dataset.read()
    np.testing.assert_array_equal(rows.terminations, ENDS)
    assert not rows.truncations.any() and "if it marks time limits too" in dataset.meta["notes"][0]


def test_done_is_read_with_a_note_and_codes_become_discrete():
    held = frame(ended="done").drop(columns=["action_0", "action_1"]).assign(action=np.arange(ROWS) % 3)
    dataset = open_table(held)
    assert dataset.spec.action_space == spaces.Discrete(3)
    assert "'done' is read as terminations" in dataset.meta["notes"][0]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            lambda t: t.drop(columns=["reward"]),
            DatasetFormatError,
            "lacks rewards; it holds action_0, .* and 15 more.*rewards=...",
        ),
        (lambda t: t.drop(columns=["obs_3"]), DatasetFormatError, "numbered from 0 or 1 without gaps"),
        (lambda t: t.assign(reward="high"), DatasetFormatError, "holds object values, not numbers"),
        (lambda t: t.assign(obs_2=np.where(np.arange(ROWS) == 7, np.nan, 1)), InvalidTransitionsError, "row 7"),
        (lambda t: t.assign(action_1=np.where(np.arange(ROWS) == 9, np.nan, 1)), InvalidTransitionsError, "row 9"),
        (lambda t: t.iloc[:0], DatasetFormatError, "holds no transitions"),
        (lambda t: pd.concat([t, t["reward"]], axis=1), DatasetFormatError, "several columns of one name: reward"),
    ],
)
def test_tables_that_are_no_transitions_are_refused(change, error, match):
    with pytest.raises(error, match=match):
        open_table(change(frame())).read()


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(DatasetFormatError, match="cannot be read"):
        open_dataset(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(DatasetFormatError, match="cannot be read"):
        open_dataset(tmp_path / "t.csv")
    blob = saved(frame(), tmp_path / "t.parquet").read_bytes()
    for cut in (4, 100, len(blob) - 9):
        (tmp_path / "t.parquet").write_bytes(blob[:cut])
        with pytest.raises(DatasetFormatError, match="cannot be read"):
            open_dataset(tmp_path / "t.parquet")
    os.mkfifo(tmp_path / "pipe.csv")
    for source in (tmp_path / "pipe.csv", tmp_path / "gone.csv", tmp_path):
        with pytest.raises(DatasetError, match="is no file"):
            open_table(source)
    with pytest.raises(DatasetError, match="takes a file or a data frame, not int"):
        open_table(3)


def test_a_shard_of_a_dataset_is_refused_with_a_pointer_to_its_folder(tmp_path):
    spec = spec_of("Pendulum-v1")
    path = write(tmp_path / "d", spec, random_rows(spec, 20), format="parquet")
    with pytest.raises(DatasetFormatError, match="give its folder"):
        open_dataset(path / "part-00000.parquet")


def test_a_table_needs_pyarrow_only_for_files(tmp_path, monkeypatch):
    path = saved(frame(), tmp_path / "t.csv")
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    assert_rows(open_table(frame()).read())
    with pytest.raises(MissingExtraError, match="pip install"):
        open_dataset(path)
