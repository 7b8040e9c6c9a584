"""Personal data at rest: master keys, the key of each order, sealed texts and sealed ledger values. Pure but for AES,
which `cryptography` does; what is random is given to it."""
