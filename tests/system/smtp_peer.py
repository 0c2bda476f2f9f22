"""A mail server for the tests that does the wrong thing at an exact moment, and keeps what it took.

    with SmtpPeer([Fault("rcpt", reply="450 4.2.0 later"), Fault("dot", close=True)]) as peer:
        ...                       # peer.port
        peer.accepted             # what it took responsibility for: a list of Mail

Moments, in the order of a session: connect, ehlo, starttls, auth, mail, rcpt, data, body (some of the
message has come, its end has not), dot (its end has come), idle (the reply to the dot was sent), rset, quit.

A fault happens each time its moment comes, or `times` times after the first `skip`. What it does, in this
order: wait `delay` seconds; take the mail (`take=True`, at dot); send `reply` (bytes or text, CRLF is added);
then `close`, `reset` (a TCP reset), or `stall` for ever. A fault with a delay alone goes on as if nothing were.
"""

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult

MOMENTS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "idle", "rset", "quit")


@dataclass
class Fault:
    at: str
    reply: object = None
    close: bool = False
    reset: bool = False
    stall: bool = False
    take: bool = False
    delay: float = 0.0
    times: int = -1
    skip: int = 0

    def __post_init__(self):
        if self.at not in MOMENTS:
            raise ValueError(f"no moment {self.at}: {', '.join(MOMENTS)}")

    def due(self):
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        self.times -= 1 if self.times > 0 else 0
        return True

    def ends_command(self):
        return self.reply is not None or self.close or self.reset or self.stall


@dataclass
class Mail:
    sender: str
    recipients: list
    content: bytes
    connection: int
    tls: bool
    user: str
    time: float = field(default_factory=time.monotonic)


class Session(SMTP):
    """One connection: each command first asks whether a fault is due."""

    def __init__(self, peer, *arguments, **keywords):
        super().__init__(peer, *arguments, **keywords)
        self.peer = peer
        self.number = None

    async def fault(self, moment):
        if self.number is None:
            self.number = self.peer.next_connection()
        self.peer.seen.append((self.number, moment))
        for fault in self.peer.faults:
            if fault.at == moment and fault.due():
                return await self.commit(fault)
        return False

    async def commit(self, fault):
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.take:
            self.peer.take(self)
        if fault.reply is not None:
            reply = fault.reply if isinstance(fault.reply, bytes) else fault.reply.encode() + b"\r\n"
            self._writer.write(reply)
            await self._writer.drain()
        if fault.stall:
            await asyncio.sleep(3600)
        if fault.reset:
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif fault.close:
            self.transport.close()
        return fault.ends_command()

    def connection_lost(self, error):
        self.peer.open.discard(self)
        super().connection_lost(error)

    async def _handle_client(self):
        self.peer.open.add(self)
        if len(self.peer.open) > self.peer.max_connections:
            await self.commit(Fault("connect", reply="421 4.7.0 too many connections", close=True))
        elif not await self.fault("connect"):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname):
        if not await self.fault("ehlo"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, argument):
        if not await self.fault("starttls"):
            await super().smtp_STARTTLS(argument)

    async def smtp_AUTH(self, argument):
        if not await self.fault("auth"):
            await super().smtp_AUTH(argument)

    async def smtp_MAIL(self, argument):
        if not await self.fault("mail"):
            await super().smtp_MAIL(argument)

    async def smtp_RCPT(self, argument):
        if not await self.fault("rcpt"):
            await super().smtp_RCPT(argument)

    async def smtp_DATA(self, argument):
        if await self.fault("data"):
            return
        if any(fault.at == "body" for fault in self.peer.faults) and self.envelope.rcpt_tos:
            await self.push("354 go on")
            await self._reader.readexactly(self.peer.body_bytes)
            if not await self.fault("body"):
                raise RuntimeError("a fault in the body has to end it")
            return
        await super().smtp_DATA(argument)
        if not self.transport.is_closing():
            await self.fault("idle")

    async def smtp_RSET(self, argument):
        if not await self.fault("rset"):
            await super().smtp_RSET(argument)

    async def smtp_QUIT(self, argument):
        if not await self.fault("quit"):
            await super().smtp_QUIT(argument)

    async def push(self, status):
        # None: the fault at the dot has answered already, or never will.
        if status is not None and not self.transport.is_closing():
            await super().push(status)


class SmtpPeer:
    """The server, on a thread of its own, from __enter__ to __exit__."""

    def __init__(self, faults=(), pipelining=True, certificate=None, require_starttls=False, implicit_tls=False,
                 users=None, body_bytes=500, size_limit=33554432, extensions=(), max_connections=1000):
        self.faults = list(faults)
        self.pipelining = pipelining
        self.certificate = certificate  # (certificate file, key file)
        self.require_starttls = require_starttls
        self.implicit_tls = implicit_tls
        self.users = users  # {name: password}: AUTH is required
        self.body_bytes = body_bytes
        self.size_limit = size_limit
        self.extensions = extensions
        self.max_connections = max_connections
        self.open = set()
        self.accepted = []
        self.seen = []  # (connection, moment)
        self.connections = 0
        self.most_at_once = 0
        self.at_once = 0
        self.port = None

    # ---- called by the session

    def next_connection(self):
        self.connections += 1
        return self.connections

    def take(self, session):
        envelope = session.envelope
        user = session.session.auth_data
        self.accepted.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content, session.number,
                                  session.session.ssl is not None, user.login.decode() if user else ""))

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        offers = [f"250-{extension}" for extension in self.extensions]
        if self.pipelining:
            offers.append("250-PIPELINING")
        return responses[:-1] + offers + responses[-1:]

    async def handle_DATA(self, server, session, envelope):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if await server.fault("dot"):
                return None
        finally:
            self.at_once -= 1
        self.take(server)
        return f"250 2.0.0 Ok: queued as PEER{len(self.accepted):06d}"

    # ---- called by the test

    @property
    def url(self):
        return f"{'smtps' if self.implicit_tls else 'smtp'}://127.0.0.1:{self.port}"

    def recipients(self):
        return [recipient for mail in self.accepted for recipient in mail.recipients]

    def _session(self, context):
        options = {"auth_require_tls": False, "data_size_limit": self.size_limit, "hostname": "peer.test"}
        if context and not self.implicit_tls:
            options.update(tls_context=context, require_starttls=self.require_starttls)
        if self.users is not None:
            options.update(auth_required=True, authenticator=self._authenticate)
        return Session(self, loop=self.loop, **options)

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = self.users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=good, auth_data=data if good else None,
                          message=None if good else "535 5.7.8 wrong user or password")

    def _context(self):
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        return context

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        context = self._context()
        self.server = self.loop.run_until_complete(
            self.loop.create_server(lambda: self._session(context), "127.0.0.1", self.port or 0, backlog=600,
                                    ssl=context if self.implicit_tls else None))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        def stop():
            self.server.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(stop)
        self.thread.join(10)
        self.loop.close()


def make_certificate(folder, host="127.0.0.1"):
    """A self-signed certificate for an IP address: (certificate file, key file)."""
    certificate, key = str(folder / "peer.crt"), str(folder / "peer.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "3650", "-subj", "/CN=peer.test", "-addext", f"subjectAltName=IP:{host}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
