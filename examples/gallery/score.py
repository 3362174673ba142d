"""How often `answer.yaml` is right on easy-VQA's test questions, beside answers that never look at the picture.

python examples/gallery/score.py --weights examples/gallery/runs/answer.safetensors --questions 2000
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from composer_quickstart.configs import EasyVqaConfig
from composer_quickstart.easy_vqa import EasyVqaQuestions

import composer

HERE = Path(__file__).parent


def prior(train: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Question → its most frequent answer, whatever the picture shows."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in train:
        seen[sample["question"]][sample["answer"]] += 1
    return {question: answers.most_common(1)[0][0] for question, answers in seen.items()}


def spread(samples: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """`count` of the samples at equal distances, so that they are of as many pictures as there can be."""
    count = min(count, len(samples))
    return [samples[index * len(samples) // count] for index in range(count)]


def main() -> None:
    """Score the model and the prior on the same questions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=HERE / "runs" / "answer.safetensors")
    parser.add_argument("--questions", type=int, default=2000, help="of 9,673 (default: 2000)")
    parser.add_argument("--batch", type=int, default=32)
    asked = parser.parse_args()

    data = EasyVqaQuestions(EasyVqaConfig())
    blind = prior(data.samples("train"))
    chosen = spread(data.samples("test"), asked.questions)
    model = composer.load(HERE / "answer.yaml", weights=asked.weights)
    right: Counter[str] = Counter()
    for first in range(0, len(chosen), asked.batch):
        part = chosen[first : first + asked.batch]
        found = model.run(
            "answer",
            image=[sample["image"] for sample in part],
            prompt=[sample["question"] for sample in part],
        )["answer"]
        for sample, answer in zip(part, found, strict=True):
            right["model"] += answer.strip() == sample["answer"]
            right["prior"] += blind.get(sample["question"]) == sample["answer"]
        done = first + len(part)
        print(f"\r{done} of {len(chosen)}: {right['model'] / done:.3f}", end="", flush=True)
    count = len(chosen)
    scores = {
        "questions": count,
        "answer.yaml": right["model"] / count,
        "without the picture": right["prior"] / count,
    }
    print(f"\n{json.dumps(scores)}")
    asked.weights.with_suffix(".scores.json").write_text(
        json.dumps(scores, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
