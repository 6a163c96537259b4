"""One-sentence errors for failures of a hub, the network, the disk or a checkpoint's files."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from phi3lib.loading.safetensors_io import CheckpointError, NotDamagedError, first_line


class HubUnreachableError(NotDamagedError):
    """The hub did not answer, or may not be asked."""


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turn what huggingface_hub, its HTTP library or the disk raise into one CheckpointError sentence."""
    known = _hub_errors()
    try:
        yield
    except CheckpointError:
        raise
    except known as error:
        raise explained(name, error) from error


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a broken connection: httpx in huggingface_hub 1, httpx2 in 2."""
    return (_http_library().TransportError,)


def _http_library() -> Any:
    from huggingface_hub.errors import HfHubHTTPError

    # Not by a session: to make one reads all certificates of this machine.
    return import_module(HfHubHTTPError.__bases__[0].__module__.partition(".")[0])


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of an error of huggingface_hub, if it has one."""
    return getattr(_response_of(error), "status_code", None)


def _response_of(error: Exception) -> Any:
    return getattr(error, "response", None)


def may_pass(error: Exception) -> bool:
    """Return whether another attempt may succeed: after a broken connection, and if the hub is busy."""
    status = status_of(error)
    return status is None or status == 429 or status >= 500


def seconds_to_wait(error: Exception) -> int:
    """Return what a busy hub says in Retry-After, else 0."""
    told = getattr(_response_of(error), "headers", {}).get("Retry-After", "")
    return int(told) if told.isdecimal() else 0


def no_hub(name: str) -> str:
    """Return the message for an answer that no hub gives."""
    from huggingface_hub import constants

    return (
        f"{constants.ENDPOINT} gave no usable answer about {name}: check that HF_ENDPOINT is a hub, and that "
        f"no login page of the network stands before it"
    )


def _hub_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    return (OSError, EntryNotFoundError, HFValidationError, *transport_errors())


def explained(name: str, error: Exception) -> CheckpointError:
    """Return the CheckpointError for an error of a request for `name`."""
    from huggingface_hub import errors

    status = status_of(error)
    log_in = "log in (`hf auth login`, or HF_TOKEN)"
    if isinstance(error, errors.GatedRepoError):
        sentence = f"{name} is gated: accept its terms on its page of the hub, then {log_in}"
    elif isinstance(error, errors.RevisionNotFoundError):
        sentence = f"{name} has no such revision on the hub: leave revision out, or correct it"
    elif isinstance(error, errors.RemoteEntryNotFoundError):
        sentence = f"a file of {name} is missing on the hub, so it is not the checkpoint that is needed"
    elif isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        sentence = f"the hub shows no model {name}: check the spelling, and if it is private {log_in}"
    elif isinstance(error, errors.HFValidationError):
        sentence = f"{name!r} is neither a folder on this machine nor a model name such as owner/name"
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        sentence = f"the disk is full: make room for {name}, or set HF_HOME to a larger one"
    elif isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        sentence = f"{error.filename} cannot be written: set HF_HOME to a folder of your own"
    else:
        return _without_hub(name, error, status)
    return NotDamagedError(sentence)


def _without_hub(name: str, error: Exception, status: int | None) -> CheckpointError:
    from huggingface_hub import constants, errors

    ahead = f"fetch it where there is a network with phi3lib.loading.checkpoints.download({name!r})"
    if constants.HF_HUB_OFFLINE or isinstance(error, errors.OfflineModeIsEnabled):
        return HubUnreachableError(f"{name} is not on this machine and HF_HUB_OFFLINE is set: {ahead}")
    if status == 429:
        wait = seconds_to_wait(error)
        when = f"in {wait} s" if wait else "later"
        return HubUnreachableError(f"the hub has too many requests (429) to give {name}: try again {when}")
    if status is not None:
        return HubUnreachableError(f"the hub answered {status} when asked for {name}: try again later")
    if isinstance(error, (*transport_errors(), errors.LocalEntryNotFoundError)):
        return HubUnreachableError(f"the hub at {constants.ENDPOINT} cannot be reached for {name}: {ahead}")
    return CheckpointError(
        f"{name} could not be fetched ({type(error).__name__}: {first_line(error)}): try again"
    )


@contextmanager
def damage_in(where: str | Path | None) -> Iterator[None]:
    """Turn what other libraries raise over the files of a checkpoint into one CheckpointError.

    A configuration may hold values of any type, and each library notices them in its own way.
    """
    from huggingface_hub.errors import StrictDataclassError  # of transformers' configurations

    python = (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        RuntimeError,
    )
    try:
        yield
    except (OSError, *python, StrictDataclassError) as error:
        # transformers raises a bare OSError for a file that is no JSON; others, with a number, say enough.
        if isinstance(error, CheckpointError) or getattr(error, "errno", None) is not None:
            raise
        raise CheckpointError(
            f"{where or 'the default model'} cannot be loaded ({type(error).__name__}: {first_line(error)}): "
            f"its files are damaged or do not fit together; copy or fetch the whole checkpoint again"
        ) from error
