"""The build cache: what is put there is whole, and nothing else stays."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt.build_cache import BuildCache
from composer_compile.backends.tensorrt.program_file import pack
from composer_compile.errors import BackendError
from engines import packed

FEW_BYTES = 1000


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process becomes longer: what a disk that is full, or a quota, looks like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_leaves_no_half_file(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    with (
        files_end_at(FEW_BYTES),
        pytest.raises(BackendError, match=r"^--build-cache .* cannot be written: File too large$"),
    ):
        cache.put("key", b"", {"weight": torch.zeros(10 * FEW_BYTES)})
    assert list(cache.folder.iterdir()) == []


def test_an_interruption_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = BuildCache(tmp_path)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.put("key", b"it", {})
    assert list(tmp_path.iterdir()) == []


def test_what_was_put_comes_back_unless_it_was_damaged(tmp_path: Path) -> None:
    from composer_compile.artifact.weight_store import content_key

    tensor = torch.arange(6.0).view(2, 3)
    program = packed()
    program = type(program)(
        program.program.model_copy(update={"weights": [content_key(tensor)]}), program.files
    )
    content, cache = pack(program), BuildCache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", content, {content_key(tensor): tensor})
    found = cache.get("key")
    assert found is not None
    assert found[0] == content
    assert torch.equal(found[2][content_key(tensor)], tensor)
    (tmp_path / "key.trt").write_bytes(content[: len(content) // 2])
    assert cache.get("key") is None
