"""`composer check`: what it prints, in which format, how it ends, and what `--fix` does to files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


def test_a_right_document_says_so(composer, document: Path) -> None:
    done = composer("check", document)
    assert (done.code, done.out, done.err) == (0, "vectors.yaml: no problems\n", "")


def test_every_problem_is_shown_at_once(composer, document: Path) -> None:
    text = document.read_text().replace("heads: 4", "head: 4").replace("words.states", "word.states")
    document.write_text(text)
    done = composer("check", document)
    assert done.code == 1
    assert "error[C101]" in done.out
    assert "error[C207]" in done.out
    assert done.out.endswith("2 errors in 1 file\n")
    assert "\x1b" not in done.out


def test_warnings_alone_are_fine(composer, document: Path) -> None:
    document.write_text(document.read_text().replace("$hidden", "64"))
    done = composer("check", document)
    assert done.code == 0
    assert done.out.endswith("1 warning in 1 file\n")


def test_several_documents_are_checked_together(composer, document: Path) -> None:
    Path("second.yaml").write_text("composer: 2\n")
    done = composer("check", document, "second.yaml", document)
    assert done.code == 1
    assert done.out.count("error[") == 1
    assert composer("check", document, document.name).out.endswith("no problems\n")


def test_a_problem_that_two_documents_inherit_is_shown_once(composer, document: Path) -> None:
    document.write_text(document.read_text().replace("heads: 4", "head: 4"))
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text("composer: 1\nextends: vectors.yaml\n")
    assert composer("check", "a.yaml", "b.yaml").out.count("error[") == 1


@pytest.mark.parametrize("format", ["json", "sarif"])
def test_machine_formats_are_valid_for_right_and_wrong_documents(
    composer, document: Path, format: str
) -> None:
    good = composer("check", document, "--format", format)
    assert good.code == 0
    json.loads(good.out)
    document.write_text("composer: 2\n")
    bad = composer("check", document, "--format", format)
    assert bad.code == 1
    assert "C005" in json.dumps(json.loads(bad.out))


def test_github_writes_one_command_per_problem(composer, document: Path) -> None:
    assert composer("check", document, "--format", "github").out == ""
    document.write_text(document.read_text().replace("heads: 4", "head: 4"))
    assert composer("check", document, "--format", "github").out.startswith(
        "::error title=composer C101,file=vectors.yaml"
    )


def test_set_gives_a_parameter_another_value(composer, document: Path) -> None:
    assert composer("check", document, "--set", "hidden=128").code == 0
    assert "error[C206]" in composer("check", document, "--set", "hidden=66").out
    assert "error[C105]" in composer("check", document, "--set", "hidden=wide").out
    done = composer("check", document, "--set", "hiden=128")
    assert done.code == 1
    assert "did you mean `hidden`?" in done.out


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95binary\x00", "a: \u00e9".encode("latin-1"), b"\xff\xfea\x00"]
)
def test_a_file_that_is_no_document_is_one_problem(composer, document: Path, content: bytes) -> None:
    document.write_bytes(content)
    done = composer("check", document)
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("error[C001]")
    assert done.out.endswith("1 error in 1 file\n")


@pytest.mark.parametrize("target", ["missing.yaml", "folder", "no-such-document"])
def test_what_is_not_there_is_one_problem(composer, document: Path, target: str) -> None:
    Path("folder").mkdir()
    done = composer("check", target)
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("error[C001]")


class TestFix:
    MISSPELT = (("heads: 4", "head: 4"), ("words.states", "word.states"), ("outputs:", "output:"))

    def spoil(self, document: Path) -> None:
        text = document.read_text()
        for right, wrong in self.MISSPELT:
            text = text.replace(right, wrong)
        document.write_text("# kept\n" + text.replace("pool,", "pool,   "))

    def test_spelling_is_mended_and_all_else_stays(self, composer, document: Path) -> None:
        right = document.read_text()
        self.spoil(document)
        done = composer("check", document, "--fix")
        assert (done.code, done.out) == (0, "vectors.yaml: no problems\n")
        assert "fixed 3 problems in vectors.yaml" in done.err
        assert document.read_text() == "# kept\n" + right.replace("pool,", "pool,   ")

    def test_a_second_time_changes_nothing(self, composer, document: Path) -> None:
        self.spoil(document)
        composer("check", document, "--fix")
        before = document.stat().st_mtime_ns, document.read_bytes()
        done = composer("check", document, "--fix")
        assert (done.code, done.err) == (0, "")
        assert (document.stat().st_mtime_ns, document.read_bytes()) == before

    def test_no_adapter_is_inserted(self, composer, document: Path) -> None:
        text = document.read_text().replace(
            "tasks:", "  norm: {uses: core.layer_norm, with: {dim: 48}}\ntasks:", 1
        )
        call = "      calm: {call: norm, inputs: {states: words.states}}  # after the words\n"
        text = text.replace("      vector:", f"{call}      vector:", 1).replace(
            "{states: words.states}}\n    out", "{states: calm.states}}\n    out"
        )
        document.write_text(text)
        assert "error[C203]" in composer("check", document).out
        assert composer("check", document, "--fix").code == 1
        assert document.read_text() == text

    def test_windows_line_breaks_stay(self, composer, document: Path) -> None:
        self.spoil(document)
        document.write_bytes(document.read_bytes().replace(b"\n", b"\r\n"))
        assert composer("check", document, "--fix").code == 0
        assert document.read_bytes().count(b"\r\n") == document.read_bytes().count(b"\n")

    def test_a_file_under_two_names_is_mended_once(self, composer, document: Path) -> None:
        self.spoil(document)
        done = composer(
            "check", "--fix", document, document.resolve(), Path.cwd() / ".." / Path.cwd().name / document
        )
        assert (done.code, done.out) == (0, "vectors.yaml: no problems\n")
        assert "fixed 3 problems in vectors.yaml" in done.err

    def test_what_cannot_be_mended_is_shown(self, composer, document: Path) -> None:
        document.write_text(document.read_text().replace("heads: 4", "head: 7"))
        done = composer("check", document, "--fix")
        assert done.code == 1
        assert "error[C206]" in done.out
        assert "heads: 7" in document.read_text()

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            ("  hidden: 64", "  hid[den: 64"),
            ("  hidden: 64", "  hidden:: 64"),
            ("heads: 4", "heads:> 4"),
            ("inputs:\n      question:", "inputs:x  question:"),
            ("heads: 4", "heads:4: 5"),
        ],
    )
    def test_no_cure_makes_a_text_that_is_not_yaml(
        self, composer, document: Path, right: str, wrong: str
    ) -> None:
        """The right word may be the stranger one, the value a sign of YAML, or the key have a value already."""
        text = document.read_text()
        assert right in text
        document.write_text(text.replace(right, wrong))
        done = composer("check", document, "--fix")
        assert done.code == 1
        assert "C002" not in done.out
        assert "space after the colon" not in done.out
        assert wrong in document.read_text()

    def test_a_cure_after_which_the_text_is_not_yaml_is_left_out_and_said(
        self, composer, document: Path
    ) -> None:
        """The other cures of the file are made."""
        self.spoil(document)
        right = document.read_text()
        document.write_text(right.replace("layers: 2", "layers:2: "))
        done = composer("check", document, "--fix")
        assert done.code == 1
        assert "layers:2: }" in document.read_text()
        assert "heads: 4" in document.read_text()
        assert "fixed 3 problems in vectors.yaml" in done.err
        assert "not fixed, since the file could not be read afterwards: vectors.yaml:7:" in done.err
        assert "C002" not in done.out
        assert "has no option `layers:2`" in done.out

    def test_an_extended_file_is_mended_only_where_it_is_named(self, composer, document: Path) -> None:
        self.spoil(document)
        before = document.read_text()
        Path("child.yaml").write_text("composer: 1\nextends: vectors.yaml\n")
        assert composer("check", "child.yaml", "--fix").code == 1
        assert document.read_text() == before
        assert composer("check", "child.yaml", document, "--fix").code == 0

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write every file")
    def test_a_read_only_file_is_one_error(self, composer, document: Path) -> None:
        self.spoil(document)
        document.chmod(0o444)
        done = composer("check", document, "--fix")
        assert done.code == 1
        assert "cannot be written: it is read-only" in done.err
