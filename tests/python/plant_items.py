"""Puts items into the keyring on that bus that lie beside what has the same attributes, in the collection of this login.

plant_items.py BUS COUNT VALUE NAME IS …
"""

import sys

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection

ROOT, NAME, SECRET = "/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret."
bus = open_dbus_connection(f"unix:path={sys.argv[1]}")


def ask(path, interface, method, signature, body):
    address = DBusAddress(path, bus_name=NAME, interface=SECRET + interface)
    return bus.send_and_get_reply(new_method_call(address, method, signature, body)).body


attributes = dict(zip(sys.argv[4::2], sys.argv[5::2]))
properties = {
    SECRET + "Item.Label": ("s", "planted"),
    SECRET + "Item.Attributes": ("a{ss}", attributes),
}
_, session = ask(ROOT, "Service", "OpenSession", "sv", ("plain", ("s", "")))
for _ in range(int(sys.argv[2])):
    secret = (session, b"", sys.argv[3].encode(), "text/plain")
    item, _ = ask(
        f"{ROOT}/collection/session", "Collection", "CreateItem", "a{sv}(oayays)b", (properties, secret, False)
    )
    assert item != "/", item
