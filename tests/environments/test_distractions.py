import numpy as np
import pytest

from synth_replay.environments import DISTRACTION_LEVELS, Distraction, make_dmc_pixels
from synth_replay.errors import ConfigError, DatasetError
from tests.environments.helpers import needs_rendering

TASKS = {"cheetah": "run", "walker": "walk", "humanoid": "walk"}


def make(domain="cheetah", size=32, **options):
    distraction = Distraction(**options) if options else None
    return make_dmc_pixels(domain, TASKS[domain], size=size, frame_stack=1, distraction=distraction)


def picture_of_one_state(env, **reset):
    """The picture of the same physics in whatever episode a reset starts."""
    env.reset(**reset)
    physics = env.unwrapped.physics
    physics.set_state(np.zeros_like(physics.get_state()))
    physics.forward()
    return env.render()


def act(env, steps, seed=0):
    env.action_space.seed(seed)
    return [env.step(env.action_space.sample()) for _ in range(steps)]


def write_pictures(folder, colors):
    """Uniform pictures, so that a corner of a frame names the picture behind it."""
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True)
    for number, color in enumerate(colors):
        image.new("RGB", (20, 10), color).save(folder / f"{number:02}.png")
    return folder


@needs_rendering
@pytest.mark.parametrize("domain", TASKS)
def test_states_and_rewards_are_those_of_the_plain_environment(domain):
    plain, distracted = make(domain), make(domain, level="hard", variant="dynamic")
    for seed in (0, 1):
        seen = [env.reset(seed=seed)[0] for env in (plain, distracted)]
        np.testing.assert_array_equal(*(env.unwrapped.physics.get_state() for env in (plain, distracted)))
        assert np.abs(np.subtract(*seen, dtype=int)).mean() > 5
        steps = [act(env, 10) for env in (plain, distracted)]
        for one, two in zip(*steps, strict=True):
            assert one[1:4] == two[1:4]
        np.testing.assert_array_equal(*(env.unwrapped.physics.get_state() for env in (plain, distracted)))


@needs_rendering
@pytest.mark.parametrize("domain", TASKS)
def test_a_static_distraction_stays_within_an_episode_and_changes_between_episodes(domain):
    env = make(domain, level="hard")
    first = picture_of_one_state(env, seed=0)
    state = env.unwrapped.physics.get_state()
    act(env, 5)
    env.unwrapped.physics.set_state(state)
    env.unwrapped.physics.forward()
    np.testing.assert_array_equal(env.render(), first)
    others = [picture_of_one_state(env) for _ in range(3)]
    assert all(np.abs(np.subtract(first, other, dtype=int)).mean() > 5 for other in others)


@needs_rendering
@pytest.mark.parametrize("kind", ["background", "camera", "color"])
def test_a_dynamic_distraction_moves_within_an_episode(kind):
    env, still = (make(level="hard", kinds=(kind,), variant=v) for v in ("dynamic", "static"))
    first = picture_of_one_state(env, seed=0)
    np.testing.assert_array_equal(picture_of_one_state(still, seed=0), first)  # it begins as the static one
    state = env.unwrapped.physics.get_state()
    moved = []
    for _ in range(3):
        act(env, 3)
        env.unwrapped.physics.set_state(state)
        env.unwrapped.physics.forward()
        moved.append(env.render())
    assert all((one != two).any() for one, two in zip([first, *moved], moved, strict=False))


@needs_rendering
def test_a_fixed_distraction_is_drawn_once_for_all_environments():
    one, two, other = (make(level="hard", variant="fixed", seed=s) for s in (3, 3, 4))
    pictures = [picture_of_one_state(one, seed=0), picture_of_one_state(one), picture_of_one_state(two, seed=8)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert (picture_of_one_state(other, seed=0) != pictures[0]).any()


@needs_rendering
@pytest.mark.parametrize("variant", ["static", "dynamic"])
def test_a_seed_repeats_the_pictures(variant):
    one, two = (make(level="medium", variant=variant) for _ in range(2))

    def film(env, seed):
        return [env.reset(seed=seed)[0], *(s[0] for s in act(env, 3)), env.reset()[0]]

    np.testing.assert_array_equal(film(one, 5), film(two, 5))
    np.testing.assert_array_equal(film(one, 5), film(two, 5))
    assert (film(one, 5)[0] != film(one, 6)[0]).any()
    other = make(level="medium", variant=variant, seed=1)
    assert (film(one, 5)[0] != film(other, 5)[0]).any()


@needs_rendering
def test_leaving_a_kind_out_does_not_change_the_others():
    everything, camera = make(level="hard"), make(level="hard", kinds=("camera",))
    for env in (everything, camera):
        env.reset(seed=2)
        env.render()
    for name in ("cam_xpos", "cam_xmat"):
        np.testing.assert_array_equal(*(getattr(env.unwrapped.physics.data, name)[0] for env in (everything, camera)))


@needs_rendering
@pytest.mark.parametrize("level", DISTRACTION_LEVELS)
@pytest.mark.parametrize(("domain", "variant"), [("cheetah", "dynamic"), ("walker", "static"), ("humanoid", "dynamic")])
def test_the_camera_stays_within_its_bounds_and_looks_where_the_plain_one_looks(domain, variant, level):
    env, scale = make(domain, 8, level=level, kinds=("camera",), variant=variant), DISTRACTION_LEVELS[level][0]
    data, model = env.unwrapped.physics.data, env.unwrapped.physics.model
    own = model.cam_poscom0[0].copy()
    target = own - np.linalg.norm(own) * model.cam_mat0[0].reshape(3, 3)[:, 2]
    turns, zooms, rolls = [], [], []
    for seed in range(15):
        env.reset(seed=seed)
        act(env, 4)
        env.render()
        place, axes = data.cam_xpos[0] - data.subtree_com[1], data.cam_xmat[0].reshape(3, 3)
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(-axes[:, 2], (target - place) / np.linalg.norm(target - place), atol=1e-12)
        assert place[2] >= -1e-12
        level_right = np.cross(-axes[:, 2], [0, 0, 1])
        rolls.append(np.arccos(np.clip(axes[:, 0] @ level_right / np.linalg.norm(level_right), -1, 1)))
        flat = place[:2] @ own[:2] / np.linalg.norm(place[:2]) / np.linalg.norm(own[:2])
        heights = [np.arccos(v[2] / np.linalg.norm(v)) for v in (place, own)]
        turns.append(max(np.arccos(np.clip(flat, -1, 1)), abs(heights[0] - heights[1])))
        zooms.append(np.linalg.norm(place) / np.linalg.norm(own))
    limit = np.pi / 2 * scale + 1e-9
    assert max(turns) <= limit and max(rolls) <= limit and max(turns) > 0.6 * limit
    assert 1 - 0.5 * scale - 1e-9 <= min(zooms) < 1 < max(zooms) <= 1 + 1.5 * scale + 1e-9


@needs_rendering
@pytest.mark.parametrize("level", DISTRACTION_LEVELS)
def test_colours_stay_within_the_scale_and_their_range(level):
    env, scale = make("walker", 8, level=level, kinds=("color",), variant="dynamic"), DISTRACTION_LEVELS[level][0]
    plain = make("walker", 8).unwrapped.physics.model.mat_rgba.copy()
    changes = []
    for seed in range(10):
        env.reset(seed=seed)
        act(env, 3)
        now = env.unwrapped.physics.model.mat_rgba
        assert now.min() >= 0 and now.max() <= 1
        changes.append(now - plain)
    assert np.abs(changes).max() <= scale + 1e-6 and np.abs(changes).max() > 0.9 * scale
    assert not np.any(np.array(changes)[..., 3])  # transparency is left alone


@needs_rendering
def test_backgrounds_are_the_first_pictures_of_the_folder(tmp_path):
    colors = [(40 * n, 250 - 40 * n, 100) for n in range(6)]
    env = make(size=16, kinds=("background",), backgrounds=write_pictures(tmp_path / "pictures", colors))
    corners = {tuple(env.reset(seed=s)[0][:, 0, 0].tolist()) for s in range(40)}
    assert corners == set(colors[:4])  # four at the level easy


@needs_rendering
def test_a_video_plays_back_and_forth(tmp_path):
    greys = [(v, v, v) for v in (0, 60, 120, 180, 240)]
    write_pictures(tmp_path / "videos" / "bear", greys)
    options = {"kinds": ("background",), "backgrounds": tmp_path / "videos"}
    env = make(size=16, variant="dynamic", **options)
    starts, orders = set(), set()
    for seed in range(30):
        corners = [int(env.reset(seed=seed)[0][0, 0, 0]), *(int(s[0][0, 0, 0]) for s in act(env, 9))]
        steps = np.diff(corners)
        assert set(np.abs(steps)) == {60} and {0, 240} <= set(corners)
        starts.add(corners[0])
        orders.add(int(steps[0]))
    assert starts == {0, 60, 120, 180, 240} and orders == {-60, 60}
    still = make(size=16, **options)
    assert {int(still.reset(seed=s)[0][0, 0, 0]) for s in range(10)} == {0}  # the first frame, as in V-D4RL


@needs_rendering
def test_the_background_shows_behind_every_agent_and_the_agent_stays_in_sight(tmp_path):
    folder = write_pictures(tmp_path / "pictures", [(255, 0, 255)])
    for domain in TASKS:
        env = make(domain, 32, level="hard", kinds=("background", "camera"), backgrounds=folder)
        for seed in range(5):
            picture = env.reset(seed=seed)[0].astype(int)
            red, green, blue = picture
            assert np.mean((np.minimum(red, blue) - green) > 30) > 0.3
            assert np.sum((red > blue + 20) & (green > 40)) >= 5  # the agents are orange


def test_bad_distractions_are_refused():
    for options, text in [
        ({"level": "extreme"}, "easy, medium, hard"),
        ({"variant": "frozen"}, "static, dynamic, fixed"),
        ({"kinds": ("sound",)}, "sound.*background"),
        ({"kinds": ()}, "give some of"),
        ({"seed": -1}, "-1"),
    ]:
        with pytest.raises(ConfigError, match=text):
            Distraction(**options)


@needs_rendering
def test_folders_without_pictures_and_cameras_that_do_not_follow_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match=str(folder)):
            make(backgrounds=folder)
    with pytest.raises(ConfigError, match=r"does not follow the agent.*0, 1"):
        make_dmc_pixels("humanoid", "walk", camera_id=2, distraction="easy")
