"""A keyring with a few items of the predecessor's. Writes each deletion, and each call of a prompt's, into a file.

asking_keyring.py BUS MARKS asks    deletes only after a prompt
asking_keyring.py BUS MARKS waits   deletes each when there is a file MARKS.go
asking_keyring.py BUS MARKS gone    lets somebody else be quicker: has it no more, and answers nothing
"""

import os
import sys
import time

from jeepney import HeaderFields, MessageType, message_bus, new_method_return
from jeepney.io.blocking import open_dbus_connection

ROOT = "/org/freedesktop/secrets"
ITEMS = [ROOT + f"/collection/login/{number}" for number in range(1, 5)]
BUS, MARKS, MANNER = sys.argv[1:]


def prop(path: str, name: str) -> tuple:
    if name == "Locked":
        return "b", False
    return "a{ss}", {"service": "glassdome", "username": "test_key"}


def mark(word: str) -> None:
    with open(MARKS, "a") as marks:
        print(word, file=marks)


def answer(path: str, member: str, body: tuple) -> tuple:
    if member == "ReadAlias":
        return "o", (ROOT + "/collection/login",)
    if member == "Get":
        return "v", (prop(path, body[1]),)
    if member == "SearchItems":
        # None is a key.
        return "aoao", ([] if "master_key" in body[0].values() else ITEMS, [])
    if member == "OpenSession":
        return "vo", (("s", ""), ROOT + "/session/1")
    if member == "GetSecret":
        return "(oayays)", ((ROOT + "/session/1", b"", b"test_value", "text/plain"),)
    if member != "Close":
        mark(member)
    if member == "Delete" and MANNER == "asks":
        return "o", (ROOT + "/prompt/1",)
    if member == "Delete" and MANNER == "gone":
        ITEMS.remove(path)
        return None, ()
    if member == "Delete":
        while not os.path.exists(MARKS + ".go"):
            time.sleep(0.01)
        ITEMS.remove(path)
        return "o", ("/",)
    return None, ()


connection = open_dbus_connection(bus=BUS)
connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.secrets"))
while True:
    message = connection.receive()
    if message.header.message_type == MessageType.method_call:
        fields = message.header.fields
        reply = answer(fields[HeaderFields.path], fields[HeaderFields.member], message.body)
        connection.send(new_method_return(message, *reply))
