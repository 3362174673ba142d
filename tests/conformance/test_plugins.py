"""Checking whole plugins: installed ones by name, entry modules in a process of their own, broken registration."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from offering import Offers

from composer.cli import main
from composer.conformance import ConformanceReport, Result, check_plugin
from composer.plugin import Document, Metric, Register, hookimpl
from composer.problems import InputError
from composer.types import Field, Kind

LIGHT = """
from composer.plugin import Metric, hookimpl

@hookimpl
def composer_register(register):
    register(Metric("fresh.metric", "json:dumps", ""))
"""


def entry_module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> ModuleType:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(name)


def entry_result(report: ConformanceReport) -> Result:
    return next(result for result in report.results if result.check == "entry module")


def test_a_light_entry_module_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = check_plugin(entry_module(tmp_path, monkeypatch, "light_entry", LIGHT))
    assert report.passed
    assert entry_result(report).reason.startswith("imports no torch; ")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (
            "heavy_entry",
            "import torch",
            "importing heavy_entry imports torch (heavy_entry.py:1), which every",
        ),
        (
            "array_entry",
            "x = 1\nimport numpy.linalg",
            "imports numpy (array_entry.py:2), which every command pays",
        ),
        ("media_entry", "from PIL import Image", "imports PIL (media_entry.py:1), which every command pays"),
        (
            "wide_entry",
            "import hypothesis",
            "modules of hypothesis (wide_entry.py:1), which every command pays",
        ),
        (
            "fragile_entry",
            "import sys; assert 'pytest' in sys.modules, 'only under test'",
            "importing fragile_entry fails in a fresh process: AssertionError: only under test",
        ),
        (
            "waiting_entry",
            "import sys, threading\nthread = threading.Thread(target=threading.Event().wait, name='w')\n"
            "if 'pytest' not in sys.modules: thread.start()",
            "importing waiting_entry leaves the thread `w` running, which keeps every command from ending: start it "
            "where it is needed, with daemon=True",
        ),
        (
            "moving_entry",
            "import os, sys\nif 'pytest' not in sys.modules: os.chdir('/')",
            "importing moving_entry changes the working directory, which the whole process shares: put it back",
        ),
        (
            "loud_entry",
            "import io, sys\nif 'pytest' not in sys.modules: sys.stdout = io.StringIO()",
            "importing loud_entry changes the standard streams, which the whole process shares: put it back",
        ),
    ],
)
def test_a_heavy_slow_or_fragile_entry_module_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str, message: str
) -> None:
    report = check_plugin(entry_module(tmp_path, monkeypatch, name, f"{line}\n{LIGHT}"))
    assert entry_result(report).outcome == "fail"
    assert message in entry_result(report).reason


IMPLEMENTATION = {
    "number format": (
        "import torch; torch.set_default_dtype(torch.float64)",
        "torch's default number format",
    ),
    "folder": ("import os; os.chdir('/')", "the working directory"),
    "streams": ("import io, sys; sys.stdout = io.StringIO()", "the standard streams"),
    "thread": (
        "import threading; gone = threading.Event(); threading.Thread(target=gone.wait, name='w').start()",
        "it leaves the thread `w` running, which keeps every command from ending: ",
    ),
}


@pytest.mark.parametrize("name", IMPLEMENTATION)
def test_an_implementation_whose_import_changes_the_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    line, said = IMPLEMENTATION[name]
    module = f"changing_{name.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(f"{line}\ndef score(found, right): return 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder, streams = Path.cwd(), (sys.stdin, sys.stdout, sys.stderr)
    report = check_plugin(Offers(Metric("test.metric", f"{module}:score", "")))
    if name == "thread":
        sys.modules[module].gone.set()
    (failure,) = report.failures
    assert (failure.subject, failure.check) == ("test.metric", "implementation")
    assert said in failure.reason
    assert (folder, streams, torch.get_default_dtype()) == (
        Path.cwd(),
        (sys.stdin, sys.stdout, sys.stderr),
        torch.float32,
    )


def test_an_installed_plugin_that_leaves_a_thread_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that tells it could not end either."""
    (tmp_path / "lasting_entry.py").write_text(
        f"import threading\nthreading.Thread(target=threading.Event().wait).start()\n{LIGHT}"
    )
    metadata = tmp_path / "lasting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lasting\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[composer]\nlasting = lasting_entry\n")
    monkeypatch.syspath_prepend(tmp_path)
    report = check_plugin("lasting")
    (result,) = report.results
    assert (result.check, result.outcome) == ("entry module", "fail")
    assert "running, which keeps every command from ending" in result.reason
    assert "lasting_entry" not in sys.modules


def test_the_installed_core_plugin_keeps_its_promises() -> None:
    report = check_plugin("core")
    assert report.passed, str(report)
    assert {result.subject.split()[0] for result in report.results} >= {
        "core.linear",
        "core.pool",
        "core.repeat",
    }


def test_one_entry_is_held_alone_and_every_result_is_told() -> None:
    told: list[Result] = []
    report = check_plugin("core", only=["core.argmax"], told=told.append)
    assert {result.subject.split()[0] for result in report.results} == {"core.argmax"}
    assert tuple(told) == report.results
    with pytest.raises(InputError, match=r"`core.argmex`.*did you mean `core.argmax`"):
        check_plugin("core", only=["core.argmex"])


def test_an_unknown_plugin_lists_the_installed_ones() -> None:
    with pytest.raises(
        InputError, match=r"no installed plugin `cores`; did you mean `core`\? There are: .*core"
    ):
        check_plugin("cores")


def test_a_plugin_that_fails_to_register_is_reported() -> None:
    class Failing:
        @hookimpl
        def composer_register(self, register: Register) -> None:
            raise LookupError("no vocabulary")

    report = check_plugin(Failing())
    (failure,) = report.failures
    assert failure.reason.startswith("it raises LookupError: no vocabulary (")
    assert "test_plugins.py:" in failure.reason


def test_an_id_that_another_plugin_holds_is_a_broken_promise() -> None:
    class Claims:
        @hookimpl
        def composer_register(self, register: Register) -> None:
            from composer_core.module_types import MODULE_TYPES

            register(MODULE_TYPES[0])

    report = check_plugin(Claims())
    assert "'core.concat' of module_types is already claimed by core" in report.failures[0].reason


def test_every_named_implementation_must_be_there() -> None:
    class Lacking:
        @hookimpl
        def composer_register(self, register: Register) -> None:
            register(
                Metric("test.metric", "json:no_such_function", ""),
                Metric("test.other", "no_such_module:x", ""),
            )

    report = check_plugin(Lacking())
    assert [(result.subject, result.check) for result in report.failures] == [
        ("test.metric", "implementation"),
        ("test.other", "implementation"),
    ]


def test_a_plugin_of_which_nothing_is_held_says_so() -> None:
    skipped = check_plugin(Offers(Metric("test.metric", "json:dumps", "")))
    assert [(each.subject, each.check, each.outcome) for each in skipped.results] == [
        ("test.metric", "score", "skip"),
        ("plugin", "entries", "skip"),
    ]
    assert "nothing that it registers was held" in str(skipped)
    assert "nothing" not in str(check_plugin("core"))
    assert "it registers nothing" in check_plugin(Offers()).failures[0].reason


def pair(**fields: Any) -> Any:
    return list(fields.values())


class Two(NamedTuple):
    ids: Any
    mask: Any


FIELDS = {"ids": Field("int64", (0, 1)), "mask": Field("bool", (0, 1))}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": Two}, ""),
        ({"record": Two, "parent": "tokens"}, ""),
        ({"record": pair}, "its record does not keep the fields that it is made of"),
        ({"record": Two, "parent": "toknes"}, "no plugin registers its parent, the kind 'toknes'"),
        ({"record": Two, "parent": "scalar"}, "its parent is written scalar[], with another number of dims"),
    ],
)
def test_kinds_are_held(options: dict[str, Any], message: str) -> None:
    report = check_plugin(Offers(Kind("test.two", "", ("batch", "length"), FIELDS, **options)))
    assert [each.check for each in report.results] == ["record"]
    assert message in report.results[0].reason
    assert report.passed == (not message)


def test_documents_that_a_plugin_ships_are_checked(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("composer: 1\nmodules:\n  map: {uses: core.linear, with: {output_dim: 3}}\ntasks: {}\n")
    bad.write_text("composer: 1\nmodules:\n  map: {uses: core.linera}\n  other: {uses: core.nothing}\n")
    report = check_plugin(Offers(Document("test.good", good), Document("test.bad", bad)))
    (failure,) = report.failures
    assert (failure.subject, failure.check) == ("test.bad", "document")
    assert "C201: " in failure.reason
    assert "more: composer check test.bad" in failure.reason


def test_the_command_prints_the_report_and_tells_by_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "check", "text"]) == 0
    assert capsys.readouterr().out.startswith("text\n  plugin\n    pass  entry module: imports no torch")
    assert main(["plugins", "check", "text", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    assert main(["plugins", "check", "nonsense"]) == 1
    assert "there is no installed plugin `nonsense`. There are: " in capsys.readouterr().err
