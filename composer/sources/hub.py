"""Weights of Hub repositories: which files they are. Only files are fetched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from composer.language.declared_weights import DeclaredWeights
from composer.problems.suggest import listed, nearest
from composer.published.hub_repository import HubRepository, has_trouble
from composer.sources.checkpoint_files import INDEX_SUFFIX, weight_map
from composer.sources.weights_error import WeightsError

__all__ = ["fetch"]

_INDEX = ".safetensors.index.json"
_USUAL = (f"model{_INDEX}", "model.safetensors")
_NO_PART = "the repository has no file `{part}`, which {index} names: its upload is not whole"
_PICKLES = (".bin", ".pth", ".pt", ".ckpt")


def fetch(declared: DeclaredWeights, *, commit: str = "", local: bool = False) -> tuple[Path, str]:
    """The file of a repository, shards beside their index, and the commit that it belongs to.

    `commit` is read in place of the revision; with `local` nothing is fetched.

    Raises:
        WeightsError: one sentence: the library is not installed, there is no such repository, revision or file, it may
            not be read with the token that is set, or there is no network and the cache lacks the file.
    """
    repository = HubRepository.of(
        declared.hub,
        commit or declared.revision or None,
        lambda cause: WeightsError(f"weights {declared}: {cause}"),
        local=local,
    )
    with repository.telling(partial(_no_file, declared, repository)):
        name = declared.file or _choose(declared, repository)
        path = repository.download(name)
        repository.revision = _commit_of(path, name)
        shards = sorted(set(weight_map(path).values())) if name.endswith(INDEX_SUFFIX) else ()
    for shard in shards:
        part = str(PurePosixPath(name).with_name(shard))
        with repository.telling(partial(_NO_PART.format, part=part, index=name)):
            repository.download(part)
    return path, repository.revision


def _choose(declared: DeclaredWeights, repository: HubRepository) -> str:
    """The file that holds the weights, where the document names none: safetensors, and no pickle by chance."""
    if repository.offline or DeclaredWeights(revision=repository.revision or "").is_commit:
        for name in _USUAL:
            if isinstance(repository.cached(name), Path):
                return name
    if repository.offline:
        raise WeightsError(
            f"weights {declared}: the Hub cannot be asked ({repository.why_offline}), and its cache holds neither "
            f"{_USUAL[1]} nor {_USUAL[0]} of it: name the file, or fetch it once with a network"
        )
    try:
        files = repository.files()
    except Exception as error:
        held = (name for name in _USUAL if isinstance(repository.cached(name), Path))
        found = next(held, None) if has_trouble(error) else None
        if found is None:
            raise
        return found
    return _chosen(declared, files)


def _no_file(declared: DeclaredWeights, repository: HubRepository) -> str:
    name = declared.file
    try:
        files = repository.files()
    except Exception:  # the file is not there; what else there is would only have been a hint
        return f"the repository has no file `{name}`"
    weights = [file for file in files if file.endswith((".safetensors", _INDEX, *_PICKLES))]
    guess = nearest(name, weights)
    hint = f"; did you mean `{guess}`?" if guess is not None else "."
    return f"the repository has no file `{name}`{hint} Its weights are {listed(name, weights)}"


def _chosen(declared: DeclaredWeights, files: Sequence[str]) -> str:
    """The only safetensors checkpoint at the top of a repository."""
    top = [name for name in files if "/" not in name]
    for name in _USUAL:
        if name in top:
            return name
    indices = [name for name in top if name.endswith(_INDEX)]
    found = indices or [name for name in top if name.endswith(".safetensors")]
    if len(found) == 1:
        return found[0]
    if found:
        raise WeightsError(
            f"weights {declared}: the repository holds several checkpoints ({', '.join(sorted(found))}): name one with "
            "`file`"
        )
    inner = sorted(name for name in files if name.endswith((".safetensors", _INDEX)))
    if inner:
        raise WeightsError(
            f"weights {declared}: its weights lie in folders: name one with `file` ({listed('', inner)})"
        )
    pickles = sorted(name for name in files if name.endswith(_PICKLES))
    cause = "the repository holds no safetensors"
    if pickles:
        cause += f", but {', '.join(pickles[:3])}: a pickle is read only where `file` names it"
    raise WeightsError(f"weights {declared}: {cause}")


def _commit_of(path: Path, name: str) -> str:
    """The commit whose snapshot a file of the cache lies in."""
    return path.parents[len(PurePosixPath(name).parts) - 1].name
