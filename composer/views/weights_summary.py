"""What a saved file of weights holds, by module: for adapters what they were trained beside. Needs no torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from composer.graph.checked import split_part
from composer.sources.safetensors_header import Header, StoredTensor, read_header

__all__ = ["weights_lines", "weights_summary"]

FIRST, SECOND = ".lora_A", ".lora_embedding_A"
"""What stands in the names of the first matrix of an adapter, behind the part that it is beside."""
PEFT = "base_model.model."
"""What peft writes before the names of an adapter that it saves."""
PEFT_CONFIG = "adapter_config.json"
SHOWN_DIGEST = 12


def weights_summary(path: Path) -> dict[str, object]:
    """What a file holds, for JSON. Raises WeightsError where it cannot be read."""
    header = read_header(path)
    names: dict[str, list[str]] = {}
    for name in header.tensors:
        names.setdefault(_owner(name), []).append(name)
    modules = {owner: _module(owner, each, header) for owner, each in names.items()}
    dtypes = Counter(tensor.dtype for tensor in header.tensors.values())
    found: dict[str, object] = {
        "file": str(path),
        "bytes": header.size,
        "tensors": len(header.tensors),
        "values": sum(tensor.values for tensor in header.tensors.values()),
        "dtypes": dict(dtypes.most_common()),
        "modules": modules,
        "document": header.metadata.get("document", ""),
        "bases": _bases(header),
    }
    published = _published_base(path, header)
    return {**found, **({"peft": published} if published else {})}


def _owner(name: str) -> str:
    return PEFT.rstrip(".") if name.startswith(PEFT) else name.partition(".")[0]


def _module(owner: str, names: list[str], header: Header) -> dict[str, object]:
    tensors = [header.tensors[name] for name in names]
    counts = {"tensors": len(tensors), "values": sum(tensor.values for tensor in tensors)}
    module, adapter = split_part(owner)
    firsts = {name: header.tensors[name] for name in names if FIRST in name or SECOND in name}
    if not firsts:
        return {**counts, **({"adapter": adapter, "of": module} if adapter else {})}
    ranks = sorted({_rank(tensor) for tensor in firsts.values()})
    of = {"adapter": adapter, "of": module} if adapter else {}
    return {**counts, **of, "ranks": ranks, "parts": len(firsts)}


def _rank(first: StoredTensor) -> int:
    """The first matrix is [rank, width], of an embedding too."""
    return first.shape[0] if first.shape else 0


def _bases(header: Header) -> list[dict[str, Any]]:
    """The sources that hold what was left out, with the digests that they had."""
    try:
        told = json.loads(header.metadata.get("began_with", "[]"))
        left_out = [name for name in header.metadata.get("left_out", "").split(", ") if name]
        return [
            {
                "source": dict(each["source"]),
                "modules": [name for name in left_out if each.get("whole") or name in each["modules"]],
            }
            for each in told
        ]
    except (ValueError, TypeError, LookupError):
        return []


def _published_base(path: Path, header: Header) -> dict[str, object]:
    """The base that peft's own config beside a file names."""
    if not any(name.startswith(PEFT) for name in header.tensors):
        return {}
    try:
        config = json.loads((path.parent / PEFT_CONFIG).read_text(encoding="utf-8"))
        return {
            "base": str(config["base_model_name_or_path"] or ""),
            "revision": config.get("revision") or "",
        }
    except (OSError, ValueError, TypeError, LookupError):
        return {"base": "", "revision": ""}


def weights_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The same, for people."""
    dtypes = ", ".join(f"{count} {dtype}" for dtype, count in summary["dtypes"].items())
    yield (
        f"{summary['file']}: weights, {summary['tensors']:,} tensors ({dtypes}), {summary['values']:,} values, "
        f"{summary['bytes']:,} bytes"
    )
    modules: Mapping[str, Mapping[str, Any]] = summary["modules"]
    width = max((len("module"), *map(len, modules)))
    yield f"  {'module':<{width}}  {'tensors':>7}  {'values':>13}"
    for name, module in modules.items():
        row = f"  {name:<{width}}  {module['tensors']:>7,}  {module['values']:>13,}"
        yield row + (f"  {_adapter_text(module)}" if "ranks" in module or "adapter" in module else "")
    if summary["document"]:
        yield f"trained in document: {summary['document']}"
    yield from _base_lines(summary, modules)


def _adapter_text(module: Mapping[str, Any]) -> str:
    whose = (
        f"adapter `{module['adapter']}` of module `{module['of']}`" if "adapter" in module else "an adapter"
    )
    if "ranks" not in module:
        return whose
    ranks = ", ".join(map(str, module["ranks"]))
    return f"{whose}: rank {ranks} beside {module['parts']} part{'s' if module['parts'] != 1 else ''}"


def _base_lines(summary: Mapping[str, Any], modules: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the adapters were trained beside: a source with its digest, what is in the file itself, or nothing known."""
    for base in summary["bases"]:
        source = base["source"]
        where = next((source[key] for key in ("file", "package", "hub") if source.get(key)), "?")
        said = [f"{key} {source[key]}" for key in ("revision", "layout", "prefix") if source.get(key)]
        digest = f"SHA-256 {source['sha256']}" if source.get("sha256") else "no digest is known"
        whose = ", ".join(base["modules"]) or "its modules"
        yield f"base of {whose}: {', '.join([where, *said, digest])}"
    if "peft" in summary:
        named = summary["peft"]["base"]
        yield (
            f"base: {named} (as {PEFT_CONFIG} says; no digest is known)"
            if named
            else (f"base: not known, as no {PEFT_CONFIG} lies beside it")
        )
    told = {module for base in summary["bases"] for module in base["modules"]}
    for name, module in modules.items():
        of = module.get("of")
        if of and of not in told:
            known = "which is in this file" if of in modules else "and nothing says which weights"
            yield f"base of {name}: `{of}`, {known}"
