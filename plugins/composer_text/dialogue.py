"""Dialogues: a prompt as turns of a chat template, and the turns that come with a request.

A chat template sees marks in the place of texts, never what somebody wrote; what it makes of the marks depends on the
roles alone, so it is rendered once for each sequence of roles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from composer.plugin.templates import Placeholder, template_parts
from composer.problems import InputError
from composer_text.chat import render_chat
from composer_text.prompt_config import TemplateConfig
from composer_text.rows import check_text

__all__ = ["MESSAGES", "Dialogues", "Turn", "turns_of"]

OPEN, CLOSE = "\ue000\ue001", "\ue001\ue000"
"""Around the number of a placeholder while a chat template is rendered: private characters, which none changes."""
MESSAGES = "messages"
"""The entry of a map that holds turns, where a list of them cannot be given."""
ROLES = ("system", "user", "assistant")
MOST_TURNS = 256
MOST_KEPT = 64
"""Sequences of roles of which what was rendered is kept."""

Turn = tuple[str, str]
"""A role and a text."""
Pieces = list["str | Placeholder"]


def turns_of(title: str, value: object, fields: Sequence[str]) -> list[Turn] | None:
    """The turns of a raw value: a list of maps with `role` and `content`, or a map whose `messages` is one, or JSON.

    None for a value that is texts. Raises InputError for turns that no dialogue has.
    """
    if isinstance(value, Mapping) and set(value) == {MESSAGES} and MESSAGES not in fields:
        value = _parsed(title, value[MESSAGES])
    if not isinstance(value, list):
        return None
    turns: list[Turn] = []
    for number, message in enumerate(value, 1):
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise InputError(f"{title}: turn {number} is no map of `role` and `content`")
        role, content = message["role"], message["content"]
        if role not in ROLES or (role == "system" and number > 1):
            raise InputError(
                f"{title}: turn {number} has the role {role!r:.40}; there are user, assistant, and system at the start"
            )
        check_text(f"turn {number} of {title}", content)
        turns.append((role, content))
    if not turns or turns[-1][0] != "user":
        raise InputError(f"{title}: the last turn has to be one of the user, which is then answered")
    if len(turns) > MOST_TURNS:
        raise InputError(f"{title} has {len(turns)} turns, and {MOST_TURNS} are the most")
    return turns


def _parsed(title: str, value: object) -> object:
    """What `messages` holds, as a list."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{MESSAGES} of {title} is not JSON: {error}") from None
    if not isinstance(value, list):
        raise InputError(f"{MESSAGES} of {title} is no list of turns, each a map of `role` and `content`")
    return value


@dataclass
class Dialogues:
    """What the chat template of a config makes of turns.

    A turn of the user is the config's template with its text; media stand in the first one.
    """

    config: TemplateConfig
    chat: Mapping[str, str]
    _kept: dict[tuple[str, ...], Pieces] = field(default_factory=dict)

    def single(self) -> Pieces:
        """The turns of the config and the template as the last turn of a user, their placeholders by their names."""
        before = [(role, text) for turn in self.config.turns for role, text in turn.items()]
        turns = (*before, ("user", self.config.template))
        return self._rendered([(role, template_parts(text)) for role, text in turns])

    def several(self, roles: tuple[str, ...]) -> Pieces:
        """The turns of these roles; the text of each is a placeholder that is called after its number, from 0.

        Raises InputError where the template has not one text, and where the chat template refuses the roles.
        """
        if roles not in self._kept:
            if len(self.config.fields) != 1:
                raise InputError("turns go into a template with one text")
            if self.config.turns:
                raise InputError("the document has the turns before: give the texts of its placeholders")
            if roles[0] == "system" and self.config.system is not None:
                raise InputError("the document has a turn of the system: leave yours out")
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            first = roles.index("user")
            turns: list[tuple[str, Pieces]] = [
                (
                    role,
                    self._of_user(str(number), media=number == first)
                    if role == "user"
                    else [Placeholder(str(number))],
                )
                for number, role in enumerate(roles)
            ]
            self._kept[roles] = self._rendered(turns)
        return self._kept[roles]

    def _of_user(self, name: str, *, media: bool) -> Pieces:
        pieces: Pieces = []
        for piece in template_parts(self.config.template):
            if isinstance(piece, str):
                pieces.append(piece if pieces or media else piece.lstrip())
            elif piece.name not in self.config.media:
                pieces.append(Placeholder(name))
            elif media:
                pieces.append(piece)
        return pieces

    def _rendered(self, turns: Sequence[tuple[str, Pieces]]) -> Pieces:
        names: list[str] = []
        messages: list[dict[str, str]] = []
        if self.config.system is not None:
            messages.append({"role": "system", "content": self.config.system})
        for role, pieces in turns:
            content = ""
            for piece in pieces:
                if isinstance(piece, Placeholder):
                    content += f"{OPEN}{len(names)}{CLOSE}"
                    names.append(piece.name)
                else:
                    content += piece
            messages.append({"role": role, "content": content})
        return _read(render_chat(self.chat, messages), names)


def _read(text: str, names: Sequence[str]) -> Pieces:
    """The text with placeholders for the marks. Raises InputError where not every one of them stands in it once."""
    found: Pieces = []
    written = []
    for number, part in enumerate(re.split(f"{OPEN}(\\d+){CLOSE}", text)):
        if number % 2:
            written.append(int(part))
            found.append(Placeholder(names[int(part)]))
        elif part:
            found.append(part)
    if sorted(written) != list(range(len(names))):
        lost: Any = next((name for number, name in enumerate(names) if written.count(number) != 1), names[0])
        what = f"turn {int(lost) + 1}" if lost.isdigit() else f"{{{lost}}}"
        raise InputError(f"the chat template does not write {what} once, as the turn of a user has it")
    return found
