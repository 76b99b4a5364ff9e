"""`seunet init` on the layouts of public data sets and labelling tools: every image is read with its mask."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_cli import call
from test_cli_init import guessed

from seunet.commands.guessing.families import families
from seunet.commands.guessing.pairing import candidates
from seunet.data.arrays import Prepared
from seunet.data.prepared import prepare
from seunet.settings.dataset import Preparation

SIDE, COUNT = 32, 10
COLOURS = np.array([(128, 128, 128), (0, 0, 192), (64, 0, 128)], np.uint8)
SPLITS = ["train"] * 6 + ["val"] * 2 + ["test"] * 2


def truth(i: int, classes: int = 3) -> np.ndarray:
    """Return the class map (SIDE, SIDE) of an image: a bar for each class, at a place of its own."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for c in range(1, classes):
        mask[8 * c : 8 * c + 6, 2 + 2 * i : 12 + 2 * i] = c
    return mask


def picture(i: int) -> np.ndarray:
    """Return an image whose mean says which one it is."""
    noise = np.random.default_rng(i).integers(0, 16, (SIDE, SIDE, 3))
    return (noise + 10 + 20 * i).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def note(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)


def each(
    root: Path, image: str, mask: str, look: Callable = lambda m: m, classes: int = 3, only: Iterable = range(COUNT)
):
    """Write images and masks by names with {i}, {split} and {folder} (as some sets call splits)."""
    for i in only:
        words = {"i": f"{i:03}", "split": SPLITS[i], "folder": {"val": "valid"}.get(SPLITS[i], SPLITS[i])}
        save(root / image.format(**words), picture(i))
        save(root / mask.format(**words), look(truth(i, classes)))


def binary(mask: np.ndarray) -> np.ndarray:
    return (mask > 0).astype(np.uint8) * 255


def names(split: str, form: str = "{i}") -> str:
    return "\n".join(form.format(i=f"{i:03}", split=split) for i, part in enumerate(SPLITS) if part == split) + "\n"


def mmsegmentation(root: Path) -> None:
    each(root, "img_dir/{split}/t{i}.jpg", "ann_dir/{split}/t{i}.png")


def cityscapes(root: Path) -> None:
    for i in range(COUNT):
        city = ("bonn", "ulm")[i % 2]
        stem = f"{SPLITS[i]}/{city}/{city}_{i:06}_000019"
        mask = np.full((SIDE, SIDE), 3, np.uint8) if SPLITS[i] == "test" else truth(i)
        save(root / f"leftImg8bit/{stem}_leftImg8bit.png", picture(i))
        save(root / f"gtFine/{stem}_gtFine_labelIds.png", mask)
        save(root / f"gtFine/{stem}_gtFine_instanceIds.png", mask.astype(np.uint16) * 1000)
        save(root / f"gtFine/{stem}_gtFine_color.png", COLOURS[mask % 3])


def voc(root: Path) -> None:
    each(root, "VOC/JPEGImages/{i}.jpg", "VOC/SegmentationClass/{i}.png")
    each(root, "VOC/JPEGImages/{i}.jpg", "VOC/SegmentationObject/{i}.png", lambda m: m * 2)
    save(root / "VOC/JPEGImages/900.jpg", picture(0))
    for split in ("train", "val", "test"):
        note(root / f"VOC/ImageSets/Segmentation/{split}.txt", names(split))
        note(root / f"VOC/ImageSets/Main/{split}.txt", "900\n")


def camvid(root: Path) -> None:
    each(root, "{split}/s{i}.png", "{split}_labels/s{i}_L.png", COLOURS.__getitem__)
    note(root / "class_dict.csv", "name,r,g,b\nSky,128,128,128\nCar,0,0,192\nRoad,64,0,128\nNone,1,2,3\n")


def segnet(root: Path) -> None:
    each(root, "{split}/s{i}.png", "{split}annot/s{i}.png")
    for split in ("train", "val", "test"):
        note(root / f"{split}.txt", names(split, "/SegNet/{split}/s{i}.png /SegNet/{split}annot/s{i}.png"))


def roboflow(root: Path) -> None:
    each(root, "{folder}/p_{i}.jpg", "{folder}/p_{i}_mask.png")
    for folder in ("train", "valid", "test"):
        note(root / folder / "_classes.csv", "Pixel Value, Class\n0, soil\n1, leaf\n2, stem\n")


def sat_and_mask(root: Path) -> None:
    each(root, "train/{i}_sat.jpg", "train/{i}_mask.png", lambda m: COLOURS[m])
    save(root / "valid/900_sat.jpg", picture(0))


def one_name(root: Path) -> None:
    each(root, "tile [{i}].jpg", "tile [{i}].png")
    note(root / "tile.jgw", "0.05")


def two_annotators(root: Path) -> None:
    each(root, "Image_{i}.jpg", "Image_{i}_1stHO.png", binary)
    each(root, "Image_{i}.jpg", "Image_{i}_2ndHO.png", lambda m: np.roll(binary(m), 1))


def nuclei_of_one_file_each(root: Path) -> None:
    for i in range(COUNT):
        name = f"{i * 7919:012x}"
        save(root / f"stage1_train/{name}/images/{name}.png", picture(i))
        for c in (1, 2):
            save(root / f"stage1_train/{name}/masks/{i * 31 + c:08x}.png", (truth(i) == c).astype(np.uint8) * 255)


def per_class(root: Path) -> None:
    each(root, "images/a{i}.png", "masks/a{i}_leaf.png", lambda m: (m == 1).astype(np.uint8) * 255)
    each(root, "images/a{i}.png", "masks/a{i}_stem.png", lambda m: (m == 2).astype(np.uint8) * 255)


def part_of_another(root: Path) -> None:
    """The cup lies in the disc: what is in both is the cup."""
    each(root, "images/{i}.png", "disc/{i}.png", binary)
    each(root, "images/{i}.png", "cup/{i}.png", lambda m: binary(m == 2))


def tables_with_header(root: Path) -> None:
    each(root, "images/{i}.jpg", "masks/{i}.png")
    for split in ("train", "val", "test"):
        note(root / f"splits/{split}.csv", "image,mask\n" + names(split, "images/{i}.jpg,masks/{i}.png"))


def numbered_masks(root: Path) -> None:
    each(root, "benign ({i}).png", "benign ({i})_mask.png", binary)
    each(root, "benign ({i}).png", "benign ({i})_mask.png", lambda m: binary(m == 1), only=(1, 4))
    each(root, "benign ({i}).png", "benign ({i})_mask_1.png", lambda m: binary(m == 2), only=(1, 4))


def numbered_on(i: int) -> np.ndarray:
    """Return two or three numbered objects."""
    return truth(i, 4 - i % 2)


def cell_tracking(root: Path) -> None:
    for i in range(COUNT):
        sequence, frame = f"0{i // 5 + 1}", f"{i % 5:03}"
        save(root / f"{sequence}/t{frame}.tif", picture(i)[..., 0])
        save(root / f"{sequence}_ST/SEG/man_seg{frame}.tif", numbered_on(i).astype(np.uint16))
        save(root / f"{sequence}_GT/TRA/man_track{frame}.tif", numbered_on(i).astype(np.uint16))
        note(root / f"{sequence}_GT/TRA/man_track.txt", "1 0 4 0\n")


def gold_truth_of_few(root: Path) -> None:
    """Frames without outlines have tracking markers alone."""
    cell_tracking(root)
    for sequence in ("01", "02"):
        (root / f"{sequence}_ST").rename(root / f"{sequence}_GT/ST")
        (root / f"{sequence}_GT/ST/SEG").rename(root / f"{sequence}_GT/SEG")
    for frame in range(5, 30):
        save(root / f"01/t{frame:03}.tif", picture(0)[..., 0])
        save(root / f"01_GT/TRA/man_track{frame:03}.tif", truth(0, 3).astype(np.uint16))


def codes_of_a_microscope(root: Path) -> None:
    for i in range(COUNT):
        place = f"images/run_20110321_a{i:02}"
        save(root / f"{place}_w1{i + 10:x}f{i * 2654435761 % 2**28:07x}-d2.png", picture(i))
        save(root / f"{place}_w2{i + 90:x}f{i * 40503 % 2**28:07x}-d2.png", 255 - picture(i))
        save(root / f"labels/run_20110321_a{i:02}.png", truth(i))


def classes_that_count_on(root: Path) -> None:
    """0 to 1 in half of the masks, 0 to 3 in the others, each class in several places."""
    for i in range(COUNT):
        save(root / f"images/{i}.png", picture(i))
        save(root / f"masks/{i}.png", in_two_places(i))


def in_two_places(i: int) -> np.ndarray:
    """Return a class map whose classes lie left and right."""
    mask = np.minimum(truth(0, 4), 1 + 2 * (i % 2)).astype(np.uint8)
    return np.maximum(mask, np.roll(mask, 16, axis=1))


def answers_of_another_tool(root: Path) -> None:
    each(root, "train/image/{i}.png", "train/label/{i}.png", binary)
    for i in range(4):
        save(root / f"test/{i:03}.png", 255 - picture(i))
        save(root / f"test/{i:03}_predict.png", binary(np.roll(truth(i), 9, axis=0)))


def masks_without_an_object(root: Path) -> None:
    each(root, "{split}/frames/{i}.png", "{split}/truth/other_labels/{i}.png", lambda m: m * 0)
    each(root, "{split}/frames/{i}.png", "{split}/truth/tool_labels/{i}.png")


def region_and_lesion(root: Path) -> None:
    each(root, "{i}_photo.bmp", "{i}_roi_label.bmp", lambda m: binary(np.roll(m, 7, axis=0)))
    each(root, "{i}_photo.bmp", "{i}_lesion.bmp", binary)


def numbers_in_red(root: Path) -> None:
    def red(mask: np.ndarray) -> np.ndarray:
        return np.stack([mask, 0 * mask, 0 * mask, 0 * mask + 255], -1)

    each(root, "images/{i}.png", "masks/{i}.png", red)


def split_in_names(root: Path) -> None:
    each(root, "all/{split}_{i}.bmp", "all/{split}_{i}_anno.bmp")
    note(root / "all/Grade.csv", "name, patient\n")


def folders_in_folders(root: Path) -> None:
    for i in range(COUNT):
        place = root / f"uavid_{SPLITS[i]}" / f"seq{i % 2}"
        save(place / "Images" / f"{i // 2:06}.png", picture(i))
        save(place / "Labels" / f"{i // 2:06}.png", truth(i))


def videos(root: Path) -> None:
    for i in range(COUNT):
        save(root / f"JPEGImages/{SPLITS[i]}_{'ab'[i % 2]}/{i // 2:05}.jpg", picture(i))
        save(root / f"Annotations/{SPLITS[i]}_{'ab'[i % 2]}/{i // 2:05}.png", truth(i))
    for split in ("train", "val", "test"):
        note(root / f"ImageSets/{split}.txt", f"{split}_a\n{split}_b\n")


def other_palettes(root: Path) -> None:
    """Programs that number the colours which a file holds."""
    for i in range(COUNT):
        swapped = np.array([0, 2, 1], np.uint8)[truth(i)] if i % 2 else truth(i)
        image = Image.frombytes("P", (SIDE, SIDE), swapped.tobytes())
        red, blue = [255, 0, 0], [0, 0, 255]
        image.putpalette([0, 0, 0, *(blue + red if i % 2 else red + blue), *[7] * 759])
        save(root / f"images/{i}.png", picture(i))
        (root / "masks").mkdir(exist_ok=True)
        image.save(root / f"masks/{i}.png")


def white_is_zero(root: Path) -> None:
    for i in range(COUNT):
        save(root / f"images/{i}.png", picture(i))
        (root / "masks").mkdir(exist_ok=True)
        tifffile.imwrite(root / f"masks/{i}.tif", truth(i) == 0, photometric="miniswhite")


def dark_background_is_255(root: Path) -> None:
    each(root, "images/{i}.jpg", "masks/{i}.png", lambda m: np.array([255, 128, 0], np.uint8)[m])


def no_data(root: Path) -> None:
    for i in range(COUNT):
        image = picture(i).astype(np.float32) / 255
        image[-2:] = -9999
        save(root / f"masks/{i}.png", truth(i))
        (root / "images").mkdir(exist_ok=True)
        tifffile.imwrite(root / f"images/{i}.tif", image, photometric="rgb")


def hot_pixel(root: Path) -> None:
    for i in range(COUNT):
        image = picture(i)[..., 0].astype(np.uint16) * 4
        image[0, 0] = 65535 if i == 3 else image[0, 0]
        save(root / f"images/{i}.tif", image)
        save(root / f"masks/{i}.png", truth(i))


def channels_of_imagej(root: Path) -> None:
    for i in range(COUNT):
        (root / "images").mkdir(parents=True, exist_ok=True)
        image = np.moveaxis(picture(i), -1, 0).astype(np.uint16)
        tifffile.imwrite(root / f"images/{i}.tif", image, imagej=True, metadata={"axes": "CYX"})
        save(root / f"masks/{i}.png", truth(i))


def with_answers(root: Path) -> None:
    """Class maps that `seunet predict` wrote beside the images."""
    from seunet.commands.prediction_files import write_png

    each(root, "images/{i}.jpg", "masks/{i}.png")
    for i in range(COUNT):
        (root / "predictions").mkdir(exist_ok=True)
        write_png(root / f"predictions/{i:03}.png", Image.fromarray(truth(i)))


OFFICIAL = {"train": "train/", "val": "val/", "test": "test/"}
LAYOUTS = {
    mmsegmentation: {"images": "img_dir/{name}.jpg", "masks": "ann_dir/{name}.png", "split": OFFICIAL},
    cityscapes: {"exclude": ["test/"], "split": {"train": 0.9, "val": 0.1, "test": "val/"}},
    voc: {"unpaired": "leave", "split": {part: f"ImageSets/Segmentation/{part}.txt" for part in OFFICIAL}},
    camvid: {"masks": "{folder}_labels/{name}_L.png", "split": OFFICIAL, "classes.Sky": [128, 128, 128]},
    segnet: {"split": {part: f"{part}.txt" for part in OFFICIAL}},
    roboflow: {"split": OFFICIAL | {"val": "valid/"}, "classes": {"soil": 0, "leaf": 1, "stem": 2}},
    sat_and_mask: {"images": "train/{name}_sat.jpg"},
    one_name: {"images": "{name}.jpg", "masks": "{name}.png"},
    two_annotators: {"masks": "{name}_1stHO.png"},
    nuclei_of_one_file_each: {"masks": "stage1_train/{name}/masks/*.png"},
    per_class: {"masks": {"leaf": "masks/{name}_leaf.png", "stem": "masks/{name}_stem.png"}},
    part_of_another: {"masks": {"disc": "disc/{name}.png", "cup": "cup/{name}.png"}},
    tables_with_header: {"split": {part: f"splits/{part}.csv" for part in OFFICIAL}},
    numbered_masks: {"masks": {"object": "{name}_mask*.png"}},
    cell_tracking: {"images": "{folder}/t{name}.tif", "masks": "{folder}_ST/SEG/man_seg{name}.tif"},
    gold_truth_of_few: {"masks": "{folder}_GT/SEG/man_seg{name}.tif", "unpaired": "leave"},
    codes_of_a_microscope: {"masks": "labels/{name}.png"},
    classes_that_count_on: {"classes": {"background": 0, "class1": 1, "class2": 2, "class3": 3}},
    answers_of_another_tool: {"images": "train/image/{name}.png", "masks": "train/label/{name}.png"},
    masks_without_an_object: {"masks": "{folder}/truth/tool_labels/{name}.png"},
    region_and_lesion: {"masks": "{name}_lesion.bmp"},
    numbers_in_red: {"mask_channel": "red"},
    split_in_names: {"split": {"train": "train*", "val": "val*", "test": "test*"}},
    folders_in_folders: {"split": {part: f"uavid_{part}/" for part in OFFICIAL}},
    videos: {"split": {part: f"ImageSets/{part}.txt" for part in OFFICIAL}},
    other_palettes: {"classes": {"black": [0, 0, 0], "colour_ff0000": [255, 0, 0], "colour_0000ff": [0, 0, 255]}},
    white_is_zero: {"classes": {"background": 1, "foreground": 0}},
    dark_background_is_255: {"classes": {"class0": 0, "class128": 128, "class255": 255}},
    no_data: {},
    hot_pixel: {"value_range": [0, 1023]},
    channels_of_imagej: {"value_range": [0, 255]},
    with_answers: {},
}
OBJECTS = (
    two_annotators,
    nuclei_of_one_file_each,
    numbered_masks,
    cell_tracking,
    gold_truth_of_few,
    answers_of_another_tool,
    region_and_lesion,
    white_is_zero,
)  # one class of objects
OWN_TRUTH = {cell_tracking: numbered_on, gold_truth_of_few: numbered_on, classes_that_count_on: in_two_places}


@pytest.mark.parametrize("build", LAYOUTS, ids=lambda build: build.__name__)
def test_every_image_has_its_mask(build: Callable, tmp_path: Path) -> None:
    build(tmp_path / "data")
    _, settings = guessed(tmp_path / "data")
    for key, value in LAYOUTS[build].items():
        place, _, inner = key.partition(".")
        assert (settings[place][inner] if inner else settings[place]) == value, key
    preparation = {key: settings[key] for key in settings.keys() & Preparation.model_fields.keys()}
    prepare("data", Preparation.model_validate(preparation), {}, tmp_path / "out")
    data = Prepared(tmp_path / "out")
    seen = {}
    levels = sorted((image.mean(), split, k) for split in OFFICIAL for k, image in enumerate(getattr(data, split)[0]))
    for i, (_, split, k) in enumerate(levels):  # images are known again by their brightness
        mask, own = getattr(data, split)[1][k], OWN_TRUTH.get(build, truth)(i)
        own = own > 0 if build in OBJECTS else own
        pairs = set(zip(own.ravel().tolist(), mask.ravel().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), i  # classes are kept apart
        seen[i] = dict(pairs)
        if set(settings["split"]) == set(OFFICIAL) and all(isinstance(p, str) for p in settings["split"].values()):
            assert SPLITS[i] == split
    assert len(seen) == (8 if build is cityscapes else COUNT)
    everywhere = {pair for classes in seen.values() for pair in classes.items()}
    assert len(everywhere) == len({a for a, _ in everywhere}) == len({b for _, b in everywhere})  # mean the same


def test_no_data_is_no_black(tmp_path: Path) -> None:
    no_data(tmp_path / "data")
    low, high = guessed(tmp_path / "data")[1]["value_range"]
    assert -0.01 < low < 0.1 and 0.7 < high < 1


@pytest.mark.parametrize(("kind", "no_data"), [(np.uint16, 65535), (np.int16, -32768), (np.float32, 1e30)])
def test_no_data_beside_few_values(kind: type, no_data: float, tmp_path: Path) -> None:
    for i in range(COUNT):
        image = np.where(truth(i) > 0, 2000, 600).astype(kind)
        image[:3] = no_data
        save(tmp_path / f"data/images/{i}.tif", image)
        save(tmp_path / f"data/masks/{i}.png", truth(i))
    low, high = guessed(tmp_path / "data")[1]["value_range"]
    assert 500 <= low <= 600 and 2000 <= high <= 4095


@pytest.mark.parametrize("name", ["2018", "010", "no", "null", "2026-11-30", "1e3", "~", "0x1F", "on", "1_000"])
def test_folders_whose_names_yaml_would_read_otherwise(name: str, tmp_path: Path) -> None:
    mmsegmentation(tmp_path / name)
    assert guessed(tmp_path / name)[0] == (name if name != "~" else "mine")


def test_files_in_no_pair_are_said_first(tmp_path: Path) -> None:
    two_annotators(tmp_path / "data")
    save(tmp_path / "data/extra/poster.png", picture(3))
    head = call(tmp_path / "data", command="init").output.partition("datasets:")[0]
    assert "10 files {name}_2ndHO.png of the same images are not used" in head
    assert "1 of 31 image files is in no pair (extra: 1)" in head
    with_answers(tmp_path / "more")
    assert "10 files that seunet wrote are passed over" in call(tmp_path / "more", command="init").output


def one_patient_of_many(root: Path) -> None:
    each(root, "p1/img/{i}.png", "p1/mask/{i}.png", only=range(3))
    for i in range(COUNT):
        save(root / f"p{i + 2}/scan_{chr(97 + i)}.png", picture(i))


def patients_by_number(root: Path) -> None:
    """Names of masks begin with that of their folder: one folder's pattern is not another's."""
    for patient in range(4):
        for i in range(3):
            save(root / f"{patient:03}/scan/a{i}.png", picture(i))
            save(root / f"{patient:03}/labels/{patient:03}_a{i}.png", truth(i))


def channels_in_two_files(root: Path) -> None:
    each(root, "imagesTr/a_{i}_0000.png", "labelsTr/a_{i}.png")
    each(root, "imagesTr/a_{i}_0001.png", "labelsTr/a_{i}.png")


def run_lengths(root: Path) -> None:
    for i in range(COUNT):
        save(root / f"{('train', 'test')[i % 2]}/0a{i}.jpg", picture(i))
    note(root / "train.csv", "ImageId,EncodedPixels\n0a000.jpg,1 3 7 2\n")


def names_that_differ(root: Path) -> None:
    for i in range(COUNT):
        save(root / f"images/DSC{3000 + 7 * i}.jpg", picture(i))
        save(root / f"PixelLabelData/Label_{i + 1}.png", truth(i))
    note(root / "gTruth.mat", "x")


def markers_alone(root: Path) -> None:
    cell_tracking(root)
    for sequence in ("01", "02"):
        shutil.rmtree(root / f"{sequence}_ST")


def outlines_of_a_map(root: Path) -> None:
    each(root, "RGB/RGB_img{i}.png", "MUL/MUL_img{i}.png", lambda m: picture(int(m.sum()) % 9))
    note(root / "buildings/img0.geojson", "{}")


def labels_alone(root: Path) -> None:
    """The labels of one split would be the images of another's."""
    each(root, "train_labels/{i}.png", "test_labels/{i}.png")
    for i in range(COUNT):
        save(root / f"train_labels/{i:03}.png", truth(i))


def coco(root: Path) -> None:
    save(root / "images/a.jpg", picture(0))
    note(root / "annotations.json", '{"annotations": []}')


def yolo(root: Path) -> None:
    save(root / "images/a.jpg", picture(0))
    note(root / "labels/a.txt", "0 .1 .1 .2 .2\n")


def arrays(root: Path) -> None:
    root.mkdir()
    np.save(root / "images.npy", np.zeros((3, 8, 8)))


def packed(root: Path) -> None:
    note(root / "images/a.ppm.gz", "x")


def braces(root: Path) -> None:
    each(root, "my {{set}}/images/{i}.png", "my {{set}}/masks/{i}.png")


def stacks(root: Path) -> None:
    for name in ("volume", "labels"):
        root.mkdir(exist_ok=True)
        tifffile.imwrite(root / f"{name}.tif", np.zeros((4, SIDE, SIDE), np.uint8), photometric="minisblack")


def once_jpeg(channels: int) -> Callable[[Path], None]:
    """Return a function that writes black and white masks as PNG, with what JPEG made of them."""

    def build(root: Path) -> None:
        for i in range(COUNT):
            save(root / f"images/{i}.jpg", picture(i))
            mask = binary(truth(i))
            save(root / "mask.jpg", mask if channels == 1 else np.stack([mask] * 3, axis=-1))
            with Image.open(root / "mask.jpg") as image:
                save(root / f"masks/{i}.png", np.asarray(image))
        (root / "mask.jpg").unlink()

    return build


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (once_jpeg(1), "mogrify -threshold 50%"),
        (once_jpeg(3), "mogrify -threshold 50%"),
        (one_patient_of_many, "10 of 16 image files are in no pair"),
        (patients_by_number, "only 3 images have masks"),
        (channels_in_two_files, "a_000_0000.png and a_000_0001.png are channels of one image"),
        (run_lengths, "train.csv: a table of run lengths"),
        (names_that_differ, "no images with masks of like names found in PixelLabelData"),
        (markers_alone, "man_track000.tif: by its name it marks objects"),
        (outlines_of_a_map, "img0.geojson: GeoJSON"),
        (labels_alone, "which have like names, both look like masks"),
        (coco, "annotations.json: COCO"),
        (yolo, "a.txt: YOLO"),
        (arrays, "images.npy: 1 .npy file with NumPy arrays"),
        (packed, "a.ppm.gz: 1 .ppm.gz file with packed images: unpack them"),
        (braces, "braces in a name"),
        (stacks, "4 frames; save each as an image of its own"),
        (lambda root: each(root, "images/{i}.jpg", "masks/{i}.jpg"), "a JPEG mask"),
    ],
)
def test_what_is_not_read_is_named_in_one_line(build: Callable, said: str, tmp_path: Path) -> None:
    build(tmp_path / "data")
    result = call(tmp_path / "data", command="init")
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1, result.output


@pytest.mark.parametrize(
    ("file", "words", "classes"),
    [
        ("class_names.txt", "_background_\nleaf\nstem", {"background": 0, "leaf": 1, "stem": 2}),
        ("labels.txt", "__ignore__\n_background_\nleaf\nstem", {"background": 0, "leaf": 1, "stem": 2}),
        ("classes.txt", "1 leaf\n2 stem\n", {"background": 0, "leaf": 1, "stem": 2}),
        ("dataset.json", '{"labels": {"soil": 0, "leaf": 1, "stem": 2}}', {"soil": 0, "leaf": 1, "stem": 2}),
        ("classes.json", '[{"id": 1, "name": "leaf"}, {"id": 2, "name": "on"}]', {"background": 0, "leaf": 1, "on": 2}),
        ("class_dict.csv", "name,r,g,b\nsoil,0,0,0\nleaf,1,1,1\nstem,2,2,2\n", {"soil": 0, "leaf": 1, "stem": 2}),
        ("class_mapping.csv", "name,color\nsoil,0 0 0\nleaf,1 1 1\nstem,2 2 2\n", {"soil": 0, "leaf": 1, "stem": 2}),
        ("classes.txt", "leaf\nstem\nroot\n", {"background": 0, "class1": 1, "class2": 2}),  # of a detector?
        ("class_dict.csv", "name,value\nleaf,1\n", {"background": 0, "class1": 1, "class2": 2}),  # not all of them
    ],
)
def test_names_of_classes(file: str, words: str, classes: dict, tmp_path: Path) -> None:
    each(tmp_path / "data", "images/{i}.jpg", "masks/{i}.png")
    note(tmp_path / "data" / file, words)
    assert guessed(tmp_path / "data")[1]["classes"] == classes


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:128,128,128::\ncar:0,0,192::\nroad:64,0,128::\n"),
        ("label_colors.txt", "128 128 128\tsky\n0 0 192\tcar\n64 0 128\troad\n"),
        ("class_dict.csv", "name, r, g, b\nsky, 128, 128, 128\ncar, 0, 0, 192\nroad, 64, 0, 128\n"),
        ("classes.csv", "0,sky,128,128,128\n1,car,0,0,192\n2,road,64,0,128\n"),
    ],
)
def test_names_of_colours(file: str, words: str, tmp_path: Path) -> None:
    each(tmp_path / "data", "images/{i}.jpg", "masks/{i}.png", COLOURS.__getitem__)
    note(tmp_path / "data" / file, words)
    expected = {"sky": [128, 128, 128], "car": [0, 0, 192], "road": [64, 0, 128]}
    assert guessed(tmp_path / "data")[1]["classes"] == expected


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/20110321_{i:04}.png", "masks/20110321_{i:04}.png"),  # all names have one number
        ("train/{i:05}f{i:03}/images/{i:05}f{i:03}.png", "train/{i:05}f{i:03}/masks/9{other:04}c.png"),  # other numbers
        ("images/a{i}_w1{other:x}f0a1b2c{i:x}.tif", "labels/a{i}.png"),
    ],
)
def test_of_large_folders_images_and_their_masks_are_looked_at(image: str, mask: str) -> None:
    words = [{"i": i, "other": i * 7919 % 10000} for i in range(1500)]
    files = [PurePosixPath(name.format(**word)) for word in words for name in (image, mask)]
    best, *_ = candidates(families(files))
    assert len(best.names) > 100
    parts = [pattern.split("/")[:-1] for pattern in best.patterns]
    assert [part[-1] for part in parts] == [PurePosixPath(name).parts[-2] for name in (image, mask)]
