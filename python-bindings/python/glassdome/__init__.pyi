from collections.abc import Iterable
from datetime import datetime

from . import aio as aio
from ._environ import environ as environ
from ._inject import inject as inject
from ._native import Info as Info
from ._native import Status as Status
from ._native import Vault as Vault
from ._native import Watch as Watch
from ._native import __version__ as __version__
from ._native import _Value, _list
from ._native import connect as connect
from .errors import ConflictError as ConflictError
from .errors import CorruptError as CorruptError
from .errors import DeniedError as DeniedError
from .errors import Error as Error
from .errors import LockedError as LockedError
from .errors import NoDaemonError as NoDaemonError
from .errors import NoInputError as NoInputError
from .errors import NotFoundError as NotFoundError
from .errors import NoVaultError as NoVaultError
from .errors import PausedError as PausedError
from .errors import ProtocolError as ProtocolError
from .errors import StorageError as StorageError
from .errors import ThrottledError as ThrottledError
from .errors import UnreachableError as UnreachableError
from .errors import UntrustedDaemonError as UntrustedDaemonError
from .errors import UsageError as UsageError
from .errors import WeakPasswordError as WeakPasswordError
from .errors import WrongPasswordError as WrongPasswordError
from .secret import Secret as Secret

__all__ = [
    "Info",
    "Status",
    "Vault",
    "Watch",
    "__version__",
    "connect",
    "delete",
    "environ",
    "get",
    "get_bytes",
    "get_many",
    "info",
    "inject",
    "list",
    "lock",
    "set",
    "status",
    "watch",
    "ConflictError",
    "CorruptError",
    "DeniedError",
    "Error",
    "LockedError",
    "NoDaemonError",
    "NoInputError",
    "NotFoundError",
    "NoVaultError",
    "PausedError",
    "ProtocolError",
    "StorageError",
    "ThrottledError",
    "UnreachableError",
    "UntrustedDaemonError",
    "UsageError",
    "WeakPasswordError",
    "WrongPasswordError",
    "Secret",
]

def get(name: str, *, field: str | None = None) -> str: ...
def get_bytes(name: str, *, field: str | None = None) -> Secret: ...
def get_many(names: Iterable[str]) -> dict[str, str]: ...
def set(
    name: str,
    value: _Value,
    *,
    field: str | None = None,
    expires: int | datetime | None = None,
    new: bool = False,
) -> int: ...
def delete(name: str) -> None: ...
def list(glob: str = "**") -> _list[str]: ...
def info(name: str) -> Info: ...
def status() -> Status: ...
def lock() -> None: ...
def watch() -> Watch: ...
