"""Ray's token authentication: shown where a cluster asks for it, missed where one does not, and told of in a sentence.

A token is 64 letters that every node, driver and client of a cluster knows: in `RAY_AUTH_TOKEN`, in the file that
`RAY_AUTH_TOKEN_PATH` names, or in `~/.ray/auth_token`. A local Ray of ours has one by Ray's own default.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.errors import LaunchError
from study.launch.output import captured

MODE = "RAY_AUTH_MODE"
HINT = "the token of the cluster belongs into ~/.ray/auth_token, or into the file that RAY_AUTH_TOKEN_PATH names"
OPEN = (
    "warning: this Ray cluster asks for no token, so whoever reaches its ports can run programs on it; "
    "start its nodes with RAY_AUTH_MODE=token (docs/cluster.md)"
)

_PATIENCE = "RAY_gcs_server_port_wait_time_s"
_PATIENCE_SECONDS = "5"


@contextmanager
def forgotten() -> Iterator[None]:
    """What Ray comes to know of tokens in the block, it does not know after it.

    To start a Ray, or to join one that asks for a token, makes this process ask for tokens from then on; a cluster that it joins
    later and that has none could not call it, and the trials' workers there would die before they begin.
    """
    before = os.environ.get(MODE)
    try:
        yield
    finally:
        if before is None and os.environ.pop(MODE, None) is not None:
            from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

            Config.initialize("")
            AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def entering(address: str) -> Iterator[None]:
    """While the block connects to a cluster: the token is shown where it is asked for, and Ray asks for seconds, not longer.

    Raises `LaunchError` if the cluster does not let us in.
    """
    from ray.exceptions import AuthenticationError

    admit(address)
    before = os.environ.get(_PATIENCE)
    os.environ.setdefault(_PATIENCE, _PATIENCE_SECONDS)
    try:
        yield
    except AuthenticationError as error:
        raise refusal(address, has_token=find_token() is not None) from error
    finally:
        if before is None:
            del os.environ[_PATIENCE]


def admit(address: str) -> None:
    """See that the cluster at HOST:PORT, which answers, lets us in, with our token if it asks for one.

    Ray would ask for twenty seconds and then not say why. Raises `LaunchError` if it does not let us in.
    """
    from ray.exceptions import AuthenticationError

    if _is_on() and find_token() is None:  # Ray would end the process, without a word
        raise refusal(address, has_token=False)
    if _lets_in(address):
        return
    try:
        has_token = _show_token()
    except AuthenticationError:
        has_token = False
    if has_token and _lets_in(address):
        return
    raise refusal(address, has_token=has_token)


def warning() -> str | None:
    """What to say of the cluster that this process is connected to, None if it asked for a token: told once connected."""
    return None if _is_on() else OPEN


def refusal(address: str, *, has_token: bool) -> LaunchError:
    """The error of a cluster that asks for a token and did not get the right one."""
    wanted = "does not accept the token that was found" if has_token else "asks for a token, and there is none here"
    return LaunchError(f"{address}: the cluster {wanted}", hint=HINT)


def find_token() -> str | None:
    """The token that Ray would show, None if there is none, or tokens are switched off."""
    if os.environ.get(MODE, "token").lower() != "token":
        return None
    if os.environ.get("RAY_AUTH_TOKEN"):
        return os.environ["RAY_AUTH_TOKEN"].strip()
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return path.expanduser().read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_on() -> bool:
    """Whether Ray's programs of this process's environment ask for tokens and show theirs."""
    return os.environ.get(MODE, "").lower() == "token"


def _lets_in(address: str) -> bool:
    """Whether the head answers us, asked once. An answer of another kind is left to the connection, which comes next.

    What Ray's compiled part prints of a refusal is not shown: a refusal is told in a sentence, if there is a need.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.exceptions import AuthenticationError, RayError

    try:
        with captured(Path(os.devnull)):
            GcsClient(address=address)
    except AuthenticationError:
        return False
    except (RayError, RuntimeError, OSError):
        return True
    return True


def _show_token() -> bool:
    """Have Ray show the token to the cluster, if there is one and tokens are not switched off; answer whether it will."""
    from ray._private.authentication import authentication_token_setup

    logging.getLogger(authentication_token_setup.__name__).setLevel(logging.ERROR)
    return authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False) and (
        find_token() is not None
    )
