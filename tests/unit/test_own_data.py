"""Data as people have it: patterns, splits that do not lie, copies, images of any shape, masks of instances."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_configuration import change, good, message

from seunet.config import checks as configuration
from seunet.config import parameters
from seunet.config.reading import validated
from seunet.data.arrays import Prepared
from seunet.data.duplicates import fingerprint, orientations, remedies
from seunet.data.file_matching import folder_files
from seunet.data.fit import fitted, image_sides, starts
from seunet.data.masks import ClassMap, class_names
from seunet.data.prepared import keep_originals, prepare
from seunet.data.splits import divide, random_split
from seunet.experiment.evaluation import Evaluator
from seunet.experiment.loss import Loss, balanced_weights
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation, Testing
from seunet.settings.split import Split

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def noise(seed, size=(12, 10)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def half(size=(12, 10)):
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 2 :] = 255
    return mask


def folder(root, names=tuple("abcdefgh"), size=(12, 10)):
    for i, name in enumerate(names):
        write(root / "images" / f"{name}.png", noise(i, size))
        write(root / "masks" / f"{name}.png", half(size))
    return root


def own_settings(root, **change):
    given = {"source": "folder", "path": str(root), "classes": {"back": 0, "leaf": 255}, "image_size": 8}
    return validated(Preparation, given | change)


def prepared(root, **change):
    prepare("own", own_settings(root, **change), {}, root / "out")
    return Prepared(root / "out")


def description(root):
    return json.loads((root / "out" / "dataset.json").read_text())


def split_of(data):
    return {split: set(names) for split, names in data.names.items()}


# Splits


@pytest.mark.parametrize("count", range(3, 12))
def test_every_split_has_an_image_where_there_are_three(count):
    splits = random_split([f"n{i}" for i in range(count)], SHARES, seed=count)
    assert all(splits.values())
    assert sorted(name for names in splits.values() for name in names) == sorted(f"n{i}" for i in range(count))


def test_eight_images_are_enough(tmp_path):
    data = prepared(folder(tmp_path))
    assert [len(names) for names in data.names.values()] == [6, 1, 1]


@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_groups_stay_together(sizes, seed):
    names = [f"slide{group}_p{i}" for group, size in enumerate(sizes) for i in range(size)]
    splits = divide(names, SHARES | {"groups": "^(slide[0-9]+)_"}, seed, Path())
    assert sorted(name for part in splits.values() for name in part) == sorted(names)
    slides = [{name.split("_")[0] for name in part} for part in splits.values()]
    assert all(slides) and sum(map(len, slides)) == len(sizes)  # disjoint, and none empty


def test_folds_cover_all_images_once_and_keep_groups():
    names = [f"s{i // 4}_{i}" for i in range(40)]
    folds = [divide(names, {"folds": 5, "fold": i, "val": 0.2, "groups": "^s[0-9]+"}, 0, Path()) for i in range(5)]
    assert sorted(name for fold in folds for name in fold["test"]) == sorted(names)
    for fold in folds:
        groups = [{name.split("_")[0] for name in fold[split]} for split in ("train", "val", "test")]
        assert all(groups) and sum(map(len, groups)) == 10


def test_as_many_folds_as_images_leave_one_out():
    folds = [divide(list("abcde"), {"folds": 5, "fold": i}, 0, Path()) for i in range(5)]
    assert sorted(fold["test"] for fold in folds) == [["a"], ["b"], ["c"], ["d"], ["e"]]
    with pytest.raises(UserError, match=r"split\.folds: 6, but there are 5 images or groups; use at most so many"):
        divide(list("abcde"), {"folds": 6, "fold": 0}, 0, Path())


def test_a_split_without_a_share_asks_for_no_image():
    splits = divide(list("ab"), {"train": 0.95, "val": 0.05, "test": 0}, 0, Path())
    assert {split: len(names) for split, names in splits.items()} == {"train": 1, "val": 1, "test": 0}


def test_split_by_lists_and_shares_of_the_rest(tmp_path):
    folder(tmp_path)
    (tmp_path / "held.txt").write_bytes("\ufeff# official\r\na\r\nb.png\r\n\r\n".encode())  # as of Windows' editor
    data = prepared(tmp_path, split={"train": 0.5, "val": 0.5, "test": "held.txt"})
    assert data.names["test"] == ["a", "b"]
    assert [len(names) for names in data.names.values()] == [3, 3, 2]


def test_split_by_lists_leaves_the_others_out_and_says_so(tmp_path, capfd):
    data = prepared(folder(tmp_path), split={"train": ["a", "b"], "val": ["c"], "test": ["d"]})
    assert split_of(data) == {"train": {"a", "b"}, "val": {"c"}, "test": {"d"}}
    assert "4 images in no split are left out, such as e" in capfd.readouterr().err


def test_split_by_folders(tmp_path):
    names = [f"{part}/{name}" for part in ("train", "valid", "test") for name in "ab"]
    folder(tmp_path, names)
    data = prepared(tmp_path, split={"train": "train/", "val": "valid/", "test": "test/"})
    assert data.names == {"train": ["train/a", "train/b"], "val": ["valid/a", "valid/b"], "test": ["test/a", "test/b"]}


def test_folders_with_images_and_masks_in_each(tmp_path):
    for i, part in enumerate(("train", "val", "test")):
        write(tmp_path / part / "images" / "x.png", noise(i))
        write(tmp_path / part / "labels" / "x.png", half())
    change = {"images": "{folder}/images/{name}.*", "masks": "{folder}/labels/{name}.*"}
    data = prepared(tmp_path, **change, split={"train": "train/", "val": "val/", "test": "test/"})
    assert data.names == {"train": ["train/x"], "val": ["val/x"], "test": ["test/x"]}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"train": ["a"], "val": ["b"], "test": ["a"]}, "split: a is in two splits"),
        ({"train": ["a"], "val": ["b"], "test": ["z"]}, "split.test: no image has the name 'z'; names are such as 'a'"),
        ({"train": ["a", "a"], "val": ["b"], "test": ["c"]}, 'split.train: "a" stands there twice'),
        ({"train": "x/", "val": ["b"], "test": ["c"]}, "split.train: no image has a name that begins with 'x/'"),
        ({"train": "no.txt", "val": ["b"], "test": ["c"]}, "split.train: .*no.txt: cannot be read"),
        ({"train": 0.5, "val": 0.5}, "split.test: missing"),
        ({"train": 0.5, "val": 0.2, "test": ["a"]}, "sum to 1"),
        (SHARES | {"groups": "("}, "split.groups: .* no regular expression"),
        (SHARES | {"groups": "x*"}, "split.groups: 'x\\*' matches no letter of the name 'a'"),
        (SHARES | {"groups": "(x)?a"}, "split.groups: .* matches no letter of the name 'a'"),
        (SHARES | {"groups": "[0-9]"}, "split.groups: .* matches nothing in the name 'a'"),
        ({"folds": 5, "fold": 5}, "split.fold: 5 of 5 folds; use 0 to 4"),
        ({"folds": 9, "fold": 0}, "split.folds: 9, but there are 8 images or groups"),
        ({"folds": 3, "fold": 0, "train": 0.5}, "split.train: folds decide it"),
        ({"fold": 1}, "split.folds: missing"),
    ],
)
def test_bad_splits(tmp_path, split, said):
    with pytest.raises(UserError, match=said):
        prepared(folder(tmp_path), split=split)


def test_a_name_of_a_list_in_another_unicode_form_is_said():
    split = {"train": ["a"], "val": ["b"], "test": ["cafe\u0301.png"]}
    with pytest.raises(UserError, match=r"split\.test: .* are the same name in two Unicode forms"):
        divide(["a", "b", "caf\u00e9"], split, 0, Path())


# Copies


@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 2, 256]), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_fingerprints_are_of_all_orientations_and_of_no_other_image(height, width, levels, seed):
    image = np.random.default_rng(seed).integers(0, levels, (height, width, 3), dtype=np.uint8)
    assert len({fingerprint(turned) for turned in orientations(image)}) == 1
    other = image.copy()
    other[seed % height, 0, 0] ^= 1
    same = any(turned.shape == other.shape and (turned == other).all() for turned in orientations(image))
    assert (fingerprint(other) == fingerprint(image)) == same


def with_copies(root):
    """Image h of the test split is a mirrored copy of a of the training split, g is b turned by 90°."""
    folder(root)
    write(root / "images" / "h.png", noise(0)[:, ::-1])
    write(root / "images" / "g.png", np.rot90(noise(1)))
    write(root / "masks" / "g.png", np.rot90(half()))
    return {"train": list("abcd"), "val": list("ef"), "test": list("gh")}


def test_copies_across_splits_are_reported(tmp_path, capfd):
    prepared(tmp_path, split=with_copies(tmp_path))
    assert description(tmp_path)["duplicates"] == [
        {"train": ["a"], "test": ["h"]},
        {"train": ["b"], "test": ["g"]},
    ]
    assert "warning: 2 of 2 test images are also in train" in capfd.readouterr().err


def test_copies_across_splits_are_refused(tmp_path):
    with pytest.raises(UserError, match="duplicates: 2 of 2 test images are also in train.*h = a"):
        prepared(tmp_path, split=with_copies(tmp_path), duplicates="error")
    assert not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize("rule", ["error", "group"])
def test_grouping_is_recommended_only_where_it_works(tmp_path, rule):
    """Images that are named by lists stay where they are, so grouping cannot keep them together."""
    with pytest.raises(UserError, match="name both in the same split, or accept") as listed:
        prepared(tmp_path, split=with_copies(tmp_path), duplicates=rule)
    assert "duplicates: group" not in str(listed.value)
    found = [{"train": ["a"], "test": ["h"]}]
    for split, works in [
        ({"train": 0.7, "val": 0.1, "test": 0.2}, True),
        ({"folds": 3, "fold": 0}, True),
        ({"train": 0.5, "val": ["b"], "test": 0.5}, True),
        ({"train": ["a"], "val": 0.5, "test": 0.5}, False),
    ]:
        random = Preparation(source="folder", image_size=8, split=Split(**split))
        assert ("duplicates: group" in remedies(found, random)) == works
    assert remedies(found, Preparation(source="hela", image_size=8)) == "accept them (duplicates: warn)"


@pytest.mark.parametrize("seed", range(6))
def test_copies_are_kept_together(tmp_path, seed):
    with_copies(tmp_path)
    data = prepared(tmp_path, duplicates="group", seed=seed)
    parts = list(split_of(data).values())
    assert all(any({*pair} <= part for part in parts) for pair in ("ah", "bg"))
    assert description(tmp_path)["duplicates"] == []


# Sizes


def test_one_number_is_a_square():
    assert image_sides(8) == (8, 8) and image_sides([8, 16]) == (8, 16)


def test_non_square_images(tmp_path, capfd):
    data = prepared(folder(tmp_path), image_size=[8, 16])
    assert data.train[0].shape == (6, 8, 16, 3) and data.train[1].shape == (6, 8, 16)
    assert "images of 12x10 pixels (height x width) are resampled to 8x16; aspects change by up to a factor 2.40" in (
        capfd.readouterr().err
    )
    assert description(tmp_path)["fit"] == "squash"
    assert description(tmp_path)["original_sizes"] == {"smallest": [12, 10], "largest": [12, 10]}


def test_padding_keeps_the_aspect_and_is_ignored(tmp_path):
    data = prepared(folder(tmp_path, size=(12, 20)), image_size=16, fit="pad")
    photos, masks = data.train
    assert (photos[:, 10:] == 0).all() and (masks[:, 10:] == 255).all()  # 12x20 is reduced to 10x16
    assert set(np.unique(masks[:, :10])) == {0, 1}
    data = prepared(tmp_path, image_size=[16, 24], fit="pad")  # what is smaller is not enlarged
    assert (
        data.train[0][0][:12, :20] == np.asarray(Image.open(tmp_path / "images" / f"{data.names['train'][0]}.png"))
    ).all()
    assert (data.train[1][:, 12:] == 255).all() and (data.train[1][:, :, 20:] == 255).all()


@given(st.integers(1, 40), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_tiles_cover_an_axis_once(length, side):
    seen = [pixel for start, skip in starts(length, side) for pixel in range(start + skip, min(start + side, length))]
    assert seen == list(range(length))
    assert all(start == 0 or start + side <= length for start, _ in starts(length, side))


def test_tiles_count_every_pixel_once():
    image, mask = noise(0, (20, 30)), np.arange(600).reshape(20, 30) % 250
    parts = list(fitted(("a", image, mask.astype(np.uint8)), (8, 16), "tiles"))
    assert [name for name, *_ in parts] == [f"a_r{row}_c{column}" for row in range(3) for column in range(2)]
    assert all(part.shape == (8, 16, 3) and labels.shape == (8, 16) for _, part, labels in parts)
    counted = np.concatenate([labels[labels != 255] for *_, labels in parts])
    assert sorted(counted) == sorted(mask.ravel())


def test_tiles_of_an_image_stay_in_one_split(tmp_path, capfd):
    data = prepared(folder(tmp_path, size=(20, 30)), image_size=[8, 16], fit="tiles")
    images = [{name.split("_")[0] for name in names} for names in data.names.values()]
    assert sorted(name for part in images for name in part) == list("abcdefgh")
    assert len(data.train[0]) == 6 * len(images[0]) == len(data.names["train"])
    assert "cut into tiles of 8x16" in capfd.readouterr().err
    whole = prepared(tmp_path, image_size=[24, 32], fit="tiles")
    assert sorted(name for names in whole.names.values() for name in names) == list("abcdefgh")


def test_tiles_do_not_take_the_name_of_an_image(tmp_path):
    folder(tmp_path, ("a", "a_r0_c0", "b", "c"), size=(12, 10))
    write(tmp_path / "images" / "a.png", noise(9, (16, 10)))
    write(tmp_path / "masks" / "a.png", half((16, 10)))
    split = {"train": ["a", "a_r0_c0"], "val": ["b"], "test": ["c"]}
    with pytest.raises(UserError, match="a_r0_c0: the name of two images or tiles"):
        prepared(tmp_path, image_size=12, fit="tiles", split=split)


# Test pixels


class Recorder(torch.nn.Module):
    """A network that answers with the image's own first channel, as logits of two classes."""

    def forward(self, x):
        return torch.cat([0.5 - x[:, :1], x[:, :1] - 0.5], 1)


def test_large_test_scales_see_the_pixels_of_the_files(tmp_path):
    """Stripes of one pixel: gone at half the size, and back at scale 2 where the originals are kept."""
    for i, name in enumerate("abcd"):
        stripes = np.zeros((32, 48, 3), np.uint8)
        stripes[:, i % 2 :: 2] = 255
        write(tmp_path / "images" / f"{name}.png", stripes)
        write(tmp_path / "masks" / f"{name}.png", (stripes[..., 0] > 0).astype(np.uint8) * 255)
    contrast = {}
    for kept in (False, True):
        data = prepared(tmp_path, image_size=[16, 24])
        testing = Testing(test_scales=[1, 2, 3], size_multiple=8, test_pixels="original" if kept else "prepared")
        if kept:
            preparation = own_settings(tmp_path, image_size=[16, 24])
            keep_originals("own", preparation, testing, {}, tmp_path / "out" / "test" / "original")
        evaluator = Evaluator(Recorder(), data, testing, torch.device("cpu"))
        for scale in (0.5, 1, 2, 3):
            size = evaluator.size(scale)
            ((_, x, y),) = evaluator.batches(size)
            assert x.shape == (1, 3, *size) and y.shape == (1, *size)
            contrast[kept, scale] = float(x.std())
            if (kept, scale) == (True, 2):
                assert torch.equal(x[:, 0] > 0.5, y == 1)  # the file itself
    assert contrast[True, 2] > 0.45 and contrast[False, 2] < 0.05
    assert contrast[True, 3] > 0.2
    assert contrast[True, 0.5] == contrast[False, 0.5] and contrast[True, 1] == contrast[False, 1]


@pytest.mark.parametrize("rule", ["squash", "pad"])
def test_originals_are_framed_as_the_prepared_images_and_no_larger_than_needed(tmp_path, rule):
    folder(tmp_path, size=(60, 100))
    preparation, testing = own_settings(tmp_path, fit=rule, image_size=16), Testing(test_scales=[1, 2], size_multiple=8)
    data = prepared(tmp_path, fit=rule, image_size=16)
    keep_originals("own", preparation, testing, {}, tmp_path / "out" / "test" / "original")
    kept = data.original(0)
    assert kept.shape == (32, 32, 4)
    ignored, small = kept[..., 3] == 255, data.test[1][0] == 255
    assert abs(ignored.mean() - small.mean()) < 0.05
    assert ignored.any() == (rule == "pad")


def test_ignored_pixels_count_in_no_score(tmp_path):
    data = prepared(folder(tmp_path, size=(12, 20)), image_size=16, fit="pad")
    evaluator = Evaluator(Recorder(), data, Testing(test_scales=[1], size_multiple=8), torch.device("cpu"))
    from seunet.experiment.windows import WindowCounter

    with WindowCounter(evaluator.model, 2) as counter:
        counts, _ = evaluator.test(evaluator.own_size, counter)
    tp, fp, fn, _, pixels = counts.sum((1, 2))
    assert tp + fn == tp + fp == pixels == (data.test[1] != 255).sum()


# Masks


def read(classes, values, ignore=(), kind="PNG"):
    import io

    file = io.BytesIO()
    Image.fromarray(np.array(values)).save(file, kind)
    from seunet.data.images import open_image

    return ClassMap(classes, list(ignore))(open_image(file.getvalue(), "m")).tolist()


def test_instance_masks():
    instances = np.array([[0, 1, 7], [300, 65535, 0]], np.uint16)
    cells = [[0, 1, 1], [1, 1, 0]]
    assert read({"back": 0, "nonzero": "cell"}, instances, kind="TIFF") == cells
    assert read({"back": 0, "cell": "nonzero"}, instances, kind="TIFF") == cells
    assert read({"back": 0, "cell": "1..65535"}, instances, kind="TIFF") == cells
    assert read({"back": 0, "edge": 7, "nonzero": "cell"}, instances, kind="TIFF") == [[0, 2, 1], [2, 2, 0]]
    assert read({"back": 0, "cell": [1, "7..299", 65535]}, instances, ["300..400"], "TIFF") == [[0, 1, 1], [255, 1, 0]]
    assert class_names({"back": 0, "nonzero": "cell"}) == ["back", "cell"]


def test_three_values_of_one_class():
    three = np.arange(6, dtype=np.uint8)[None]
    classes = {"low": {"values": [0, 1, 2]}, "high": {"values": [3, 4, 5]}}
    assert read(classes, three) == [[0, 0, 0, 1, 1, 1]]
    with pytest.raises(UserError, match="classes"):
        read({"low": [0, 1, 2], "high": [3, 4, 5]}, three)  # colours, which this mask has not


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"a": 0, "b": "0..3"}, "0 stands for two"),
        ({"a": "1..5", "b": "4..9"}, "4 stands for two"),
        ({"a": 0, "b": "5..1"}, 'classes.b: 5..1 must be .*range such as "1..255"'),
        ({"a": "nonzero", "nonzero": "b"}, "nonzero stands for two"),
        ({"b": 0, "nonzero": "b"}, "has a name twice"),
        ({"a": {"value": [1]}, "b": 0}, "classes.a"),
    ],
)
def test_bad_classes(classes, said):
    with pytest.raises(UserError, match=said):
        ClassMap(classes, [])


def drive(root):
    """As the DRIVE data set is packed: three folders, GIF masks, a field of view."""
    for i in range(21, 27):
        write(root / "images" / f"{i}_training.tif", noise(i))
        for place in (f"1st_manual/{i}_manual1.gif", f"mask/{i}_training_mask.gif"):
            (root / place).parent.mkdir(exist_ok=True)
        Image.fromarray(half()).save(root / "1st_manual" / f"{i}_manual1.gif")
        inside = np.full((12, 10), 255, np.uint8)
        inside[:, :2] = 0
        Image.fromarray(inside).save(root / "mask" / f"{i}_training_mask.gif")
    (root / "images" / "readme.txt").write_text("")
    return {
        "images": "images/{name}_training.tif",
        "masks": "1st_manual/{name}_manual1.*",
        "valid": "mask/{name}_training_mask.gif",
        "image_size": [12, 10],
    }


def test_drive(tmp_path, capfd):
    change = drive(tmp_path)
    data = prepared(tmp_path, **change)
    assert sorted(name for names in data.names.values() for name in names) == [str(i) for i in range(21, 27)]
    for _, masks in (data.train, data.val, data.test):
        assert (masks[:, :, :2] == 255).all()
        assert (masks[:, :6, 2:] == 0).all() and (masks[:, 6:, 2:] == 1).all()
    assert "1 file that no pattern takes is left out, such as" in capfd.readouterr().err
    files = folder_files(Preparation.model_validate({"source": "folder", "path": str(tmp_path)} | change))
    assert len(files) == 18 and not any("readme" in file for file in files)


def test_images_and_masks_in_one_folder(tmp_path):
    for i, name in enumerate("abcd"):
        write(tmp_path / f"{name}.png", noise(i))
        write(tmp_path / f"{name}_mask.png", half())
    data = prepared(tmp_path, images="{name}.png", masks="{name}_mask.png")
    assert sorted(name for names in data.names.values() for name in names) == list("abcd")


def test_subfolders_keep_names_apart(tmp_path):
    folder(tmp_path, ["one/a", "two/a", "two/more/a"])
    (tmp_path / "images" / "one" / "ring").symlink_to(tmp_path / "images")
    data = prepared(tmp_path)
    assert sorted(name for names in data.names.values() for name in names) == ["one/a", "two/a", "two/more/a"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks": "masks/*.png"}, "masks: 'masks/.*' must have one {name}"),
        ({"masks": "masks/{id}.png"}, "must have one {name}"),
        ({"masks": "../{name}.png"}, "must lie below path"),
        ({"masks": "{folder}/{name}.png"}, "must both have {folder}, or neither"),
        ({"masks": "labels/{name}.png"}, "labels: no such folder; masks of source `folder`"),
        ({"valid": "masks/{name}_fov.png"}, "a.png: no mask of the field of view .*masks/a_fov.png"),
    ],
)
def test_bad_patterns(tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        prepared(folder(tmp_path), **change)


# Losses


def test_dice_and_both():
    logits = torch.tensor([[[[9.0, -9.0, 9.0, 0.0]], [[-9.0, 9.0, -9.0, 0.0]]]])
    right, wrong = torch.tensor([[[0, 1, 0, 255]]]), torch.tensor([[[1, 0, 1, 255]]])
    assert Loss("dice")(logits, right).item() == pytest.approx(0, abs=1e-4)
    assert Loss("dice")(logits, wrong).item() > 0.7
    both = Loss("both")(logits, wrong)
    assert torch.allclose(both, Loss("dice")(logits, wrong) + Loss()(logits, wrong))


@pytest.mark.parametrize("kind", ["cross_entropy", "dice", "both"])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.5]])
def test_losses_of_batches_add_up(kind, weights):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, 4, 4, generator=generator)
    target = torch.randint(4, (6, 4, 4), generator=generator)
    target[target == 3] = 255
    loss = Loss(kind, weights)
    parts = [loss.sums(logits[i : i + 2], target[i : i + 2]) for i in (0, 2, 4)]
    whole = loss.value(*(sum(part) for part in zip(*parts, strict=True)))
    assert torch.allclose(whole, loss(logits, target))
    if kind == "cross_entropy":
        weight = None if weights is None else torch.tensor(weights)
        assert torch.allclose(whole, torch.nn.functional.cross_entropy(logits, target, weight, ignore_index=255))
    assert torch.isfinite(loss(logits, torch.full_like(target, 255)))


def test_balanced_weights_have_mean_1():
    masks = np.array([[[0, 0, 0, 0, 0, 1, 255, 255]]], np.uint8)
    weights = balanced_weights(masks, 3)
    assert weights == pytest.approx([0.6, 3.0, 1.0])


# Configuration


def test_folds_become_data_sets():
    config = change("datasets.mine.split", {"folds": 3, "val": 0.2})
    config["runs"].append({"datasets": ["reef", "mine"], "models": ["unet"], "seeds": [0]})
    config["claims"].append({"claim": "c", "better": "seunet", "worse": "unet", "datasets": ["mine"]})
    checked = configuration.check(config)
    folds = ["mine-fold0", "mine-fold1", "mine-fold2"]
    assert list(checked.datasets) == ["reef", "cells", *folds]
    assert [parameters.preparation(checked, name)["split"] for name in folds] == [
        {"folds": 3, "val": 0.2, "fold": fold} for fold in range(3)
    ]
    assert checked.runs[-1].datasets == ["reef", *folds]
    assert checked.claims[-1].datasets == folds


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("datasets.reef.image_size", [64, 96], r"image_size: \[64, 96\]; source shapes draws squares; give one number"),
        ("datasets.mine.image_size", [64, 70], "image_size: 70 is no multiple of size_multiple 16; use 64 or 80"),
        ("datasets.mine.image_size", [64], r"image_size: \[64\] is too short; expected at least 2"),
        ("datasets.mine.image_size", "big", "image_size: expected a whole number"),
        ("datasets.mine.training.crop", 96, "training.crop: 96 is larger than image_size 64"),
        ("datasets.mine.fit", "crop", 'fit: "crop" is not known.*squash, pad, tiles'),
        ("datasets.mine.duplicates", "drop", "duplicates"),
        ("datasets.cells.duplicates", "group", "duplicates: source hela has splits of its own"),
        ("datasets.cells.valid", "{name}.png", "valid: only source folder takes it"),
        ("datasets.mine.masks", "masks/*.png", "datasets.mine.masks: .* must have one {name}"),
        ("datasets.mine.masks", "{x}/{name}.png", "datasets.mine.masks: .* must have one {name}"),
        ("datasets.mine.classes", None, "datasets.mine.classes: missing; source folder needs it"),
        ("datasets.mine.masks", {"leaf": "m/{name}_l.*"}, "datasets.mine.classes: masks names the classes already"),
        ("datasets.mine.split", {"train": 0.5, "val": 0.5}, "datasets.mine.split.test: missing"),
        ("datasets.mine.split", {"folds": 3, "fold": 3}, "datasets.mine.split.fold: 3 of 3"),
        ("datasets.mine.split", {"train": 0.8, "val": 0.1, "test": 0.1, "groups": "("}, "split.groups"),
        ("datasets.mine.metric", {"iou": "nonzero"}, "metric.iou.*sky, ground"),
        ("datasets.mine.training.class_weights", [1], "class_weights"),
        ("datasets.mine.training.class_weights", [1, 2, 3], r"class_weights: 3 weights, but 2 classes \(sky, ground\)"),
        ("datasets.mine.training.loss", "focal", "training.loss.*cross_entropy, dice, both"),
        ("datasets.reef.test_pixels", "original", "test_pixels: source shapes draws"),
    ],
)
def test_bad_keys(path, value, said):
    config = change(path, value)
    if path == "datasets.mine.training.crop":
        config["datasets"]["mine"]["image_size"] = [64, 128]
    assert re.search(said, message(config)), message(config)


def test_good_keys():
    config = good()
    config["datasets"]["mine"] |= {
        "image_size": [64, 96],
        "fit": "pad",
        "test_pixels": "original",
        "duplicates": "group",
        "images": "{folder}/{name}.jpg",
        "masks": "{folder}/{name}_mask.*",
        "valid": "{folder}/{name}_fov.gif",
        "classes": {"sky": 0, "nonzero": "ground"},
        "metric": {"iou": "ground"},
        "split": {"train": "train/", "val": ["train/a"], "test": "test.txt"},
        "training": {"batch_size": 1, "epochs": 1, "loss": "both", "class_weights": "balanced"},
    }
    checked = configuration.check(config)
    assert parameters.preparation(checked, "mine")["split"] == config["datasets"]["mine"]["split"]
