"""NATS nkeys: an Ed25519 key pair, of which the holder keeps the seed and the broker knows the public half."""

import os

import nkeys


def new_seed() -> str:
    """The seed of a new user."""
    seed: str = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
    return seed


def public_key(seed: str) -> str:
    """The public half, as the broker's configuration names the user."""
    public: str = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    return public
