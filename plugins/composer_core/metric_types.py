"""The metrics, declared with their configs. Their code is imported when they score."""

from __future__ import annotations

from typing import Literal, Union

from pydantic import Field

from composer.plugin import Config, Metric

__all__ = ["METRICS", "F1Config", "MatchConfig", "TopKAccuracyConfig"]


class TopKAccuracyConfig(Config):
    """`with` of `core.top_k_accuracy`."""

    k: int = Field(default=5, ge=1)
    """How many of the best classes may be the right one."""


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
        examples=({"k": 1}, {"k": 2}),
    ),
    Metric(
        "core.f1",
        f"{_HERE}.classes:f1",
        "Precision and recall of classes in one number, averaged over the classes (scikit-learn).",
        takes=CLASSES,
        sample=f"{_HERE}.classes:sample",
        config=F1Config,
        examples=({}, {"average": "micro"}, {"average": "binary"}),
        packages=("scikit-learn",),
    ),
    Metric(
        "core.matthews",
        f"{_HERE}.classes:matthews",
        "Matthews' correlation of predicted and right classes, from -1 to 1; CoLA's metric (scikit-learn).",
        takes=CLASSES,
        sample=f"{_HERE}.classes:sample",
        packages=("scikit-learn",),
    ),
    Metric(
        "core.mean_error",
        f"{_HERE}.numbers:mean_error",
        "Mean distance between numbers and their references.",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
        per_sample=True,
        higher_is_better=False,
        usual_for=("numbers",),
    ),
    Metric(
        "core.pearson",
        f"{_HERE}.numbers:pearson",
        "Pearson's correlation of numbers and their references, from -1 to 1.",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
    ),
    Metric(
        "core.spearman",
        f"{_HERE}.numbers:spearman",
        "Correlation of the ranks of numbers and of their references, from -1 to 1 (scikit-learn's SciPy).",
        takes=NUMBERS,
        sample=f"{_HERE}.numbers:sample",
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
)
"""What `core` registers."""
