"""Renders one chat template: a process of its own runs this file, which knows nothing of the project.

It reads `{"template": ..., "variables": ..., "most": ...}` from standard input and writes `{"text": ...}` or
`{"refused": ...}`. The sandbox keeps a template from attributes that lead out of it and from changing what it is given;
the limits of memory and processor time end one that asks for too much, and so does whoever waits for it.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

MOST_MEMORY = 1 << 30
"""Bytes of addresses; a template of an ordinary model needs a small part of it."""
MOST_SECONDS = 20


def limit() -> None:
    """Hold this process to its memory and time, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: whoever waits ends it after its time
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def rendered(template: str, variables: dict[str, Any], most: int) -> dict[str, str]:
    """The text of a template, or why there is none."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def stop(message: object) -> None:
        raise jinja2.TemplateError(str(message))

    def refuse(_: object, attribute: str) -> NoReturn:
        raise jinja2.exceptions.SecurityError(f"`{attribute}` leads out of a template")

    def as_json(value: object, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], cache_size=0
    )
    setattr(environment, "unsafe_undefined", refuse)  # noqa: B010 # at once, not when it is used
    environment.filters["tojson"] = as_json
    environment.globals["raise_exception"] = stop
    try:
        pieces, size = [], 0
        for piece in environment.from_string(template).generate(**variables):
            size += len(piece)
            if size > most:
                return {"refused": f"it writes more than {most:,} characters"}
            pieces.append(piece)
        return {"text": "".join(pieces)}
    except MemoryError:
        return {"refused": "it needs more memory than a template may"}
    except Exception as error:  # a template is foreign code: whatever it raises is its own fault
        return {"refused": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    """One request, one answer."""
    import jinja2.ext
    import jinja2.sandbox  # noqa: F401 # what it needs is loaded before the limits count

    asked = json.load(sys.stdin)
    limit()
    json.dump(rendered(asked["template"], asked["variables"], asked["most"]), sys.stdout)


if __name__ == "__main__":
    main()
