"""What is shipped is buildable by its own examples: the config of every module type takes them."""

from __future__ import annotations

import pytest

from composer.conformance import check_plugin
from composer.conformance.cases import configs_of
from composer.plugin import load_registry


def test_every_shipped_example_is_a_config_of_its_type() -> None:
    """A type whose examples its own config refuses cannot be used by anybody, and no other test need meet it."""
    configs = [
        (entry.id, config) for entry in load_registry().module_types.values() for config in configs_of(entry)
    ]
    assert {id for id, _ in configs} >= {"transformers.seq2seq", "transformers.causal_lm", "timm.backbone"}
    assert len(configs) > len({id for id, _ in configs})


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["timm", "transformers"])
def test_a_plugin_of_a_library_keeps_its_promises(plugin: str) -> None:
    report = check_plugin(plugin)
    assert report.passed, "\n".join(f"{each.subject}: {each}" for each in report.failures)
