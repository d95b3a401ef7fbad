"""A real IMAP server of a test's own: Debian's dovecot, with a certificate of its own, mails in Maildirs."""

import asyncio
import datetime
import grp
import imaplib
import ipaddress
import os
import pwd
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from outreach.replies.imap import Mailbox, Security
from tests.waiting import until

DOVECOT = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")

PASSWORD = "open-sesame"
_CONFIGURATION = """
base_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 0
disable_plaintext_auth = yes
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
  }}
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True)
class ImapServer:
    """A dovecot that runs. Whoever has the password is a user of it."""

    folder: Path
    port: int
    tls_port: int
    user: str = "ann@example.com"

    @property
    def trusted(self) -> ssl.SSLContext:
        """Trusts this server alone."""
        return ssl.create_default_context(cafile=str(self.folder / "certificate.pem"))

    def mailbox(self, **changes: object) -> Mailbox:
        """The user's mailbox."""
        known: dict[str, object] = {"host": "127.0.0.1", "port": self.tls_port, "tls": self.trusted, "seconds": 10.0}
        return Mailbox(**{**known, "user": self.user, "password": PASSWORD, **changes})  # type: ignore[arg-type]

    def plain(self) -> Mailbox:
        """The same by STARTTLS."""
        return self.mailbox(port=self.port, security=Security.STARTTLS)

    @contextmanager
    def client(self) -> Iterator[imaplib.IMAP4_SSL]:
        """A client of the test's own, to fill the mailbox and to look into it."""
        client = imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=self.trusted, timeout=10)
        client.login(self.user, PASSWORD)
        try:
            yield client
        finally:
            client.shutdown()

    def append(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Put mails into a folder, unread."""
        with self.client() as client:
            for mail in mails:
                assert client.append(folder, "", "", mail)[0] == "OK"


@asynccontextmanager
async def imap_server(folder: Path) -> AsyncIterator[ImapServer]:
    """Run one in a folder until the end."""
    assert DOVECOT is not None
    server = await asyncio.to_thread(_prepare, folder)
    process = await asyncio.create_subprocess_exec(DOVECOT, "-F", "-c", str(folder / "dovecot.conf"))
    try:
        await until(lambda: _answers(server.tls_port, process), seconds=20, what="an answer of dovecot")
        yield server
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


def _prepare(folder: Path) -> ImapServer:
    folder.chmod(0o711)
    _make_certificate(folder)
    # What runs as root must not deliver mail as root: dovecot insists on another user.
    name = "mail" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    user = pwd.getpwnam(name)
    (folder / "mail").mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder / "mail", user.pw_uid, user.pw_gid)
    port, tls_port = _free_ports()
    configuration = _CONFIGURATION.format(
        folder=folder,
        user=name,
        group=grp.getgrgid(user.pw_gid).gr_name,
        uid=user.pw_uid,
        gid=user.pw_gid,
        password=PASSWORD,
        port=port,
        tls_port=tls_port,
    )
    (folder / "dovecot.conf").write_text(configuration)
    return ImapServer(folder, port, tls_port)


async def _answers(port: int, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None, "dovecot ended; it told why on the standard error"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own IMAP server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "key.pem").chmod(0o600)
