"""Checkpoints as the library and its older releases write them: parameters have other names there than in modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from composer.plugin import load_registry
from composer.plugin.asking import import_object
from composer.weights import WeightsError, load_weights

transformers = pytest.importorskip("transformers")

REGISTRY = load_registry()
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    f"{sort}-{example['family']}": (sort, dict(example))
    for sort in ("text", "vision", "audio")
    for example in REGISTRY.module_types[f"transformers.{sort}_encoder"].examples
}


def written(folder: Path, sort: str, example: dict[str, Any]) -> tuple[Any, Any, dict[str, torch.Tensor]]:
    """The library's model with numbers of its own, our config, and the tensors of the file that the library writes."""
    entry = REGISTRY.module_types[f"transformers.{sort}_encoder"]
    config: Any = entry.config.model_validate(example)
    torch.manual_seed(3)
    own = getattr(transformers, config.row.config_class)(**example["config"])
    library = getattr(transformers, config.row.model_class)(own)
    with torch.no_grad():
        for parameter in library.parameters():
            parameter.add_(torch.randn_like(parameter))
    library.save_pretrained(folder)
    return library, config, load_file(folder / "model.safetensors")


def loaded(sort: str, config: Any, tensors: dict[str, torch.Tensor]) -> Any:
    entry = REGISTRY.module_types[f"transformers.{sort}_encoder"]
    module = import_object(entry.builder, entry.title)(config)
    assert entry.layout is not None
    layout = REGISTRY.layouts[str(entry.layout(config))]
    # of a source for one module, targets leave the module's name out: here it is called `model`
    load_weights({"model": module.model}, tensors, layout=layout)
    return module


def assert_same(module: Any, library: Any) -> None:
    expected = library.state_dict()
    found = module.model.state_dict()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_of_the_library_is_read(tmp_path: Path, name: str) -> None:
    sort, example = EXAMPLES[name]
    library, config, tensors = written(tmp_path, sort, example)
    assert_same(loaded(sort, config, tensors), library)


@pytest.mark.parametrize("wrap", ["vit", "model"])
def test_keys_below_the_name_of_the_model_are_read_too(tmp_path: Path, wrap: str) -> None:
    library, config, tensors = written(tmp_path, *EXAMPLES["vision-vit"])
    below = {f"{wrap}.{key}": value for key, value in tensors.items()}
    assert_same(loaded("vision", config, {**below, "classifier.weight": torch.zeros(2, 32)}), library)


def test_norms_of_the_first_releases_are_read(tmp_path: Path) -> None:
    library, config, tensors = written(tmp_path, *EXAMPLES["text-bert"])
    older = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in tensors.items()
    }
    assert older.keys() != tensors.keys()
    assert_same(loaded("text", config, older), library)


def test_a_file_of_another_family_is_refused(tmp_path: Path) -> None:
    _, config, tensors = written(tmp_path, *EXAMPLES["vision-dinov2"])
    del tensors["encoder.layer.0.attention.attention.query.weight"]
    with pytest.raises(WeightsError, match=r"encoder\.layer\.0\.attention\.q_proj\.weight"):
        loaded("vision", config, tensors)


def test_the_table_is_what_the_script_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from composer_transformers import make_published_names, published_names

    written_again = tmp_path / "names.json"
    monkeypatch.setattr(make_published_names, "TABLE", written_again)
    make_published_names.main()
    assert json.loads(written_again.read_text()) == json.loads(published_names.TABLE.read_text())
    assert tuple(json.loads(written_again.read_text())) == published_names.RENAMED
