"""Decoding in another process: whatever a file does there is one sentence, and the next one is decoded."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composer_vision.configs import ImageConfig
from composer_vision.decoders import DECODER
from composer_vision.processors import ImageProcessor
from PIL import Image

from composer.media import decoders, decoding_process, wire
from composer.media.decoder_pool import DecoderPool
from composer.problems import ComposerError, InputError

SERVE = 'serve(start["read"], start["ahead"])\n'
MISBEHAVES = """
import os, signal, time
from composer_vision import reading
right = reading.read
def read(source, how):
    match source.name.rpartition("-")[2]:
        case "crash.png": os.kill(os.getpid(), signal.SIGSEGV)
        case "hang.png": time.sleep(60)
        case "memory.png": bytearray(1 << 40)
        case "exit.png": os._exit(3)
        case "raise.png": raise KeyError("width")
        case "print.png": print("swscaler: hello", flush=True)
    return right(source, how)
reading.read = read
serve(start["read"], start["ahead"])
"""
PROCESSOR = ImageProcessor(ImageConfig(size=4))


@pytest.fixture(autouse=True)
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that fail for files of certain names, in the way of their names."""
    monkeypatch.delenv(decoding_process.INLINE, raising=False)
    monkeypatch.setattr(decoding_process, "START", decoding_process.START.replace(SERVE, MISBEHAVES))
    pool = DecoderPool(DECODER)
    monkeypatch.setitem(decoders._POOLS, DECODER, pool)
    yield
    pool.close()


def picture(folder: Path, name: str, level: int = 90) -> Path:
    path = folder / name
    Image.new("RGB", (6, 6), (level, level, level)).save(path)
    return path


def frames(value: Any) -> np.ndarray:
    return PROCESSOR.encode([value])["frames"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a-crash.png", r"the decoder crashed on it \(SIGSEGV\)"),
        ("a-exit.png", r"the decoder crashed on it \(exit code 3\)"),
        ("a-memory.png", "takes more memory to decode than is allowed"),
        ("a-hang.png", "takes more than 1 seconds to decode and was given up"),
    ],
)
def test_what_ends_the_process_is_one_sentence_and_the_next_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    good = picture(tmp_path, "good.png")
    if "hang" in name:
        frames(good)  # what is slow on a busy machine is the start
        monkeypatch.setenv(decoding_process.SECONDS, "1")
    with pytest.raises(InputError, match=said) as caught:
        frames(picture(tmp_path, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv(decoding_process.SECONDS, raising=False)
    assert (frames(good) == 90).all()


def test_a_fault_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"KeyError: 'width'.*raise\.png") as caught:
        frames(picture(tmp_path, "a-raise.png"))
    assert "Traceback" in str(caught.value)


def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    assert (frames(picture(tmp_path, "a-print.png")) == 90).all()


def test_a_relative_path_is_looked_up_where_the_caller_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, level in (("one", 10), ("two", 20)):
        (tmp_path / name).mkdir()
        picture(tmp_path / name, "same.png", level)
    for name, level in (("one", 10), ("two", 20)):
        monkeypatch.chdir(tmp_path / name)
        assert (frames("same.png") == level).all()


def test_a_folder_that_is_gone_hides_only_what_lay_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = picture(tmp_path, "here.png", 10)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert (frames(here) == 10).all()
    with pytest.raises(InputError, match=r"lost\.png"):
        frames("lost.png")
    assert (frames(here) == 10).all()


def test_code_is_imported_from_where_the_caller_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that Python was started in is an empty path; what is not a string is passed over."""
    (tmp_path / "at_start.py").write_text("LEVEL = 3\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "beside.py").write_text("LEVEL = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path, "more", Path("nowhere")])
    code = "import at_start, beside, os\nos._exit(at_start.LEVEL + beside.LEVEL)\n"
    monkeypatch.setattr(decoding_process, "START", decoding_process.START.replace(SERVE, f"{code}{SERVE}", 1))
    with pytest.raises(ComposerError, match="cannot be started: it ended with exit code 7"):
        frames(picture(tmp_path, "a.png"))


@pytest.mark.parametrize(
    "answer",
    [
        "b'[' * 100_000",
        """b'{"shape": ' + b'[' * 100_000""",
        "b'[]'",
        """b'{"shape": 3}'""",
        """b'{"shape": [null]}'""",
        """b'{"shape": [1, 1, 4, 4, 4]}'""",
        """b'{"refused": 3}'""",
        "b'{}'",
        "b'\\xff'",
    ],
    ids=["deep", "deep shape", "list", "number", "null", "other shape", "refused", "empty", "bytes"],
)
def test_what_a_process_in_foreign_hands_answers_is_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Whoever decodes a hostile file may be in its hands."""
    good = picture(tmp_path, "good.png")
    lies = f"""
from composer.media import wire
def send(stream, head, content=b"", right=wire.send):
    if "ready" in head:
        return right(stream, head)
    answer = {answer}
    stream.write(wire._LENGTH.pack(len(answer)) + answer + bytes(64))
    stream.flush()
wire.send = send
serve(start["read"], start["ahead"])
"""
    with monkeypatch.context() as patch:
        patch.setattr(decoding_process, "START", f"{decoding_process.START.partition(MISBEHAVES)[0]}{lies}")
        with pytest.raises(InputError, match="the decoder crashed on it"):
            frames(good)
    assert (frames(good) == 90).all()


def test_a_process_that_died_between_two_answers_leaves_no_pipe(tmp_path: Path) -> None:
    good = picture(tmp_path, "good.png")
    frames(good)
    (dead,) = decoders._POOLS[DECODER]._waiting
    dead._process.kill()
    dead._process.wait()
    assert (frames(good) == 90).all()
    assert dead not in decoders._POOLS[DECODER]._waiting
    assert [each is not None and each.closed for each in (dead._process.stdin, dead._process.stdout)] == [
        True,
        True,
    ]


def test_a_fault_of_ours_is_not_taken_for_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = picture(tmp_path, "good.png")
    frames(good)
    with monkeypatch.context() as patch:

        def wrong(stream: Any) -> dict[str, Any]:
            raise KeyError("ours")

        patch.setattr(decoding_process, "receive", wrong)
        with pytest.raises(KeyError, match="ours"):
            frames(good)
    assert (frames(good) == 90).all()


def test_bytes_and_threads(tmp_path: Path) -> None:
    contents = [picture(tmp_path, f"{level}.png", level).read_bytes() for level in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(frames, contents))
    assert [int(each[0, 0, 0, 0, 0]) for each in found] == list(range(40))


def test_an_interrupted_answer_is_not_taken_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = picture(tmp_path, "1.png", 1), picture(tmp_path, "2.png", 2)
    frames(first)
    with monkeypatch.context() as patch:

        def interrupted(stream: Any) -> dict[str, Any]:
            raise KeyboardInterrupt

        patch.setattr(decoding_process, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            frames(first)
    assert (frames(second) == 2).all()


def test_a_process_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path, "a.png")
    monkeypatch.setattr(decoding_process, "START", "raise SystemExit(7)")
    with pytest.raises(ComposerError, match="ended with exit code 7; COMPOSER_MEDIA=inline"):
        frames(path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(ComposerError, match="cannot be started: No such file"):
        frames(path)
    monkeypatch.setenv(decoding_process.INLINE, "inline")
    assert (frames(path) == 90).all()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv(decoding_process.SECONDS, seconds)
    with pytest.raises(InputError, match="COMPOSER_MEDIA_SECONDS is"):
        frames(picture(tmp_path, "a.png"))


def test_who_asks_imports_no_decoder(tmp_path: Path) -> None:
    code = """
import sys
from composer_vision.configs import ImageConfig
from composer_vision.processors import ImageProcessor
assert ImageProcessor(ImageConfig(size=4)).encode([sys.argv[1]])["frames"].shape == (1, 1, 4, 4, 3)
assert not {"PIL", "av"} & sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(picture(tmp_path, "a.png"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_files_come_back_in_their_order(tmp_path: Path) -> None:
    """More than are asked for at once, as paths and as bytes, small ones and ones that no pipe holds."""
    paths = [picture(tmp_path, f"{level}.png", level) for level in range(60)]
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    large = (tmp_path / "large.png").read_bytes()
    mixed = [each for path in paths for each in (path, path.read_bytes(), large)]
    found = ImageProcessor(ImageConfig(size=200)).encode(mixed)["frames"]
    assert found[0::3, 0, 0, 0, 0].tolist() == found[1::3, 0, 0, 0, 0].tolist() == list(range(60))
    assert (found[2::3] == found[2]).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a-crash.png", "the decoder crashed on it"),
        ("a-hang.png", "takes more than 1 seconds to decode"),
        ("a-text.png", "is not a picture that can be read"),
    ],
)
def test_the_one_of_many_that_cannot_be_decoded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """Those after it were asked for already, and are taken for no answer to what is asked next."""
    paths = [picture(tmp_path, f"{level}.png", level) for level in range(30)]
    frames(paths[0])
    bad = picture(tmp_path, name)
    if "text" in name:
        bad.write_text("no picture")
    monkeypatch.setenv(decoding_process.SECONDS, "1" if "hang" in name else "30")
    with pytest.raises(InputError, match=said) as caught:
        PROCESSOR.encode([*paths[:7], bad, *paths[7:]])
    assert str(caught.value).startswith(f"picture 8 of the batch: picture {bad} ")
    assert PROCESSOR.encode(paths)["frames"][:, 0, 0, 0, 0].tolist() == list(range(30))


def test_each_of_many_has_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = decoding_process.START.replace(
        "right = reading.read", "right = lambda *given: time.sleep(0.3) or first(*given)"
    )
    monkeypatch.setattr(
        decoding_process, "START", slow.replace("def read(", "first = reading.read\ndef read(")
    )
    paths = [picture(tmp_path, f"{level}.png", level) for level in range(6)]
    frames(paths[0])
    monkeypatch.setenv(decoding_process.SECONDS, "1.5")
    assert PROCESSOR.encode(paths)["frames"][:, 0, 0, 0, 0].tolist() == list(range(6))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> DecoderPool:
    """A pool of two processes, both of which are worth starting at once."""
    monkeypatch.setattr("composer.media.decoder_pool.os.cpu_count", lambda: 2)
    monkeypatch.setattr("composer.media.decoder_pool.WORTH_A_START", 0)
    pool = DecoderPool(DECODER)
    monkeypatch.setitem(decoders._POOLS, DECODER, pool)
    return pool


def test_a_large_batch_is_shared_among_processes_and_comes_in_order(tmp_path: Path, two: DecoderPool) -> None:
    levels = range(10, 30)
    files = [picture(tmp_path, f"p{level}.png", level) for level in levels]
    for _ in range(2):
        found = PROCESSOR.encode(files)["frames"]
        assert [int(each.max()) for each in found] == [*levels]
    assert len(two._waiting) == 2
    two.close()


@pytest.mark.parametrize("bad", [[3], [13], [13, 3], [19, 12]])
def test_of_a_shared_batch_the_first_that_cannot_be_decoded_is_told(
    tmp_path: Path, two: DecoderPool, bad: list[int]
) -> None:
    good = picture(tmp_path, "good.png")
    files = [good] * 20
    for number in bad:
        files[number] = picture(tmp_path, f"{number}-exit.png")
    with pytest.raises(InputError, match=rf"picture {min(bad) + 1} of the batch: .*{min(bad)}-exit.png"):
        PROCESSOR.encode(files)
    assert (PROCESSOR.encode([good] * 20)["frames"] == 90).all()
    two.close()


def test_a_fault_of_ours_in_another_share_is_raised(tmp_path: Path, two: DecoderPool) -> None:
    files = [picture(tmp_path, "good.png")] * 19 + [picture(tmp_path, "a-raise.png")]
    with pytest.raises(RuntimeError, match="while decoding"):
        PROCESSOR.encode(files)
    assert (frames(files[0]) == 90).all()
    two.close()


def test_an_interruption_ends_all_that_decode_a_batch(
    tmp_path: Path, two: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [picture(tmp_path, f"{level}.png", level) for level in range(20)]
    PROCESSOR.encode(files)
    right, hang = wire.receive, picture(tmp_path, "a-hang.png")
    with monkeypatch.context() as patch:

        def interrupted(stream: Any) -> dict[str, Any]:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            return right(stream)

        patch.setattr(decoding_process, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            PROCESSOR.encode([*files, hang])  # the other process would be busy for a minute
    assert not two._waiting
    assert [int(each.max()) for each in PROCESSOR.encode(files)["frames"]] == [*range(20)]
    two.close()
