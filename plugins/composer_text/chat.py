"""Chat templates of tokenizer folders: found, read as data, and rendered in one immutable sandbox, with limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from composer.plugin import is_file
from composer.problems import InputError
from composer_text.tokenizer_config import CONFIG, read_config, read_text, token_text

__all__ = ["read_chat", "render_chat"]

MOST_BYTES = 1 << 20
"""Of a file that holds a chat template; published ones have some 10,000."""
MOST_CHARACTERS = 1 << 20
SECONDS = 10.0
"""What a template may write, and how long it may take."""
TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
PASSED_ON = ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH")
"""What the process that renders needs of the surroundings to start."""


def read_chat(path: Path) -> dict[str, str]:
    """The template (`template`) and the special tokens by name.

    `path` is a folder of a tokenizer, its `tokenizer_config.json` or a `.jinja`. Raises ValueError where there is none.
    """
    if not path.exists():
        raise ValueError(f"no chat template lies at {path}: name a folder of a tokenizer, or a .jinja file")
    folder = path if path.is_dir() else path.parent
    config = read_config(path if path.suffix == ".json" else folder / CONFIG)
    own = path if path.suffix == ".jinja" else folder / "chat_template.jinja"
    template = (
        read_text(own, MOST_BYTES, "a chat template") if is_file(own) else _named(config.get("chat_template"))
    )
    if template is None:
        raise ValueError(
            f"{path} holds no chat template: name a folder of a tokenizer that has one, or a .jinja file"
        )
    tokens = {name: token_text(config[name]) for name in TOKENS if config.get(name)}
    return {"template": template, **tokens}


def _named(template: object) -> str | None:
    """The template, or of several the one that is called `default`."""
    if isinstance(template, list):
        named = {str(each.get("name")): each.get("template") for each in template if isinstance(each, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def render_chat(chat: Mapping[str, str], messages: list[dict[str, str]], *, seconds: float = SECONDS) -> str:
    """The text that a chat template makes of messages, with the opening of the answer.

    The template comes from whoever made a checkpoint, so a process of its own renders it, which holds nothing of ours.

    Raises InputError where the template refuses them, fails, writes too much or takes too long.
    """
    variables = {
        **{name: text for name, text in chat.items() if name != "template"},
        "messages": messages,
        "add_generation_prompt": True,
    }
    asked = json.dumps({"template": chat["template"], "variables": variables, "most": MOST_CHARACTERS})
    child = [sys.executable, "-I", str(Path(__file__).with_name("chat_child.py"))]
    surroundings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            child, input=asked.encode(), capture_output=True, timeout=seconds, env=surroundings, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"the chat template was stopped: it took longer than {seconds:g} seconds") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise InputError(
            "the chat template was stopped: it needs more memory or time than a template may"
        ) from None
    if "text" not in answer:
        raise InputError(f"the chat template cannot be used: {answer['refused']}")
    return str(answer["text"])
