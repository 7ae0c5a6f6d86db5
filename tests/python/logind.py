"""logind's interface for python-dbusmock, with delay locks that say what was in the audit log when they were let go
of: a line of JSON each in the file RELEASED names."""

import json
import os

import dbus.service
from dbusmock.templates import logind
from dbusmock.templates.logind import *  # noqa: F403 what dbusmock looks for in a template
from gi.repository import GLib

LOCKS = {}
# Whether no lock is given, and how often that was so.
REFUSES = {"now": bool(os.environ["REFUSES"]), "often": 0}


def last_record():
    with open(os.environ["AUDIT"], encoding="utf-8") as log:
        return json.loads(log.readlines()[-1])


@dbus.service.method(logind.MAIN_IFACE, in_signature="ssss", out_signature="h")
def Inhibit(_, what, who, why, mode):
    if REFUSES["now"]:
        REFUSES["often"] += 1
        raise dbus.exceptions.DBusException("no", name="org.freedesktop.DBus.Error.AccessDenied")
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    LOCKS[ours] = (what, who, why, mode, os.getuid(), 1)

    def released(_, __):
        record = {"event": None} if not os.path.exists(os.environ["AUDIT"]) else last_record()
        what, who, _why, mode = LOCKS.pop(ours)[:4]
        with open(os.environ["RELEASED"], "a", encoding="utf-8") as file:
            print(json.dumps({"lock": [what, who, mode], "log": record}), file=file)
        os.close(ours)
        return False

    GLib.unix_fd_add_full(GLib.PRIORITY_HIGH, ours, GLib.IO_HUP, released)
    # It is sent before the loop is idle.
    GLib.idle_add(os.close, theirs)
    return theirs


@dbus.service.method(logind.MAIN_IFACE, in_signature="", out_signature="a(ssssuu)")
def ListInhibitors(_):
    return dbus.Array(LOCKS.values(), signature="(ssssuu)")


@dbus.service.method(logind.MAIN_IFACE, in_signature="b", out_signature="u")
def Refuse(_, now):
    """Whether it gives no lock from now on. How often it gave none until now."""
    REFUSES["now"] = bool(now)
    return dbus.UInt32(REFUSES["often"])


@dbus.service.method(logind.MAIN_IFACE, in_signature="", out_signature="u")
def Looks(self):
    """How often somebody has asked which sessions there are."""
    return dbus.UInt32(sum(call[1] == "ListSessions" for call in self.call_log))
