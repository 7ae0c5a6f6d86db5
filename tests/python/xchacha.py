"""XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) over `cryptography`'s ChaCha20-Poly1305, which
lacks the X: HChaCha20 makes a key for this nonce alone, and the last eight bytes go on as the nonce."""

import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


def hchacha20(key, nonce):
    """32 bytes of key and 16 of nonce to another 32 bytes of key (section 2.2)."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def mix(a, b, c, turn):
        state[a] = (state[a] + state[b]) & 0xFFFFFFFF
        state[c] ^= state[a]
        state[c] = (state[c] << turn | state[c] >> (32 - turn)) & 0xFFFFFFFF

    for _ in range(10):
        for a, b, c, d in QUARTERS:
            mix(a, b, d, 16)
            mix(c, d, b, 12)
            mix(a, b, d, 8)
            mix(c, d, b, 7)
    return struct.pack("<8I", *state[:4], *state[12:])


def decrypt(key, nonce, ciphertext, associated):
    """Raises `InvalidTag` unless the tag at the end of `ciphertext` is right."""
    subkey = hchacha20(key, nonce[:16])
    return ChaCha20Poly1305(subkey).decrypt(b"\0" * 4 + nonce[16:], ciphertext, associated)


# The draft's own vector (section 2.2.1), at each start: a slip here would look like a wrong password.
assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex() == (
    "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
