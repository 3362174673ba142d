"""Packages that offer a plugin and do it badly: each is told by name, and hides no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_plugins import faulty_plugin, forget, write_metadata

TYPE = """
from composer.plugin import Config, Layout, Method, Modality, ModuleType, NoConfig, Rule, hookimpl
from composer.types import Field, Kind, Signature

def signature(config):
    return Signature({"states": "states[B, N, D]"}, {"states": "states[B, N, D]"})

def a_type(**changes):
    given = dict(id="odd.same", config=NoConfig, methods={"forward": Method(signature)}, builder="odd:build",
                 summary="Same.", stateless=True)
    return ModuleType(**{**given, **changes})

@hookimpl
def composer_register(register):
    register(%s)
"""
PLAIN = """\
composer: 1
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes: {p: {uses: core.pool, inputs: x}}
    outputs: {p: p}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "uses.yaml").write_text(PLAIN.replace("core.pool", "odd.same"))
    forget("odd", "faulty", "faulty_parts")
    yield tmp_path
    forget("odd", "faulty", "faulty_parts")


def told(composer, reason: str, *, plugin: str = "odd") -> None:
    """The plugin's fault is told by `list` and `check`, at a use, and nowhere else."""
    listed = composer("plugins", "list")
    assert listed.code == 1
    assert f"broken: {plugin} " in listed.out
    assert reason in listed.out
    checked = composer("plugins", "check", plugin)
    assert checked.code == 1
    assert reason in checked.out
    plain = composer("check", "plain.yaml", "--format", "json")
    assert (plain.code, plain.err, json.loads(plain.out)) == (0, "", [])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("odd = nowhere", "its entry point names the module `nowhere`, which is not there"),
        ("odd = json:nothing", "its entry point `json:nothing` names nothing that is there"),
        ("odd = ::", "its entry point `::` names nothing that is there"),
        ("odd = json", "it has no hook: write a function `composer_register(register)`"),
    ],
)
def test_an_entry_point_that_leads_nowhere(composer, folder: Path, entry: str, reason: str) -> None:
    write_metadata(folder, "odd", entry)
    told(composer, reason)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1", "it has no hook: write a function `composer_register(register)` marked with `@hookimpl`"),
        ("def composer_register(register): pass", "is not marked: write `@hookimpl` above it"),
        ("def build(c) return 1", "it has a syntax error: expected ':' (odd.py:1)"),
        ("raise KeyboardInterrupt", "it raises KeyboardInterrupt (odd.py:1)"),
        ("raise SystemExit(0)", "it ends the program: sys.exit(0) (odd.py:1)"),
        ("import torchh", "it raises ModuleNotFoundError: No module named 'torchh' (odd.py:1)"),
        ("open('/nowhere/data.txt')", "No such file or directory: '/nowhere/data.txt' (odd.py:1)"),
        (TYPE % "a_type(config=dict)", "`config` is the class `dict`, not a pydantic model"),
        (TYPE % "a_type(config={'a': 1})", "`config` is {'a': 1}, not a pydantic model"),
        (TYPE % "a_type(builder=print)", "`builder` is <built-in function print>, not a text such as"),
        (TYPE % "a_type(builder='odd.build')", "`builder` is 'odd.build', not a text such as"),
        (TYPE % "a_type(methods={'forward': signature})", "not a map of `Method`s by name"),
        (TYPE % "a_type(methods={'forward': Method(None)})", "`signature` is None, not a function"),
        (TYPE % "a_type(methods={'other': Method(signature)})", "it needs a method `forward`"),
        (TYPE % "a_type(id='')", "`id` is '', not a name"),
        (TYPE % "a_type(), a_type()", "module type 'odd.same' is registered twice"),
        (TYPE % "'odd.same'", "is not a declaration; a plugin registers one of"),
        (TYPE % "Modality('odd.m', NoConfig, {}, 'odd:P', 'x')", "`ports` is {}, not a function"),
        (TYPE % "Layout('odd.l', 'x', (Rule('a', 'b'),))", "`rules` is (Rule("),
        (TYPE % "Kind('odd.k', 'x', ('batch',), {'values': Field('float', (0, 1))})", "reads dims (0, 1)"),
        (TYPE % "Kind('odd.k', 'x', (), {'a': Field('float', ())}, parent='odd.k')", "it is its own parent"),
    ],
)
def test_a_plugin_that_cannot_be_registered(composer, folder: Path, source: str, reason: str) -> None:
    (folder / "odd.py").write_text(source)
    write_metadata(folder, "odd")
    told(composer, reason)
    used = composer("check", "uses.yaml")
    assert (used.code, used.out.count("error[")) == (1, 1)
    assert "error[C302]" in used.out
    assert reason in used.out


def test_a_broken_plugin_is_not_blamed_for_another_ones_misspelt_modality(composer, folder: Path) -> None:
    (folder / "plain.yaml").write_text(PLAIN.replace("modality: array", "modality: aray"))
    before = composer("check", "plain.yaml")
    (folder / "odd.py").write_text("raise RuntimeError")
    write_metadata(folder, "odd")
    assert composer("check", "plain.yaml") == before
    assert "error[C205]" in before.out


def test_a_broken_plugin_is_named_for_what_its_source_offers(composer, folder: Path) -> None:
    (folder / "plain.yaml").write_text(PLAIN.replace("modality: array", "modality: sonar"))
    (folder / "odd.py").write_text("raise RuntimeError\nregister(Modality('sonar'))")
    write_metadata(folder, "odd")
    done = composer("check", "plain.yaml")
    assert "error[C302]: modality `sonar` is not available: the plugin odd (composer-odd 1.0)" in done.out


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[composer]\nno equals sign\n"),
        ("entry_points.txt", b"\xff\xfe\x00binary"),
        ("METADATA", b"\xff\xfe\x00binary"),
        ("METADATA", b""),
    ],
)
def test_damaged_metadata_hide_no_other_plugin(composer, folder: Path, file: str, content: bytes) -> None:
    faulty_plugin(folder)
    write_metadata(folder, "odd", "odd = json")
    (folder / "composer_odd-1.0.dist-info" / file).write_bytes(content)
    listed = composer("plugins", "list")
    assert "faulty.numbers" in listed.out
    assert "core.pool" in listed.out
    assert (listed.code, listed.out.count("broken: ")) == (1, 1)
    assert composer("check", "plain.yaml").code == 0


def test_two_packages_with_a_plugin_of_one_name_are_both_named(composer, folder: Path) -> None:
    faulty_plugin(folder)
    (folder / "odd.py").write_text(TYPE % "a_type()")
    write_metadata(folder, "odd", "faulty = odd")
    listed = composer("plugins", "list")
    assert listed.code == 1
    assert "claims 'faulty' too" in listed.out
    assert composer("check", "plain.yaml").code == 0


def test_a_plugin_that_registers_nothing_is_told(composer, folder: Path) -> None:
    (folder / "odd.py").write_text(TYPE % "")
    write_metadata(folder, "odd")
    assert composer("plugins", "list").code == 0
    done = composer("plugins", "check", "odd")
    assert (done.code, "it registers nothing" in done.out) == (1, True)


def test_what_a_plugin_changes_while_it_is_loaded_is_put_back(composer, folder: Path) -> None:
    (folder / "odd.py").write_text(
        "import os, signal, sys, warnings\n"
        "os.chdir('/')\nsys.stdout = None\nsys.setrecursionlimit(120)\nwarnings.simplefilter('error')\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + TYPE % "a_type()"
    )
    write_metadata(folder, "odd")
    assert composer("check", "plain.yaml", "uses.yaml").code == 0
    assert Path.cwd() == folder


PRINTS = """
import os, sys, warnings
print("from print")
os.write(1, b"from the descriptor\\n")
sys.__stdout__.write("from the first stream\\n")
sys.stdout.buffer.write(b"from the buffer\\n")
warnings.warn("a warning")
import atexit
atexit.register(print, "from the end")
"""


def test_what_a_plugin_writes_to_any_stream_is_not_among_the_answers(folder: Path) -> None:
    (folder / "odd.py").write_text(PRINTS + TYPE % "a_type()")
    write_metadata(folder, "odd")
    done = subprocess.run(
        [sys.executable, "-m", "composer", "check", "uses.yaml", "--format", "json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    for text in ("print", "the descriptor", "the first stream", "the buffer", "the end"):
        assert f"from {text}" in done.stderr


@pytest.mark.parametrize("fault", ["raise SystemExit(0)", "return {'odd': object()}", "return 3", "1 / 0"])
def test_an_adapter_that_fails_changes_no_hint(composer, folder: Path, fault: str) -> None:
    """Every adapter is asked at a mismatch, so that its fault is no matter of the document's."""
    (folder / "plain.yaml").write_text(
        PLAIN.replace("nodes: {p", "nodes: {m: {call: wide, inputs: x}, p").replace(
            "tasks:",
            "modules: {wide: {uses: mplug2.fusion, with: {hidden: 16, heads: 2, layers: 1}}}\ntasks:",
        )
    )
    before = composer("check", "plain.yaml")
    assert before.code == 1
    faulty_plugin(folder, "adapter", fault)
    assert composer("check", "plain.yaml") == before
    assert "adapter" in composer("plugins", "check", "faulty").out


NEEDS_VALUES = "import torch\nINDENTfloat(torch.ones(3).sum())"
USES_ALL = """\
composer: 1
modules: {writer: {uses: faulty.decoder}}
tasks:
  t:
    inputs: {x: {modality: faulty.numbers}}
    nodes:
      twice: {uses: faulty.double, inputs: x}
      said: {generate: writer, inputs: {memory: [twice]}}
    outputs: {text: said.text}
"""


@pytest.mark.parametrize("site", ["builder", "decoder"])
def test_a_builder_that_needs_values_is_one_sentence_and_a_broken_promise(
    composer, folder: Path, site: str
) -> None:
    faulty_plugin(folder, site, NEEDS_VALUES)
    (folder / "all.yaml").write_text(USES_ALL)
    for command in (("show", "all.yaml", "--cost"), ("compile", "all.yaml", "--plan")):
        done = composer(*command)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert "of the plugin faulty (composer-faulty 1.0)" in done.err
        assert "faulty_parts.py:" in done.err
    assert "compute constants with Python's numbers" in composer("show", "all.yaml", "--cost").err
    assert composer("run", "all.yaml", "x=1", "--weights", "initial").code == 0
    checked = composer("plugins", "check", "faulty")
    assert checked.code == 1
    if site == "builder":
        assert "it builds on the CPU and not on the meta device at" in checked.out
