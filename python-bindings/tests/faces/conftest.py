"""What the tests of the faces share: a vault that is open before and after each of them."""

from __future__ import annotations

from collections.abc import Iterator

import glassdome
import pytest
from locking import LockedVault


@pytest.fixture
def locked() -> Iterator[LockedVault]:
    glassdome.lock()
    vault = LockedVault()
    yield vault
    vault.unlock()
