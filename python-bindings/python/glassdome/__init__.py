"""Secrets from the Glassdome daemon: no password and no key in your program.

    import glassdome

    key = glassdome.get("aws/prod/key")

The functions here ask over connections of this process's own, opened when they are needed; `connect()` gives a Vault,
which has the same as methods. What can go wrong is an Error with the line that `ctl` prints.
"""

from __future__ import annotations

from glassdome._native import Info, Status, Vault, Watch, __version__, connect

_vault = Vault._of_module()
get = _vault.get
get_bytes = _vault.get_bytes
get_many = _vault.get_many
set = _vault.set
delete = _vault.delete
list = _vault.list
info = _vault.info
status = _vault.status
lock = _vault.lock
watch = _vault.watch

# Where the rest is: a program that gets a value should not wait for what it does not use (PEP 562).
_MODULES = {
    "Secret": "secret",
    "environ": "_environ",
    "inject": "_inject",
    "Error": "errors",
    "UsageError": "errors",
    "WeakPasswordError": "errors",
    "LockedError": "errors",
    "PausedError": "errors",
    "NoVaultError": "errors",
    "DeniedError": "errors",
    "NotFoundError": "errors",
    "UnreachableError": "errors",
    "NoDaemonError": "errors",
    "UntrustedDaemonError": "errors",
    "WrongPasswordError": "errors",
    "ThrottledError": "errors",
    "ConflictError": "errors",
    "CorruptError": "errors",
    "ProtocolError": "errors",
    "StorageError": "errors",
    "NoInputError": "errors",
}

__all__ = [
    "Info", "Status", "Vault", "Watch", "__version__", "connect",
    "delete", "get", "get_bytes", "get_many", "info", "list", "lock", "set", "status", "watch",
    *_MODULES,
]  # fmt: skip


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "aio":
        return import_module(f"{__name__}.aio")
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> object:
    return sorted({*globals(), *_MODULES, "aio"})
