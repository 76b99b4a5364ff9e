"""Figures from synthetic tables and samples: what is drawn, how models look, the same bytes again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from seunet.report import figures
from seunet.report.figures import gallery, style
from seunet.report.tables import (
    CROPS_COLUMNS,
    EQUIVARIANCE_COLUMNS,
    HISTORY_COLUMNS,
    SCORES_COLUMNS,
    WINDOWS_COLUMNS,
)
from seunet.runtime.errors import UserError

MODELS = {
    "unet": {"label": "U-Net", "architecture": "unet"},
    "unet-aug2": {"label": "U-Net, jittering 2", "architecture": "unet", "scale_jitter": 2},
    "sresnet": {"label": "SResNet", "architecture": "sresnet"},
    "seunet": {"label": "SEU-Net", "architecture": "seunet", "options": {"num_scales": 4}},
}
SIZES = {0.25: 48, 0.297: 64, 0.354: 64, 0.5: 112, 1.0: 224, 2.0: 448, 4.0: 896}


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures that are saved, to look into them."""
    saved = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, *rest: (saved.append(figure), save(figure, *rest)))
    return saved


def score_table(folder: Path, models=MODELS, seeds=(0,)) -> Path:
    rows = [
        ("toy", model, model, seed, scale, h, h, 0.7 - 0.1 * abs(np.log2(scale)) + 0.01 * seed, h / 1000)
        for model in models
        for seed in seeds
        for scale, h in SIZES.items()
    ]
    path = folder / "scores.csv"
    pd.DataFrame(rows, columns=SCORES_COLUMNS).to_csv(path, index=False)
    return path


def history_table(folder: Path, epochs=3) -> Path:
    rows = [
        (dataset, model, model, seed, epoch, 1 / epoch, 1.2 / epoch, 0.5, 0.001, 1.0, 10.0, 100.0)
        for dataset in ("toy", "other")
        for model in MODELS
        for seed in (0, 1)
        for epoch in range(1, epochs + 1)
    ]
    path = folder / "history.csv"
    pd.DataFrame(rows, columns=HISTORY_COLUMNS).to_csv(path, index=False)
    return path


def sample_file(folder: Path, name: str, channels=3, classes=("thing", "background"), sizes=SIZES) -> Path:
    arrays = {"scales": np.array(list(sizes)), "classes": np.array(classes)}
    for i, h in enumerate(sizes.values()):
        mask = np.zeros((2, h, h), np.uint8)
        mask[:, h // 4 : -h // 4, h // 4 : -h // 4] = len(classes) - 1
        mask[:, : h // 8] = 255
        arrays[f"mask_{i}"] = mask
        arrays[f"prediction_{i}"] = np.where(mask == 255, 0, mask)
        arrays[f"image_{i}"] = np.full((2, h, h, channels), 90, np.uint8)
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def lines_of(figure: Figure) -> dict:
    return {
        line.get_label(): (line.get_color(), line.get_marker(), line.get_linestyle())
        for axes in figure.axes
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def test_true_scales_are_drawn_once(tmp_path, drawn):
    figures.draw_iou(score_table(tmp_path), "toy", MODELS, "mean_iou", [tmp_path / "iou.png"])
    axes = drawn[0].axes[0]
    for line in axes.get_lines()[: len(MODELS)]:
        assert line.get_xdata() == pytest.approx([48 / 224, 64 / 224, 0.5, 1, 2, 4])
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["×¼", "×½", "×1\n(training)", "×2", "×4"]
    assert axes.get_ylabel() == "Mean IoU"
    assert axes.get_title("left") == "toy"


def test_a_model_looks_the_same_everywhere(tmp_path, drawn):
    scores = score_table(tmp_path, seeds=(0, 1))
    metric = {"iou": "thing"}
    figures.draw_iou(scores, "toy", MODELS, metric, [tmp_path / "a.png"])
    figures.draw_consistency(scores, "toy", MODELS, [tmp_path / "b.png"])
    figures.draw_augmentation(scores, "toy", MODELS, metric, [tmp_path / "c.png"])
    figures.draw_training_curves(
        history_table(tmp_path), MODELS, {"toy": metric, "other": "mean_iou"}, [tmp_path / "d.png"]
    )
    looks = [lines_of(figure) for figure in drawn]
    assert looks[0] == looks[1] == looks[3]
    assert looks[2] == {label: look for label, look in looks[0].items() if label != "SResNet"}
    assert drawn[0].axes[0].get_ylabel() == "IoU of thing"
    part = score_table(tmp_path, ["seunet"])  # a data set that only one model was run on
    figures.draw_iou(part, "toy", MODELS, metric, [tmp_path / "e.png"])
    assert lines_of(drawn[4])["SEU-Net"] == looks[0]["SEU-Net"]


def test_many_models_are_told_apart():
    models = {f"m{i}": {"label": f"model {i}", "scale_jitter": 1 + i % 2} for i in range(40)}
    styles = style.model_styles(models).values()
    assert len({(look.colour, look.marker) for look in styles}) == 40
    assert [look.jitter for look in styles] == [None, 2] * 20
    assert {look.line["linestyle"] for look in styles if look.jitter}.isdisjoint(
        look.line["linestyle"] for look in styles if not look.jitter
    )


def test_mean_and_range_over_seeds(tmp_path, drawn):
    figures.draw_iou(score_table(tmp_path, ["unet"], (0, 1, 3)), "toy", MODELS, "mean_iou", [tmp_path / "f.png"])
    figures.draw_iou(score_table(tmp_path, ["unet"]), "toy", MODELS, "mean_iou", [tmp_path / "f.png"])
    several, single = (figure.axes[0] for figure in drawn)
    middle = 3  # at scale 1: .70, .71, .73
    assert several.get_lines()[0].get_ydata()[middle] == pytest.approx((0.70 + 0.71 + 0.73) / 3)
    band = several.collections[0].get_paths()[0].vertices
    at_one = band[np.isclose(band[:, 0], 1), 1]
    assert (at_one.min(), at_one.max()) == pytest.approx((0.70, 0.73))
    assert "mean of 3 seeds" in drawn[0].legends[0].get_title().get_text()
    assert not single.collections


@pytest.mark.parametrize(("count", "width"), [(1, style.COLUMN), (6, style.COLUMN), (7, style.PAGE), (12, style.PAGE)])
def test_width_fits_the_column_and_the_legend_the_figure(tmp_path, drawn, count, width):
    models = {f"m{i}": {"label": f"A network of kind number {i}", "architecture": "unet"} for i in range(count)}
    figures.draw_augmentation(score_table(tmp_path, models), "toy", models, "mean_iou", [tmp_path / "g.png"])
    with Image.open(tmp_path / "g.png") as image:
        assert image.width == pytest.approx(width * style.DPI, abs=1)
        assert round(image.info["dpi"][0]) == 300
    figure = drawn[0]
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= -1 and legend.x1 <= figure.bbox.x1 + 1
    assert all(legend.y1 <= axes.get_tightbbox().y0 + 1 for axes in figure.axes)


def test_many_models_have_a_panel_each(tmp_path, drawn):
    models = {f"m{i}": {"label": f"Model {i}", "scale_jitter": 1 + i % 2} for i in range(9)}
    figures.draw_iou(score_table(tmp_path, models, (0, 1)), "toy", models, "mean_iou", [tmp_path / "m.png"])
    panels = drawn[0].axes
    assert [axes.get_title("left") for axes in panels] == [f"Model {i}" for i in range(9)]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels}) == 1
    looks = style.model_styles(models)
    for axes, name in zip(panels, models, strict=True):
        own = [line for line in axes.get_lines() if line.get_marker() != "None"]
        assert [(line.get_color(), line.get_label()) for line in own] == [(looks[name].colour, looks[name].label)]
        assert own[0].get_xdata() == pytest.approx([48 / 224, 64 / 224, 0.5, 1, 2, 4])
        assert len(axes.collections) == 1  # its band, nobody else's
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["Model 0", "other models"]
    renderer = drawn[0].canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in panels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_same_tables_same_bytes(tmp_path):
    scores = score_table(tmp_path, seeds=(0, 1))
    sample = {"unet": sample_file(tmp_path, "unet", sizes={0.5: 32, 1: 64})}
    for folder in ("one", "two"):
        paths = [tmp_path / folder / f"iou{suffix}" for suffix in (".png", ".svg")]
        figures.draw_iou(scores, "toy", MODELS, "mean_iou", paths, commit="abc1234")
        paths = [tmp_path / folder / f"predictions{suffix}" for suffix in (".png", ".svg")]
        figures.draw_predictions(sample, "toy", MODELS, paths)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert "commit abc1234" in (tmp_path / "one/iou.svg").read_text()
    with Image.open(tmp_path / "one/iou.png") as image:
        assert image.info["Source"] == "commit abc1234"


@pytest.mark.parametrize(
    ("channels", "classes"),
    [(1, ("background", "cell")), (3, tuple("abcdefgh")), (4, ("background", *"abcdefghij"))],
)
def test_predictions(tmp_path, drawn, channels, classes):
    samples = {name: sample_file(tmp_path, name, channels, classes) for name in ("seunet", "unet")}
    figures.draw_predictions(samples, "toy", MODELS, [tmp_path / "p.png"])
    titles = [axes.get_title() for axes in drawn[0].axes if axes.get_title()]
    assert titles[0] == "×0.214\n48×48 px" and titles[-1] == "×4\n896×896 px"
    assert "×1\n224×224 px" in titles and len(titles) == 6  # 0.297 and 0.354 are the same size
    names = [axes.get_ylabel() for axes in drawn[0].axes if axes.get_ylabel()]
    assert names == ["Image", "Truth", "U-Net", "SEU-Net"] * 2  # in the order of the configuration
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == [*classes, "wrong pixels", "ignored"]
    assert len({tuple(colour) for colour in gallery.class_colours(list(classes))}) == len(classes)
    assert drawn[0].get_figwidth() <= style.PAGE + 0.01


def test_errors_are_marked_and_nothing_else_is(tmp_path, drawn):
    files = {name: sample_file(tmp_path, name, sizes={0.5: 32, 1: 64}) for name in ("right", "empty")}
    arrays = dict(np.load(files["empty"]))
    for i in range(2):
        arrays[f"prediction_{i}"] = np.zeros_like(arrays[f"mask_{i}"])
    np.savez(files["empty"], **arrays)
    models = {"right": {"label": "Right"}, "empty": {"label": "Finds nothing"}}
    figures.draw_predictions(files, "toy", models, [tmp_path / "e.png"])
    panels = {axes.get_ylabel(): axes for axes in drawn[0].axes}
    assert len(panels["Right"].images) == 1  # no mark on a right answer
    wash = panels["Finds\nnothing" if "Finds\nnothing" in panels else "Finds nothing"].images[1].get_array()
    truth = arrays["mask_0"][0]
    assert np.array_equal(wash[..., 3] > 0, truth == 1)  # all that it missed; ignored pixels are no errors
    assert gallery.ERROR not in gallery.CLASS_COLOURS


@pytest.mark.parametrize("label", ["W" * 60, "A network of many long words in its name " * 2, "short"])
def test_no_label_of_predictions_is_clipped(tmp_path, drawn, label):
    samples = {"unet": sample_file(tmp_path, "unet", sizes={1: 64})}
    figures.draw_predictions(samples, "a data set " * 3, {"unet": {"label": label}}, [tmp_path / "l.png"])
    (figure,) = drawn
    renderer = figure.canvas.get_renderer()
    boxes = [axes.yaxis.label.get_window_extent(renderer) for axes in figure.axes]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    titles = [axes.title.get_window_extent(renderer) for axes in figure.axes if axes.get_title()]
    for box in boxes + titles:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
    assert not any(text.get_window_extent(renderer).overlaps(title) for text in figure.texts for title in titles)


def test_a_bound_is_thin_and_dashed_and_the_ceiling_dotted(tmp_path, drawn):
    models = {"unet": MODELS["unet"], "known": {"label": "Scale known", "rescale": "training"}}
    scores = score_table(tmp_path, models, (0, 1))
    figures.draw_iou(scores, "toy", models, "mean_iou", [tmp_path / "b.png"], ceiling=0.9)
    lines = {line.get_label(): line for line in drawn[0].axes[0].get_lines()}
    assert lines["Scale known"].get_linestyle() == "--" and lines["Scale known"].get_marker() == "None"
    assert lines["Scale known"].get_linewidth() < lines["U-Net"].get_linewidth()
    assert lines["ceiling of the labels"].get_ydata() == [0.9, 0.9]
    assert drawn[0].axes[0].get_ylim()[1] > 0.9
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["U-Net", "Scale known", "ceiling of the labels"]


def window_table(folder: Path, windows=("4-8", "1-2", "2-4"), scales=SIZES, seeds=(0, 1)) -> Path:
    rows = [
        ("toy", model, model, seed, scale, h, h, window, 0.5 + 0.1 * i + 0.02 * seed, [0.0, 0.25, 0.75][i])
        for model in ("seunet", "sresnet")
        for seed in seeds
        for scale, h in scales.items()
        for i, window in enumerate(windows)
    ]
    path = folder / "windows.csv"
    pd.DataFrame(rows, columns=WINDOWS_COLUMNS).to_csv(path, index=False)
    return path


def test_windows_have_a_panel_per_lifted_network(tmp_path, drawn):
    figures.draw_scales(window_table(tmp_path), "toy", MODELS, {"iou": "thing"}, [tmp_path / "w.png"])
    *panels, bar = drawn[0].axes
    assert [axes.get_title("left") for axes in panels] == ["SResNet", "SEU-Net"]  # in the order of the configuration
    for axes in panels:
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1–2", "2–4", "4–8"]
        assert axes.get_xscale() == "log" and axes.get_xlim()[0] < 48 / 224 and axes.get_xlim()[1] > 4
        numbers = [text.get_text() for text in axes.texts if text.get_text().isdigit()]
        assert numbers == ["61"] * 6 + ["71"] * 6 + ["51"] * 6  # a row per window, means of the seeds, in percent
        dots = [dot.get_sizes()[0] for dot in axes.collections[1:]]
        assert len(dots) == 12 and dots[6] == pytest.approx(3 * dots[0])  # areas as the shares; none for a share of 0
    assert "IoU of thing" in bar.get_ylabel()


@pytest.mark.parametrize("count", [1, 2, 17])
def test_numbers_of_windows_fit_their_cells(tmp_path, drawn, count):
    scales = {scale: round(256 * scale) for scale in 2 ** np.linspace(-2, 2, count)} if count > 1 else {}
    figures.draw_scales(
        window_table(tmp_path, scales={1.0: 256} | scales), "toy", MODELS, "mean_iou", [tmp_path / "n.png"]
    )
    axes = drawn[0].axes[0]
    renderer = drawn[0].canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text().isdigit()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x0 >= axes.bbox.x0 - 1 and box.x1 <= axes.bbox.x1 + 1 for box in boxes)


def test_a_window_that_is_no_range_is_named(tmp_path):
    with pytest.raises(UserError, match="window 'all': expected scales such as 1-2"):
        figures.draw_scales(window_table(tmp_path, ["all"]), "toy", MODELS, "mean_iou", [tmp_path / "w.png"])


@pytest.mark.parametrize(("modulo", "sides"), [(None, list(range(64, 193))), (64, list(range(64)))])
def test_crops_have_a_line_per_model(tmp_path, drawn, modulo, sides):
    rows = [
        ("toy", model, model, seed, side, side, 0.9 + 0.01 * seed + 0.05 * (side % 64 == 0))
        for model in MODELS
        for seed in (0, 2)
        for side in range(64, 193)
    ]
    pd.DataFrame(rows, columns=CROPS_COLUMNS).to_csv(tmp_path / "crops.csv", index=False)
    figures.draw_crops(tmp_path / "crops.csv", "toy", MODELS, [tmp_path / "c.png"], modulo=modulo)
    (axes,) = drawn[0].axes
    lines, looks = axes.get_lines(), style.model_styles(MODELS)
    assert [(line.get_label(), line.get_color()) for line in lines] == [(m.label, m.colour) for m in looks.values()]
    assert list(lines[0].get_xdata()) == sides
    assert lines[0].get_ydata()[:2] == pytest.approx([0.96, 0.91]) and len(axes.collections) == len(MODELS)
    assert all(tick % 16 == 0 or modulo for tick in axes.get_xticks())
    assert ("modulo 64" in axes.get_xlabel()) == bool(modulo)


def test_scales_are_spread_and_hold_the_training_scale(tmp_path):
    nominal = 2 ** np.linspace(-2, 2, 17)
    sizes = {scale: 16 * int(224 * scale / 16 + 1e-9) for scale in nominal}
    samples = gallery.load_samples(sample_file(tmp_path, "many", 1, sizes=sizes))
    chosen = nominal[gallery.chosen_scales(samples)]
    assert len(chosen) == 6
    assert chosen[[0, -1]].tolist() == [0.25, 4] and 1.0 in chosen


def test_one_epoch_is_enough(tmp_path, drawn):
    table = history_table(tmp_path, epochs=1)
    figures.draw_training_curves(table, MODELS, {}, [tmp_path / "t.svg"])
    assert [axes.get_title("left") for axes in drawn[0].axes][::3] == ["toy", "other"]


def test_errors_say_what_to_do(tmp_path):
    scores = score_table(tmp_path, ["unet"])
    out = [tmp_path / "x.png"]
    with pytest.raises(UserError, match="no scores of data set 'cats'"):
        figures.draw_iou(scores, "cats", MODELS, "mean_iou", out)
    with pytest.raises(UserError, match="no result of any model in seunet"):
        figures.draw_iou(scores, "toy", {"seunet": MODELS["seunet"]}, "mean_iou", out)
    with pytest.raises(UserError, match="written as .png or .svg"):
        figures.draw_iou(scores, "toy", MODELS, "mean_iou", [tmp_path / "x.gif"])
    with pytest.raises(UserError, match="run the evaluation"):
        figures.draw_predictions({"unet": tmp_path / "none.npz"}, "toy", MODELS, out)
    a, b = sample_file(tmp_path, "a"), sample_file(tmp_path, "b", sizes={0.5: 32, 1: 64})
    with pytest.raises(UserError, match="other images or scales"):
        figures.draw_predictions({"unet": a, "seunet": b}, "toy", MODELS, out)
    np.savez(tmp_path / "c.npz", scales=[1.0], classes=["a"])
    with pytest.raises(UserError, match="'image_0' is missing"):
        figures.draw_predictions({"unet": tmp_path / "c.npz"}, "toy", MODELS, out)
    (tmp_path / "cut.npz").write_bytes(a.read_bytes()[:-30])
    with pytest.raises(UserError, match="run the evaluation"):
        figures.draw_predictions({"unet": tmp_path / "cut.npz"}, "toy", MODELS, out)
    assert not out[0].exists()


def equivariance_table(folder: Path, seeds=(0, 1)) -> Path:
    stages = {"unet": ["stem", "head", "logits"], "sresnet": ["lifting", "block 1", "block 2", "logits"]}
    rows = [
        (
            dataset,
            model,
            model,
            seed,
            scale,
            stage,
            i,
            np.nan if stage == "block 1" and scale == 4 else 0.1 * (i + scale),
        )
        for dataset in ("toy", "other")
        for model in MODELS
        for seed in seeds
        for scale in (0.25, 0.5, 2.0, 4.0)
        for i, stage in enumerate(stages.get(model, ["logits"]))
    ]
    path = folder / "equivariance.csv"
    pd.DataFrame(rows, columns=EQUIVARIANCE_COLUMNS).to_csv(path, index=False)
    return path


def test_equivariance_has_a_panel_per_model_and_the_same_axes(tmp_path, drawn):
    paths = [tmp_path / "equivariance.png", tmp_path / "equivariance.svg"]
    figures.draw_equivariance(equivariance_table(tmp_path), MODELS, paths)
    assert all(path.stat().st_size > 0 for path in paths)
    panels = drawn[0].axes
    assert [axes.get_title("left") for axes in panels] == ["U-Net", "U-Net, jittering 2", "SResNet", "SEU-Net"] * 2
    assert len({(axes.get_xlim(), axes.get_ylim(), axes.get_yscale()) for axes in panels}) == 1
    ticks = [tick.get_text() for tick in panels[2].get_xticklabels()]
    assert ticks == ["block 1", "block 2", "logits"]  # the lifting is not learned
    assert [line.get_xdata()[-1] for line in panels[0].get_lines()] == [0] * 4  # the logits of all networks
    assert [len(line.get_xdata()) for line in panels[2].get_lines()] == [3, 3, 3, 2]  # one is not measured
    assert len(panels[0].collections) == 4  # bands over two seeds


def test_scales_of_equivariance_are_told_apart(tmp_path, drawn):
    figures.draw_equivariance(equivariance_table(tmp_path, seeds=(0,)), MODELS, [tmp_path / "a.png"])
    lines = drawn[0].axes[0].get_lines()
    assert [line.get_marker() for line in lines] == ["v", "v", "^", "^"]
    assert len({line.get_color() for line in lines}) == 4
    legend = drawn[0].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["×¼", "×½", "×2", "×4"]


def test_equivariance_where_nothing_could_be_measured(tmp_path):
    table = pd.read_csv(equivariance_table(tmp_path)).assign(error=np.nan)
    table.to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(UserError, match="no error at any scale"):
        figures.draw_equivariance(tmp_path / "empty.csv", MODELS, [tmp_path / "empty.png"])
    table.assign(error=0.0).to_csv(tmp_path / "zero.csv", index=False)
    figures.draw_equivariance(tmp_path / "zero.csv", MODELS, [tmp_path / "zero.png"])


def test_winners_are_drawn_of_networks_that_have_them(tmp_path):
    arrays = {"scales": np.array([0.5, 1.0]), "classes": np.array(["background", "leaf"])}
    for i, side in enumerate((16, 32)):
        truth = np.zeros((2, side, side), np.uint8)
        truth[:, : side // 2] = 1
        arrays |= {f"image_{i}": np.zeros((2, side, side, 3), np.uint8), f"mask_{i}": truth, f"prediction_{i}": truth}
    np.savez(tmp_path / "plain.npz", **arrays)
    np.savez(tmp_path / "lifted.npz", **arrays, **{f"winner_{i}": arrays[f"mask_{i}"] for i in range(2)})
    models = {"unet": {"label": "U-Net"}, "seunet": {"label": "SEU-Net"}}
    both = {"unet": tmp_path / "plain.npz", "seunet": tmp_path / "lifted.npz"}
    figures.draw_winners(both, "reef", models, [tmp_path / "winners.svg"])
    drawn = (tmp_path / "winners.svg").read_text()
    assert drawn.count("<image") == 4  # the image, and the winners of one network, at two sizes
    with pytest.raises(UserError, match="winning scales"):
        figures.draw_winners({"unet": tmp_path / "plain.npz"}, "reef", models, [tmp_path / "none.png"])


def test_crops_of_small_images_are_said_to_be_none(tmp_path):
    pd.DataFrame(columns=CROPS_COLUMNS).to_csv(tmp_path / "crops.csv", index=False)
    figures.draw_crops(tmp_path / "crops.csv", "reef", {"unet": {"label": "U-Net"}}, [tmp_path / "crops.png"])
    assert (tmp_path / "crops.png").stat().st_size > 0
