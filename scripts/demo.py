#!/usr/bin/env python3
"""The main job, as a person does it: a shell in a pseudo-terminal, in a home that is thrown away.

Everything is typed, passwords at their prompts too, and what is shown is what the programs said.
Each step states the exit code and the words that it expects; the first that differs ends the demo
with a failure.

    scripts/demo.py DIRECTORY    in which ctl, glassdome_start and glassdomed lie
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time

PASSWORD = "seven otters juggle plums"
WRONG = "seven otters juggle pears"
DOTENV = "DB_PASSWORD='p w=\"#$ö'\nexport API_TOKEN=tok_51Hx9aZ\nEMPTY=\n"
DB_PASSWORD = 'p w="#$ö'
# The exit code of the last command, between marks that no program here prints.
PROMPT = re.compile(r"\x02(\d+)\x03")
PATIENCE_S = 60


class Unexpected(Exception):
    """What happened is not what the demo is there to show."""


class Terminal:
    """A shell in a pseudo-terminal of its own."""

    def __init__(self, env, home):
        self.steps = 0
        self.transcript = ""
        self.pending = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            # Without line editing the terminal itself echoes what is typed.
            os.execvpe("bash", ["bash", "--noprofile", "--norc", "--noediting", "-i"], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.wait_for(PROMPT)

    def wait_for(self, pattern):
        """Reads until `pattern` appears; returns what came before it, and the match."""
        deadline = time.monotonic() + PATIENCE_S
        decoder = bytearray()
        while True:
            if match := pattern.search(self.pending):
                before = self.pending[: match.start()]
                self.pending = self.pending[match.end() :]
                return before, match
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Unexpected(f"waited {PATIENCE_S} s for {pattern.pattern!r}, got {self.pending!r}")
            try:
                decoder += os.read(self.fd, 65536)
            except OSError as error:
                raise Unexpected(f"the shell ended: {self.pending!r}") from error
            try:
                self.pending += decoder.decode().replace("\r\n", "\n")
                decoder.clear()
            except UnicodeDecodeError:
                continue  # the rest of a character is still to come

    def type(self, line):
        os.write(self.fd, line.encode() + b"\n")

    def run(self, command, *says, code=0, answers=()):
        """Types a command, and at each prompt of `answers` its answer. Returns what was printed."""
        print(f"\033[1m$ {command}\033[0m" if sys.stdout.isatty() else f"$ {command}", flush=True)
        self.type(command)
        self.wait_for(re.compile(re.escape(command) + "\n"))
        output = ""
        for prompt, answer in answers:
            before, match = self.wait_for(re.compile(prompt))
            output += before + match.group()
            self.type(answer)
        before, match = self.wait_for(PROMPT)
        output += before
        sys.stdout.write(output if output.endswith("\n") or not output else output + "\n")
        sys.stdout.flush()
        self.transcript += output
        self.steps += 1
        if int(match.group(1)) != code:
            raise Unexpected(f"`{command}` exited {match.group(1)}, not {code}")
        for words in says:
            if words not in output:
                raise Unexpected(f"`{command}` did not say {words!r}")
        return output

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def environment(programs, home):
    directories = {
        "HOME": home,
        "XDG_DATA_HOME": f"{home}/data",
        "XDG_STATE_HOME": f"{home}/state",
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_RUNTIME_DIR": f"{home}/run",
    }
    os.mkdir(directories["XDG_RUNTIME_DIR"], 0o700)
    return directories | {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:{os.path.dirname(sys.executable)}",
        "PS1": r"\[\]" + "\x02$?\x03",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "HISTFILE": "/dev/null",
    }


def title(text):
    print(f"\n# {text}", flush=True)


def show(terminal, home):
    run = terminal.run
    asked = ("Master password: ", PASSWORD)
    made_up = [("New master password[^\n]*: ", PASSWORD), ("Once more: ", PASSWORD)]

    title("A vault, and a session of eight hours. The password is typed twice; from now on only to change what is sealed.")
    run("glassdome_start", "unlocked until", answers=made_up)
    run("ctl status", "unlocked")

    title("A real .env comes in, and every value comes out byte for byte.")
    run("cat .env")
    run("ctl import .env --prefix app", "3 in")
    run("ctl list", "app/DB_PASSWORD", "app/API_TOKEN", "app/EMPTY")
    run("ctl get app/API_TOKEN", "tok_51Hx9aZ")
    run("ctl get app/DB_PASSWORD | cmp - db-password && echo the same bytes", "the same bytes")
    run("head -c 1048576 /dev/urandom > blob; ctl set backup/blob --stdin < blob")
    run("ctl get backup/blob | cmp - blob && echo the same 1 MiB", "the same 1 MiB")

    title("A password that nobody thinks up, and the one before it back again.")
    run("ctl set mail/admin --generate=40")
    run("ctl get mail/admin | wc -c", "40")
    run("first=$(ctl get mail/admin); ctl set mail/admin --generate=40")
    run('[ "$(ctl get mail/admin)" != "$first" ] && echo another', "another")
    run("ctl history mail/admin", "1", "2")
    run("ctl restore mail/admin@1")
    run('[ "$(ctl get mail/admin)" = "$first" ] && echo the first again', "the first again")

    title("What is typed here is served, since the password was typed here. This is what the daemon sees.")
    run("ctl whoami", "bash", "granted: typed in a terminal where the master password was typed")
    run("ctl grants", "this terminal")

    title("A script is somebody else: it waits for you, and you see who it is.")
    run("cat deploy.sh deploy.py")
    run("./deploy.sh > out 2>&1 & sleep 2; cat out", "waiting for you: type 'ctl approve 1'")
    run("ctl approve 1", "get app/API_TOKEN", "deploy.sh", "allowed once", answers=[(r"No: \[n\] ", "y")])
    run("wait; cat out", "shell: 11 bytes")

    title("Where nobody is there to answer, it is refused at once, and told what would allow it.")
    run("export GLASSDOME_WAIT=0")
    run("./deploy.sh", "no rule allows that", "ctl policy allow --secrets 'app/API_TOKEN' --script", code=4)
    run("./deploy.py", "no rule allows that", "ctl policy allow --secrets 'app/DB_PASSWORD' --script", code=4)

    title("A rule that is sealed with the password gives each script what it needs, and no more.")
    run("ctl policy allow --secrets app/API_TOKEN --script deploy.sh --id token", "sealed as token", answers=[asked])
    run("ctl policy allow --secrets app/DB_PASSWORD --script deploy.py --id db", "sealed as db", answers=[asked])
    run("./deploy.sh", "shell: 11 bytes")
    run("./deploy.py", "python: 8 characters")
    run("sed -i s/API_TOKEN/DB_PASSWORD/ deploy.sh; ./deploy.sh", "changed since rule token allowed it", code=4)
    run("sed -i s/DB_PASSWORD/API_TOKEN/ deploy.sh; ./deploy.sh", "shell: 11 bytes")
    run("ctl policy show", 'id            = "token"', 'id            = "db"')

    title("What protects it, as the daemon sees it.")
    run("ctl doctor", "memory")

    title("Locked means locked, for everybody.")
    run("ctl lock")
    run("ctl get app/API_TOKEN", "locked", code=3)
    run("./deploy.sh", code=3)
    run(f"echo '{WRONG}' | ctl unlock --password-stdin", code=7)
    run("sleep 2; ctl unlock", "unlocked until", answers=[asked])
    run("ctl get app/API_TOKEN", "tok_51Hx9aZ")

    title("All of it is in the log, before it was answered; no value is.")
    log = run("tail -n 6 $XDG_STATE_HOME/glassdome/audit.jsonl", "app/API_TOKEN")
    if "tok_51Hx9aZ" in log:
        raise Unexpected("a value stands in the audit log")
    run("grep -rlaF tok_51Hx9aZ $XDG_DATA_HOME $XDG_STATE_HOME $XDG_RUNTIME_DIR", code=1)
    run("grep -rlaF tok_51Hx9aZ .env", ".env")

    title("The end.")
    run("ctl stop")
    run("ctl get app/API_TOKEN", code=6)
    if PASSWORD in terminal.transcript:
        raise Unexpected("the password was shown on the terminal")


def write(path, content, mode=0o600):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path, mode)


def main():
    programs = os.path.realpath(sys.argv[1])
    home = tempfile.mkdtemp(prefix="glassdome-demo.")
    write(f"{home}/.env", DOTENV)
    write(f"{home}/db-password", DB_PASSWORD)
    write(f"{home}/deploy.sh", "#!/bin/sh\ntoken=$(ctl get app/API_TOKEN) || exit\necho \"shell: ${#token} bytes\"\n", 0o700)
    write(
        f"{home}/deploy.py",
        "#!/usr/bin/env python3\nimport subprocess, sys\n"
        "got = subprocess.run(['ctl', 'get', 'app/DB_PASSWORD'], stdout=subprocess.PIPE)\n"
        "if got.returncode != 0:\n"
        "    sys.exit(got.returncode)\n"
        "print('python:', len(got.stdout.decode()), 'characters')\n",
        0o700,
    )
    terminal = Terminal(environment(programs, home), home)
    started = time.monotonic()
    try:
        show(terminal, home)
    except Unexpected as reason:
        print(f"\ndemo failed: {reason}", file=sys.stderr)
        return 1
    finally:
        # Whatever happened: no daemon, no file and no shell is left behind.
        os.write(terminal.fd, b"\x03\nctl stop; exit\n")
        time.sleep(0.5)
        os.kill(terminal.pid, signal.SIGHUP)
        terminal.close()
        shutil.rmtree(home)
    print(f"\ndemo: {terminal.steps} steps in {time.monotonic() - started:.0f} s, each as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
