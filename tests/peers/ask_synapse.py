"""Asks Synapse's own federation agent where it would connect: a name in JSON a line goes in, an answer in JSON a line comes out.

Everything is Synapse's: the check of the name, the document's resolver, the agent, the endpoint, the certificate policy. Documents are
fetched over real sockets. Only the last step is watched instead of done: each TCP connection that the agent wants for the
request itself is noted and refused, so that it goes on to its next place, until it has named all.
"""

import itertools
import json
import logging
import sys
import threading
import types
import urllib.parse

from twisted.internet import asyncioreactor

asyncioreactor.install()

from netaddr import IPSet  # noqa: E402
from OpenSSL import SSL  # noqa: E402
from synapse.crypto.context_factory import FederationPolicyForHTTPS  # noqa: E402
from synapse.http.client import BlocklistingAgentWrapper, BlocklistingReactorWrapper  # noqa: E402
from synapse.http.federation.matrix_federation_agent import MatrixFederationAgent  # noqa: E402
from synapse.http.federation.srv_resolver import SrvResolver  # noqa: E402
from synapse.http.federation.well_known_resolver import WellKnownResolver  # noqa: E402
from synapse.http.proxyagent import ProxyAgent  # noqa: E402
from synapse.util.async_helpers import timeout_deferred  # noqa: E402
from synapse.util.clock import Clock  # noqa: E402
from synapse.util.stringutils import parse_and_validate_server_name  # noqa: E402
from twisted.internet import defer, error, reactor  # noqa: E402
from twisted.logger import globalLogBeginner  # noqa: E402
from twisted.names import client as dns_client  # noqa: E402
from twisted.python.failure import Failure  # noqa: E402
from twisted.web.client import HTTPConnectionPool  # noqa: E402

# What comes out is all that is wanted.
logging.disable(logging.CRITICAL)
globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False)

# Seconds until the request fails, as in Synapse's client for federation.
PATIENCE = 60

# One homeserver for each question: its metrics know of no other of the same name.
ASKING = (f"asks-{number}.invalid" for number in itertools.count())

# What stands in its configuration where nobody says otherwise.
CONFIG = types.SimpleNamespace(
    tls=types.SimpleNamespace(
        federation_ca_trust_root=None,
        federation_client_minimum_tls_version="1",
        federation_verify_certificates=True,
        federation_certificate_verification_whitelist=[],
    )
)


class Watched:
    """The reactor, except that connections are noted and refused."""

    def __init__(self):
        self.places = []

    def __getattr__(self, name):
        return getattr(reactor, name)

    def connectTCP(self, host, port, factory, timeout=30, bindAddress=None):
        self.places.append((host, port))
        connector = types.SimpleNamespace(disconnect=lambda: None, stopConnecting=lambda: None)
        refused = Failure(error.ConnectionRefusedError())
        reactor.callLater(0, factory.clientConnectionFailed, connector, refused)
        return connector


class Policy:
    """The certificate policy, except that it is noted for whom it was asked last."""

    def __init__(self, policy):
        self.policy = policy
        self.host = None
        self.sni = None

    def get_options(self, host):
        options = self.policy.get_options(host)
        self.host = host.decode("ascii")
        connection = options.clientConnectionForTLS(types.SimpleNamespace(failVerification=print))
        connection.set_connect_state()
        try:
            connection.do_handshake()
        except SSL.Error:
            # The greeting is written, and nobody answers.
            pass
        self.sni = (connection.get_servername() or b"").decode("ascii")
        return options

    creatorForNetloc = None


def agent(watched, policy):
    """Made as `MatrixFederationHttpClient` and `MatrixFederationAgent` make them, but for what is watched."""
    nowhere = IPSet()
    own_name = next(ASKING)
    clock = Clock(reactor, server_name=own_name)
    asking = BlocklistingReactorWrapper(reactor, None, nowhere)
    pool = HTTPConnectionPool(asking)
    pool.retryAutomatically = False
    documents = ProxyAgent(
        reactor=asking, proxy_reactor=reactor, pool=pool, contextFactory=policy.policy
    )
    resolver = dns_client.createResolver()
    return MatrixFederationAgent(
        server_name=own_name,
        reactor=watched,
        clock=clock,
        tls_client_options_factory=policy,
        user_agent=b"Synapse",
        ip_allowlist=None,
        ip_blocklist=nowhere,
        _srv_resolver=SrvResolver(dns_client=resolver, cache={}),
        _well_known_resolver=WellKnownResolver(
            server_name=own_name,
            reactor=asking,
            clock=clock,
            agent=BlocklistingAgentWrapper(documents, ip_blocklist=nowhere),
            user_agent=b"Synapse",
        ),
    )


def watch_request(federation):
    """Notes the `Host` that goes with the request."""
    hosts = []
    request = federation._agent.request

    def watched(method, uri, headers=None, body=None):
        hosts.append(headers.getRawHeaders(b"host")[0].decode("ascii"))
        return request(method, uri, headers, body)

    federation._agent.request = watched
    return hosts


async def ask(name):
    watched, policy = Watched(), Policy(FederationPolicyForHTTPS(CONFIG))
    try:
        parse_and_validate_server_name(name)
        federation = agent(watched, policy)
        hosts = watch_request(federation)
        uri = urllib.parse.urlunparse(
            (b"matrix-federation", name.encode("ascii"), b"/_matrix/federation/v1/version", b"", b"", b"")
        )
        request = defer.maybeDeferred(federation.request, b"GET", uri)
        clock = Clock(reactor, server_name=next(ASKING))
        await timeout_deferred(deferred=request, timeout=PATIENCE, clock=clock)
        why = "it was answered"
    except Exception as trouble:  # whatever it is, it leads nowhere
        why = f"{type(trouble).__name__}: {trouble}"
    if not watched.places:
        return {"fails": why}
    show = lambda host, port: f"[{host}]:{port}" if ":" in host else f"{host}:{port}"  # noqa: E731
    places = [show(host, port) for host, port in watched.places]
    return {"leads": {"places": places, "host": hosts[-1], "tls": policy.host, "sni": policy.sni}}


def answer(line):
    def say(result):
        if isinstance(result, Failure):
            result = {"fails": f"{result.type.__name__}: {result.value}"}
        print(json.dumps(result), flush=True)

    defer.ensureDeferred(ask(json.loads(line))).addBoth(say)


def listen():
    for line in sys.stdin:
        reactor.callFromThread(answer, line)
    reactor.callFromThread(lambda: reactor.running and reactor.stop())


threading.Thread(target=listen, daemon=True).start()
reactor.run()
