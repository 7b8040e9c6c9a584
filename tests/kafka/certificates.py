"""Certificates for tests: an authority, and what it signs, as PEM files that Kafka and OpenSSL both read."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """An authority whose certificate is in `ca`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key, self._name = folder, ec.generate_private_key(ec.SECP256R1()), _name(name)
        self.ca = folder / f"{name}.pem"
        builder = self._builder(self._name, self._key.public_key(), days=30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        begin = datetime.now(UTC) - timedelta(days=60)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        )

    def sign(self, name: str, *, days: int = 30) -> tuple[Path, Path]:
        """Return the certificate of `name` at 127.0.0.1, with its chain, and its key. Negative days: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = self._builder(_name(name), key.public_key(), days).add_extension(names, critical=False)
        certificate, key_file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        chain = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM) + self.ca.read_bytes()
        certificate.write_bytes(chain)
        key_file.write_bytes(_key_pem(key))
        return certificate, key_file

    def keystore(self, name: str, *, days: int = 30) -> Path:
        """Return one file with key and certificate, as Kafka wants it."""
        certificate, key = self.sign(name, days=days)
        store = self._folder / f"{name}-keystore.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        return store
