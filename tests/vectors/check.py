#!/usr/bin/env python3
"""Checks vectors.json against schema.json and against a small resolver, to show that the format suffices.

The resolver implements the latest revision with default settings: one lookup, no cache, no timers. Standard library only.
"""

import ipaddress
import itertools
import json
import pathlib
import re
import sys
from urllib.parse import urljoin, urlsplit

from schema import violations

HERE = pathlib.Path(__file__).parent
STEPS = {"own": ["ip_literal", "explicit_port", "srv_fed", "srv", "default_port"]}
STEPS["delegated"] = ["delegated_" + step for step in ("ip_literal", "port", "srv_fed", "srv", "default_port")]


class Failure(Exception):
    """A lookup without a result; the argument is the kind of error."""


class Unavailable(Exception):
    """A document that cannot be had: the lookup goes on without it."""


class World:
    """The servers of one vector, and the DNS questions that they were asked."""

    def __init__(self, world):
        self.zone = {(entry["name"].lower(), entry["type"]): entry for entry in world["dns"]}
        self.pages = {(page["url"], page.get("address")): page for page in world["https"]}
        self.faults = {entry["to"]: entry["fault"] for entry in world["connect"]}
        self.asked = set()

    def dns(self, name, kind):
        """The records of a name; an empty list if there are none, or if DNS is not asked for such names."""
        if name.split(".")[-1] in ("invalid", "localhost", "onion"):
            return []
        if len(name) > 253:
            return []
        self.asked.add(f"{name} {kind}")
        # The server follows aliases.
        for _ in range(9):
            entry = self.zone.get((name, "CNAME")) if (name, kind) not in self.zone else self.zone[name, kind]
            if entry is None or entry.get("status") in ("NXDOMAIN", "NODATA"):
                return []
            if "status" in entry:
                raise Failure("dns_failure")
            if entry["type"] != "CNAME":
                return entry["records"]
            if "unusable" in entry["records"][0]:
                break
            name = entry["records"][0]["alias"].lower()
        raise Failure("dns_failure")

    def connects(self, address, port):
        to = ipaddress.ip_address(address)
        socket = f"[{to}]:{port}" if to.version == 6 else f"{to}:{port}"
        candidates = (socket, str(to), f"v{to.version}", "all")
        return next((self.faults[to] == "ok" for to in candidates if to in self.faults), True)

    def get(self, url, addresses, port):
        for address in addresses:
            page = self.pages.get((url, address), self.pages.get((url, None), {"fault": "refused"}))
            if self.connects(address, port) and "fault" not in page:
                return page
        raise Unavailable


def host_and_port(name):
    """A server name as host and port (or None)."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::([0-9]{1,5}))?", name)
    if not match or int(match[2] or 1) > 65535 or int(match[2] or 1) == 0:
        raise Failure("invalid_server_name")
    if match[1].startswith("["):
        try:
            ipaddress.IPv6Address(match[1][1:-1])
        except ValueError:
            raise Failure("invalid_server_name") from None
    return match[1], match[2] and int(match[2])


def literal(host):
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def dns_name(host):
    """The host as a name that DNS can express."""
    name = host.lower().removesuffix(".")
    label = "[0-9a-z-]{1,63}"
    if len(name) > 253 or not re.fullmatch(rf"{label}(\.{label})*", name) or re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.split(".")[-1]):
        raise Failure("unresolvable_name")
    return name


def addresses(world, name):
    """The addresses of a host, families in turn (RFC 8305)."""
    if name.split(".")[-1] == "localhost":
        return ["::1", "127.0.0.1"]
    found, failed = [], False
    for kind in ("AAAA", "A"):
        try:
            records = [record["address"] for record in world.dns(name, kind) if "address" in record]
            found.append(list(dict.fromkeys(records))[:16])
        except Failure:
            failed = True
    if not any(found) and failed:
        raise Failure("dns_failure")
    return [address for pair in itertools.zip_longest(*found) for address in pair if address]


def unique(pairs):
    """An object; one with a key twice is invalid."""
    if len(pairs) != len(dict(pairs)):
        raise ValueError
    return dict(pairs)


def document(world, host):
    """The delegated server name of a host."""
    url = f"https://{dns_name(host)}/.well-known/matrix/server"
    for _ in range(11):
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 443
            name = literal(host) or dns_name(host)
            if parts.username:
                raise Unavailable
        except (ValueError, Failure):
            raise Unavailable from None
        found = [name] if literal(host) else addresses(world, name)
        if not found:
            raise Unavailable
        page = world.get(url, found, port)
        header = lambda wanted: [value for name, value in page["headers"] if name == wanted]
        location = header("location")
        if page["status"] in (301, 302, 303, 307, 308) and len(location) == 1:
            try:
                url = urljoin(url, location[0])
            except ValueError:
                raise Unavailable from None
            if not url.startswith("https://"):
                raise Unavailable
            continue
        coded = any(coding.strip().lower() not in ("", "identity") for coding in ",".join(header("content-encoding")).split(","))
        if page["status"] != 200 or coded or len(page["body"].encode()) > 51200:
            raise Unavailable
        try:
            delegated = json.loads(page["body"], object_pairs_hook=unique)["m.server"]
            target, _ = host_and_port(delegated)
            literal(target) or dns_name(target)
            return delegated
        except (ValueError, TypeError, KeyError, RecursionError, Failure):
            raise Unavailable from None
    raise Unavailable


def resolve(world, name):
    host, port = host_and_port(name)
    if literal(host) or port:
        return by_name(world, name, STEPS["own"])
    dns_name(host)
    try:
        return by_name(world, document(world, host), STEPS["delegated"])
    except Unavailable:
        return by_name(world, name, STEPS["own"])


def by_name(world, name, steps):
    host, port = host_and_port(name)
    if ip := literal(host):
        return {"step": steps[0], "host_header": name, "certificate": ip, "sni": None, "groups": [(None, [(ip, port or 8448, [ip])])]}
    target = dns_name(host)
    result = {"host_header": name, "certificate": target, "sni": target}
    if not port:
        for step, service in ((steps[2], "_matrix-fed"), (steps[3], "_matrix")):
            if records := world.dns(f"{service}._tcp.{target}", "SRV"):
                return result | {"step": step, "groups": services(world, records)}
    if found := addresses(world, target):
        return result | {"step": steps[1] if port else steps[4], "groups": [(None, [(target, port or 8448, found)])]}
    raise Failure("no_addresses")


def services(world, records):
    usable = [record for record in records if "target" in record and record["port"] and record["target"] != "."]
    if not usable:
        raise Failure("srv_unavailable")
    groups, failed = {}, False
    for record in usable:
        try:
            if found := addresses(world, record["target"].lower()):
                groups.setdefault(record["priority"], []).append((record["target"].lower(), record["port"], found))
        except Failure:
            failed = True
    if not groups:
        raise Failure("dns_failure" if failed else "no_addresses")
    return sorted(groups.items())


def differences(expect, got, asked):
    """What differs between an expectation and a result."""
    wanted = {key: expect[key] for key in ("error", "step", "host_header", "certificate", "sni") if key in expect}
    wrong = [f"{key}: expected {value}, got {got.get(key)}" for key, value in wanted.items() if got.get(key) != value]
    if "groups" in expect and not wrong:
        place = lambda target: (target["host"], target["port"], tuple(target["addresses"]))
        groups = [(group["priority"], sorted({place(target) for target in group["targets"]})) for group in expect["groups"] if group["targets"]]
        mine = [(priority, sorted({(host, port, tuple(found)) for host, port, found in places})) for priority, places in got["groups"]]
        wrong += [] if groups == mine else [f"targets: expected {groups}, got {mine}"]
    if not wrong and (unasked := asked - set(expect.get("questions", []))):
        wrong.append(f"asked without need: {sorted(unasked)}")
    return wrong


def main():
    vectors = json.loads((HERE / "vectors.json").read_text())
    invalid = violations(json.loads((HERE / "schema.json").read_text()), vectors)
    for line in invalid:
        print(f"schema: {line}")
    checked, skipped, wrong = 0, 0, len(invalid)
    for vector in vectors["vectors"]:
        if vector["settings"] or vector["revision"] != "v1.19":
            skipped += 1
            continue
        for lookup in vector["lookups"]:
            world = World(vector["world"])
            try:
                got = resolve(world, lookup["name"])
            except Failure as failure:
                got = {"error": str(failure)}
            found = differences(lookup["expect"], got, world.asked)
            checked, wrong = checked + 1, wrong + bool(found)
            for line in found:
                print(f"{vector['id']}: {lookup['name']}: {line}")
    print(f"{checked} lookups checked, {wrong} differ; {skipped} vectors with settings or other revisions skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
