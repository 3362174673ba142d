"""Two evaluations of the same samples, compared score by score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from composer.evaluation.evaluation_report import StoredEvaluation
from composer.evaluation.intervals import CONFIDENCE, RESAMPLES
from composer.evaluation.paired_test import Comparison, compare_samples, compare_scores
from composer.evaluation.sample_scores import text_kinds
from composer.evaluation.scored_samples import ScoredSample, pairs_of
from composer.evaluation.scoring import BoundMetric
from composer.evaluation.what_is_scored import AskedMetric, metric_of
from composer.graph import CheckedMetric
from composer.plugin import Registry
from composer.problems import InputError

__all__ = ["Compared", "compare_evaluations"]


@dataclass(frozen=True)
class Compared:
    """What two evaluations have in common, and how they differ."""

    first: StoredEvaluation
    second: StoredEvaluation
    comparisons: Sequence[Comparison]
    samples: int
    """Samples that both have answered."""
    left_out: int
    """Samples that one of them or both have not."""

    def sentences(self) -> list[str]:
        """A sentence for each score."""
        return [each.sentence(self.first.name, self.second.name, self.samples) for each in self.comparisons]

    def as_json(self) -> dict[str, object]:
        return {
            "first": self.first.name,
            "second": self.second.name,
            "samples": self.samples,
            "left_out": self.left_out,
            "scores": {
                each.name: {
                    "first": each.first,
                    "second": each.second,
                    "difference": each.difference,
                    "interval": None if each.low is None else [each.low, each.high],
                    "p": each.p,
                    "test": each.test,
                    "better": None
                    if not each.is_told
                    else (self.second.name if each.is_second_better else self.first.name),
                }
                for each in self.comparisons
            },
            "told": self.sentences(),
        }


def compare_evaluations(
    first: StoredEvaluation,
    second: StoredEvaluation,
    registry: Registry,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Compared:
    """Compare every score that both have.

    Raises InputError where they are of other samples or have no score in common, and for a metric that is not there.
    """
    pairs, left_out = _paired(first, second)
    shared = [name for name, metric in first.metrics.items() if _same(metric, second.metrics.get(name))]
    if not shared:
        one, other = (
            ", ".join(f"{name} ({metric['uses']})" for name, metric in each.metrics.items())
            for each in (first, second)
        )
        raise InputError(
            f"{first.name} and {second.name} have no score in common: {one} there, {other} here; evaluate both with "
            "the same --metric"
        )
    drawn = {"seed": seed, "confidence": confidence, "resamples": resamples}
    found = []
    for name in shared:
        told = first.metrics[name]
        checked = metric_of(registry, AskedMetric(told["uses"], name, told["with"]))
        higher = checked.metric.higher_is_better
        if checked.metric.per_sample and checked.metric.combine is None:
            a, b = ([each.scores[name] for each in side] for side in zip(*pairs, strict=True))
            found.append(compare_samples(name, a, b, higher_is_better=higher, **drawn))  # type: ignore[arg-type]
        else:
            sides = tuple(
                _score(checked, side, run, registry)
                for side, run in zip(zip(*pairs, strict=True), (first, second), strict=True)
            )
            found.append(
                compare_scores(name, (sides[0], sides[1]), len(pairs), higher_is_better=higher, **drawn)  # type: ignore[arg-type]
            )
    return Compared(first, second, found, len(pairs), left_out)


def _same(metric: Mapping[str, object], other: Mapping[str, object] | None) -> bool:
    return other is not None and (metric["uses"], metric["with"]) == (other["uses"], other["with"])


def _paired(
    first: StoredEvaluation, second: StoredEvaluation
) -> tuple[list[tuple[ScoredSample, ScoredSample]], int]:
    """The samples of both by their rows. Raises InputError where these are not the same samples."""
    if len(first.samples) != len(second.samples):
        raise InputError(
            f"{first.name} has {len(first.samples):,} samples and {second.name} {len(second.samples):,}: only runs on "
            "the same data can be compared"
        )
    pairs, left_out = [], 0
    for one, other in zip(first.samples, second.samples, strict=True):
        failed = bool(one.error or other.error)
        if one.row != other.row or one.id != other.id or (not failed and one.reference != other.reference):
            what = "another name" if one.id != other.id else "another reference"
            raise InputError(
                f"{first.name} and {second.name} are of other data: {one.title} of the first has {what} in the second; "
                "only runs on the same data can be compared"
            )
        left_out += failed
        if not failed:
            pairs.append((one, other))
    if not pairs:
        raise InputError(f"{first.name} and {second.name} have no sample that both have answered")
    return pairs, left_out


def _score(
    checked: CheckedMetric, samples: Sequence[ScoredSample], run: StoredEvaluation, registry: Registry
) -> Callable[[Sequence[int]], float]:
    """The score of a run's samples by their numbers."""
    told = run.told["evaluation"]
    bound = BoundMetric(checked, f"{checked.metric.title} ({run.name})")
    predictions, references = pairs_of(
        samples, told["output"], told["kinds"], text_kinds(registry), told["classes"]
    )
    counts = bound.of_samples((predictions, references))
    if counts is not None:
        return bound.of_chosen(counts)
    return bound.redrawn((predictions, references))
