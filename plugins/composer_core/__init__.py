"""Plugin entry module of the base kinds and the module types that belong to no model. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, SearchPolicy, TextRules, hookimpl
from composer_core.arrays import ARRAY
from composer_core.box_values import BOX
from composer_core.class_labels import LABEL
from composer_core.configs import BeamConfig, ChoicesConfig, SampleConfig, choice_ports
from composer_core.kinds import KINDS
from composer_core.metric_types import METRICS
from composer_core.module_types import MODULE_TYPES
from composer_core.objective_types import OBJECTIVE_TYPES
from composer_core.text_types import STRING, TEXT_TYPES

__all__ = ["composer_register"]


RULES = {"repetition_penalty": 1.5, "no_repeat_ngram": 2, "forbidden": [5, [6, 7]], "first": 4, "last": 2}
"""Rules with which the conformance kit searches, on a vocabulary of nine tokens."""
SEARCHES = (
    SearchPolicy(
        "core.greedy",
        "composer_core.search:BeamSearch",
        "The most probable token at every step.",
        config=TextRules,
        streams=lambda config: True,
        examples=({}, RULES),
    ),
    SearchPolicy(
        "core.beam",
        "composer_core.search:BeamSearch",
        "Beam search over summed log-probabilities, with a length penalty and diverse groups where they are asked for.",
        config=BeamConfig,
        beams=lambda config: int(config.beams),
        streams=lambda config: True,
        normalises=True,
        ends_at_stops=lambda config: int(config.beams) > 1,
        examples=(
            {"beams": 1},
            {"beams": 3},
            {"beams": 3, "length_penalty": 1.0, "early_stop": True, **RULES},
            {"beams": 4, "groups": 2, "diversity": 0.5, "early_stop": "never", "length_penalty": 1.0},
        ),
        formerly="none",
    ),
    SearchPolicy(
        "core.sample",
        "composer_core.sampling:SampleSearch",
        "Tokens drawn by their probabilities, among the likeliest where the options say so.",
        config=SampleConfig,
        streams=lambda config: True,
        seeded="each",
        examples=({}, {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.05}, RULES),
    ),
    SearchPolicy(
        "core.choices",
        "composer_core.choices:ChoiceSearch",
        "Answers of a fixed list with their probabilities, none of them generated: one pass for each level of a tree.",
        config=ChoicesConfig,
        beams=lambda config: len(config.answers),
        spells=True,
        ports=choice_ports,
        examples=({"answers": ["ab", "abc", "dab"]}, {"answers": ["de"], "length_penalty": 1.0}),
    ),
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register the base kinds, the core module types, the modalities `array`, `label` and `string`, the searches and
    the metrics.
    """
    register(
        *KINDS, *MODULE_TYPES, *OBJECTIVE_TYPES, *TEXT_TYPES, ARRAY, BOX, LABEL, STRING, *SEARCHES, *METRICS
    )
