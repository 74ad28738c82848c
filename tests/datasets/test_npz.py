"""npz against NumPy itself and SynthER's way of loading it."""

import io
import zipfile

import numpy as np
import pytest
import torch

from synth_replay import Transitions
from synth_replay.datasets import open_dataset
from synth_replay.errors import DatasetFormatError
from tests.datasets.helpers import assert_rows, random_rows, read, spec_and_rows, spec_of, write


def test_numpy_reads_what_we_write_column_by_column(tmp_path):
    spec, rows = spec_and_rows()
    with np.load(write(tmp_path / "d.npz", spec, rows), allow_pickle=False) as archive:
        assert set(archive.files) == {*rows.columns(), "terminals", "truncations"}
        assert_rows(Transitions(**{name: archive[name] for name in rows.columns()}), rows)
        assert archive["observations"].dtype == archive["rewards"].dtype == np.float32
        assert not archive["truncations"].any()


def test_synthers_training_finds_its_columns(tmp_path):
    """What its loader does: every file of the archive sliced, rewards and terminals given a trailing axis."""
    spec, rows = spec_and_rows("Pendulum-v1")
    archive = np.load(write(tmp_path / "d.npz", spec, rows))
    data = {key: archive[key][:100] for key in archive.files}
    for name in ("observations", "actions", "next_observations"):
        torch.testing.assert_close(torch.tensor(data[name]), torch.tensor(getattr(rows, name)[:100]), check_dtype=False)
    for name in ("rewards", "terminals"):
        assert torch.tensor(data[name][..., None], dtype=torch.float32).shape == (100, 1)
    np.testing.assert_array_equal(data["terminals"], rows.terminations[:100])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_synthers_own_samples_are_read(save, tmp_path):
    _, rows = spec_and_rows("Pendulum-v1")
    columns = {name: np.float32(a) for name, a in rows.columns().items() if name != "terminations"}
    save(tmp_path / "5m_samples.npz", **columns, terminals=np.float32(rows.terminations))
    dataset = open_dataset(tmp_path / "5m_samples.npz", action_space=spec_of("Pendulum-v1").action_space)
    assert_rows(dataset.read(), rows)
    assert dataset.meta == {"notes": []}


@pytest.mark.parametrize("truncations", ["truncations", "timeouts", "truncals"])
@pytest.mark.parametrize("terminations", ["terminations", "terminals"])
def test_every_usual_name_of_a_flag_is_known(terminations, truncations, tmp_path):
    _, rows = spec_and_rows()
    columns = rows.columns() | {terminations: rows.terminations, truncations: np.arange(300) % 7 == 0}
    if terminations != "terminations":
        del columns["terminations"]
    np.savez(tmp_path / "d.npz", **columns)
    found = read(tmp_path / "d.npz")
    np.testing.assert_array_equal(found.terminations, rows.terminations)
    np.testing.assert_array_equal(found.truncations, np.arange(300) % 7 == 0)


def test_arrays_in_fortran_order_are_read_alike(tmp_path):
    _, rows = spec_and_rows()
    columns = {name: np.asfortranarray(array) for name, array in rows.columns().items()}
    np.savez(tmp_path / "d.npz", **columns)
    chunks = list(open_dataset(tmp_path / "d.npz").chunks(77))
    assert_rows(Transitions.concatenate(chunks), rows)


def npy(array, version=(1, 0), rows=None):
    """An array as npy bytes; ``rows`` is what its header claims."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version)
    return out.getvalue() if rows is None else out.getvalue().replace(b"(%d,)" % len(array), b"(%d,)" % rows)


def archive(path, rows, **changes):
    """An archive made by hand, with things in it that are no columns."""
    with zipfile.ZipFile(path, "w") as file:
        for name, array in rows.columns().items():
            file.writestr(f"{name}.npy", changes.get(name, npy(array, (2, 0))))
        file.writestr("README.txt", "hello")
        file.writestr("gamma.npy", npy(np.array(0.99)))
    return path


def test_other_things_in_an_archive_do_not_disturb(tmp_path):
    _, rows = spec_and_rows()
    assert_rows(read(archive(tmp_path / "d.npz", rows)), rows)


def test_an_array_that_ends_early_is_noticed(tmp_path):
    _, rows = spec_and_rows()
    path = archive(tmp_path / "d.npz", rows, rewards=npy(rows.rewards[:150], rows=300))
    with pytest.raises(DatasetFormatError, match="its header announces 2,400 bytes, and 1,328 are there"):
        read(path)


def test_pickled_arrays_are_refused_unloaded(tmp_path):
    """The pickle in it would raise a warning, an error here, if it ever ran."""

    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('the pickle ran')",)

    _, rows = spec_and_rows()
    np.savez(tmp_path / "d.npz", **(rows.columns() | {"rewards": np.array([Bomb()] * 300, dtype=object)}))
    with pytest.raises(DatasetFormatError, match="rewards holds object values, not numbers"):
        open_dataset(tmp_path / "d.npz")


def test_a_flipped_bit_is_noticed_by_the_archives_checksum(tmp_path):
    spec = spec_of("Pendulum-v1")
    path = write(tmp_path / "d.npz", spec, random_rows(spec, 500))
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("observations.npy").header_offset + 1000
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetFormatError, match="damaged"):
        read(path)
