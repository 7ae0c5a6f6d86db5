"""The vault, locked for a test, and opened again by the program that a person would use."""

from __future__ import annotations

import os
import subprocess


class LockedVault:
    """Until `unlock`."""

    def unlock(self) -> None:
        """Opens a session, if there is none."""
        password = os.environ["GLASSDOME_TEST_PASSWORD"] + "\n"
        subprocess.run(["glassdome_start", "--quiet", "--password-stdin"], input=password, text=True, check=True)
