"""Decrypts a stream from the master key, written from docs/encrypted-stream.md alone.

    encrypted_stream.py MASTER-KEY CONTEXT < stream > data     (the key in hexadecimal)
"""

import hmac
import sys

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CHUNK = 61440


def derive(context, material, length=32):
    return blake3(material, derive_key_context=context).digest(length=length)


def decrypt(master, context, stream):
    magic, key_id, context_id, salt, commitment = (
        stream[:8], stream[8:24], stream[24:40], stream[40:72], stream[72:104])
    if magic != b"GLDMENC1" or len(stream) < 104:
        raise ValueError("no encrypted stream")
    contexts = derive("glassdome v1 contexts", master)
    if derive("glassdome v1 contexts id", contexts, 16) != key_id:
        raise ValueError("another vault's")
    key = derive("glassdome v1 context", contexts + context.encode())
    if not hmac.compare_digest(derive("glassdome v1 context id", key, 16), context_id):
        raise ValueError("another context's")
    both = derive("glassdome v1 message", key + salt, 64)
    if not hmac.compare_digest(both[32:], commitment):
        raise ValueError("an altered header")
    cipher, body = ChaCha20Poly1305(both[:32]), stream[104:]
    parts = [body[at:at + CHUNK + 16] for at in range(0, len(body), CHUNK + 16)]
    for number, part in enumerate(parts):
        last = number + 1 == len(parts)
        yield cipher.decrypt(number.to_bytes(11, "big") + bytes([last]), part, None)


if __name__ == "__main__":
    for chunk in decrypt(bytes.fromhex(sys.argv[1]), sys.argv[2], sys.stdin.buffer.read()):
        sys.stdout.buffer.write(chunk)
