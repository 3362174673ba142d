"""Plugins are loaded by a call, kept apart from each other, and named in every conflict."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from composer.graph import check
from composer.language import Source
from composer.plugin import Method, ModuleType, NoConfig, hookimpl, load_registry
from composer.types import Signature

DOCUMENT = """
composer: 1
tasks:
  t:
    inputs: {words: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes: {n: {uses: %s, inputs: words.states}}
    outputs: {out: n.states}
"""


def same(config):
    return Signature({"states": "states[B, N, D]"}, {"states": "states[B, N, D]"})


def a_type(identifier):
    return ModuleType(identifier, NoConfig, {"forward": Method(same)}, "x:Y", "A test type.", stateless=True)


def plugin(*entries):
    @hookimpl
    def composer_register(register):
        register(*entries)

    return SimpleNamespace(composer_register=composer_register)


def codes(text, registry):
    return [p.code for p in check(Source("d.yaml", text), registry=registry).problems]


def test_first_party_plugins_come_through_the_entry_points():
    registry = load_registry()
    assert {"core", "text", "vision", "mplug2"} <= set(registry.plugins)
    assert not registry.broken
    assert not registry.conflicts
    assert "multimodal-composer" in str(registry.module_types.origin("core.concat"))


def test_an_extra_plugin_is_used_like_an_installed_one():
    registry = load_registry([("mine", plugin(a_type("mine.same")))])
    assert codes(DOCUMENT % "mine.same", registry) == []
    assert str(registry.module_types.origin("mine.same")) == "mine"


def test_two_plugins_that_claim_one_id_are_both_named_where_the_id_is_used():
    registry = load_registry([("one", plugin(a_type("x.same"))), ("two", plugin(a_type("x.same")))])
    (problem,) = check(Source("d.yaml", DOCUMENT % "x.same"), registry=registry).problems
    assert problem.code == "C301"
    assert "one" in problem.message
    assert "two" in problem.message
    assert problem.place.line == 6
    assert codes(DOCUMENT % "core.add".replace("core.add", "core.normalise"), registry) != ["C301"]


def test_a_broken_plugin_disturbs_only_documents_that_use_it():
    def fail(register):
        raise RuntimeError("no licence found")

    broken = SimpleNamespace(composer_register=hookimpl(fail))
    registry = load_registry([("bad", broken), ("mine", plugin(a_type("mine.same")))])
    assert codes(DOCUMENT % "mine.same", registry) == []
    (problem,) = check(Source("d.yaml", DOCUMENT % "bad.thing"), registry=registry).problems
    assert problem.code == "C302"
    assert any("no licence found" in text for text in problem.helps)
    assert "RuntimeError" in registry.broken[0].traceback


def test_a_plugin_that_fails_half_way_leaves_nothing_behind():
    def half(register):
        register(a_type("half.same"))
        raise RuntimeError("then it broke")

    registry = load_registry([("half", SimpleNamespace(composer_register=hookimpl(half)))])
    assert "half.same" not in registry.module_types
    assert [b.origin.plugin for b in registry.broken] == ["half"]


def test_a_misspelt_hook_is_reported_as_a_broken_plugin():
    wrong = SimpleNamespace(composer_registers=hookimpl(lambda register: None))
    registry = load_registry([("typo", wrong)])
    assert "composer_registers" in registry.broken[0].error


@pytest.mark.parametrize("value", ["core", "core,text"])
def test_the_environment_restricts_installed_plugins(monkeypatch, value):
    monkeypatch.setenv("COMPOSER_PLUGINS", value)
    registry = load_registry()
    assert set(registry.plugins) == set(value.split(","))
    (problem,) = check(Source("d.yaml", DOCUMENT % "mplug2.fusion"), registry=registry).problems
    assert problem.code == "C201"
    assert any("COMPOSER_PLUGINS" in text for text in problem.helps)


def test_registering_what_is_no_declaration_is_a_clear_error():
    registry = load_registry([("odd", plugin("text"))])
    assert "is not a declaration" in registry.broken[0].error


def test_loading_plugins_imports_no_torch():
    program = "import sys; from composer.plugin import load_registry; load_registry(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _ends(config):
    raise SystemExit(0)


@pytest.mark.parametrize("signature", [_ends, lambda config: None, lambda config: {"inputs": 3}])
def test_a_type_that_fails_is_no_matter_of_a_document_that_does_not_use_it(signature):
    """Looking for what else would fit asks every type without weights."""
    wrong = ModuleType("bad.same", NoConfig, {"forward": Method(signature)}, "x:Y", "Fails.", stateless=True)
    registry = load_registry([("bad", plugin(wrong))])
    text = (
        "composer: 1\ntasks:\n  t:\n    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 8]}}}\n"
        "    nodes: {y: {uses: core.pool, inputs: {states: x}}, z: {uses: core.softmax, inputs: {scores: x}}}\n"
        "    outputs: {y: y, z: z}\n"
    )
    assert codes(text, registry) == ["C202", "C202"]


def generator(register):
    register(a_type("mine.same"))
    yield


async def coroutine(register):
    register(a_type("mine.same"))


async def both(register):
    register(a_type("mine.same"))
    yield


@pytest.mark.parametrize("function", [generator, coroutine, both])
def test_a_hook_of_which_no_line_runs_is_told(function):
    registry = load_registry([("mine", SimpleNamespace(composer_register=hookimpl(function)))])
    (broken,) = registry.broken
    assert "is a generator or `async`" in broken.error
    (problem,) = check(Source("d.yaml", DOCUMENT % "mine.same"), registry=registry).problems
    assert problem.code in ("C201", "C302")
