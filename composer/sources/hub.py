"""Files of Hub repositories, by huggingface_hub: its cache, its offline switch, its token. Only files are fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from composer.language.declared_weights import DeclaredWeights
from composer.problems.suggest import listed, nearest
from composer.sources.checkpoint_files import INDEX_SUFFIX, weight_map
from composer.sources.weights_error import WeightsError

__all__ = ["fetch"]

_INDEX = ".safetensors.index.json"
_USUAL = (f"model{_INDEX}", "model.safetensors")
_PICKLES = (".bin", ".pth", ".pt", ".ckpt")


def fetch(declared: DeclaredWeights, *, commit: str = "", local: bool = False) -> tuple[Path, str]:
    """The file of a repository, shards beside their index, and the commit that it belongs to.

    `commit` is read in place of the revision; with `local` nothing is fetched.

    Raises:
        WeightsError: one sentence: the library is not installed, there is no such repository, revision or file, it may
            not be read with the token that is set, or there is no network and the cache lacks the file.
    """
    try:
        from huggingface_hub import constants
    except ImportError:
        raise WeightsError(
            f"weights {declared}: reading from the Hub takes huggingface_hub, which is not installed: "
            "pip install huggingface_hub"
        ) from None
    offline = local or constants.HF_HUB_OFFLINE
    repository = _Repository(declared, commit or declared.revision or None, offline, local)
    with repository.telling():
        name = declared.file or repository.choose()
        path = repository.download(name)
        repository.revision = _commit_of(path, name)
        if name.endswith(INDEX_SUFFIX):
            for shard in sorted(set(weight_map(path).values())):
                repository.download(str(PurePosixPath(name).with_name(shard)))
    return path, repository.revision


@dataclass
class _Repository:
    """One repository at one revision."""

    declared: DeclaredWeights
    revision: str | None
    offline: bool
    local: bool

    def download(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(
            hf_hub_download(self.declared.hub, name, revision=self.revision, local_files_only=self.local)
        )

    def choose(self) -> str:
        """The file that holds the weights, where the document names none: safetensors, and no pickle by chance."""
        if self.offline or DeclaredWeights(revision=self.revision or "").is_commit:
            from huggingface_hub import try_to_load_from_cache

            for name in _USUAL:
                if isinstance(try_to_load_from_cache(self.declared.hub, name, revision=self.revision), str):
                    return name
        if self.offline:
            raise WeightsError(
                f"weights {self.declared}: the Hub cannot be asked ({self._why_offline}), and its cache holds neither "
                f"{_USUAL[1]} nor {_USUAL[0]} of it: name the file, or fetch it once with a network"
            )
        return _chosen(self.declared, self.files())

    def files(self) -> list[str]:
        """The names of all files. The revision becomes the commit that it stands for now."""
        from huggingface_hub import HfApi

        found = HfApi().model_info(self.declared.hub, revision=self.revision)
        self.revision = found.sha or self.revision
        return [each.rfilename for each in found.siblings or ()]

    @property
    def _why_offline(self) -> str:
        return "nothing is fetched here" if self.local else "HF_HUB_OFFLINE is set"

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn what huggingface_hub raises into one sentence."""
        from huggingface_hub import errors

        try:
            yield
        except WeightsError:
            raise
        except errors.GatedRepoError:
            raise self._error(
                "it is gated: ask for access on its page, then set HF_TOKEN to a token that has it"
            ) from None
        except errors.RepositoryNotFoundError:
            raise self._error(
                "the Hub has no such repository, or it is private: check the name, or set HF_TOKEN to a token that "
                "may read it"
            ) from None
        except errors.RevisionNotFoundError:
            raise self._error(f"the repository has no revision `{self.revision}`") from None
        except errors.LocalEntryNotFoundError:
            raise self._error(self._not_cached()) from None
        except errors.EntryNotFoundError:
            raise self._error(self._no_file()) from None
        except (errors.HFValidationError, errors.HfHubHTTPError) as error:
            raise self._error(_first_line(error)) from None
        except Exception as error:  # of the library for connections, which is another one in other versions
            raise self._error(
                f"the Hub cannot be reached ({_first_line(error)}): check the network"
            ) from None

    def _error(self, cause: str) -> WeightsError:
        return WeightsError(f"weights {self.declared}: {cause}")

    def _not_cached(self) -> str:
        if self.offline:
            return f"the cache of the Hub does not hold it, and {self._why_offline}: fetch it once with a network"
        return "the Hub cannot be reached, and its cache does not hold the file: check the network"

    def _no_file(self) -> str:
        name = self.declared.file
        try:
            files = self.files()
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


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
