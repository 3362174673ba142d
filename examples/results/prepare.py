"""Make the folder `data` that the experiments read, out of what packages hold and of what is drawn here.

python -m pip download --no-deps --no-binary :all: vaderSentiment==3.3.2 --dest downloads
python examples/results/prepare.py movies downloads/vaderSentiment-3.3.2.tar.gz
python examples/results/prepare.py fashion FOLDER
python examples/results/prepare.py boxes
python examples/results/prepare.py captions

FOLDER holds the four files of Fashion-MNIST, as the Debian package dataset-fashion-mnist installs them.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

__all__ = ["boxes", "captions", "fashion", "idx", "movies"]

HERE = Path(__file__).parent
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SENTENCES = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
SEED = 0
TEST_SHARE = 0.2
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
FASHION_STEMS = {"train": "train", "test": "t10k"}
PAINTS = {
    "black": (15, 15, 15),
    "blue": (35, 60, 215),
    "brown": (120, 70, 25),
    "gray": (125, 125, 125),
    "green": (30, 150, 45),
    "red": (215, 30, 35),
    "teal": (0, 140, 140),
    "yellow": (235, 215, 40),
}
FORMS = ("circle", "rectangle", "triangle")
SIDE = 64
"""Pixels of a drawn picture."""
BOXES = {"train": 4000, "validation": 500, "test": 1000}


def movies(source: Path, data: Path) -> dict[str, int]:
    """Sentences about films with the sign of their mean rating by 20 people, four fifths to train (Hutto and Gilbert,
    2014); those rated zero and those that stand there twice are left out.
    """
    with tarfile.open(source) as package:
        inner = package.extractfile(ARCHIVE)
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            file = archive.extractfile(SENTENCES)
            assert file is not None
            lines = file.read().decode("latin-1").splitlines()
    rows, seen = [], set[str]()
    for number, rating, sentence in (line.split("\t", 2) for line in lines):
        if float(rating) != 0 and sentence not in seen:
            seen.add(sentence)
            rows.append(
                {"id": number, "sentence": sentence, "mood": "kind" if float(rating) > 0 else "unkind"}
            )
    order = np.random.default_rng(SEED).permutation(len(rows))
    held_out = round(TEST_SHARE * len(rows))
    parts = {"test": order[:held_out], "train": order[held_out:]}
    for split, chosen in parts.items():
        _write_rows(data / f"movies-{split}.jsonl", [rows[index] for index in sorted(chosen)])
    return {split: len(chosen) for split, chosen in parts.items()}


def fashion(source: Path, data: Path) -> dict[str, int]:
    """Fashion-MNIST as PNG files, a folder for each class, in the official splits (Xiao, Rasul and Vollgraf, 2017)."""
    counts = {}
    for split, stem in FASHION_STEMS.items():
        pictures = idx(source / f"{stem}-images-idx3-ubyte.gz")
        labels = idx(source / f"{stem}-labels-idx1-ubyte.gz")
        for name in CLOTHES:
            (data / "fashion" / split / name).mkdir(parents=True, exist_ok=True)
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            Image.fromarray(picture).save(data / "fashion" / split / CLOTHES[label] / f"{number:05}.png")
        counts[split] = len(pictures)
    return counts


def idx(file: Path) -> NDArray[np.uint8]:
    """The bytes of a gzipped IDX file: two zeros, 8 for bytes, the number of dimensions, their sizes, the values."""
    content = gzip.decompress(file.read_bytes())
    dims = content[3]
    sizes = np.frombuffer(content, ">u4", dims, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dims).reshape(sizes)


def boxes(data: Path) -> dict[str, int]:
    """Pictures of two shapes on a plain ground, and of one of them its name and its box: x, y, width and height as
    parts of the picture. The two differ in shape and in colour and do not overlap.
    """
    random = np.random.default_rng(SEED)
    for split, count in BOXES.items():
        folder = data / "boxes" / split
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(count):
            picture, asked, box = _two_shapes(random)
            file = folder / f"{number:05}.png"
            picture.save(file)
            rows.append(
                {"id": f"{split} {number}", "image": f"{split}/{file.name}", "phrase": asked, "truth": box}
            )
        _write_rows(data / "boxes" / f"{split}.jsonl", rows)
    return dict(BOXES)


def captions(data: Path) -> dict[str, int]:
    """Pictures of easy-VQA whose questions settle shape and colour, with the caption that follows from them, and a
    number that those with one caption share.
    """
    from composer_quickstart.configs import EasyVqaConfig
    from composer_quickstart.easy_vqa import EasyVqaCaptions

    source, numbers, counts = EasyVqaCaptions(EasyVqaConfig()), dict[str, int](), {}
    for split in source.splits:
        folder = data / "captions" / split
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for number, sample in enumerate(source.samples(split)):
            file = folder / f"{number:04}.png"
            Image.fromarray(sample["image"]).save(file)
            caption = sample["caption"]
            same = numbers.setdefault(caption, len(numbers))
            rows.append(
                {"id": f"{split} {number}", "image": f"{split}/{file.name}", "caption": caption, "same": same}
            )
        _write_rows(data / "captions" / f"{split}.jsonl", rows)
        counts[split] = len(rows)
    return counts


def _two_shapes(random: np.random.Generator) -> tuple[Image.Image, str, list[float]]:
    """A picture, the name of its first shape, and where that is."""
    picture = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(200, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    forms = random.permutation(FORMS)[:2]
    colours = random.permutation(list(PAINTS))[:2]
    while True:
        sizes = random.integers(14, 31, (2, 2))
        corners = np.stack([random.integers(0, SIDE - size + 1) for size in sizes])
        if ((corners[0] + sizes[0] <= corners[1]) | (corners[1] + sizes[1] <= corners[0])).any():
            break
    for form, colour, corner, size in zip(forms, colours, corners, sizes, strict=True):
        left, top, right, bottom = *corner.tolist(), *(corner + size - 1).tolist()
        if form == "circle":
            draw.ellipse((left, top, right, bottom), fill=PAINTS[colour])
        elif form == "rectangle":
            draw.rectangle((left, top, right, bottom), fill=PAINTS[colour])
        else:
            draw.polygon(((left, bottom), (right, bottom), ((left + right) // 2, top)), fill=PAINTS[colour])
    return (
        picture,
        f"the {colours[0]} {forms[0]}",
        [*(corners[0] / SIDE).tolist(), *(sizes[0] / SIDE).tolist()],
    )


def _write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=["movies", "fashion", "boxes", "captions"])
    parser.add_argument("source", type=Path, nargs="?", help="where its data come from")
    given = parser.parse_args()
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    if given.experiment in (made_here := {"boxes": boxes, "captions": captions}):
        print(f"{given.experiment}:", made_here[given.experiment](data))
        return 0
    if given.source is None:
        parser.error(f"{given.experiment} is made of files: say where they are")
    print(
        f"{given.experiment}:", {"movies": movies, "fashion": fashion}[given.experiment](given.source, data)
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
