"""A name in a file leads to a plain file of its own folder, or to the caller's error."""

import os
import socket

import pytest

from synth_replay.errors import CheckpointError
from synth_replay.safe_paths import plain_file, plain_folder, plain_name, shown

NO_NAMES = [None, 3, 1.5, True, ["a"], {"a": 1}, "", ".", "..", "../a", "a/b", "/etc/passwd", "a\0b", "a\\b", "C:x"]


@pytest.mark.parametrize("name", [*NO_NAMES, "a/", "./a", "\ud800"])
def test_invalid_file_names_are_refused(name, tmp_path):
    (tmp_path / "a").write_text("here")
    with pytest.raises(CheckpointError, match=r"names .* which is no name of a file in that folder"):
        plain_file(tmp_path, name, CheckpointError)
    assert not plain_name(name)


@pytest.mark.parametrize("name", ["a", "part-00000.parquet", "λ.npz", " space", "...", "-x", "a..b"])
def test_a_file_of_the_folder_is_found_under_its_name(name, tmp_path):
    (tmp_path / name).write_text("here")
    assert plain_file(tmp_path, name).read_text() == "here"


def test_a_missing_file_and_a_name_that_is_too_long_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone.bin is missing"):
        plain_file(tmp_path, "gone.bin", CheckpointError)
    with pytest.raises(CheckpointError, match="cannot be opened") as caught:
        plain_file(tmp_path, "x" * 5000, CheckpointError)
    assert len(str(caught.value)) < 6000


def test_links_out_of_the_folder_are_refused_and_links_inside_are_followed(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    (tmp_path / "secret").write_text("other")
    (folder / "mine").write_text("here")
    for name, target in {"out": tmp_path / "secret", "loop": folder / "loop", "in": "mine", "up": "../secret"}.items():
        (folder / name).symlink_to(target)
    assert plain_file(folder, "in").read_text() == "here"
    for name, match in {"out": "leads out of its folder", "up": "leads out", "loop": "cannot be opened"}.items():
        with pytest.raises(CheckpointError, match=match):
            plain_file(folder, name, CheckpointError)


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("here")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert plain_file(tmp_path / "link", "a").read_text() == "here"


def test_pipes_sockets_folders_and_devices_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name, kind in {"pipe": "a pipe", "folder": "a folder", "socket": "a socket"}.items():
            with pytest.raises(ValueError, match=f"{name} is {kind}, not a file"):
                plain_file(tmp_path, name)
    with pytest.raises(ValueError, match="null is a device, not a file"):
        plain_file(type(tmp_path)("/dev"), "null")


def test_folders_obey_the_same_rules_as_files(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "1").write_text("")
    (tmp_path / "2").symlink_to("/")
    assert plain_folder(tmp_path, "0") == tmp_path / "0"
    for name, match in {"1": "a file, not a folder", "2": "leads out", "../x": "no name of a folder"}.items():
        with pytest.raises(ValueError, match=match):
            plain_folder(tmp_path, name)


def test_a_long_value_is_cut_for_an_error():
    assert shown("a") == "'a'" and len(shown("x" * 10**6)) < 80 and len(shown([0] * 10**4)) < 80
