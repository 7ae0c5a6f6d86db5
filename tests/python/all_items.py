"""Prints what every item of every collection of the keyring on that bus holds, in hexadecimal, a line each.

all_items.py BUS
"""

import sys

from jeepney import DBusAddress, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection

ROOT, NAME, SECRET = "/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret."
bus = open_dbus_connection(f"unix:path={sys.argv[1]}")


def ask(path, interface, method, signature=None, body=()):
    address = DBusAddress(path, bus_name=NAME, interface=SECRET + interface)
    return bus.send_and_get_reply(new_method_call(address, method, signature, body)).body


def property_of(path, interface, name):
    address = DBusAddress(path, bus_name=NAME, interface=SECRET + interface)
    return bus.send_and_get_reply(Properties(address).get(name)).body[0][1]


_, session = ask(ROOT, "Service", "OpenSession", "sv", ("plain", ("s", "")))
for collection in property_of(ROOT, "Service", "Collections"):
    for item in property_of(collection, "Collection", "Items"):
        (_, _, value, _), = ask(item, "Item", "GetSecret", "o", (session,))
        print(value.hex())
