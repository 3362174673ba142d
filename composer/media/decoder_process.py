"""The process that decodes: it reads requests from its standard input until that ends, and knows nothing of models.

It is started by `decoders.py`. Whatever a file does to the libraries that decode it (a crash, a loop without end, more
memory than there is) ends this process, and costs the caller one request.
"""

from __future__ import annotations

import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["serve"]

MOST_BYTES = 8 << 30
"""Of memory: a picture of 100 megapixels with 16 bits a colour takes three while its transparency is worked out."""


def serve(read: str, ahead: Sequence[str]) -> None:
    """Answer requests, one after another, by the function `read` (`package.module:function`).

    The modules `ahead` are imported first: no file's time counts for them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    _limit_memory()
    requests, answers = sys.stdin.buffer, _own_output()
    from composer.media.wire import receive, send

    for module in ahead:
        import_module(module)
    reader = pkgutil.resolve_name(read)
    send(answers, {"ready": True})
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        content = requests.read(request["bytes"])
        _alarm(request["seconds"])
        head, body = _answered(reader, request, content)
        _alarm(0)
        send(answers, head, body)


def _answered(
    read: Callable[..., Any], request: dict[str, Any], content: bytes
) -> tuple[dict[str, Any], bytes | memoryview]:
    from composer.problems import InputError
    from composer.problems.media_source import MediaSource

    try:
        path = request["path"]
        source = MediaSource(request["name"], content if path is None else Path(path))
        found = read(source, **request["how"])
    except InputError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {
            "refused": f"{request['name']} takes more memory to decode than is allowed: give a smaller one"
        }, b""
    except Exception as error:
        import traceback

        return {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}, b""
    return {"shape": found.shape}, found.tobytes()


def _own_output() -> BinaryIO:
    """The pipe for answers; what a library prints goes to the standard error instead."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MOST_BYTES if most == resource.RLIM_INFINITY else min(MOST_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file


def _alarm(seconds: float) -> None:
    """End this process after a while, even inside a library, and where nobody is left who would."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
