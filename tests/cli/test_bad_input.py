import numpy as np
import pytest

from synth_replay.cli import main
from tests.cli.helpers import run, write_npz, write_preset
from tests.conftest import rollout


def text_file(folder):
    (folder / "bad.npz").write_text("not a dataset\n")
    return folder / "bad.npz"


def wrong_keys(folder):
    np.savez(folder / "bad.npz", images=np.zeros(3))
    return folder / "bad.npz"


def unequal_lengths(folder):
    return write_npz(folder / "bad.npz", rewards=np.zeros(7, np.float32))


def not_a_number(folder):
    rewards = rollout("Pendulum-v1", 600).rewards.copy()
    rewards[3] = np.nan
    return write_npz(folder / "bad.npz", rewards=rewards)


def zero_rows(folder):
    rows = {name: np.zeros((0, 3), np.float32) for name in ("observations", "next_observations")}
    return write_npz(folder / "bad.npz", actions=np.zeros((0, 1)), rewards=np.zeros(0), terminals=np.zeros(0), **rows)


def too_few_rows(folder):
    return write_npz(folder / "bad.npz", 50)


def truncated_hdf5(folder):
    good = write_npz(folder / "good.npz")
    main(["convert", str(good), str(folder / "bad.hdf5")])
    blob = (folder / "bad.hdf5").read_bytes()
    (folder / "bad.hdf5").write_bytes(blob[: len(blob) // 2])
    return folder / "bad.hdf5"


def truncated_shard(folder):
    good = write_npz(folder / "good.npz")
    main(["convert", str(good), str(folder / "bad")])
    shard = folder / "bad" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-100])
    return folder / "bad"


def missing(folder):
    return folder / "nowhere.npz"


def pickle_file(folder):
    (folder / "bad.pkl").write_bytes(b"\x80\x04N.")
    return folder / "bad.pkl"


def no_ends(folder):
    rows = {"terminals": np.zeros(600, bool), "next_observations": None}
    return write_npz(folder / "bad.npz", **rows)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (text_file, "no dataset"),
        (wrong_keys, "observations"),
        (unequal_lengths, "rows"),
        (not_a_number, "NaN"),
        (zero_rows, "no transitions"),
        (too_few_rows, "100"),
        (truncated_hdf5, "cut short"),
        (truncated_shard, "cut short"),
        (missing, "does not exist"),
        (pickle_file, "--trusted"),
        (no_ends, "end"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_bad_data_gives_one_clear_line_and_leaves_nothing(capsys, tmp_path, make, says):
    path, preset = make(tmp_path), write_preset(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    arguments = ("--num-samples", 100, "--out", tmp_path / "out", "--preset", preset)
    code, out, err = run(capsys, "upsample", path, *arguments)
    assert code == 1 and out == ""
    assert err.count("\n") == 1 and err.startswith("synth-replay: ") and says in err, err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_that_holds_something_else_is_left_alone(capsys, tmp_path):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    code, _, err = run(capsys, "upsample", data, "--num-samples", 10, "--out", tmp_path / "out", "--preset", preset)
    assert code == 1 and "already holds something else" in err and err.count("\n") == 1
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"
    assert not (tmp_path / "out.unfinished").exists()


def test_a_finished_output_is_not_made_twice_and_not_replaced_by_another(capsys, tmp_path):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    common = ("upsample", data, "--out", tmp_path / "out.npz", "--preset", preset, "--num-samples")
    run(capsys, *common, 40)
    stamp = (tmp_path / "out.npz").stat().st_mtime_ns
    code, out, _ = run(capsys, *common, 40)
    assert code == 0 and "nothing to generate" in out
    assert run(capsys, *common, 41)[0] == 1
    assert (tmp_path / "out.npz").stat().st_mtime_ns == stamp


def test_an_unfinished_run_with_other_settings_is_not_mixed_up(capsys, tmp_path, monkeypatch):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("synth_replay.upsampling.upsample.generate_shards", interrupted)
        code, _, err = run(capsys, "upsample", data, "--num-samples", 40, "--out", tmp_path / "o", "--preset", preset)
    assert code == 130 and "same command" in err
    code, _, err = run(capsys, "upsample", data, "--num-samples", 50, "--out", tmp_path / "o", "--preset", preset)
    assert code == 1 and "other settings (num-samples: 40 there, 50 now)" in err
    assert run(capsys, "upsample", data, "--num-samples", 40, "--out", tmp_path / "o", "--preset", preset)[0] == 0


def test_a_folder_in_the_way_of_the_work_is_named(capsys, tmp_path):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    (tmp_path / "o.unfinished").mkdir()
    (tmp_path / "o.unfinished" / "mine.txt").write_text("precious")
    code, _, err = run(capsys, "upsample", data, "--num-samples", 50, "--out", tmp_path / "o", "--preset", preset)
    assert code == 1 and "in the way" in err
    assert (tmp_path / "o.unfinished" / "mine.txt").exists()


@pytest.mark.parametrize("command", ["upsample", "fit", "convert"])
def test_a_disk_that_refuses_is_one_line(capsys, tmp_path, command):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"  # a file is no folder, even for root
    arguments = {"upsample": ("--num-samples", 10, "--out", out), "fit": ("--out", out), "convert": (out,)}[command]
    preset_option = () if command == "convert" else ("--preset", preset)
    code, _, err = run(capsys, command, data, *arguments, *preset_option)
    assert code == 1 and err.count("\n") == 1 and str(tmp_path / "file") in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("upsample",),
        ("fly",),
        ("info", "x", "--no-such-option"),
        ("sample", "x", "--num-samples", "many", "--out", "y"),
        ("upsample", "x", "--num-samples", "5", "--out", "y", "--generator.training.steps", "0"),
        ("upsample", "x", "--num-samples", "5", "--out", "y", "--out-format", "sb3"),
    ],
)
def test_wrong_arguments_exit_with_two(capsys, arguments):
    assert run(capsys, *arguments)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--preset", "no-such-preset"), "neither a preset"),
        (("--num-samples", "0"), "at least 1"),
        (("--env", "NoSuchEnv-v0"), "NoSuchEnv"),
        (("--env", "CartPole-v1"), "space"),
        (("--holdout", "1.5"), "holdout"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(capsys, tmp_path, arguments, says):
    data, preset = write_npz(tmp_path / "d.npz"), write_preset(tmp_path)
    given = ["--num-samples", "10", "--out", tmp_path / "o", "--preset", preset]
    for name in arguments[::2]:
        if name in given:
            del given[given.index(name) : given.index(name) + 2]
    code, _, err = run(capsys, "upsample", data, *given, *arguments)
    assert code == 1 and err.count("\n") == 1 and says in err, err


def test_a_folder_that_is_no_generator_is_one_line(capsys, tmp_path):
    code, _, err = run(capsys, "sample", tmp_path, "--num-samples", 10, "--out", tmp_path / "o")
    assert code == 1 and "generator" in err and err.count("\n") == 1
