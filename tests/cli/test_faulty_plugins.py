"""Whatever a plugin does, a document that uses it has one clear problem, and one that does not is not disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from faulty_plugins import BUILT, CHECKED, FAULTS, RUN, SITES, faulty_plugin, forget

USES = """\
composer: 1
name: uses
modules:
  writer: {uses: faulty.decoder, with: {factor: 3}}
tasks:
  t:
    inputs: {x: {modality: faulty.numbers, with: {count: 2}}}
    nodes:
      twice: {uses: faulty.double, inputs: x, with: {factor: 4}}
      said: {generate: writer, inputs: {memory: [twice, x]}, with: {max_tokens: 3, more: 1}}
    outputs: {text: said.text, states: twice}
"""
OTHER = """\
composer: 1
name: other
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  embed:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: q}
      vector: {uses: core.pool, inputs: words}
    outputs: {vector: vector}
"""
MISSPELT = OTHER.replace("modality: text", "modality: txet").replace("core.pool", "core.pol")
CONSTRUCTORS = ("processor", "prepare", "decoder", "policy")
SOME = ("raises", "key", "exits", "none", "wrong", "recursion")
RETURNS = ("none", "wrong", "wrong_map")


def cases(sites: tuple[str, ...], faults: Iterable[str] = tuple(FAULTS)) -> list[tuple[str, str]]:
    """Every fault at every site where it is one: a module returns nothing, and a constructor cannot but return None."""
    bare = ("import", "parts_import", "hook")
    return [
        (site, fault)
        for site in sites
        for fault in faults
        if not (fault in RETURNS and (site in bare or (site in CONSTRUCTORS and fault == "none")))
        if not (fault in RETURNS and site.endswith("validator"))
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python imports from, with the two documents; what was imported from it is forgotten."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uses.yaml").write_text(USES)
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / "misspelt.yaml").write_text(MISSPELT)
    forget("faulty", "faulty_parts")
    yield tmp_path
    forget("faulty", "faulty_parts")


def test_the_plugin_itself_is_right(composer, folder: Path) -> None:
    faulty_plugin(folder)
    for arguments in (
        ("check", "uses.yaml"),
        ("show", "uses.yaml", "--plan"),
        ("show", "uses.yaml", "--cost"),
    ):
        assert (done := composer(*arguments)).code == 0, done
    done = composer("run", "uses.yaml", "x=1 2", "--weights", "initial", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["states"]["values"] == [[2.0] * 4] * 2


def one_sentence(done, *, format: str = "text") -> str:
    """The one problem that a command tells; it names the plugin, and a file with a line or what was returned."""
    assert done.code == 1, done
    assert "Traceback" not in done.err + done.out
    text = done.out + done.err
    assert text.count("error[") + text.count("composer: error: ") == 1, text
    assert "faulty" in text
    return text


@pytest.mark.parametrize(("site", "fault"), cases(CHECKED))
def test_what_a_check_asks_is_one_problem_where_it_is_used(composer, folder: Path, site, fault) -> None:
    faulty_plugin(folder, site, FAULTS[fault])
    text = one_sentence(composer("check", "uses.yaml"))
    assert "plugin faulty (composer-faulty 1.0)" in text
    assert "faulty.py:" in text
    assert ("error[C302]" if site in ("import", "hook") else "error[C303]") in text
    for command in (("show", "uses.yaml"), ("run", "uses.yaml", "x=1", "--weights", "initial")):
        assert composer(*command).code == 1


@pytest.mark.parametrize(("site", "fault"), cases((*BUILT, *RUN), SOME))
def test_what_a_run_asks_is_one_sentence_where_it_is_used(composer, folder: Path, site, fault) -> None:
    faulty_plugin(folder, site, FAULTS[fault])
    assert composer("check", "uses.yaml").code == 0
    done = composer("run", "uses.yaml", "x=1 2", "--weights", "initial", "--json")
    text = one_sentence(done)
    assert (done.out, done.err.count("\n")) == ("", 1)
    assert "plugin faulty (composer-faulty 1.0)" in text


COMMANDS = (
    ("check", "other.yaml", "misspelt.yaml", "--format", "json"),
    ("show", "other.yaml", "--plan"),
)
RUNS = ("run", "other.yaml", "q=hello", "--weights", "initial", "--json")


@pytest.fixture(scope="module")
def undisturbed() -> dict[tuple[str, ...], object]:
    """How commands end where the plugin is not installed."""
    return {}


@pytest.mark.parametrize(("site", "fault"), cases(SITES, ("exits", "odd_exception", "wrong")))
def test_a_document_that_does_not_use_the_plugin_is_not_disturbed(
    composer, folder: Path, undisturbed, site, fault
) -> None:
    for command in COMMANDS:
        if command not in undisturbed:
            undisturbed[command] = composer(*command)
    faulty_plugin(folder, site, FAULTS[fault])
    forget("faulty", "faulty_parts")
    for command in COMMANDS:
        assert composer(*command) == undisturbed[command]


@pytest.mark.parametrize("site", ["import", "hook", "parts_import", "ports", "policy"])
def test_nor_is_its_run(composer, folder: Path, site) -> None:
    before = composer(*RUNS)
    faulty_plugin(folder, site, FAULTS["exits"])
    forget("faulty", "faulty_parts")
    after = composer(*RUNS)
    assert (before.code, before.err) == (after.code, after.err) == (0, "")
    assert json.loads(before.out).keys() == json.loads(after.out).keys()


@pytest.mark.parametrize("site", SITES)
def test_what_a_plugin_prints_is_no_answer(composer, folder: Path, site) -> None:
    faulty_plugin(folder, site, 'print("welcome")')
    first = composer("check", "uses.yaml", "--format", "json")
    assert (first.code, json.loads(first.out)) == (0, [])
    done = composer("run", "uses.yaml", "x=1 2", "--weights", "initial", "--json")
    assert "text" in json.loads(done.out), done
    assert "welcome" in first.err + done.err
    assert "welcome" not in composer("show", "uses.yaml", "--plan").out


@pytest.mark.parametrize(("site", "fault"), cases(CHECKED, ("exits", "wrong")))
def test_a_faulty_plugin_is_told_by_its_own_commands(composer, folder: Path, site, fault) -> None:
    faulty_plugin(folder, site, FAULTS[fault])
    listed = composer("plugins", "list")
    assert listed.code == int(site in ("import", "hook"))
    assert "faulty (composer-faulty 1.0)" in listed.out
    assert composer("plugins", "show", "faulty").code == 0
    for id in ("faulty.numbers", "faulty.double", "faulty.decoder"):
        assert composer("plugins", "show", id).code == listed.code


def test_a_faulty_plugin_does_not_keep_the_schema_from_being_written(composer, folder: Path) -> None:
    for site in CHECKED:
        faulty_plugin(folder, site, FAULTS["exits"])
        forget("faulty", "faulty_parts")
        done = composer("schema")
        assert done.code == 0
        assert json.loads(done.out)
