"""Low-rank layers, as peft makes and merges them, around parts of a module that stay where they are."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from composer.graph.low_rank import LowRank
from composer.problems import InputError

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

__all__ = ["ADAPTED", "holders_of", "low_rank_layers", "merged", "weights_of"]

ADAPTED = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Parts that an adapter can be put beside."""
NAME = "default"
"""What peft calls the one adapter of a layer: every adapter of a document has layers of its own."""
META = torch.device("meta")


def low_rank_layers(parts: Mapping[str, nn.Module], config: LowRank, *, empty: bool) -> dict[str, LoraLayer]:
    """A layer of peft around each part, with fresh weights beside the part's own: as yet it does what the part does.

    The parts are left as they are. `empty` keeps weights without data beside parts that have none.

    Raises:
        InputError: peft is not installed. ValueError: it refuses a part.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise InputError(
            f"adapters need peft, which cannot be imported here ({error}): "
            "`pip install 'multimodal-composer[adapters]'`"
        ) from None
    holder = nn.Module()
    for index, part in enumerate(parts.values()):
        holder.add_module(str(index), part)
    own = [(parameter, parameter.requires_grad) for parameter in holder.parameters()]
    asked = LoraConfig(
        r=config.rank,
        lora_alpha=config.rank if config.alpha is None else config.alpha,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules=list(dict(holder.named_children())),
    )
    inject_adapter_in_model(asked, holder, adapter_name=NAME)
    for parameter, trains in own:  # peft freezes all but its own
        parameter.requires_grad_(trains)
    found: dict[str, Any] = dict(zip(parts, holder.children(), strict=True))
    for name, layer in found.items():
        layer.__class__ = _as_the_part(cast("Hashable", type(layer)))
        if not empty:
            _fill(layer)
        for holder in holders_of(layer).values():
            holder.to(_dtype_of(parts[name]))
    return found


@functools.cache
def _as_the_part(kind: Any) -> type[Any]:
    """A layer that can be read as the part can, whose `weight` is the adapted one: peft shows the part's own.

    Modules read weights of their parts without calling them, such as those of embeddings that a head applies: with an
    adapter they then do what they do once it is merged.
    """

    def read(layer: Any, name: str) -> Any:
        try:
            return kind.__getattr__(layer, name)
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(layer.base_layer, name)

    more = {"weight": property(_adapted_weight), "__getattr__": read, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), more)


def _adapted_weight(layer: Any) -> Tensor:
    weight: Tensor = layer.base_layer.weight
    if NAME in layer.lora_embedding_A:
        product = layer.lora_embedding_A[NAME].T @ layer.lora_embedding_B[NAME].T
    elif isinstance(layer.lora_A[NAME], nn.Linear):
        product = layer.lora_B[NAME].weight @ layer.lora_A[NAME].weight
    else:  # a convolution, whose product has its own form
        return weight + cast("Tensor", layer.get_delta_weight(NAME))
    return weight + cast("Tensor", product * layer.scaling[NAME])


def _dtype_of(part: nn.Module) -> torch.dtype:
    weight = part.weight
    assert isinstance(weight, Tensor)
    return weight.dtype


def _fill(layer: Any) -> None:
    """Give fresh values to weights beside a part on the meta device: peft puts them where that is."""
    if not any(tensor.is_meta for tensor in weights_of(layer).values()):
        return
    for own in (layer.lora_A, layer.lora_B):
        own.to_empty(device="cpu")
    for table in (layer.lora_embedding_A, layer.lora_embedding_B):
        for name, tensor in list(table.items()):
            table[name] = nn.Parameter(torch.empty_like(tensor, device="cpu"))
    layer.reset_lora_parameters(NAME, True)


def holders_of(layer: Any) -> dict[str, nn.Module]:
    """What holds the weights of a layer that are the adapter's, by name."""
    own = {
        "lora_A": layer.lora_A,
        "lora_B": layer.lora_B,
        "lora_embedding_A": layer.lora_embedding_A,
        "lora_embedding_B": layer.lora_embedding_B,
    }
    return {
        name: held[NAME] if isinstance(held, nn.ModuleDict) else held
        for name, held in own.items()
        if NAME in held
    }


def weights_of(layer: Any) -> dict[str, Tensor]:
    """The weights of a layer that are the adapter's."""
    return {
        f"{holder}.{name}": tensor
        for holder, held in holders_of(layer).items()
        for name, tensor in held.named_parameters()
    }


@torch.no_grad()
def merged(layer: Any) -> nn.Module:
    """The part of a layer with the adapter's product added to its weight; the part itself stays as it is."""
    part: nn.Module = layer.base_layer
    own = type(part).__new__(type(part))
    own.__dict__ = {**part.__dict__, "_parameters": dict(part._parameters)}
    weight = part.weight
    assert isinstance(weight, Tensor)
    own.weight = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
    layer.base_layer = own
    try:
        layer.merge()
    finally:
        layer.base_layer = part
        layer.merged_adapters.clear()
    return own
