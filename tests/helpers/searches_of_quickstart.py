"""The quick start with one task for each kind of search, for tests of their options."""

from __future__ import annotations

from pathlib import Path

PICTURE = str(Path(__file__).parents[2] / "examples" / "quickstart" / "picture.png")
SEARCHES = {
    "plain": "core.greedy",
    "without-blue": "{uses: core.greedy, with: {forbidden: [blue]}}",
    "without-run": "{uses: core.beam, with: {beams: 3, forbidden: [blue rectangle]}}",
    "begins": "{uses: core.greedy, with: {first: the, no_repeat_ngram: 2, repetition_penalty: 1.2}}",
    "beams": "{uses: core.beam, with: {beams: 4, length_penalty: 1.0, early_stop: true}}",
    "groups": "{uses: core.beam, with: {beams: 4, groups: 2, diversity: 0.5}}",
    "published": "{uses: mplug2.beam, with: {beams: 3, repetition_penalty: 1.3}}",
    "draws": "{uses: core.sample, with: {temperature: 3.0, top_p: 0.99, no_repeat_ngram: 2, stop: [seven]}}",
    "stopped": "{uses: core.greedy, with: {stop: [circle, e rect]}}",
    "stopped-beams": "{uses: core.beam, with: {beams: 3, stop: [e rect]}}",
    "stopped-draws": "{uses: core.sample, with: {top_k: 1, stop: [e rect]}}",
    "choices": "{uses: core.choices, with: {answers: [a red circle, a blue rectangle, a blue circle]}}",
}
TASK = """
  {name}:
    inputs:
      image: {{modality: image, with: {{size: $image_size}}}}
    nodes:
      picture: {{call: vision.image, inputs: {{pixels: image.pixels}}}}
      looked: {{call: universal.vision, inputs: {{states: picture.states}}}}
      visual: {{call: seen, inputs: {{states: picture.states, update: looked.states}}}}
      caption: {{generate: decoder, inputs: {{memory: visual.states}}, with: {{max_tokens: {most}, search: {search}}}}}
    outputs: {{caption: caption.text{more}}}
"""
HEAD = """\
composer: 1
name: searches
extends: quickstart
tasks:
  image-qa: null
  image-caption: null
  video-caption: null
"""


def captions(folder: Path, *names: str) -> Path:
    """A document with a task for each of these searches, or for all of them."""
    text = HEAD
    for name in names or SEARCHES:
        more = ", ranking: caption.ranking, chances: caption.probabilities" if name == "choices" else ""
        text += TASK.format(name=name, search=SEARCHES[name], more=more, most=10)
    if not names:
        search = "{uses: core.greedy, with: {stop: [rect]}}"
        text += TASK.format(name="stopped-long", search=search, more=", ids: caption.ids", most=20)
    path = folder / "searches.yaml"
    path.write_text(text)
    return path
