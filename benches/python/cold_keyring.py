"""The same program for `keyring`."""

import sys

import keyring

sys.stdout.write(keyring.get_password("bench", sys.argv[1]))
