"""Claims: estimates by hand, intervals against theory, scipy and simulation, and what is tested at all."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.figure import Figure
from test_configuration import ROOT, change, good, load, message

from benchmarks.coverage import coverage
from seunet.config import checks as configuration
from seunet.config import plan
from seunet.report import claims, figures
from seunet.report.claims import Bootstrap, compare, judge_claims
from seunet.report.figures import style
from seunet.report.tables import unseen_scales
from seunet.runtime.errors import UserError
from seunet.settings.metric import Metric

CLAIM = {"claim": "A beats B", "dataset": "toy", "better": "a", "worse": "b", "seeds": [0]}


def counts_file(folder, model, tp, union, seed=0, heights=(8, 16, 32), classes=("x",)):
    """Write counts per image (K, N, C) as the evaluation does; half of the errors are false positives."""
    tp, union = np.asarray(tp), np.asarray(union)
    heights = np.array(heights)
    fp = (union - tp) // 2
    path = folder / "toy" / model / f"seed{seed}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        scale=heights / 16,
        height=heights,
        width=heights,
        classes=np.array(classes),
        tp=tp,
        fp=fp,
        fn=union - tp - fp,
    )
    return path


def judge(folder, files, wanted=(CLAIM,), metric="mean_iou"):
    judge_claims(wanted, files, {"toy": metric}, folder / "claims.csv")
    return pd.read_csv(folder / "claims.csv")


def random_files(folder, seeds=(0, 1, 2), images=20, gain=100):
    """Write counts of two models at three scales, two classes; the first is better by `gain` of 300 to 900 pixels."""
    rng = np.random.default_rng(0)
    union = rng.integers(300, 900, (3, images, 2))
    files = []
    for model, more in (("a", gain), ("b", 0)):
        for seed in seeds:
            tp = (union * rng.uniform(0.4, 0.7, (1, images, 1))).astype(int) + more + rng.integers(0, 20)
            files.append(counts_file(folder, model, tp, union, seed, classes=("x", "y")))
    return files


def test_data_sets_of_other_images_scales_and_metrics_are_judged_apart(tmp_path):
    files = random_files(tmp_path, images=20)
    others = [file.parents[2] / "other" / file.parent.name / file.name for file in files]
    for file, other in zip(random_files(tmp_path / "more", images=7), others, strict=True):
        other.parent.mkdir(parents=True, exist_ok=True)
        file.rename(other)
    wanted = [CLAIM, CLAIM | {"dataset": "other"}]
    metrics = {"toy": "mean_iou", "other": {"dice": "y"}}
    judge_claims(wanted, [*files, *others], metrics, tmp_path / "claims.csv")
    both = pd.read_csv(tmp_path / "claims.csv")
    assert list(both["images"]) == [20, 7]
    for row, alone in ((0, files), (1, others)):
        judge_claims(wanted[row : row + 1], alone, metrics, tmp_path / "alone.csv")
        pd.testing.assert_series_equal(both.iloc[row], pd.read_csv(tmp_path / "alone.csv").iloc[0], check_names=False)


@pytest.mark.parametrize(
    ("scales", "indices", "weights"),
    [
        ([0.25, 0.5, 1, 2, 4], [0, 1, 3, 4], [0.25] * 4),
        ([4, 1, 0.5, 0.25, 2], [3, 2, 4, 0], [0.25] * 4),  # in any order
        ([0.5, 0.5, 1, 2], [0, 3], [0.5, 0.5]),  # the same test twice counts once
        ([0.5, 0.84, 1, 1.19, 2], [0, 4], [0.5, 0.5]),  # nearer than 1.2: seen
        ([1, 2, 4, 2**2.5, 8], [1, 2, 3, 4], np.array([1, 0.75, 0.5, 0.5]) / 2.75),  # halfway to the neighbours
        ([1], [], []),
        ([0.9, 1, 1.1], [], []),
    ],
)
def test_unseen_scales_count_by_octaves(scales, indices, weights):
    found, weight = unseen_scales(np.array(scales, float))
    assert found.tolist() == indices
    assert weight == pytest.approx(weights, abs=0.01)


def test_estimate_by_hand(tmp_path):
    # two images of unlike size: IoU of the sums, not mean of the ratios. Scale 1 (the second) does not count.
    union = [[[100], [10]], [[100], [10]], [[400], [40]]]
    a = counts_file(tmp_path, "a", [[[90], [1]], [[0], [0]], [[200], [20]]], union)
    b = counts_file(tmp_path, "b", [[[10], [9]], [[100], [10]], [[200], [20]]], union)
    row = judge(tmp_path, [a, b]).iloc[0]
    assert row["estimate"] == pytest.approx(((91 - 19) / 110 + 0) / 2)
    assert (row["seeds"], row["images"], row["better"], row["worse"]) == (1, 2, "a", "b")
    assert list(judge(tmp_path, [a, b]).columns)[:8] == claims.CLAIMS_COLUMNS[:8]


def test_a_claim_may_count_the_outer_scales_alone(tmp_path):
    union = np.full((5, 2, 1), 100)
    better = [[[90], [90]], [[20], [20]], [[50], [50]], [[20], [20]], [[90], [90]]]
    heights = (4, 8, 16, 32, 64)
    files = [
        counts_file(tmp_path, "a", better, union, 0, heights),
        counts_file(tmp_path, "b", union // 2, union, 0, heights),
    ]
    table = judge(tmp_path, files, [CLAIM, CLAIM | {"beyond": 2}])
    assert list(table["estimate"]) == pytest.approx([0.05, 0.4])


def test_metric_of_one_class_and_absent_classes(tmp_path):
    union = np.array([[[10, 20, 0]]] * 3)
    a = counts_file(tmp_path, "a", union // 2, union, classes=("x", "y", "none"))
    b = counts_file(tmp_path, "b", union * [0, 1, 0], union, classes=("x", "y", "none"))
    assert judge(tmp_path, [a, b])["estimate"].item() == pytest.approx(0)  # (.5 + .5) / 2 − (0 + 1) / 2
    assert judge(tmp_path, [a, b], metric={"iou": "x"})["estimate"].item() == pytest.approx(0.5)
    row = judge(tmp_path, [a, b], metric={"iou": "none"}).iloc[0]
    assert np.isnan(row["estimate"]) and row["verdict"] == "undecided"
    with pytest.raises(UserError, match='metric.iou: "z" is not known; allowed: x, y, none'):
        judge(tmp_path, [a, b], metric={"iou": "z"})


def test_mean_over_paired_seeds(tmp_path):
    files = random_files(tmp_path)
    each = [judge(tmp_path, files, [CLAIM | {"seeds": [seed]}])["estimate"].item() for seed in (0, 1, 2)]
    together = judge(tmp_path, files, [CLAIM | {"seeds": [0, 1, 2]}])
    assert together["estimate"].item() == pytest.approx(np.mean(each))
    assert together["seeds"].item() == 3


def test_swapping_the_models_negates_and_other_claims_change_nothing(tmp_path):
    files = random_files(tmp_path)
    claim = CLAIM | {"seeds": [0, 1, 2]}
    swapped = claim | {"better": "b", "worse": "a"}
    table = judge(tmp_path, files, [claim, swapped, CLAIM])
    first, second = table.iloc[0], table.iloc[1]
    assert [-second["estimate"], -second["high"], -second["low"]] == pytest.approx(
        [first["estimate"], first["low"], first["high"]], rel=1e-6
    )
    assert (first["verdict"], second["verdict"]) == ("supported", "contradicted")
    pd.testing.assert_frame_equal(judge(tmp_path, files, [claim]), table.iloc[:1])  # the same numbers again


def test_a_network_against_itself_is_undecided(tmp_path):
    a, _ = random_files(tmp_path, seeds=[0])
    b = tmp_path / "toy" / "b" / "seed0.npz"
    b.write_bytes(a.read_bytes())
    row = judge(tmp_path, [a, b]).iloc[0]
    assert (row["estimate"], row["low"], row["high"], row["verdict"]) == (0, 0, 0, "undecided")


def test_one_seed_agrees_with_scipy(tmp_path):
    files = random_files(tmp_path, seeds=[0], images=60)
    row = judge(tmp_path, files).iloc[0]
    a, b = (np.load(file) for file in files)
    union = a["tp"] + a["fp"] + a["fn"]

    def difference(images, axis=-1):
        ious = [file["tp"][[0, 2]][:, images].sum(-2) / union[[0, 2]][:, images].sum(-2) for file in (a, b)]
        return (ious[0] - ious[1]).mean((0, -1))

    found = scipy.stats.bootstrap((np.arange(60),), difference, n_resamples=5000, method="percentile", rng=1)
    low, high = found.confidence_interval
    assert row["estimate"] == pytest.approx(difference(np.arange(60)))
    assert [row["low"], row["high"]] == pytest.approx([low, high], abs=0.08 * (high - low))


def test_one_seed_agrees_with_theory():
    """With one class and equal areas the metric is a mean over images, whose interval is known."""
    rng = np.random.default_rng(3)
    bootstrap = Bootstrap(Metric())
    bootstrap.images = 400
    runs = [[run(bootstrap, rng.uniform(0.2, 0.8, 400))] for _ in "ab"]
    found = compare(*runs, 400)
    each = rng.uniform(0.2, 0.8, (1000, 2, 400))
    spread = np.std(each[:, 0].mean(1) - each[:, 1].mean(1))
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * spread, rel=0.12)


def test_seeds_alone_agree_with_students_interval():
    """Networks that differ by seed, not by image: near the t interval of so many seeds, unlike the plain bootstrap."""
    rng = np.random.default_rng(4)
    widths = []
    for _ in range(30):
        differences = rng.normal(0, 1, 4)
        low, high = claims.interval(differences, np.repeat(differences[:, None], 5000, 1), 100)
        widths.append((high - low) / (2 * scipy.stats.t.ppf(0.975, 3) * differences.std(ddof=1) / 2))
    assert np.mean(widths) == pytest.approx(1, abs=0.12)


def test_many_seeds_agree_with_a_bootstrap_by_hand(tmp_path):
    """Seeds are drawn, then images, the same for both networks and all scales; counts are added, then divided."""
    seeds, images = 12, 40
    rng = np.random.default_rng(6)
    tp, union, files = {}, rng.integers(300, 900, (3, images, 2)), []
    for model, gain in (("a", 0.05), ("b", 0)):
        share = 0.5 + gain + rng.normal(0, 0.02, (seeds, 1, 1, 1)) + rng.normal(0, 0.15, (1, 1, images, 2))
        tp[model] = (union * share.clip(0, 1)).astype(int)
        files += [
            counts_file(tmp_path, model, tp[model][seed], union, seed, classes=("x", "y")) for seed in range(seeds)
        ]

    def mean_iou(counts, chosen):
        iou = counts[[0, 2]][:, chosen].sum(1) / union[[0, 2]][:, chosen].sum(1)  # scale 1 is the second
        return iou.mean()

    def difference(drawn, chosen):
        return np.mean([mean_iou(tp["a"][seed], chosen) - mean_iou(tp["b"][seed], chosen) for seed in drawn])

    draws = [difference(rng.integers(seeds, size=seeds), rng.integers(images, size=images)) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    row = judge(tmp_path, files, [CLAIM | {"seeds": list(range(seeds))}]).iloc[0]
    assert row["estimate"] == pytest.approx(difference(range(seeds), range(images)))
    assert 1 < (row["high"] - row["low"]) / (high - low) < 1.2  # a little wider: few seeds hide their spread
    assert (row["low"] + row["high"]) / 2 == pytest.approx((low + high) / 2, abs=0.1 * (high - low))


def run(bootstrap, quality):
    """Return a run on images of 10000 pixels each with these IoUs (N,), the same at both unseen scales."""
    tp = np.rint(10000 * quality).astype(int)[None, :, None].repeat(3, 0)
    heights = np.array([8, 16, 32])
    counts = {"scale": heights / 16, "height": heights, "width": heights, "classes": np.array(["x"]), "tp": tp}
    return bootstrap.resample(counts | {"fp": 10000 - tp, "fn": 0 * tp})


@pytest.mark.parametrize(("seeds", "of_seed"), [(1, 0.0), (3, 0.0), (3, 0.02), (3, 0.1)])
def test_coverage_under_the_null(monkeypatch, seeds, of_seed):
    """Of two equally good kinds of network, the interval holds zero about as often as it says, or more."""
    monkeypatch.setattr(claims, "RESAMPLES", 500)
    rng = np.random.default_rng(5)
    bootstrap, held = Bootstrap(Metric()), []
    bootstrap.images = 40
    for _ in range(150):
        image = rng.normal(0.5, 0.1, 40)
        kinds = image + rng.normal(0, 0.05, (2, 1, 40))
        runs = kinds + rng.normal(0, of_seed, (2, seeds, 1)) + rng.normal(0, 0.05, (2, seeds, 40))
        found = compare(*[[run(bootstrap, quality.clip(0, 1)) for quality in kind] for kind in runs], 40)
        held.append(found["low"] <= 0 <= found["high"])
    assert np.mean(held) >= 0.89  # 150 trials of 95 %: below with a chance of 1/1000


@pytest.mark.parametrize("of_seeds", [0, 0.02])
def test_the_interval_over_seeds_and_images_holds_the_truth_about_new_images(monkeypatch, of_seeds):
    """Student's t over seeds does not, where images differ as well: of benchmarks/coverage.py, fewer trials."""
    monkeypatch.setattr(claims, "RESAMPLES", 1000)
    over_both, over_seeds = coverage(seeds=5, images=28, of_seeds=of_seeds, trials=100)
    assert over_both >= 0.9
    assert over_seeds < 0.8


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.2, "supported"), (-0.2, -0.1, "contradicted"), (-0.1, 0.1, "undecided"), (0, 0.1, "undecided")],
)
def test_verdict(low, high, expected):
    assert claims.verdict(low, high) == expected


def test_files_that_do_not_fit_are_refused(tmp_path):
    a, b = random_files(tmp_path, seeds=[0])
    with pytest.raises(UserError, match="no scores of toy/a/seed3"):
        judge(tmp_path, [a, b], [CLAIM | {"seeds": [3]}])
    other = counts_file(tmp_path, "b", np.ones((3, 5, 2), int), np.ones((3, 5, 2), int), classes=("x", "y"))
    with pytest.raises(UserError, match="seed0.npz: other scales, images or classes"):
        judge(tmp_path, [a, other])
    b.write_bytes(a.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a whole file of counts"):
        judge(tmp_path, [a, b])
    with pytest.raises(UserError, match="no such file"):
        judge(tmp_path, [a, tmp_path / "none" / "toy" / "b" / "seed0.npz"])


def with_claims(*wanted):
    config = good()
    config["claims"] = [{"claim": "It is better", "better": "seunet", "worse": "unet"} | claim for claim in wanted]
    return config


def test_claims_are_tested_where_both_models_run_and_scales_are_unseen():
    config = with_claims({}, {"datasets": ["cells"]})
    config["runs"] = [
        {"datasets": ["reef", "cells"], "models": ["unet"], "seeds": [2, 1, 0]},
        {"datasets": ["reef", "cells"], "models": ["seunet"], "seeds": [5, 2, 1]},
        {"datasets": ["mine"], "models": ["seunet"], "seeds": [0]},
    ]
    expected = {"claim": "It is better", "dataset": "reef", "better": "seunet", "worse": "unet", "seeds": [1, 2]}
    assert plan.claims_to_test(configuration.check(config)) == [expected]  # cells is tested at scale 1 alone
    config["datasets"]["cells"]["test_scales"] = [1, 2]
    tested = plan.claims_to_test(configuration.check(config))
    assert [claim["dataset"] for claim in tested] == ["reef", "cells", "cells"]
    config["runs"][1]["seeds"] = [7]
    assert plan.claims_to_test(configuration.check(config)) == []


def test_the_paper_asks_what_its_abstract_claims_and_what_a_reviewer_would():
    config = load(ROOT / "config" / "config.yaml")
    config = configuration.check(config)
    tested = plan.claims_to_test(config)
    assert all(claim["seeds"] == [0, 1, 2] for claim in tested)
    pairs = [("seunet", worse) for worse in ("unet", "unet-jitter1.5", "unet-jitter2", "unet-jitter4", "sresnet")]
    pairs += [("seunet", worse) for worse in ("seunet-nodropout", "unet-ensemble", "seunet-mean")]
    pairs += [("seunet-exact", "seunet"), ("seunet-nodropout", "unet-matched")]
    wanted = {(dataset, *pair) for dataset in ("pet", "hela") for pair in pairs}
    assert wanted <= {(claim["dataset"], claim["better"], claim["worse"]) for claim in tested}


def test_without_claims_there_are_none():
    config = good()
    del config["claims"]
    config = configuration.check(config)
    assert plan.claims_to_test(config) == []


@pytest.mark.parametrize(
    ("claim", "parts"),
    [
        ({"better": "seunett"}, ['claims[0].better: "seunett" is not known', "did you mean seunet?"]),
        ({"worse": "seunet"}, ["claims[0].worse:", "compare two models"]),
        ({"datasets": ["reff"]}, ['claims[0].datasets: "reff" is not known', "did you mean reef?"]),
        ({"datasets": []}, ["claims[0].datasets: [] is too short"]),
        ({"claim": True}, ["claims[0].claim: expected a text", "quotes"]),
        ({"text": "x"}, ["claims[0].text: unknown key"]),
    ],
)
def test_bad_claims_are_named(claim, parts):
    text = message(with_claims(claim))
    for part in parts:
        assert part in text, text
    assert "claims: expected a list" in message(change("claims", {"a": 1}))


@pytest.fixture
def drawn(monkeypatch):
    saved = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, *rest: (saved.append(figure), save(figure, *rest)))
    return saved


def claims_table(folder, rows):
    path = folder / "claims.csv"
    pd.DataFrame(rows, columns=claims.CLAIMS_COLUMNS).to_csv(path, index=False)
    return path


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_figure_has_a_row_per_claim_and_data_set(tmp_path, drawn):
    rows = [
        ("A beats B", "pet", "a", "b", 0.1, 0.05, 0.15, "supported", 3, 99),
        ("A beats B", "a-data-set-with-a-long-name", "a", "b", -0.1, -0.9, 0.9, "undecided", 1, 99),
        ("A long claim " * 9, "pet", "a", "b", -0.1, -0.15, -0.05, "contradicted", 3, 99),
        ("Nothing", "pet", "a", "b", np.nan, np.nan, np.nan, "undecided", 2, 99),
    ]
    paths = [tmp_path / "claims.png", tmp_path / "claims.svg"]
    figures.draw_claims(claims_table(tmp_path, rows), paths)
    assert all(path.stat().st_size > 1000 for path in paths)
    figure = drawn[0]
    words = texts(figure)
    for word in ("A beats B", "Nothing", "supported", "contradicted"):
        assert words.count(word) == 1, word
    assert words.count("undecided") == 2 and words.count("pet") == 3
    label = figure.axes[0].get_xlabel()
    assert "3 seeds" in label and "one seed: interval of the test images alone" in label
    assert figure.get_figwidth() == style.COLUMN
    renderer = figure.canvas.get_renderer()
    for text in figure.axes[0].texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text.get_text()
    first = paths[0].read_bytes()
    figures.draw_claims(tmp_path / "claims.csv", paths)
    assert paths[0].read_bytes() == first


def test_the_axis_holds_every_estimate_but_not_every_interval(tmp_path, drawn):
    rows = [("A", "pet", "a", "b", 0.1, -0.9, 0.95, "undecided", 2, 9)]
    figures.draw_claims(claims_table(tmp_path, rows), [tmp_path / "claims.png"])
    low, high = drawn[0].axes[0].get_xlim()
    assert -0.3 < low < 0 < 0.1 < high < 0.3
