"""What is trained, and what it is compared with: data for `make.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from baselines import box_constant, captions_by_chance, captions_by_rules, fashion_pixels, movies_words

__all__ = ["EXPERIMENTS", "FAMILIES", "Arm", "Experiment", "Family"]


@dataclass(frozen=True)
class Experiment:
    """One run, scored on a test split, and what it is compared with."""

    name: str
    title: str
    text: str
    train: str
    evaluate: str
    metrics: Mapping[str, str]
    """Metric of the report → what the page calls it."""
    baselines: Mapping[str, Callable[[Path], Sequence[float]]]
    """What a baseline is → its scores on the same split, one for each metric, of the folder of data."""
    closer: str = ""
    """What the page calls the same metrics after a closer look at the best candidates, where the command reranks."""


@dataclass(frozen=True)
class Arm:
    """One way to train, by one run or by several that belong together."""

    label: str
    parts: Sequence[str]
    """What follows `composer train` in each of its runs."""
    unused: Sequence[str] = ()
    """Patterns of names of weights that no task calls: they are not counted."""
    begin: str = ""
    """What follows `composer train` in a run before them, with whose weights each of them begins."""
    begin_options: str = ""
    """What tells its parts what of them starts fresh all the same."""


@dataclass(frozen=True)
class Family:
    """Ways to train the same tasks, each with several seeds."""

    name: str
    title: str
    text: str
    options: str
    """What follows each part on its command line."""
    scores: Mapping[str, tuple[str, str]]
    """Title of a column → task and score in the record of a run."""
    arms: Sequence[Arm]
    seeds: Sequence[int] = field(default=(0, 1, 2))
    sizes: bool = True
    """Whether the page tells how many parameters each has: where they differ."""


EXPERIMENTS: Sequence[Experiment] = (
    Experiment(
        "movies",
        "Text: sentences about films",
        "Whether 20 people found a sentence kind or unkind on average (Hutto and Gilbert, 2014). The encoder begins "
        "with the weights of all-MiniLM-L6-v2 and learns with a fresh head.",
        "composer train movies.yaml --data train=data/movies-train.jsonl --data test=data/movies-test.jsonl "
        "--epochs 2 --batch-size 32 --learning-rate 5e-5 --out runs/movies",
        "composer evaluate movies.yaml --weights runs/movies.safetensors --data data/movies-test.jsonl "
        "--out runs/movies-scores",
        {"exact_match": "right on the test split"},
        {"words and pairs of words (TF-IDF) with a logistic regression": movies_words},
    ),
    Experiment(
        "fashion",
        "Pictures: clothes",
        "Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) with its official splits, a tenth of the training pictures "
        "held out for validation. A residual network of 0.4 million parameters begins fresh and sees the pictures as "
        "they are, 28 by 28 pixels.",
        "composer train fashion.yaml --data train=data/fashion/train --validation-share 0.1 --epochs 3 "
        "--batch-size 128 --learning-rate 3e-3 --out runs/fashion",
        "composer evaluate fashion.yaml --weights runs/fashion.safetensors --data data/fashion/test "
        "--out runs/fashion-scores",
        {"accuracy": "right on the test split"},
        {"pixels with a logistic regression, trained on 10,000": fashion_pixels},
    ),
    Experiment(
        "boxes",
        "Grounding: where a shape is",
        "Pictures of two shapes, drawn, and the name of one of them (`the blue circle`). The decoder tells its box as "
        "four coordinates. The published loss weighs every coordinate by how far off the box is. In a first try with "
        "it alone, fresh weights learned nothing in 500 steps, so that the plain loss of the same tokens is added.",
        "composer train boxes.yaml --recipe training/boxes.yaml --out runs/boxes",
        "composer evaluate boxes.yaml --weights runs/boxes.safetensors --data data/boxes/test.jsonl "
        "--out runs/boxes-scores",
        {"found": "overlap (IoU) of 0.5 or more"},
        {"the best constant box of the training split": box_constant},
    ),
    Experiment(
        "seek",
        "Retrieval: pictures and captions",
        "Pictures of easy-VQA and captions that follow from their answers (`a blue circle`). Two towers learn by "
        "contrast and by matching with hard negatives; the candidates are all of the test split, where equal captions "
        "are one. Candidates with equal scores stand before what is right; the rules have many of them. The best eight "
        "candidates of each query are then looked at together with it, by the task that matches (`closer`); its score "
        "is added to the similarity of the vectors, which the validation split finds better than the score alone. What "
        "came out: matching mends what the vectors miss where captions seek pictures, and spoils some where pictures "
        "seek captions.",
        "composer train seek.yaml --recipe training/seek.yaml --out runs/seek",
        "composer evaluate seek.yaml:seek --weights runs/seek.safetensors --data data/captions/test.jsonl "
        "--rerank closer,top=8,add=true --out runs/seek-scores",
        {
            f"{way}, recall@{k}": f"{way}, recall@{k}"
            for way in ("picture to caption", "caption to picture")
            for k in (1, 5)
        },
        {
            "rules: the nearest known colour, and the shape by how much of its box it fills": captions_by_rules,
            "chance": captions_by_chance,
        },
        "the best eight of these, by matching",
    ),
)

OBJECTIVES = {
    "masked-text": "hidden words of the caption alone",
    "masked-caption": "hidden words beside the picture",
    "contrast": "contrast",
    "match": "matching",
    "prefix": "going on with a prefix",
}
"""Tasks of pretrain.yaml, and what the page calls them."""
PRETRAINED = "--recipe training/pretrain.yaml"
AFTER = ("pretrain.yaml:answer", "pretrain.yaml:caption")
FAMILIES: Sequence[Family] = (
    Family(
        "joint",
        "One model for all tasks, or one for each",
        "The three tasks of the quick start, with all of its data, by its modules at 0.5 million parameters: questions "
        "on pictures, captions of pictures and captions of clips. Each task makes the same steps in every row, in the "
        "order of the [quick start's recipe](quickstart.md#how-it-was-made), with a third of its epochs: too few to "
        "learn all of it. The learning rate falls over a run, which is shorter for a model of pictures alone. What "
        "came out: at the same number of parameters, one model for all is ahead of one for each at questions, captions "
        "and digits, in every seed. Beside models of its own size for each task, which have 2.5 times the parameters "
        "together, it is ahead at captions of pictures in every seed; at questions and digits the two are within each "
        "other's spread. Directions depend on the seed alone in so short a run; they need more steps.",
        "--recipe training/joint.yaml",
        {
            "questions right": ("image-qa", "right"),
            "captions of pictures right": ("image-caption", "right"),
            "directions of clips right": ("video-caption", "direction"),
            "digits of clips right": ("video-caption", "digit"),
        },
        (
            Arm("one model for the three tasks", ("joint.yaml",)),
            Arm(
                "a model for each task, each as large",
                (
                    "joint.yaml:image-qa --epochs 6",
                    "joint.yaml:image-caption --epochs 6",
                    "joint.yaml:video-caption",
                ),
            ),
            Arm(
                "a model for each task, as large together",
                (
                    "joint.yaml:image-qa --epochs 6 --set hidden=40",
                    "joint.yaml:image-caption --epochs 6 --set hidden=40",
                    "joint.yaml:video-caption --set hidden=40",
                ),
            ),
        ),
    ),
    Family(
        "sharing",
        "What sharing is worth",
        "mPLUG-2 claims that universal layers which all modalities share help them to work together, and that modules "
        "of their own keep them from disturbing each other. Here that is tried with 500 pictures of easy-VQA, their "
        "questions and their captions, by documents that differ in what is shared. Every run makes the same steps on "
        "each task, four times through the data: too few to learn all of it, so that the scores say how fast each way "
        "learns. `small-apart.yaml` has universal layers for patches and others for words; `small-single.yaml` sends "
        "patches and words through one stack. The learning rate is 1e-3 for all; "
        "with 3e-4 or 3e-3 (`--learning-rate`, seed 0) the shared layers are ahead of the single stack as well. "
        "What came out: universal layers that are shared and those of their own are within each other's spread, with a "
        "fifth fewer parameters for the shared ones; one stack for all is far behind both.",
        "--recipe training/small.yaml",
        {"questions right": ("answer", "right"), "captions right": ("caption", "right")},
        (
            Arm("both tasks, shared universal layers", ("small.yaml",)),
            Arm(
                "both tasks, universal layers of their own",
                ("small-apart.yaml",),
                ("universal_text.*.cross_attention*", "universal_text.latents"),
            ),
            Arm("both tasks, one single stack", ("small-single.yaml",), ("*.cross_attention*", "*.latents")),
            Arm("a model for each task, each as large", ("small.yaml:answer", "small.yaml:caption")),
            Arm(
                "a model for each task, as large together",
                ("small.yaml:answer --set hidden=48", "small.yaml:caption --set hidden=48"),
            ),
        ),
    ),
    Family(
        "objectives",
        "What each objective of pretraining brings",
        "The 3,225 pictures of easy-VQA that have a caption (`a blue circle`), twice, with a step of every objective "
        "for each batch; then 100 pictures with their questions, or with their captions, four times. One objective is "
        "left out at a time, and the others make the same steps as before. A decoder that no objective reached "
        "starts fresh. What came out: captions gain by pretraining, and of the five only going on with a prefix, which "
        "alone teaches the decoder, is missed when it is left out. Of the questions, three seeds say nothing about a "
        "single objective: the spread within a row is larger than what is between the rows.",
        "--recipe training/after.yaml",
        {"questions right": ("answer", "right"), "captions right": ("caption", "right")},
        (
            Arm("all five objectives", AFTER, begin=f"pretrain.yaml:{' '.join(OBJECTIVES)} {PRETRAINED}"),
            *(
                Arm(
                    f"without {what}",
                    AFTER,
                    begin=f"pretrain.yaml:{' '.join(each for each in OBJECTIVES if each != name)} {PRETRAINED}",
                    begin_options="--init decoder" if name == "prefix" else "",
                )
                for name, what in OBJECTIVES.items()
            ),
            Arm("no pretraining", AFTER),
        ),
        sizes=False,
    ),
)
