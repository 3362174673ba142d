"""`tokenizer_config.json`, which lies beside a tokenizer: read as data, with limits. It names the special tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from composer.plugin import is_file
from composer_text.tokenizer_file import is_tokenizer_file, read_tokenizer_file
from composer_text.vocabulary import vocabulary_path

__all__ = ["CONFIG", "read_config", "read_text", "special_beside", "token_text"]

CONFIG = "tokenizer_config.json"
MOST_BYTES = 16 << 20
"""Of such a file; the largest published ones, which list thousands of added tokens, have 2 MB."""
ROLES = {"start": "bos_token", "end": "eos_token", "pad": "pad_token"}


def read_config(path: Path) -> dict[str, Any]:
    """The config, empty where no file lies there. Raises ValueError for what is not one."""
    if not is_file(path):
        return {}
    try:
        found = json.loads(read_text(path, MOST_BYTES, "the config of a tokenizer"))
    except (ValueError, RecursionError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not the config of a tokenizer")
    return found


def read_text(path: Path, most: int, what: str) -> str:
    """The text of a file of `most` bytes. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"{path} has more than {most:,} bytes, too many for {what}")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}") from error


def token_text(token: object) -> str:
    """What a special token spells: the config says it, or a map with more about it."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def special_beside(tokenizer: str) -> dict[str, int]:
    """Ids of the tokens that open, end and pad texts, as far as a config beside a `tokenizer.json` names them.

    Raises ValueError for a config that cannot be read.
    """
    path = vocabulary_path(tokenizer)
    if not is_tokenizer_file(path):
        return {}
    config = read_config(path.with_name(CONFIG))
    named = {role: token_text(config[name]) for role, name in ROLES.items() if config.get(name)}
    added = read_tokenizer_file(path).added if named else {}
    return {role: added[token] for role, token in named.items() if token in added}
