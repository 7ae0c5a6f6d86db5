"""Puts items into the keyring on that bus that lie beside what has the same attributes: in the collection of this login
(session), or in one of their own, which is locked then (locked).

plant_items.py BUS session|locked COUNT VALUE NAME IS …
"""

import sys

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection

# Only gnome-keyring has it: a collection that is made without asking a person for a password.
GUILT_RIDDEN = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
ROOT, NAME, SECRET = "/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret."
bus = open_dbus_connection(f"unix:path={sys.argv[1]}")


def ask(path, interface, method, signature, body):
    interface = interface if "." in interface else SECRET + interface
    address = DBusAddress(path, bus_name=NAME, interface=interface)
    return bus.send_and_get_reply(new_method_call(address, method, signature, body)).body


attributes = dict(zip(sys.argv[5::2], sys.argv[6::2]))
properties = {
    SECRET + "Item.Label": ("s", "planted"),
    SECRET + "Item.Attributes": ("a{ss}", attributes),
}
_, session = ask(ROOT, "Service", "OpenSession", "sv", ("plain", ("s", "")))
collection = f"{ROOT}/collection/session"
if sys.argv[2] == "locked":
    label, password = {SECRET + "Collection.Label": ("s", "planted")}, (session, b"", b"of another", "text/plain")
    (collection,) = ask(ROOT, GUILT_RIDDEN, "CreateWithMasterPassword", "a{sv}(oayays)", (label, password))
for _ in range(int(sys.argv[3])):
    secret = (session, b"", sys.argv[4].encode(), "text/plain")
    item, _ = ask(collection, "Collection", "CreateItem", "a{sv}(oayays)b", (properties, secret, False))
    assert item != "/", item
if sys.argv[2] == "locked":
    locked, _ = ask(ROOT, "Service", "Lock", "ao", ([collection],))
    assert locked == [collection], locked
