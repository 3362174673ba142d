"""HTML: the picture on a page of its own, where hovering a box shows its shapes, its YAML line and its neighbours."""

from __future__ import annotations

from html import escape

from composer.problems.render.cells import clean

__all__ = ["html_text"]

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b2027; --card: #f6f8fa; --line: #c3cad3; --hot: #d0451b; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171c; --ink: #e8ebef; --card: #1c2129; --line: #4a5561; --hot: #ff8a5c; }
}
body { margin: 0; background: var(--page); color: var(--ink); }
svg { display: block; max-width: none; margin: 0 auto; }
#card { position: fixed; right: 16px; bottom: 16px; max-width: min(46rem, 90vw); margin: 0; padding: 10px 14px;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; white-space: pre-wrap;
  font: 12.5px/1.5 ui-monospace, 'DejaVu Sans Mono', Menlo, monospace; }
#card[hidden] { display: none; }
.box { cursor: default; outline: none; }
.box.near > rect { stroke-width: 2.4; }
.box.hot > rect { stroke: var(--hot); stroke-width: 2.6; }
.edge.hot { stroke: var(--hot); stroke-width: 2.4; }
.task.busy .box:not(.hot, .near), .task.busy .edge:not(.hot) { opacity: 0.35; }
"""

_SCRIPT = """
const card = document.getElementById("card");
for (const task of document.querySelectorAll(".task")) {
  const boxes = new Map([...task.querySelectorAll(".box")].map((box) => [box.dataset.box, box]));
  const edges = [...task.querySelectorAll(".edge")];
  for (const [name, box] of boxes) {
    const title = box.querySelector("title");
    const text = title.textContent;
    box.setAttribute("aria-label", text);
    title.remove();
    const show = () => {
      card.textContent = text;
      card.hidden = false;
      task.classList.add("busy");
      box.classList.add("hot");
      for (const edge of edges) {
        if (edge.dataset.from !== name && edge.dataset.to !== name) continue;
        edge.classList.add("hot");
        const other = boxes.get(edge.dataset.from === name ? edge.dataset.to : edge.dataset.from);
        if (other && other !== box) other.classList.add("near");
      }
    };
    const hide = () => {
      card.hidden = true;
      task.classList.remove("busy");
      for (const part of task.querySelectorAll(".hot, .near")) part.classList.remove("hot", "near");
    };
    box.addEventListener("mouseenter", show);
    box.addEventListener("mouseleave", hide);
    box.addEventListener("focus", show);
    box.addEventListener("blur", hide);
  }
}
"""


def html_text(name: str, svg: str) -> str:
    """A page around a picture. It loads nothing, and without scripts the picture keeps its plain tooltips."""
    title = escape(clean(name))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{svg}"
        f'<pre id="card" hidden></pre>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )
