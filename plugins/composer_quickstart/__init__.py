"""Plugin entry module of composer_quickstart: the data of the small trained model, and its scores. Imports no torch."""

from __future__ import annotations

from composer.plugin import Dataset, Metric, Modality, NoConfig, Register, hookimpl
from composer_quickstart.configs import EasyVqaConfig, MovingDigitsConfig

__all__ = ["composer_register"]

DATASETS = (
    Dataset(
        "easy-vqa.questions",
        EasyVqaConfig,
        "composer_quickstart.easy_vqa:EasyVqaQuestions",
        "Questions about pictures of one shape, 13 answers; official test split.",
        packages=("easy-vqa",),
        gives=("image", "question", "answer"),
        examples=({"pictures": 4},),
    ),
    Dataset(
        "easy-vqa.captions",
        EasyVqaConfig,
        "composer_quickstart.easy_vqa:EasyVqaCaptions",
        "The same pictures with captions such as `a blue rectangle`, derived from their questions' answers.",
        packages=("easy-vqa",),
        gives=("image", "caption"),
        examples=({"pictures": 4},),
    ),
    Dataset(
        "moving-digits",
        MovingDigitsConfig,
        "composer_quickstart.digits:MovingDigits",
        "Clips of handwritten digits with captions such as `a seven moves up and left`; test digits are unseen.",
        packages=("scikit-learn",),
        gives=("video", "caption"),
        examples=({"clips": 4, "frames": 2, "size": 16},),
    ),
)
METRICS = (
    Metric(
        "quickstart.exact_match",
        "composer_quickstart.metrics:exact_match",
        "Part of the texts that equal their reference.",
        takes=("text",),
        sample="composer_quickstart.metrics:sample",
    ),
    Metric(
        "quickstart.digit",
        "composer_quickstart.metrics:digit_accuracy",
        "Part of the captions that name the right digit.",
        takes=("text",),
        sample="composer_quickstart.metrics:sample",
    ),
    Metric(
        "quickstart.direction",
        "composer_quickstart.metrics:direction_accuracy",
        "Part of the captions that state the right direction.",
        takes=("text",),
        sample="composer_quickstart.metrics:sample",
    ),
)


COUNT = Modality(
    "count",
    NoConfig,
    lambda config: {"counts": "counts[B]"},
    "composer_quickstart.counting:CountProcessor",
    "A whole number: how many parts a sample has, for example questions on a picture.",
    sample="composer_quickstart.counting:sample",
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register what this plugin offers."""
    register(*DATASETS, *METRICS, COUNT)
