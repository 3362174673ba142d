"""Files are written whole or not at all, by one writer."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from composer.files import replace_file, replace_text
from composer.problems import InputError


def test_a_file_keeps_its_mode_and_its_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    replace_file(path, lambda file: file.write("a\r\nb\n\u00e4".encode()))
    assert path.read_bytes() == b"a\r\nb\n\xc3\xa4"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.yaml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.yaml", tmp_path / "link.yaml"
    target.write_text("old")
    link.symlink_to(target)
    replace_file(link, lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_links_in_a_circle_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    with pytest.raises(InputError, match=r"a\.yaml cannot be written: Too many levels of symbolic links"):
        replace_file(tmp_path / "a.yaml", lambda file: file.write(b"new"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]


def test_a_failure_while_writing_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old")

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        replace_file(path, lambda file: file.write(b"new"))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize(
    ("raised", "caught", "said"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (
            OSError(errno.EFBIG, "File too large"),
            InputError,
            "run cannot be written: File too large; what was",
        ),
        (OSError(errno.ENOSPC, "No space left"), InputError, "the disk is full, or its quota used up"),
    ],
    ids=["a signal", "a limit of sizes", "a full disk"],
)
def test_what_comes_while_torch_writes_is_what_is_told(
    tmp_path: Path, raised: BaseException, caught: type[BaseException], said: str | None
) -> None:
    """Torch ends its archive on the way out, and raises a RuntimeError of its own there."""
    import torch

    class Ended:
        def __init__(self, file: BinaryIO) -> None:
            self.file, self.left = file, 3

        def write(self, content: bytes) -> int:
            self.left -= 1
            if not self.left:
                raise raised
            return self.file.write(content)

    path = tmp_path / "run"
    path.write_bytes(b"before")
    with pytest.raises(caught, match=said):
        replace_file(path, lambda file: torch.save({"a": torch.zeros(1000)}, Ended(file)))  # type: ignore[arg-type]
    assert path.read_bytes() == b"before"


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    replace_text(path, "a: 1\n", "a: 2\n")
    assert path.read_bytes() == b"\xef\xbb\xbfa: 2\n"


def test_a_file_that_changed_since_the_check_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("somebody else wrote this")
    with pytest.raises(InputError, match="has changed since it was checked"):
        replace_text(path, "a: 1\n", "a: 2\n")
    assert path.read_text() == "somebody else wrote this"


def test_a_file_that_is_gone_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        replace_text(tmp_path / "gone.yaml", "a", "b")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "gone" / "a.svg", tmp_path / "file" / "a.svg", tmp_path):
        with pytest.raises(InputError) as caught:
            replace_file(path, lambda file: file.write(b"new"))
        assert str(caught.value).startswith(f"{path} cannot be written: ")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"pipe cannot be written: it is a pipe, .*: name a file$"):
        replace_file(path, lambda file: file.write(b"new"))
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_is_written_to_directly(tmp_path: Path) -> None:
    (tmp_path / "nothing").symlink_to(os.devnull)
    for path in (tmp_path / "nothing", Path(os.devnull)):
        replace_file(path, lambda file: file.write(b"new"))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_stream_that_is_open_is_no_file_to_replace(tmp_path: Path) -> None:
    """Its number may stand for another stream by now, as that of standard output does while a command runs."""
    (tmp_path / "a").write_text("old")
    with (tmp_path / "a").open() as file:
        for folder in ("/dev/fd", "/proc/self/fd"):
            path = Path(folder, str(file.fileno()))
            with pytest.raises(InputError, match="it is a stream that is open: name a file"):
                replace_file(path, lambda file: file.write(b"new"))
    assert (tmp_path / "a").read_text() == "old"
