"""The metrics, declared with their configs. Their code is imported when they score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Union

from pydantic import Field

from composer.plugin import Config, Metric
from composer.problems import InputError
from composer.types import PortType

__all__ = [
    "METRICS",
    "BleuConfig",
    "BoxConfig",
    "CiderConfig",
    "F1Config",
    "MatchConfig",
    "MeanRecallConfig",
    "RankConfig",
    "RecallConfig",
    "TopKAccuracyConfig",
    "hold_best",
]


class TopKAccuracyConfig(Config):
    """`with` of `core.top_k_accuracy`."""

    k: int = Field(default=5, ge=1)
    """How many of the best classes may be the right one."""


def hold_best(k: int, count: int, what: str = "classes") -> None:
    """Raise InputError where all classes, or candidates, are among the best `k` of them."""
    if k >= count:
        cure = f"set `k` below {count}" if count > 1 else "there is nothing to choose from"
        raise InputError(f"the best {k} of {count} {what} always hold the right one: {cure}")


def _hold_classes(config: TopKAccuracyConfig, outputs: Sequence[PortType]) -> None:
    """Scores[B, K] say how many classes there are, a ranking does not."""
    _hold_scores(config.k, outputs, "classes")


def _hold_candidates(config: RecallConfig, outputs: Sequence[PortType]) -> None:
    """Scores[B, C] say how many candidates there are; of two embeddings, all samples are candidates."""
    if len(outputs) == 1:
        _hold_scores(config.k, outputs, "candidates")


def _hold_scores(k: int, outputs: Sequence[PortType], what: str) -> None:
    dims = outputs[0].dims
    if len(dims) == 2 and dims[1].is_number:
        hold_best(k, dims[1].at({}), what)


class F1Config(Config):
    """`with` of `core.f1`."""

    average: Literal["macro", "micro", "weighted", "binary"] = "macro"
    """`macro`: the mean over classes; `micro`: all samples together; `weighted`: by the samples of each class;
    `binary`: of the class `positive` alone."""
    positive: Union[int, str] = 1
    """The class that `binary` looks at."""


class MatchConfig(Config):
    """`with` of `core.exact_match`."""

    ignore_case: bool = False
    """Whether capital letters are as good as small ones."""


class BleuConfig(Config):
    """`with` of `core.bleu`."""

    n: int = Field(default=4, ge=1, le=4)
    """The longest n-grams that count: BLEU-4 where left out."""


class CiderConfig(Config):
    """`with` of `core.cider`."""

    variant: Literal["cider-d", "cider"] = "cider-d"
    """`cider-d` is what the COCO evaluation computes and tables call CIDEr: repeated words and other lengths cost;
    `cider` is the cosine alone."""


class BoxConfig(Config):
    """`with` of `core.box_accuracy`."""

    threshold: float = Field(default=0.5, gt=0, le=1)
    """Least overlap (intersection over union) of a box that is right."""
    form: Literal["xyxy", "xywh"] = "xyxy"
    """Whether the four numbers of a box are two corners, or a corner with width and height."""


class RankConfig(Config):
    """`with` of `core.median_rank`."""

    direction: Literal["forward", "backward"] = "forward"
    """Of two embeddings: whether the first seeks the second among all of them, or the second the first."""


class RecallConfig(RankConfig):
    """`with` of `core.recall_at_k`."""

    k: int = Field(default=1, ge=1)
    """Among how many of the best candidates the right one must be."""


class MeanRecallConfig(Config):
    """`with` of `core.mean_recall`."""

    ks: list[int] = Field(default_factory=lambda: [1, 5, 10], min_length=1)
    """Among how many of the best candidates the right one must be; the recalls of all of them are averaged."""


_HERE = "composer_core.metrics"
CLASSES = ("scores", "classes", "integers", "flags", "ranking", "text")
NUMBERS = ("numbers", "integers", "scores")

METRICS = (
    Metric(
        "core.accuracy",
        f"{_HERE}.classes:accuracy",
        "Share of samples whose best class is the reference: the number of a class, or its name.",
        takes=CLASSES,
        sample=f"{_HERE}.classes:sample",
        per_sample=True,
        usual_for=("scores", "classes", "integers", "flags", "ranking"),
    ),
    Metric(
        "core.top_k_accuracy",
        f"{_HERE}.classes:top_k_accuracy",
        "Share of samples whose reference is among the `k` best classes.",
        takes=("scores", "ranking"),
        sample=f"{_HERE}.classes:sample",
        config=TopKAccuracyConfig,
        per_sample=True,
        examples=({"k": 1},),
        check_outputs=_hold_classes,
    ),
    Metric(
        "core.f1",
        f"{_HERE}.classes:class_pairs",
        "Precision and recall of classes in one number, averaged over the classes (scikit-learn).",
        takes=CLASSES,
        sample=f"{_HERE}.classes:sample",
        per_sample=True,
        combine=f"{_HERE}.classes:f1",
        alone=False,
        config=F1Config,
        examples=({}, {"average": "micro"}, {"average": "binary"}),
        packages=("scikit-learn",),
    ),
    Metric(
        "core.matthews",
        f"{_HERE}.classes:class_pairs",
        "Matthews' correlation of predicted and right classes, from -1 to 1; CoLA's metric (scikit-learn).",
        takes=CLASSES,
        sample=f"{_HERE}.classes:sample",
        per_sample=True,
        combine=f"{_HERE}.classes:matthews",
        alone=False,
        packages=("scikit-learn",),
    ),
    Metric(
        "core.mean_error",
        f"{_HERE}.numbers:mean_error",
        "Mean distance between numbers and their references.",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
        per_sample=True,
        graded=True,
        higher_is_better=False,
        usual_for=("numbers",),
    ),
    Metric(
        "core.pearson",
        f"{_HERE}.numbers:number_pairs",
        "Pearson's correlation of numbers and their references, from -1 to 1.",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
        per_sample=True,
        combine=f"{_HERE}.numbers:pearson",
        alone=False,
    ),
    Metric(
        "core.spearman",
        f"{_HERE}.numbers:number_pairs",
        "Correlation of the ranks of numbers and of their references, from -1 to 1 (scikit-learn's SciPy).",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
        per_sample=True,
        combine=f"{_HERE}.numbers:spearman",
        alone=False,
        packages=("scikit-learn",),
    ),
    Metric(
        "core.exact_match",
        f"{_HERE}.texts:exact_match",
        "Share of texts that equal their reference, or one of several; spaces count once.",
        takes=("text",),
        sample=f"{_HERE}.texts:sample",
        config=MatchConfig,
        per_sample=True,
        usual_for=("text",),
        examples=({}, {"ignore_case": True}),
    ),
    Metric(
        "core.vqa_accuracy",
        f"{_HERE}.vqa:vqa_accuracy",
        "Official VQA accuracy: an answer that three of nine people gave, over the ten ways to leave one of ten out.",
        takes=("text",),
        sample=f"{_HERE}.vqa:sample",
        per_sample=True,
        graded=True,
    ),
    Metric(
        "core.bleu",
        f"{_HERE}.captions:bleu",
        "BLEU-1 to BLEU-4 of captions, as the COCO evaluation computes it.",
        takes=("text",),
        sample=f"{_HERE}.captions:sample",
        config=BleuConfig,
        per_sample=True,
        combine=f"{_HERE}.captions:bleu_of_counts",
        examples=({"n": 1}, {"n": 2}, {}),
    ),
    Metric(
        "core.rouge_l",
        f"{_HERE}.captions:rouge_l",
        "ROUGE-L of captions: the longest words in common, as the COCO evaluation computes it.",
        takes=("text",),
        sample=f"{_HERE}.captions:sample",
        per_sample=True,
        graded=True,
    ),
    Metric(
        "core.cider",
        f"{_HERE}.captions:cider",
        "CIDEr-D of captions, times 10, which tables call CIDEr: how alike n-grams are, rare ones weighing more.",
        takes=("text",),
        sample=f"{_HERE}.captions:sample",
        config=CiderConfig,
        per_sample=True,
        graded=True,
        examples=({}, {"variant": "cider"}),
    ),
    Metric(
        "core.token_accuracy",
        f"{_HERE}.tokens:counts",
        "Share of hidden tokens that are told, of the numbers of `core.token_scores`: right, cost, count.",
        takes=("numbers",),
        sample=f"{_HERE}.tokens:sample",
        per_sample=True,
        combine=f"{_HERE}.tokens:token_accuracy",
        alone=False,
        outputs=(3,),
        needs_reference=False,
    ),
    Metric(
        "core.perplexity",
        f"{_HERE}.tokens:counts",
        "Perplexity of hidden tokens, of the numbers of `core.token_scores`: right, cost, count.",
        takes=("numbers",),
        sample=f"{_HERE}.tokens:sample",
        per_sample=True,
        combine=f"{_HERE}.tokens:perplexity",
        alone=False,
        higher_is_better=False,
        outputs=(3,),
        needs_reference=False,
    ),
    Metric(
        "core.box_accuracy",
        f"{_HERE}.boxes:box_accuracy",
        "Share of boxes that overlap their reference enough: by an intersection over union of 0.5.",
        sample=f"{_HERE}.boxes:sample",
        config=BoxConfig,
        per_sample=True,
        examples=({}, {"form": "xywh", "threshold": 0.3}),
    ),
    Metric(
        "core.recall_at_k",
        f"{_HERE}.retrieval:recall_at_k",
        "Share of queries that find what belongs to them among the best `k`: two embeddings, or scores of candidates.",
        takes=("embedding", "scores"),
        sample=f"{_HERE}.retrieval:sample",
        config=RecallConfig,
        per_sample=True,
        combine=f"{_HERE}.retrieval:recall_of_rows",
        outputs=(1, 2),
        needs_reference=False,
        examples=({}, {"k": 2, "direction": "backward"}),
        check_outputs=_hold_candidates,
    ),
    Metric(
        "core.mean_recall",
        f"{_HERE}.retrieval:mean_recall",
        "Mean of the recalls at several `ks`, both ways: the first embedding seeks the second, the second the first.",
        takes=("embedding",),
        sample=f"{_HERE}.retrieval:sample",
        config=MeanRecallConfig,
        per_sample=True,
        combine=f"{_HERE}.retrieval:mean_of_rows",
        outputs=(2,),
        needs_reference=False,
        examples=({}, {"ks": [1, 2]}),
    ),
    Metric(
        "core.median_rank",
        f"{_HERE}.retrieval:rank_of_samples",
        "Median place of what belongs to a query among all candidates: two embeddings, or scores of candidates.",
        takes=("embedding", "scores"),
        sample=f"{_HERE}.retrieval:sample",
        config=RankConfig,
        per_sample=True,
        combine=f"{_HERE}.retrieval:median_of_rows",
        outputs=(1, 2),
        needs_reference=False,
        higher_is_better=False,
        examples=({}, {"direction": "backward"}),
    ),
)
"""What `core` registers."""
