"""Free dimensions: their ranges, their forms, and the programs that cover them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.artifact.manifest import StageEntry
from composer_compile.errors import CompileError
from composer_compile.tensors.forms import form_from_samples, write_form
from composer_compile.tensors.free_dims import FreeDims, check_overrides, find_free_dims
from composer_compile.tensors.variants import variants_of
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from composer.graph import Range, check
from composer.plan import plan_task
from composer.plugin import Method, ModuleType, NoConfig, hookimpl, load_registry
from composer.types import Dim, Signature, States, Symbol, parse_form

names = st.sampled_from([Symbol(name) for name in ("batch", "question.length", "a-b.length", "x2.width")])
forms = st.builds(
    lambda constant, terms: Dim(constant, tuple(sorted(terms.items()))),
    st.integers(-50, 5000),
    st.dictionaries(names, st.integers(-9, 9).filter(bool), max_size=3),
)


@given(form=forms)
def test_forms_are_read_as_they_are_written(form: Dim) -> None:
    assert parse_form(write_form(form)) == form


two = st.fixed_dictionaries({n: st.integers(2, 30) for n in ("batch", "question.length")})


@given(form=forms, base=two, steps=two)
def test_forms_are_found_from_samples(form: Dim, base: dict[str, int], steps: dict[str, int]) -> None:
    kept = Dim(form.constant, tuple(term for term in form.terms if term[0] in base))
    bumped = {name: kept.at({**base, name: base[name] + steps[name]}) for name in base}
    assert form_from_samples(base, kept.at(base), bumped, steps) == kept


@pytest.mark.parametrize("text", ["", "a b", "2*", "*a", "a + ", "2*a*3"])
def test_what_is_no_form_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_form(text)


sizes = st.tuples(st.integers(1, 6), st.integers(0, 5)).map(lambda t: Range(t[0], t[0] + t[1], t[0]))


@given(
    ranges=st.dictionaries(st.sampled_from(["batch", "question.length"]), sizes),
    apart=st.booleans(),
    data=st.data(),
)
def test_variants_cover_every_size_once(ranges: dict[str, Range], apart: bool, data: st.DataObject) -> None:
    chosen = {name: data.draw(st.integers(found.low, found.high)) for name, found in ranges.items()}
    variants = variants_of(ranges, apart=apart)
    assert sum(variant.holds(chosen) for variant in variants) == 1
    for variant in variants:
        for name, found in variant.ranges.items():
            # Size 1 goes with at least two others (torch.export knows no range of one size), or is apart.
            assert found.low > 1 or (found.high > 2 and not apart), name


def free(path: Path, text: str, task: str, **overrides: str) -> FreeDims:
    path.write_text(text)
    registry = load_registry()
    report = check(path, registry=registry)
    report.raise_for_errors()
    return find_free_dims(plan_task(report.tasks[task]), registry, overrides)


def document(ranges: str = "") -> str:
    return f"""\
composer: 1
modules:
  text: {{uses: mplug2.text_encoder, with: {{hidden: 4, heads: 1, layers: 0, positions: 60}}}}
tasks:
  embed:
    inputs:
      question: {{modality: text, with: {{tokenizer: bert-uncased}}}}
      others: {{modality: array, with: {{kind: embedding, dims: [K, 4]}}}}
    nodes:
      words: {{call: text, inputs: {{tokens: question.tokens}}}}
      vector: {{uses: core.pool, inputs: {{states: words.states}}}}
      scores: {{uses: core.similarity, inputs: {{queries: vector.embedding, candidates: others.embedding}}}}
    outputs: {{scores: scores.scores}}
    compile: {{ranges: {{{ranges}}}}}
"""


def test_without_a_range_the_modules_bound_a_length(tmp_path: Path) -> None:
    found = free(tmp_path / "d.yaml", document(), "embed")
    assert found.ranges == {
        "batch": Range(1, 8, 1),
        "question.length": Range(1, 60, 16),
        "others.batch": Range(1, 8, 1),
    }
    assert str(found.host["question"]["tokens"]) == "tokens[batch, question.length]"
    assert str(found.host["others"]["embedding"]) == "embedding[others.batch, 4]"


def test_the_command_line_wins_over_the_document(tmp_path: Path) -> None:
    text = document('batch: "1..4, best 2", question.length: "3..9"')
    found = free(tmp_path / "d.yaml", text, "embed", **{"question.length": "7..7"})
    assert found.ranges == {"batch": Range(1, 4, 2), "others.batch": Range(1, 4, 2)}
    assert str(found.host["question"]["tokens"]) == "tokens[batch, 7]"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"question.size": "1..2"}, r"task `embed` has no free dimension `question\.size`"),
        ({"batch": "4..1"}, "1 ≤ low ≤ best ≤ high"),
        ({"batch": "many"}, "is not a range"),
        ({"question.length": "1..61"}, "task `embed`: `question.length` goes from 1 to 61, .* take 1 to 60"),
    ],
)
def test_a_wrong_range_is_refused(tmp_path: Path, overrides: dict[str, str], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        free(tmp_path / "d.yaml", document(), "embed", **overrides)


def test_a_range_that_no_task_has_is_refused(small: Any) -> None:
    plans = [small.model.runner(name).plan for name in small.model.tasks]
    check_overrides(plans, {"batch": "1..2", "video.frames": "1..2"})
    with pytest.raises(CompileError, match=r"`bacth` is not a free dimension.*question, video"):
        check_overrides(plans, {"bacth": "1..2"})


class Grouped(nn.Module):
    """Works on samples in groups of four."""

    def forward(self, *, states: States) -> States:
        groups = states.values.unflatten(0, (-1, 4))
        return States((groups - groups.mean(1, keepdim=True)).flatten(0, 1), states.mask)


def build_grouped(config: NoConfig) -> Grouped:
    return Grouped()


def _signature(config: NoConfig) -> Signature:
    return Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})


class Plugin:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        methods = {"forward": Method(_signature)}
        register(ModuleType("test.grouped", NoConfig, methods, f"{__name__}:build_grouped", "Grouped."))


GROUPED = """\
composer: 1
name: grouped
modules: {grouped: {uses: test.grouped}}
tasks:
  move:
    inputs:
      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      moved: {call: grouped, inputs: {states: vectors.states}}
    outputs: {states: moved.states}
    compile: {ranges: {batch: "RANGE", vectors.length: "2..3"}}
"""


def test_a_single_size_is_asked_for_as_it_is(tmp_path: Path) -> None:
    """And where other sizes are wanted, the message says at which one the stage does not run."""
    registry = load_registry([("test", Plugin())])
    path = tmp_path / "grouped.yaml"
    path.write_text(GROUPED.replace("RANGE", "8..8"))
    composer_compile.compile_document(path, tmp_path / "out", weights="initial", registry=registry)
    states = States(np.ones((3, 4), np.float32), np.ones(3, np.int64))
    with composer_compile.load(tmp_path / "out", registry=registry) as artifact:
        assert artifact.run(vectors=[states] * 8)["states"].values.shape == (8, 3, 4)
    path.write_text(GROUPED.replace("RANGE", "4..8"))
    with pytest.raises(
        CompileError, match=r"a stage \(moved\) .* without data at batch=5, vectors\.length=2: "
    ):
        composer_compile.compile_document(path, tmp_path / "no", weights="initial", registry=registry)


class Plain(nn.Module):
    def forward(self, *, states: States) -> States:
        return States(states.values + states.values.mean(1, keepdim=True), states.mask)


class Special(nn.Module):
    """Does something else for one sample than for several."""

    def forward(self, *, states: States) -> States:
        if states.values.shape[0] == 1:
            return States(states.values * 10, states.mask)
        return States(states.values.unsqueeze(-1).squeeze() + 1, states.mask)


def build_plain(config: NoConfig) -> Plain:
    return Plain()


def build_special(config: NoConfig) -> Special:
    return Special()


class Sizes:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        for name in ("plain", "special"):
            methods = {"forward": Method(_signature)}
            register(ModuleType(f"test.{name}", NoConfig, methods, f"{__name__}:build_{name}", "Adds."))


@pytest.mark.parametrize(("module", "fixed"), [(Plain(), [{}]), (Special(), [{"batch": 1}, {}])])
def test_size_one_has_a_program_of_its_own_only_where_it_is_special(
    module: nn.Module, fixed: list[dict[str, int]], tmp_path: Path
) -> None:
    registry = load_registry([("sizes", Sizes())])
    path = tmp_path / "it.yaml"
    text = GROUPED.replace("test.grouped", f"test.{type(module).__name__.lower()}")
    path.write_text(text.replace("RANGE", "1..4").replace("2..3", "3..3"))
    manifest = composer_compile.compile_document(path, tmp_path / "out", weights="initial", registry=registry)
    stage = manifest.tasks["move"].order[0]
    assert isinstance(stage, StageEntry)
    assert [program.fixed for program in stage.programs] == fixed
    values = np.random.default_rng(0).random((3, 3, 4), np.float32)
    with composer_compile.load(tmp_path / "out", registry=registry) as artifact:
        for count in (1, 3):
            samples = [States(each, np.ones(3, np.int64)) for each in values[:count]]
            found = artifact.run(vectors=samples)["states"]
            whole = States(torch.from_numpy(values[:count]), torch.ones(count, 3))
            torch.testing.assert_close(found.values, module(states=whole).values)


def test_a_question_about_layouts_is_no_limit_of_sizes(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch 2.11 and 2.12 do, with a double: conditions that come of such questions are refused afterwards."""
    from torch._dynamo.exc import UserError, UserErrorType
    from torch.fx.experimental import _config as symbolic

    real = torch.export.export
    fails = False

    def export(*arguments: Any, **keywords: Any) -> Any:
        if fails or not symbolic.backed_size_oblivious:
            times = "a second" if symbolic.backed_size_oblivious else "a first"
            raise UserError(UserErrorType.CONSTRAINT_VIOLATION, f"Constraints violated {times} time")
        return real(*arguments, **keywords)

    monkeypatch.setattr(torch.export, "export", export)
    options = {"tasks": ["classify"], "weights": small.weights}
    manifest = composer_compile.compile_document(small.document, tmp_path / "out", **options)
    assert manifest.parity["classify"].passed
    fails = True
    with pytest.raises(CompileError, match=r"cannot be exported .Constraints violated a second time"):
        composer_compile.compile_document(small.document, tmp_path / "no", **options)


def test_samples_of_another_input_follow_the_batch_where_their_modules_take_it(tiny: Any) -> None:
    def answers(**ranges: str) -> Range:
        return free(tiny.document, tiny.document.read_text(), "image-qa-rank", **ranges).ranges[
            "answers.batch"
        ]

    assert answers(batch="2..4") == Range(2, 4, 4)
    assert answers(batch="1..4") == answers() == Range(2, 512, 16)  # a ranking of two keeps two answers
    with pytest.raises(CompileError, match=r"`answers\.batch` goes from 1 to 4, .* take 2 or more"):
        answers(**{"answers.batch": "1..4"})
