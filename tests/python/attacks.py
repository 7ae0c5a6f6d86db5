"""The attacks of the table in docs/protocol.md, each as a program of an ordinary user.

    attacks.py NAME SOCKET DAEMON_PID TRUSTED

A *trusted* program is one that the daemon (or its twin) would serve; the attacker is none, and wants
the secret `bait`. Prints one JSON object: `got`, the value or null, and `why` there is none. The first
process is the attacker's friend: it directs, and reads along wherever it holds a descriptor.
"""

import errno
import json
import os
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import client
import namespaces
import pinning
from client import Connection, Reader, Refused, blob, frame, hello, read_frame, read_reply
from syscalls import everything_here, pidfd_getfd

PATIENCE = 6
CHILDREN = []
GET = frame(b"\x07" + b"\x01\x00" + blob("bait") + b"\x00")
HERE = os.path.abspath(__file__)
# A shell can redirect to one digit only.
ACCEPTED, WIRE = 8, 9


def value_of(payload):
    _, outcome = read_reply(Reader(payload))
    if isinstance(outcome, Refused):
        raise outcome
    family, reader = outcome
    assert (family, reader.varint()) == (1, 0), "not a value"
    reader.varint(), reader.option(reader.varint), reader.varint()
    return reader.blob().decode()


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect(path)
    return sock


def challenged(accepted):
    """The nonce, and the fresh socket if there is one; on a front without challenges the reply
    itself."""
    data, descriptors, _, _ = socket.recv_fds(accepted, 4096, 1)
    if not data:
        raise EOFError("closed before the challenge")
    if len(data) >= 4 + 34 and data[4] == 1 and data[5] == 1:
        return data[6:38], socket.socket(fileno=descriptors[0]) if descriptors else None, None
    return None, None, data[4:]


def answer(accepted, send=None):
    """Answers the challenge, by `send` where there is no fresh socket, and reads the reply."""
    nonce, wire, reply = challenged(accepted)
    if reply is not None:
        return value_of(reply)
    words = hello(nonce) + GET
    if wire is None:
        (send or accepted.sendall)(words)
        return value_of(read_frame(accepted))
    wire.settimeout(PATIENCE)
    if send:
        # The trusted program can only be made to write to the socket it has.
        send(words)
    wire.sendall(words)
    return value_of(read_frame(wire))


class Stopped:
    """The daemon stands still: whatever happens meanwhile, no race is lost."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        if self.pid:
            os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)


def pair_with_child(work):
    """Runs `work(channel)` in a child; the friend's end of the channel. The child's end closes when it
    executes something."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    CHILDREN.append(child)
    if child == 0:
        ours.close()
        try:
            work(theirs)
        finally:
            os._exit(1)
    theirs.close()
    ours.settimeout(PATIENCE)
    return child, ours


def take_connection(channel):
    """The connection that the child hands over; back when it has executed its next program."""
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    assert channel.recv(1) == b"", "the child executes something"
    accepted = socket.socket(fileno=descriptors[0])
    accepted.settimeout(PATIENCE)
    return accepted


def friend(path, daemon, trusted):
    """Connect, send, pass the descriptor to a friend, execute a trusted program."""
    def work(channel):
        accepted = connect(path)
        accepted.sendall(hello(bytes(32)) + GET)
        socket.send_fds(channel, [b"x"], [accepted.fileno()])
        os.execv(trusted, [trusted, "30"])

    with Stopped(daemon):
        _, channel = pair_with_child(work)
        accepted = take_connection(channel)
    return answer(accepted)


def become(path, daemon, trusted, pinned=False):
    """Trusted, then attacker, under one pid: `trusted` is a shell that waits and then executes the
    attacker's second half, which answers the challenge."""
    go_read, go = os.pipe()
    result, result_write = os.pipe()

    def work(channel):
        accepted = connect(path)
        socket.send_fds(channel, [b"x"], [accepted.fileno()])
        os.dup2(accepted.fileno(), ACCEPTED)
        os.dup2(go_read, 0)
        os.dup2(result_write, 1)
        again = f"read go; exec {sys.executable} -S {HERE} second-half {path} 0 -"
        os.execv(trusted, [trusted, "-c", again])

    with Stopped(daemon):
        child, channel = pair_with_child(work)
        accepted = take_connection(channel)
    os.close(result_write)
    select.select([accepted], [], [], PATIENCE)
    if pinned:
        pinning.pin(child)
    os.write(go, b"go\n")
    got = json.loads(os.read(result, 4096) or b'{"got": null, "why": "no word of the second half"}')
    return got


def second_half(path, daemon, trusted):
    accepted = socket.socket(fileno=ACCEPTED)
    accepted.settimeout(PATIENCE)
    return answer(accepted)


def exec_after_hello(path, daemon, trusted):
    """A trusted program's connection outlives its `exec`: `trusted` is this very Python, and a shell
    asks in its place, under its pid."""
    result, result_write = os.pipe()

    def work(channel):
        connection = Connection(path)
        time.sleep(0.3)
        os.dup2(connection.accepted.fileno(), ACCEPTED)
        os.dup2(connection.wire.fileno(), WIRE)
        os.dup2(result_write, 1)
        words = "".join(f"\\{byte:03o}" for byte in GET)
        os.execv("/bin/sh", ["/bin/sh", "-c", f"printf '{words}' >&{WIRE}; exec timeout 3 cat <&{WIRE}"])

    pair_with_child(work)
    os.close(result_write)
    reply = b""
    while part := os.read(result, 4096):
        reply += part
    return value_of(reply[4:])


def stdout(path, daemon, trusted):
    """The socket is the stdout of a trusted program, `cat`, that copies what it is fed."""
    feed_read, feed = os.pipe()

    def work(channel):
        accepted = connect(path)
        socket.send_fds(channel, [b"x"], [accepted.fileno()])
        os.dup2(feed_read, 0)
        os.dup2(accepted.fileno(), 1)
        os.execv(trusted, [trusted])

    with Stopped(daemon):
        _, channel = pair_with_child(work)
        accepted = take_connection(channel)
    return answer(accepted, lambda words: os.write(feed, words))


def forked(path, daemon, trusted):
    """A child asks on its parent's connection."""
    connection = Connection(path)
    time.sleep(0.3)
    child = os.fork()
    if child == 0:
        connection.wire.sendall(GET)
        os._exit(0)
    connection.wire.settimeout(PATIENCE)
    return value_of(read_frame(connection.wire))


def halves(path, daemon, trusted):
    """Two senders of one frame."""
    connection = Connection(path)
    time.sleep(0.3)
    connection.wire.sendall(GET[:6])
    time.sleep(0.3)
    child = os.fork()
    if child == 0:
        connection.wire.sendall(GET[6:])
        os._exit(0)
    connection.wire.settimeout(PATIENCE)
    return value_of(read_frame(connection.wire))


def descriptors(path, daemon, trusted):
    """Passes descriptors to the daemon, which would linger there: to the listener's queue, to the
    accepted socket, on the pair."""
    told = {}

    def attempt(where, sock):
        try:
            socket.send_fds(sock, [b"\x01"], [0])
            told[where] = "passed"
        except PermissionError:
            told[where] = "EPERM"

    with Stopped(daemon):
        attempt("queued", connect(path))
    connection = Connection(path)
    attempt("accepted", connection.accepted)
    connection = Connection(path)
    attempt("pair", connection.wire)
    return told


def plain(path, daemon, trusted):
    """Just asks."""
    connection = Connection(path)
    connection.wire.sendall(GET)
    connection.wire.settimeout(PATIENCE)
    return value_of(read_frame(connection.wire))


def hanging(path, daemon, trusted):
    """Our executable lies on a file system that stops answering before we connect; `trusted` is the
    file that makes it stop."""
    everything_here()
    with open(trusted, "w"):
        pass
    return plain(path, daemon, trusted)


def in_namespaces(path, daemon, trusted, inner, flags):
    """Runs another attack in namespaces of its own. It says a line when the daemon may go on."""
    with Stopped(daemon):
        program = [*namespaces.launcher(inner), HERE, inner, path, "0", trusted]
        inside = subprocess.Popen(["unshare", *flags, *program], stdout=subprocess.PIPE)
        first = inside.stdout.readline()
        assert first == b"ready\n", f"{inner} did not begin: {first}"
    return json.loads(inside.stdout.readline() or b'{"got": null, "why": "no word"}')


def forge_sender(path, daemon, trusted):
    """Sends under the pid of a trusted program, as root of a pid namespace may."""
    def work(channel):
        accepted = connect(path)
        socket.send_fds(channel, [b"x"], [accepted.fileno()])
        os.execv(trusted, [trusted, "30"])

    child, channel = pair_with_child(work)
    accepted = take_connection(channel)
    print("ready", flush=True)
    nonce, wire, reply = challenged(accepted)
    if reply is not None:
        return value_of(reply)
    forged = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iII", child, 0, 0))
    wire.settimeout(PATIENCE)
    wire.sendmsg([hello(nonce) + GET], [forged])
    return value_of(read_frame(wire))


def forge_exe(path, daemon, trusted):
    """Makes `/proc/self/exe` name a trusted program, as root of a user namespace may."""
    namespaces.forge_exe(trusted)
    assert os.readlink("/proc/self/exe") == trusted, "the forgery itself works"
    accepted = connect(path)
    print("ready", flush=True)
    return answer(accepted)


def steal(path, victim_pid, trusted):
    """Takes the descriptors of a client, whose pid stands in place of the daemon's."""
    pidfd = os.pidfd_open(victim_pid)
    stolen = []
    for number in range(64):
        try:
            stolen.append(pidfd_getfd(pidfd, number))
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
    return stolen


def steal_from_dumpable(path, daemon, trusted):
    """Takes the connection of a client that lets us, and reads what it is answered before it does."""
    client_program = [sys.executable, HERE, "victim", path, "0", "-"]
    client_process = subprocess.Popen(client_program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client_process.stdout.readline() == b"ready\n"
    stolen = [number for number in steal(path, client_process.pid, trusted)
              if stat.S_ISSOCK(os.fstat(number).st_mode)]
    client_process.stdin.write(b"\n")
    client_process.stdin.flush()
    ready, _, _ = select.select(stolen, [], [], PATIENCE)
    return value_of(read_frame(socket.socket(fileno=ready[0])))


def victim(path, daemon, trusted):
    """An ordinary client, dumpable: greets, and asks when it is told to. It is slower to read than to
    ask."""
    connection = Connection(path)
    print("ready", flush=True)
    sys.stdin.readline()
    connection.wire.sendall(GET)
    time.sleep(1)
    return "asked"


ATTACKS = {
    "friend": friend, "become": become, "second-half": second_half, "exec-after-hello": exec_after_hello,
    "become-raced": lambda path, daemon, trusted: become(path, 0, trusted),
    "become-pinned": lambda *args: become(*args, pinned=True), "stdout": stdout, "forked": forked,
    "halves": halves, "descriptors": descriptors, "plain": plain, "hanging": hanging, "steal": steal,
    "steal-from-dumpable": steal_from_dumpable, "victim": victim,
    "forge-sender-inside": forge_sender, "forge-exe-inside": forge_exe,
    "forge-sender": lambda *args: in_namespaces(*args, "forge-sender-inside", ["-Urp", "--fork"]),
    "forge-exe": lambda *args: in_namespaces(*args, "forge-exe-inside", ["-Ur"]),
}


def main():
    name, path, daemon, trusted = sys.argv[1:5]
    client.check_place = lambda _: None  # a twin's socket lies in a directory of the test's
    try:
        told = ATTACKS[name](path, int(daemon), trusted)
        if not (isinstance(told, dict) and "got" in told):
            told = {"got": told}
    except (Refused, OSError, EOFError, AssertionError, ValueError) as error:
        told = {"got": None, "why": f"{type(error).__name__}: {error}"}
    print(json.dumps(told), flush=True)
    for child in CHILDREN:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
