"""A Hub on loopback: repositories with commits, branches and files, some of them gated; and a cache of one's own."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants as settings
import pytest

__all__ = ["TOKEN", "FakeHub", "HubRepository", "cached", "fake_hub", "hub_at"]

TOKEN = "hf_made_for_a_test"


@dataclass
class HubRepository:
    """Commits with their files by name, and what branches and tags stand for."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def push(self, files: dict[str, bytes], branch: str = "main") -> str:
        text = json.dumps([len(self.commits), sorted(files)])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.names[branch] = commit
        return commit


@dataclass
class FakeHub:
    """The repositories, and what was asked: method, path and whether a token came with it."""

    repositories: dict[str, HubRepository] = field(default_factory=dict)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    url: str = ""
    down: bool = False
    """Whether every request is answered by 503."""

    def answer(self, method: str, path: str, token: str | None) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((method, path, token is not None))
        if self.down:
            return 503, {}, b""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            name, revision, file = "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main", ""
        else:
            name, revision, file = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        repository = self.repositories.get(name)
        if repository is None:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        if repository.gated and token != TOKEN:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        commit = repository.names.get(revision, revision)
        if commit not in repository.commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files = repository.commits[commit]
        if not file:
            told = {"id": name, "sha": commit, "siblings": [{"rfilename": each} for each in files]}
            return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
        if file not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        content = files[file]
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        return 200, {"ETag": tag, "X-Repo-Commit": commit}, content


@contextmanager
def _serving(hub: FakeHub) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answered(body=False)

        def do_GET(self) -> None:
            self._answered(body=True)

        def _answered(self, *, body: bool) -> None:
            sent = self.headers.get("Authorization")
            token = sent.removeprefix("Bearer ") if sent else None
            status, headers, content = hub.answer(self.command, urlsplit(self.path).path, token)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_at(url: str, cache: Path, patch: pytest.MonkeyPatch, *, offline: bool = False) -> None:
    """Have huggingface_hub ask there, and keep what it gets in this folder; no token is set."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(name, raising=False)
    patch.setattr(settings, "ENDPOINT", url)
    patch.setattr(settings, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(settings, "HF_HUB_CACHE", str(cache))
    patch.setattr(settings, "HF_TOKEN_PATH", str(cache / "token"))
    patch.setattr(settings, "HF_HUB_OFFLINE", offline)
    patch.setattr(settings, "HF_HUB_DISABLE_XET", True)
    patch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its retries


@contextmanager
def fake_hub(cache: Path, patch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub()
    with _serving(hub):
        hub_at(hub.url, cache, patch)
        yield hub


def cached(cache: Path, name: str, commit: str, files: dict[str, bytes], branch: str = "main") -> None:
    """Fill a cache as huggingface_hub lays it out, without any Hub."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / branch).write_text(commit)
    for file, content in files.items():
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        link = folder / "snapshots" / commit / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
