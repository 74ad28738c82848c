import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from synth_replay.errors import ConfigError
from synth_replay.evaluation import Divergence
from synth_replay.report import divergence_map, normalized_divergence_map, save_png


def divergences(**rows):
    return {name: Divergence(np.array(row)) for name, row in rows.items()}


FOUND = divergences(Baseline=[0.2, 0.9, 0.4], Ours=[0.3, 0.1, 0.2])


def shown(figure):
    return figure.axes[0].images[0].get_array()


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def test_each_method_is_drawn_in_its_own_order_from_the_largest_divergence():
    figure = divergence_map(FOUND, title="cheetah-run")
    np.testing.assert_array_equal(shown(figure), [[0.9, 0.4, 0.2], [0.3, 0.2, 0.1]])
    assert figure.axes[0].images[0].get_clim() == (0, 0.9)
    assert labels(figure.axes[0].get_yticklabels()) == ["Baseline\nmean 0.500", "Ours\nmean 0.200"]
    assert figure.axes[0].get_title() == "cheetah-run"
    assert figure.axes[0].get_xlabel() == "3 latent dimensions, in the order of each method"


def test_one_method_orders_all_where_they_share_an_encoder():
    figure = divergence_map(FOUND, ordered_by="Baseline")
    np.testing.assert_array_equal(shown(figure), [[0.9, 0.4, 0.2], [0.1, 0.2, 0.3]])
    assert "order of Baseline" in figure.axes[0].get_xlabel()


def test_the_small_map_says_its_numbers_and_leaves_out_what_is_missing():
    figure = normalized_divergence_map({"cheetah-run": FOUND, "walker-walk": divergences(Ours=[0.5, 0.1, 0.3])})
    axes = figure.axes[0]
    np.testing.assert_allclose(shown(figure).filled(-1), [[1, 0.4], [-1, 1]])
    assert [text.get_text() for text in axes.texts] == ["1.00", "0.40", "–", "1.00"]  # noqa: RUF001
    assert labels(axes.get_yticklabels()) == ["cheetah-run", "walker-walk"]
    assert labels(axes.get_xticklabels()) == ["Baseline", "Ours"]


def test_colours_darken_steadily_so_that_no_eye_confuses_them():
    colours = divergence_map(FOUND).axes[0].images[0].cmap(np.linspace(0, 1, 64))
    assert (np.diff(colours[:, :3] @ [0.2126, 0.7152, 0.0722]) < 0).all()


def test_numbers_can_be_read_on_their_cells():
    figure = normalized_divergence_map({"e": divergences(a=[1.0], b=[0.8], c=[0.61], d=[0.59], e=[0.3], f=[0.0])})
    image = figure.axes[0].images[0]
    for text, value in zip(figure.axes[0].texts, shown(figure)[0], strict=True):
        light, dark = sorted((luminance(text.get_color()), luminance(image.cmap(value))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG 2.1's least contrast of graphics and large text


def luminance(colour):
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def test_nothing_diverging_is_drawn_as_nothing():
    for figure in (
        divergence_map(divergences(a=[0.0, 0.0])),
        normalized_divergence_map({"e": divergences(a=[0.0, 0.0])}),
    ):
        assert (shown(figure) == 0).all() and figure.axes[0].images[0].get_clim() == (0, 1)


def test_a_picture_is_written_whole_and_the_same_again(tmp_path):
    paths = [save_png(normalized_divergence_map({"e": FOUND}), tmp_path / name) for name in ("a.png", "b.png")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    pixels = imread(paths[0])
    assert pixels.ndim == 3 and np.ptp(pixels[..., :3]) > 0.9
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    with pytest.raises(FileNotFoundError):
        save_png(normalized_divergence_map({"e": FOUND}), tmp_path / "nowhere" / "a.png")


@pytest.mark.parametrize(
    "draw, text",
    [
        (lambda: divergence_map({}), "none"),
        (lambda: divergence_map(FOUND, ordered_by="Other"), "Baseline, Ours, and not 'Other'"),
        (lambda: divergence_map(FOUND | divergences(Wide=[0.1] * 4)), "'Wide': 4"),
        (lambda: normalized_divergence_map({}), "no divergences"),
    ],
)
def test_maps_that_cannot_be_drawn_are_refused(draw, text):
    with pytest.raises(ConfigError, match=text):
        draw()


def test_names_with_dollar_signs_are_drawn_as_they_are(tmp_path):
    figure = normalized_divergence_map({"$\\frac{$": divergences(**{"a $b": [0.5], "$c": [0.2]})}, title="$\\sum$ $")
    assert save_png(figure, tmp_path / "a.png").stat().st_size > 1000
