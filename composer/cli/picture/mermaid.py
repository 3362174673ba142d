"""A task as a Mermaid flowchart, which many pages draw where it stands in their text."""

from __future__ import annotations

from collections.abc import Mapping

from composer.cli.picture.drawing import Box, Drawing

__all__ = ["mermaid_text"]


def mermaid_text(drawings: list[Drawing], colors: Mapping[str, tuple[str, str]]) -> str:
    """One flowchart with a subgraph per task."""
    lines = ["flowchart TD"]
    for number, drawing in enumerate(drawings):
        ids = {box.name: f"t{number}n{index}" for index, box in enumerate(drawing.boxes)}
        lines.append(f"  subgraph t{number}[{_quoted(drawing.title)}]")
        lines += [f"    {ids[box.name]}{_shape(box)}" for box in drawing.boxes]
        for edge in drawing.edges:
            label = f"{edge.port}: {edge.label}" if edge.port else edge.label
            lines.append(f"    {ids[edge.source]} -->|{_quoted(label)}| {ids[edge.target]}")
        lines.append("  end")
        for module in dict.fromkeys(box.module for box in drawing.boxes if box.module is not None):
            members = ",".join(ids[box.name] for box in drawing.boxes if box.module == module)
            fill, line = colors[module]
            name = f"m{list(colors).index(module)}"
            lines.append(f"  classDef {name} fill:{fill},stroke:{line},color:#0f172a")
            lines.append(f"  class {members} {name}")
    return "\n".join(lines) + "\n"


def _shape(box: Box) -> str:
    text = _quoted(f"{box.title}<br/>{box.detail}")
    return f"([{text}])" if box.kind in {"input", "output"} else f"[{text}]"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
