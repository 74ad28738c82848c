"""Parquet shards against pyarrow, and runs that are killed against runs that are not."""

import json
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces

from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import ShardWriter, create_dataset, detect_format, open_dataset
from synth_replay.errors import (
    DatasetError,
    DatasetExistsError,
    DatasetFormatError,
    InvalidTransitionsError,
    UnfinishedDatasetError,
)
from tests.datasets.helpers import assert_rows, random_rows, read, spec_and_rows, spec_of, write

SPEC = TransitionSpec(spaces.Dict({"m": spaces.Box(-1, 1, (2, 3)), "s": spaces.Discrete(3)}), spaces.Box(-1, 1, (2,)))


def fill(folder, rows, spec=SPEC, shard_rows=100, numbers=None, **kwargs):
    """Writes the missing shards (or ``numbers``) of a run."""
    writer = ShardWriter(folder, spec, len(rows), shard_rows=shard_rows, **kwargs)
    for number in writer.missing() if numbers is None else numbers:
        start, stop = writer.bounds(number)
        writer.write(number, rows[start:stop])
    return writer


def test_pyarrow_reads_a_folder_with_one_column_per_leaf(tmp_path):
    rows = random_rows(SPEC, 250)
    fill(tmp_path / "d", rows).finish()
    table = pq.read_table(sorted((tmp_path / "d").glob("*.parquet")))
    assert table.num_rows == 250 and set(table.column_names) == {*rows.leaves(), "truncations"}
    assert table.schema.field("observations/m").type == pa.list_(pa.field("item", pa.float32(), nullable=False), 6)
    assert table.schema.field("rewards").type == pa.float32() and table.schema.field("terminations").type == pa.bool_()
    for name, array in rows.leaves().items():
        column = np.array(table.column(name).to_pylist())
        np.testing.assert_array_equal(column, np.asarray(array).reshape(column.shape))


def test_the_manifest_describes_the_dataset(tmp_path):
    fill(tmp_path / "d", random_rows(SPEC, 250), meta={"sampler": "dpm", "seed": 3}).finish()
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    names = [f"part-0000{i}.parquet" for i in range(3)]
    assert manifest["rows"] == 250 and manifest["meta"] == {"sampler": "dpm", "seed": 3}
    assert TransitionSpec.from_dict(manifest["spec"]) == SPEC
    assert manifest["columns"]["observations/m"] == {"shape": [2, 3], "dtype": "float32"}
    assert [shard["file"] for shard in manifest["shards"]] == names
    assert [shard["rows"] for shard in manifest["shards"]] == [100, 100, 50]
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == ["manifest.json", *names]


def test_shards_may_be_written_in_any_order_and_over_several_runs(tmp_path):
    rows = random_rows(SPEC, 350)
    first = fill(tmp_path / "d", rows, numbers=[3, 1])
    assert not first.finished and first.missing() == [0, 2]
    second = fill(tmp_path / "d", rows)
    assert second.missing() == []
    second.finish()
    assert second.finished
    assert_rows(read(tmp_path / "d"), rows)


def test_a_finished_run_can_be_opened_again_and_has_nothing_to_do(tmp_path):
    rows = random_rows(SPEC, 150)
    fill(tmp_path / "d", rows).finish()
    again = ShardWriter(tmp_path / "d", SPEC, 150, shard_rows=100)
    assert again.finished and again.missing() == [] and len(again) == 2


def test_an_unfinished_folder_is_not_read(tmp_path):
    fill(tmp_path / "d", random_rows(SPEC, 350), numbers=[0])
    assert detect_format(tmp_path / "d") == "parquet"
    with pytest.raises(UnfinishedDatasetError, match="run the same command again to resume"):
        open_dataset(tmp_path / "d")


def test_a_run_that_lacks_shards_cannot_be_finished(tmp_path):
    with pytest.raises(UnfinishedDatasetError, match=r"lacks 2 of 4 shards: write 0, 2"):
        fill(tmp_path / "d", random_rows(SPEC, 350), numbers=[3, 1]).finish()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"meta": {"seed": 2}}, "meta"), ({"shard_rows": 99}, "shard_rows"), ({"spec": spec_of("CartPole-v1")}, "spec")],
)
@pytest.mark.parametrize("finished", [False, True])
def test_a_run_with_other_arguments_is_refused(change, named, finished, tmp_path):
    arguments = {"spec": SPEC, "shard_rows": 100, "meta": {"seed": 1}}
    writer = fill(tmp_path / "d", random_rows(SPEC, 150), **arguments)
    if finished:
        writer.finish()
    with pytest.raises(DatasetExistsError, match=rf"other arguments \(.*{named}.* differ\)"):
        ShardWriter(tmp_path / "d", **{"rows": 150, **arguments, **change})
    with pytest.raises(DatasetExistsError, match=r"\(rows differ\)"):
        ShardWriter(tmp_path / "d", rows=151, **arguments)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.tex").write_text("years of work")
    with pytest.raises(DatasetExistsError, match="holds other files"):
        ShardWriter(tmp_path / "d", SPEC, 10)


def test_wrong_numbers_of_rows_and_invalid_rows_are_refused(tmp_path):
    writer = ShardWriter(tmp_path / "d", SPEC, 150, shard_rows=100)
    with pytest.raises(DatasetError, match="Shard 1 takes 50 rows; got 49"):
        writer.write(1, random_rows(SPEC, 49))
    with pytest.raises(DatasetError, match="There is no shard 2; there are 2"):
        writer.write(2, random_rows(SPEC, 50))
    rows = random_rows(SPEC, 50)
    rows.rewards[3] = np.nan
    with pytest.raises(InvalidTransitionsError, match="rewards"):
        writer.write(1, rows)
    with pytest.raises(DatasetError, match="at least 1"):
        ShardWriter(tmp_path / "e", SPEC, 0)
    assert writer.missing() == [0, 1] and not list((tmp_path / "d").glob("part*"))


def test_half_written_and_damaged_shards_are_written_again(tmp_path):
    rows = random_rows(SPEC, 350)
    fill(tmp_path / "d", rows)
    shard = tmp_path / "d" / "part-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:-50])
    (tmp_path / "d" / "part-00001.parquet").unlink()
    stray = tmp_path / "d" / ".part-00001.parquet.synth-replay-partial"
    stray.write_bytes(b"half")
    writer = fill(tmp_path / "d", rows, numbers=[])
    assert writer.missing() == [1, 2] and not stray.exists()
    fill(tmp_path / "d", rows).finish()
    assert_rows(read(tmp_path / "d"), rows)


# -- damage after the fact -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "error"),
    [("cut", "cut short"), ("missing", "part-00001.parquet is missing"), ("flip", "part-00001.parquet.*damaged")],
)
def test_a_damaged_shard_is_named(damage, error, tmp_path):
    fill(tmp_path / "d", random_rows(SPEC, 350)).finish()
    shard = tmp_path / "d" / "part-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[300] ^= 1
    shard.write_bytes(data[:-60] if damage == "cut" else data)
    if damage == "missing":
        shard.unlink()
    with pytest.raises(DatasetFormatError, match=error):
        read(tmp_path / "d")


@pytest.mark.parametrize(
    ("text", "error"),
    [("{", "damaged"), ("{}", "damaged"), ('{"format": "x"}', "its format is 'x'"), (None, "has version 99, not 1")],
)
def test_a_manifest_that_cannot_be_read_is_one_clear_error(text, error, tmp_path):
    fill(tmp_path / "d", random_rows(SPEC, 10)).finish()
    manifest = tmp_path / "d" / "manifest.json"
    newer = json.dumps(json.loads(manifest.read_text()) | {"version": 99})
    manifest.write_text(newer if text is None else text)
    with pytest.raises(DatasetFormatError, match=error):
        open_dataset(tmp_path / "d")
    with pytest.raises(DatasetFormatError, match=error):
        ShardWriter(tmp_path / "d", SPEC, 10)


# -- killed and resumed ----------------------------------------------------------------------

KILLED = """
import os, pathlib, signal, sys
import numpy as np
from gymnasium import spaces
from synth_replay import Transitions, TransitionSpec
from synth_replay.datasets import ShardWriter

move, moved = pathlib.Path.replace, []


def killed(path, target):
    # when the fifth shard is written but not yet in its place
    moved.append(target)
    if sum(target.suffix == ".parquet" for target in moved) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return move(path, target)


if sys.argv.pop(1) == "kill":
    pathlib.Path.replace = killed
spec = TransitionSpec(spaces.Box(-9, 9, (30,)), spaces.Discrete(3))
for folder in sys.argv[1:]:
    writer = ShardWriter(folder, spec, 1950, shard_rows=100, meta={"seed": 1})
    for number in writer.missing():
        start, stop = writer.bounds(number)
        rng, n = np.random.default_rng(number), stop - start
        states = rng.uniform(-9, 9, (2, n, 30))
        ends = rng.random(n) < 0.1
        writer.write(number, Transitions(states[0], rng.integers(3, size=n), rng.random(n), states[1], ends))
    writer.finish()
"""


def test_a_run_that_is_killed_goes_on_where_it_stopped_and_ends_the_same(tmp_path):
    command = [sys.executable, "-c", KILLED]
    process = subprocess.run([*command, "kill", str(tmp_path / "killed")])
    assert process.returncode == -signal.SIGKILL
    written = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "killed").glob("part-*.parquet")}
    assert 4 <= len(written) < 20
    with pytest.raises(UnfinishedDatasetError):
        open_dataset(tmp_path / "killed")

    subprocess.run([*command, "finish", str(tmp_path / "killed"), str(tmp_path / "whole")], check=True)
    kept = {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in written}
    assert kept == written, "shards that were whole are not written twice"
    names = [sorted(p.name for p in (tmp_path / folder).iterdir()) for folder in ("killed", "whole")]
    assert names[0] == names[1] and len(names[0]) == 21
    resumed, whole = (open_dataset(tmp_path / folder) for folder in ("killed", "whole"))
    assert len(resumed) == len(whole) == 1950 and resumed.meta == whole.meta
    for name, array in resumed.read().leaves().items():
        np.testing.assert_array_equal(array, whole.read().leaves()[name])


# -- in one go -------------------------------------------------------------------------------


def test_create_dataset_splits_any_calls_into_whole_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("synth_replay.datasets.parquet.writer.SHARD_ROWS", 100)
    spec, rows = spec_and_rows()
    for number, sizes in enumerate([[300], [1] * 50 + [250], [99, 2, 100, 99], [150, 150]]):
        with create_dataset(tmp_path / str(number), spec, 300) as writer:
            start = 0
            for size in sizes:
                writer.write(rows[start : start + size])
                start += size
        folder = tmp_path / str(number)
        assert [pq.read_metadata(p).num_rows for p in sorted(folder.glob("part*"))] == [100, 100, 100]
        assert_rows(read(folder), rows)


def test_given_spaces_are_used_for_a_folder_too(tmp_path):
    spec, rows = spec_and_rows()
    path = write(tmp_path / "d", spec, rows)
    dataset = open_dataset(path, action_space=spaces.Discrete(9))
    assert dataset.spec.action_space == spaces.Discrete(9)
    assert isinstance(dataset.read(), Transitions)
