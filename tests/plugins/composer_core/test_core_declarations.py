"""The core plugin loads whole, cheaply, and what it declares hangs together."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from composer.plugin import Registry

HEAVY = ("torch", "numpy", "PIL", "av", "tokenizers", "transformers")


def test_it_registers_without_fault(registry: Registry) -> None:
    assert registry.broken == []
    assert registry.conflicts == []
    assert {"pixels", "frames", "tokens", "states", "logits", "labels", "scalar"} <= set(registry.kinds)
    assert {"core.concat", "core.linear", "core.pool"} <= set(registry.module_types)


@pytest.mark.parametrize("plugin", ["composer_core", "composer_text", "composer_vision"])
def test_an_entry_module_imports_nothing_heavy(plugin: str) -> None:
    # Registering and reading signatures must be as light as importing.
    code = (
        f"import sys, {plugin}\n"
        "from composer.plugin import load_registry\n"
        f"registry = load_registry(only=['{plugin.removeprefix('composer_')}'])\n"
        "assert not registry.broken, registry.broken\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_fields_of_every_kind_lie_within_its_dims(registry: Registry) -> None:
    for kind in registry.kinds.values():
        for name, field in kind.fields.items():
            assert all(0 <= dim < len(kind.dims) for dim in field.dims), (kind.id, name)
        if kind.record is None:
            assert len(kind.fields) == 1, kind.id
        else:
            assert getattr(kind.record, "_fields", None) == tuple(kind.fields), kind.id


def test_every_port_is_of_a_registered_kind_and_rank(registry: Registry) -> None:
    configs = {
        "core.linear": {"input_dim": 4, "output_dim": 6},
        "core.layer_norm": {"dim": 4},
    }
    for module_type in registry.module_types.values():
        example = next(iter(module_type.examples), {})
        config = module_type.config.model_validate(configs.get(module_type.id, example))
        for method in module_type.methods.values():
            signature = method.signature(config)
            for port in (*signature.inputs.values(), *signature.outputs.values()):
                assert len(port.type.dims) == len(registry.kinds[port.type.kind].dims), (module_type.id, port)


def test_select_asks_for_states_long_enough(registry: Registry) -> None:
    declared = registry.module_types["core.select"]
    signature = declared.methods["forward"].signature(declared.config.model_validate({"position": 3}))
    assert signature.ranges["N"][0] == 4


def test_linear_declares_its_widths(registry: Registry) -> None:
    declared = registry.module_types["core.linear"]
    signature = declared.methods["scores"].signature(
        declared.config.model_validate({"input_dim": 8, "output_dim": 3})
    )
    assert str(signature.inputs["embedding"].type) == "embedding[B, 8]"
    assert str(signature.outputs["scores"].type) == "scores[B, 3]"


@pytest.mark.parametrize(
    ("identity", "config"),
    [
        ("core.linear", {"input_dim": 0, "output_dim": 4}),
        ("core.linear", {"input_dim": "8", "output_dim": 4}),
        ("core.linear", {"input_dim": 8, "output_dim": 4, "biass": True}),
        ("core.layer_norm", {"dim": 4, "eps": 0.0}),
        ("core.select", {"position": -1}),
        ("core.pool", {"how": "median"}),
        ("core.concat", {"dim": 1}),
    ],
)
def test_a_wrong_config_is_refused(registry: Registry, identity: str, config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.module_types[identity].config.model_validate(config)
