"""Two runs on the same samples: the tests against SciPy and by hand, and what cannot be compared."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from composer.evaluation import Evaluating, compare_evaluations, evaluate_rows, stored_evaluation
from composer.evaluation.paired_test import compare_samples, mcnemar
from composer.evaluation.what_is_scored import AskedMetric, AskedScores, declared_of
from composer.plugin import Registry, load_registry
from composer.problems import InputError


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_mcnemars_test_is_a_binomial_test_of_the_samples_that_differ() -> None:
    stats = pytest.importorskip("scipy.stats")
    for lost, won in ((0, 0), (1, 0), (3, 12), (40, 41), (700, 800)):
        expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
        assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-6)
        assert mcnemar(won, lost) == pytest.approx(expected, rel=1e-6)


def test_few_samples_are_permuted_in_every_way() -> None:
    first = [0.1, 0.5, 0.2, 0.9, 0.4]
    gains = np.array([0.3, 0.2, -0.1, 0.05, 0.2])
    found = compare_samples("f", first, (np.array(first) + gains).tolist())
    sums = [
        abs(sum(s * g for s, g in zip(signs, gains, strict=True))) for signs in product((1, -1), repeat=5)
    ]
    assert found.p == pytest.approx(np.mean([each >= abs(gains.sum()) - 1e-12 for each in sums]))
    assert found.difference == pytest.approx(gains.mean())


def test_many_samples_are_permuted_at_random_near_scipys_own() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    first = random.random(60)
    second = first + random.normal(0.05, 0.2, 60)
    expected = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=20_000, rng=3
    ).pvalue
    found = compare_samples("f", first.tolist(), second.tolist())
    assert found.p == pytest.approx(expected, abs=0.02)
    assert compare_samples("f", first.tolist(), second.tolist()) == found


@pytest.mark.parametrize("higher", [True, False])
def test_the_sentence_says_which_is_better(higher: bool) -> None:
    bad, good = [0.0] * 30 + [1.0] * 10, [1.0] * 40
    told = compare_samples("score", bad, good, higher_is_better=higher).sentence("A", "B", 40)
    better = "B is better than A" if higher else "A is better than B"
    assert told.startswith(f"score: {better} by 0.7500 (95 % interval +")
    assert told.endswith("McNemar's exact test, p < 0.0001, 40 samples)")
    same = compare_samples("score", good, good).sentence("A", "B", 40)
    assert same.startswith("score: it cannot be told which is better, A or B: 1.0000 and 1.0000")


def run(
    sorting: Any, registry: Registry, out: Path, *, scale: float = 1.0, rows: Any = None, **asked: Any
) -> str:
    model = sorting.load()
    with_noise = next(iter(model.modules["head"].parameters())).data
    with_noise[0] *= scale
    evaluation = AskedScores(**asked).settled(
        declared_of(model, "sort"), model.ports("sort"), registry, "sort"
    )
    evaluate_rows(
        model, "sort", rows or sorting.rows, evaluation, registry, out=out, how=Evaluating(resamples=50)
    )
    return str(out)


def test_two_kept_runs_are_compared_score_by_score(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    metrics = [AskedMetric("core.accuracy"), AskedMetric("core.f1")]
    paths = [
        run(sorting, registry, tmp_path / name, scale=scale, metrics=metrics)
        for name, scale in (("a", -4.0), ("b", 1.0))
    ]
    first, second = map(stored_evaluation, paths)
    found = compare_evaluations(first, second, registry, resamples=200)
    assert [each.test for each in found.comparisons] == ["McNemar's exact test", "paired bootstrap"]
    assert all(each.is_told and each.is_second_better for each in found.comparisons)
    assert found.comparisons[1].second == pytest.approx(second.told["scores"]["f1"]["value"])
    assert f"accuracy: {paths[1]} is better than {paths[0]} by" in found.sentences()[0]
    same = compare_evaluations(first, first, registry, resamples=50)
    assert not any(each.is_told for each in same.comparisons)


def test_what_cannot_be_compared_is_one_sentence(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    whole = stored_evaluation(run(sorting, registry, tmp_path / "whole"))
    rows = [json.loads(line) for line in sorting.rows.read_text().splitlines()]
    others: dict[str, tuple[Any, dict[str, Any], str]] = {
        "fewer": (rows[:50], {}, "60 samples and .* 50"),
        "other": (
            [{**row, "truth": 0} for row in rows],
            {},
            "are of other data: row .* has another reference",
        ),
        "named": (
            [{**row, "id": row["id"] + "x"} for row in rows],
            {},
            "row 1 `v0` of the first has another name",
        ),
        "matthews": (rows, {"metrics": [AskedMetric("core.matthews")]}, "no score in common: accuracy"),
    }
    for name, (given, asked, said) in others.items():
        other = stored_evaluation(run(sorting, registry, tmp_path / name, rows=given, **asked))
        with pytest.raises(InputError, match=said) as raised:
            compare_evaluations(whole, other, registry)
        assert "\n" not in str(raised.value)


def test_a_run_that_is_not_whole_is_told(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(sorting, registry, out)
    report, predictions = out / "report.json", out / "predictions.jsonl"
    good = report.read_bytes(), predictions.read_bytes()
    assert len(stored_evaluation(report).samples) == len(stored_evaluation(predictions).samples) == 60
    for path, content, said in (
        (predictions, good[1][:-40], "is not what report.json was made of"),
        (predictions, good[1].replace(b"1.0", b"0.0"), "is not what report.json was made of"),
        (report, b"{}", "is not the report of an evaluation"),
        (report, b"\x00", "is not the report of an evaluation"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=said):
            stored_evaluation(out)
        report.write_bytes(good[0])
        predictions.write_bytes(good[1])
    report.unlink()
    with pytest.raises(InputError, match="is not finished: run it again, it goes on"):
        stored_evaluation(out)
    with pytest.raises(InputError, match="does not exist"):
        stored_evaluation(tmp_path / "nothing")
    with pytest.raises(InputError, match="no evaluation lies there"):
        stored_evaluation(tmp_path)
