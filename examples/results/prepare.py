"""Make the folder `data` that the experiments read, out of what packages hold.

python -m pip download --no-deps --no-binary :all: vaderSentiment==3.3.2 --dest downloads
python examples/results/prepare.py downloads/vaderSentiment-3.3.2.tar.gz
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from pathlib import Path

import numpy as np

__all__ = ["movies"]

HERE = Path(__file__).parent
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SENTENCES = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
SEED = 0
TEST_SHARE = 0.2


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
        text = "".join(json.dumps(rows[index]) + "\n" for index in sorted(chosen))
        (data / f"movies-{split}.jsonl").write_text(text)
    return {split: len(chosen) for split, chosen in parts.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sentences", type=Path, help="the source archive of vaderSentiment 3.3.2")
    given = parser.parse_args()
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    print("movies:", movies(given.sentences, data))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
