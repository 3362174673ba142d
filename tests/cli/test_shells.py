"""What shells do to a command: closed streams, signals, foreign encodings, control characters, one writer for all."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from composer import cli
from composer.cli.dispatch import COMMANDS
from composer.problems.render.cells import printable
from composer.problems.render.machine import json_text

SCRIPT = "import sys; from composer.cli import main; sys.exit(main())"
ODD = """\
composer: 1
name: 词
summary: "\\x1b[31mred\\a 中文"
modules:
  a: {uses: core.linear, with: {input_dim: 4, output_dim: 8}}
tasks:
  t:
    summary: "\\x9b2J"
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 4]}}}
    nodes: {p: {call: a, inputs: x}}
    outputs: {o: p}
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A right document whose texts would steer a terminal and are not Latin."""
    monkeypatch.chdir(tmp_path)
    path = Path("odd.yaml")
    path.write_text(ODD, encoding="utf-8")
    return path


def ran(arguments: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=False, **options)  # type: ignore[call-overload]


def test_nothing_but_the_output_file_writes_to_a_stream() -> None:
    """So that the rules of output.py hold for every command."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"print", "sys.stdout.write", "sys.stderr.write"}, (path.name, node.lineno)


def test_no_command_lets_a_control_character_through(composer, odd: Path) -> None:
    commands = [["check"], ["show"], ["show", "--plan"], ["show", "--cost"], ["show", "--resolved"],
                ["show", "--picture", "mermaid"], ["run", "--weights", "initial"]]  # fmt: skip
    for command in commands:
        done = composer(*command, odd)
        for text in (done.out, done.err):
            assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in text), command
    composer("show", odd, "--picture", "odd.svg")
    composer("show", odd, "--picture", "odd.html")
    for picture in ("odd.svg", "odd.html"):
        text = Path(picture).read_text(encoding="utf-8")
        assert not any(c in text for c in "\x1b\x07\x9b")
    done = composer("check", "gone\x1b[31m.yaml")
    assert "\x1b" not in done.out + done.err


def test_lines_and_tabs_stay_and_all_else_is_shown() -> None:
    assert printable("a\tb\nc\r\x1b[0m\x7f\x9b\u202e") == "a\tb\nc␍␛[0m␡\ufffd\ufffd"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_machine_output_is_the_same_whatever_the_locale(odd: Path, encoding: str) -> None:
    odd.write_text(ODD.replace("uses: core.linear", "uses: core.词"), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C", "LANG": "C"}
    for format in ("json", "sarif", "github"):
        done = ran(["check", str(odd), "--format", format], capture_output=True, env=environment)
        assert (done.returncode, done.stderr) == (1, b"")
        text = done.stdout.decode("utf-8")
        if format == "github":
            assert "core.词" in text
        else:
            assert "core.词" in json.dumps(json.loads(text), ensure_ascii=False)


def test_a_document_keeps_its_letters_whatever_the_locale(odd: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "LC_ALL": "C", "LANG": "C"}
    done = ran(["show", str(odd), "--resolved"], capture_output=True, env=environment)
    assert done.returncode == 0
    assert "name: 词" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_literal_that_json_does_not_know(value: float) -> None:
    text = json_text({"a": [1.5, value], "b": {"c": (value,)}, "n": "\udcff词"}, indent=None)
    assert json.loads(text, parse_constant=pytest.fail)["a"] == [1.5, None]
    assert text.isascii()


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_end_quietly(odd: Path, redirection: str) -> None:
    line = f'"{sys.executable}" -c "{SCRIPT}" check {odd} {redirection}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout in {b"", b"odd.yaml: no problems\n"}


def test_an_error_with_no_stream_for_it_does_not_go_to_the_other_one() -> None:
    line = f'"{sys.executable}" -c "{SCRIPT}" explain C999 2>&-'
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_errors_behind_a_closed_pipe_are_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = ran(["check", "gone.yaml"], stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, b"")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = ran(["explain", "C999"], stdout=subprocess.PIPE, stderr=closed)
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_command_with_its_code(tmp_path: Path, name: str) -> None:
    """The document is a pipe that nobody writes to, so that the command is surely waiting for it."""
    number = getattr(signal, name)
    pipe = tmp_path / "document.yaml"
    os.mkfifo(pipe)
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + SCRIPT
    with subprocess.Popen(
        [sys.executable, "-c", script, "check", str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        with pipe.open("w"):
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, b"")
    assert err == (b"composer: interrupted\n" if name == "SIGINT" else b"")


SWALLOWED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
NUMBER = getattr(signal, sys.argv.pop())
class Sends:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy._core.multiarray" and not self.sent:  # torch imports it, and catches all that comes
            self.sent = True
            os.kill(os.getpid(), NUMBER)
    sent = False
sys.meta_path.insert(0, Sends())
from composer.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("command", ["run", "compile"])
def test_a_signal_that_a_library_swallows_ends_the_command_all_the_same(
    odd: Path, command: str, name: str
) -> None:
    arguments = [command, "odd.yaml", *(["x=x.npy"] if command == "run" else ["--out", "artifact"])]
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, *arguments, "--weights", "initial", name],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (128 + getattr(signal, name), b"")
    assert done.stderr == (b"composer: interrupted\n" if name == "SIGINT" else b"")
    assert os.listdir() == ["odd.yaml"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_program_that_calls_a_command_is_ended_by_its_signal(tmp_path: Path) -> None:
    """A server that runs a command in its own process must not go on when it is asked to end."""
    pipe = tmp_path / "document.yaml"
    os.mkfifo(pipe)
    script = "import sys; from composer.cli import main; main(sys.argv[1:]); print('went on')"
    with subprocess.Popen(
        [sys.executable, "-c", script, "check", str(pipe)], stdout=subprocess.PIPE
    ) as process:
        with pipe.open("w"):
            process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (-signal.SIGTERM, b"")


def test_a_plugin_that_ends_the_program_is_no_success(composer, monkeypatch, odd: Path) -> None:
    def check(*arguments: object, **options: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("composer.graph.check", check)
    done = composer("check", odd)
    assert (done.code, done.out) == (1, "")
    assert "ended the program" in done.err


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_a_pipe_is_read_up_to_the_limit_of_a_document() -> None:
    script = "import composer.language.source as s; s.MAX_BYTES = 1000; " + SCRIPT
    with subprocess.Popen(
        [sys.executable, "-c", script, "check", "/dev/stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        # Never closed: a command that reads to the end would wait for ever.
        process.stdin.write(b"a: 1\n" * 1000)
        process.stdin.flush()
        assert process.wait(timeout=60) == 1
        assert process.stdout is not None
        assert b"more than the limit of 1,000" in process.stdout.read()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_fits_a_narrow_terminal(composer, monkeypatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    assert composer(command, "--help").code == 0


@pytest.mark.parametrize("command", ["inspect", "verify", "run"])
def test_a_device_is_not_an_artifact_and_is_not_read_to_its_end(composer, command: str) -> None:
    """In this process: reading /dev/zero to its end would take all memory."""
    done = composer(command, "/dev/null")
    assert (done.code, done.out) == (1, "")
    if command != "run":
        endless = composer(command, "/dev/zero")
        assert (endless.code, endless.out) == (1, "")
        assert "neither a directory nor a zip file" in endless.err


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "", "a"])
def test_a_tolerance_is_a_number_above_zero(composer, value: str) -> None:
    done = composer("compile", "quickstart", "--out", "x", f"--tolerance={value}")
    assert (done.code, done.out) == (2, "")
    assert "is not a number above zero" in done.err


def test_a_size_that_no_tensor_has_is_wrong_usage(composer) -> None:
    done = composer("show", "quickstart", "--cost", "--at", "batch=99999999999999999999")
    assert (done.code, done.out) == (2, "")
    assert "at most nine digits" in done.err
