import sys
from importlib.util import find_spec

import numpy as np
import pytest

from synth_replay.augment import background_files, load_backgrounds, procedural_backgrounds
from synth_replay.errors import ConfigError, DatasetError, MissingExtraError

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def save(path, colours, size=40):
    """A picture of vertical bands, one for each colour."""
    image = pytest.importorskip("PIL.Image")
    bands = [np.full((size, size, 3), colour, np.uint8) for colour in colours]
    path.parent.mkdir(exist_ok=True)
    image.fromarray(np.concatenate(bands, axis=1)).save(path)


def test_procedural_pictures_follow_from_seed_and_number_alone():
    pictures = procedural_backgrounds(9, 20, 30, seed=1)
    assert pictures.shape == (9, 20, 30, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(procedural_backgrounds(4, 20, 30, seed=1), pictures[:4])
    assert len(np.unique(procedural_backgrounds(50, 8, 8, seed=1), axis=0)) == 50
    assert all((a != b).any() for a, b in zip(procedural_backgrounds(9, 20, 30, seed=2), pictures, strict=True))


def test_a_procedural_picture_looks_the_same_at_another_size():
    small, large = (procedural_backgrounds(16, size, size, seed=3).astype(float) for size in (32, 96))
    shrunk = large.reshape(16, 32, 3, 32, 3, 3).mean((2, 4))
    assert np.abs(shrunk - small).mean() < 4 < 40 < np.abs(shrunk - small[::-1]).mean()


def test_some_patterns_can_be_left_out():
    every, two = procedural_backgrounds(8, 9, 9, seed=4), procedural_backgrounds(8, 9, 9, 4, ["gradient", "noise"])
    np.testing.assert_array_equal(two[[0, 1, 4, 5]], every[[0, 1, 4, 5]])
    assert all((a != b).any() for a, b in zip(two[[2, 3]], every[[2, 3]], strict=True))
    noise = procedural_backgrounds(3, 9, 9, 4, ["noise"])
    np.testing.assert_array_equal(noise[1], every[1])
    for patterns in ([], ["fog"]):
        with pytest.raises(ConfigError, match="gradient, noise, checkers, stripes"):
            procedural_backgrounds(1, 9, 9, 4, patterns)


def test_a_folder_is_read_in_the_order_of_its_names_and_up_to_the_limit(tmp_path):
    save(tmp_path / "b.png", [GREEN])
    save(tmp_path / "a.PNG", [RED])
    save(tmp_path / "c.bmp", [BLUE])
    (tmp_path / "licence.txt").write_text("not a picture")
    pictures = load_backgrounds(tmp_path, 8, 12)
    assert pictures.shape == (3, 8, 12, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures[:, 3, 3], [RED, GREEN, BLUE])
    np.testing.assert_array_equal(load_backgrounds(tmp_path, 8, 12, limit=2), pictures[:2])


def test_a_picture_covers_the_frame_and_loses_its_sides_alike(tmp_path):
    save(tmp_path / "wide.png", [RED, GREEN, BLUE])
    np.testing.assert_array_equal(load_backgrounds(tmp_path, 40, 40)[0], np.broadcast_to(GREEN, (40, 40, 3)))


def test_a_video_stands_for_its_first_frame(tmp_path):
    image = pytest.importorskip("PIL.Image")
    first, second = (image.new("RGB", (30, 30), colour) for colour in (RED, BLUE))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    save(tmp_path / "bear" / "00001.png", [BLUE])
    save(tmp_path / "bear" / "00000.png", [GREEN])
    (tmp_path / "empty").mkdir()
    assert [file.name for file in background_files(tmp_path)] == ["a.gif", "00000.png"]
    np.testing.assert_array_equal(load_backgrounds(tmp_path, 6, 6)[:, 0, 0], [RED, GREEN])


@pytest.mark.skipif(find_spec("imageio_ffmpeg") is None, reason="imageio-ffmpeg, which decodes mp4, is not installed")
def test_an_mp4_stands_for_its_first_frame(tmp_path):
    import imageio.v3 as imageio

    frames = np.stack([np.full((64, 64, 3), colour, np.uint8) for colour in (RED, BLUE)]).repeat(8, axis=0)
    imageio.imwrite(tmp_path / "a.mp4", frames, fps=8)
    assert np.abs(load_backgrounds(tmp_path, 16, 16)[0].astype(int) - RED).max() < 12


@pytest.mark.parametrize("make", ["nothing", "a file", "an empty folder", "other files"])
def test_a_folder_without_pictures_is_refused_by_name(tmp_path, make):
    path = tmp_path / "backgrounds"
    if make == "a file":
        path.write_text("")
    elif make != "nothing":
        path.mkdir()
        if make == "other files":
            (path / "readme.md").write_text("")
    with pytest.raises(DatasetError, match=r"backgrounds .*(folder of images|put some)"):
        load_backgrounds(path, 8, 8)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # imageio leaves its pipes open
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.mp4"])
def test_an_unreadable_file_is_named(tmp_path, name):
    for module in ("PIL", "imageio", "imageio_ffmpeg")[: 3 if name == "a.mp4" else 1]:
        pytest.importorskip(module)
    (tmp_path / name).write_bytes(b"no picture at all")
    with pytest.raises(DatasetError, match=name):
        load_backgrounds(tmp_path, 8, 8)


@pytest.mark.parametrize(
    ("module", "file", "package"), [("PIL.Image", "a.png", "pillow"), ("imageio_ffmpeg", "a.mp4", "imageio-ffmpeg")]
)
def test_a_missing_library_is_named_with_its_pip_command(tmp_path, monkeypatch, module, file, package):
    (tmp_path / file).write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install \"synth-replay\[pixels\]\""):
        load_backgrounds(tmp_path, 8, 8)


@pytest.mark.parametrize("arguments", [(0, 8, 8, 0), (1, 0, 8, 0), (1, 8, 0, 0), (1, 8, 8, -1)])
def test_impossible_numbers_are_refused(tmp_path, arguments):
    with pytest.raises(ConfigError, match=r"at least 1|negative"):
        procedural_backgrounds(*arguments)
    with pytest.raises(ConfigError, match="at least 1"):
        load_backgrounds(tmp_path, 8, 8, limit=0)
