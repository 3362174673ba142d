"""Building models of transformers: from a config alone, also on the meta device, with what no checkpoint holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from composer.problems import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["library_model"]


def library_model(
    model_class: str,
    config_class: str,
    values: Mapping[str, Any],
    *,
    attention: str = "sdpa",
    options: Mapping[str, Any] | None = None,
) -> PreTrainedModel:
    """A model with initial weights, or on the meta device where the caller asks for that.

    There too it has the values of what a checkpoint never holds, such as the frequencies of rotary positions.

    Raises:
        InputError: the library is missing or too old for the family, or refuses the config.
    """
    try:
        import transformers

        config_type = getattr(transformers, config_class)
        model_type = getattr(transformers, model_class)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{model_class} needs the package transformers, 5.17 or later: {error}") from error
    try:
        config = config_type(**values)
        config._attn_implementation = attention
        model: PreTrainedModel = model_type(config, **(options or {}))
    except Exception as error:  # each class raises what it likes for a value that it refuses
        told = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"it does not know {error}" if isinstance(error, KeyError) else told[-1].strip()
        raise InputError(f"transformers refuses the config of a {model_class}: {reason}") from error
    _set_apart(model)
    _fill_transient(model)
    return model


def _set_apart(model: PreTrainedModel) -> None:
    """Make buffers of parameters that the library never saves, such as positions of sines: they are computed."""
    unsaved = [re.compile(pattern) for pattern in model._keys_to_ignore_on_save or ()]
    for name, parameter in list(model.named_parameters()):
        if any(pattern.fullmatch(name) for pattern in unsaved):
            owner, _, leaf = name.rpartition(".")
            part = model.get_submodule(owner)
            del part._parameters[leaf]
            part.register_buffer(leaf, parameter.detach(), persistent=False)


def _fill_transient(model: PreTrainedModel) -> None:
    """Give buffers that are never saved their values, on the CPU, where a model was built on the meta device."""
    for part in list(model.modules()):
        own = {name: buffer for name, buffer in part.named_buffers(recurse=False) if buffer.is_meta}
        lacking = {name: own[name] for name in own if name in part._non_persistent_buffers_set}
        if not lacking:
            continue
        with torch.device("cpu"):
            for name, buffer in lacking.items():
                part._buffers[name] = torch.empty_like(buffer, device="cpu")
            model._init_weights(part)
