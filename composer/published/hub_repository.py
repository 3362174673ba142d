"""A repository of the Hub at one revision, by huggingface_hub: its cache, its offline switch, its token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from composer.problems import InputError
from composer.problems.first_line import first_line

__all__ = ["HubRepository", "has_trouble"]

PATIENCE_S = 5.0
"""How long the Hub may take to answer, where HF_HUB_ETAG_TIMEOUT does not say it."""
PAUSE_S = 10.0
"""How long a Hub that did not answer is not asked again."""

_TOO_MANY, _OWN_FAULT = 429, 500
"""Answers of HTTP to one who asks too often, and from which on a server has a fault of its own."""

Answer = TypeVar("Answer")
_SILENT: dict[str, tuple[float, str]] = {}
"""Until when which address is not asked again, and why."""


@dataclass
class HubRepository:
    """Gives files by name, and says in one sentence why it cannot. Files are fetched, and no code is run."""

    name: str
    revision: str | None
    error: Callable[[str], InputError]
    """Makes an error of a cause: it says for whom the repository is read."""
    offline: bool = False
    local: bool = False
    """Whether nothing is fetched, whatever the library's switch says."""
    _answers: bool = field(default=False, init=False)
    """Whether the Hub has answered."""

    @staticmethod
    def of(
        name: str, revision: str | None, error: Callable[[str], InputError], *, local: bool = False
    ) -> HubRepository:
        """Raises an error where huggingface_hub is not installed."""
        try:
            from huggingface_hub import constants
        except ImportError:
            raise error(
                "reading from the Hub takes huggingface_hub, which is not installed: pip install huggingface_hub"
            ) from None
        return HubRepository(name, revision, error, local or constants.HF_HUB_OFFLINE, local)

    def download(self, file: str) -> Path:
        """Where a file lies, in the cache; it is fetched where it is not there."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

        if not (self.offline or self._answers or isinstance(self.cached(file), Path)):
            # The library would ask a Hub that does not answer for half a minute, and print each try.
            url = hf_hub_url(self.name, file, revision=self.revision)
            _asked(partial(get_hf_file_metadata, url))
            self._answers = True
        return Path(hf_hub_download(self.name, file, revision=self.revision, local_files_only=self.local))

    def cached(self, file: str) -> Path | bool | None:
        """Where a file lies in the cache, False where it is known that there is none, or None."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.name, file, revision=self.revision)
        return Path(found) if isinstance(found, str) else None if found is None else False

    def files(self) -> list[str]:
        """The names of all files."""
        from huggingface_hub import HfApi

        found = _asked(partial(HfApi().model_info, self.name, revision=self.revision))
        return [each.rfilename for each in found.siblings or ()]

    @property
    def why_offline(self) -> str:
        return "nothing is fetched here" if self.local else "HF_HUB_OFFLINE is set"

    @contextmanager
    def telling(self, no_file: Callable[[], str]) -> Iterator[None]:
        """Turn what huggingface_hub raises into one sentence; `no_file` says what there is in place of a file."""
        from huggingface_hub import errors

        try:
            yield
        except InputError:
            raise
        except errors.GatedRepoError:
            raise self.error(
                "it is gated: ask for access on its page, then set HF_TOKEN to a token that has it"
            ) from None
        except errors.RepositoryNotFoundError:
            raise self.error(
                "the Hub has no such repository, or it is private: check the name, or set HF_TOKEN to a token that "
                "may read it"
            ) from None
        except errors.RevisionNotFoundError:
            raise self.error(f"the repository has no revision `{self.revision}`") from None
        except errors.LocalEntryNotFoundError:
            raise self.error(self._not_cached()) from None
        except errors.EntryNotFoundError:
            raise self.error(no_file()) from None
        except (errors.HFValidationError, errors.HfHubHTTPError) as error:
            cause = first_line(error)
            if has_trouble(error):
                cause = (
                    f"the Hub cannot answer now ({cause}): try again later, or name a folder of this machine"
                )
            raise self.error(cause) from None
        except Exception as error:  # of the library for connections, which is another one in other versions
            raise self.error(
                f"the Hub cannot be reached ({first_line(error)}): check the network, or name a folder of this machine"
            ) from None

    def _not_cached(self) -> str:
        if self.offline:
            return (
                f"the cache of the Hub does not hold it, and {self.why_offline}: fetch it once with a network"
            )
        return "the Hub cannot be reached, and its cache does not hold the file: check the network"


def _asked(question: Callable[..., Answer]) -> Answer:
    """What the Hub answers. After one that did not answer, those that follow fail at once for a while: a document may
    name many repositories.
    """
    from huggingface_hub import constants, errors

    until, why = _SILENT.get(constants.ENDPOINT, (0.0, ""))
    if time.monotonic() < until:
        raise ConnectionError(why)
    said: float = constants.HF_HUB_ETAG_TIMEOUT
    try:
        return question(timeout=PATIENCE_S if said == constants.DEFAULT_ETAG_TIMEOUT else said)
    except (errors.HFValidationError, errors.HfHubHTTPError):
        raise
    except Exception as error:  # of the library for connections, which is another one in other versions
        _SILENT[constants.ENDPOINT] = (time.monotonic() + PAUSE_S, first_line(error))
        raise


def has_trouble(error: BaseException) -> bool:
    """Whether it says that the Hub cannot answer now, and nothing of what it was asked."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", 0)
        return status == _TOO_MANY or status >= _OWN_FAULT
    return not isinstance(error, (errors.HFValidationError, InputError))
