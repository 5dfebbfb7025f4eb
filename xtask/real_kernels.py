"""Small DNS and HTTPS servers for real-kernels.sh.

Arguments: a file to create once all sockets are open, then `udp=ADDRESS` and `tcp=ADDRESS` (DNS, port 53), `https=ADDRESS` (port 443)
and `leaf=PATH` (certificate and key, without `.pem` and `.key`). What a name leads to follows from its first letters.
"""

import re
import socket
import ssl
import struct
import sys
import threading
import time

A, AAAA, SRV = 1, 28, 33

# The addresses of hosts, by the beginning of their name.
ADDRESSES = [
    (r"(srv|plain)", ["192.0.2.80"]),
    (r"six", ["2001:db8::80"]),
    (r"mixed", ["192.0.2.82", "2001:db8::80"]),
    (r"(slow|redirect)", ["192.0.2.82"]),
    (r"rejected", ["2001:db8::80"]),
    (r"away", ["198.51.100.1"]),
    (r"target4", ["192.0.2.81"]),
    (r"target6", ["2001:db8::81"]),
    (r"fed", ["192.0.2.83"]),
    (r"costly", ["192.0.2.84"]),
]
SERVICES = [(r"_matrix-fed\._tcp\.srv", "target4.example"), (r"_matrix-fed\._tcp\.six", "target6.example")]


def name_at(message, at):
    labels = []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    return ".".join(labels).lower(), at + 1


def in_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def records(name, kind):
    """The data of all records of a name and type; None: there is no such name."""
    if kind == SRV or name.startswith("_"):
        targets = [target for start, target in SERVICES if re.match(start, name)]
        if not targets:
            return None
        return [struct.pack("!HHH", 10, 5, 8443) + in_bytes(target) for target in targets] if kind == SRV else []
    known = [addresses for start, addresses in ADDRESSES if re.match(start, name)]
    if not known:
        return None
    families = {A: (socket.AF_INET, "."), AAAA: (socket.AF_INET6, ":")}
    family, mark = families.get(kind, (None, "?"))
    return [socket.inet_pton(family, address) for address in known[0] if mark in address]


def reply(query):
    name, end = name_at(query, 12)
    kind = struct.unpack("!H", query[end : end + 2])[0]
    found = records(name, kind)
    code = 3 if found is None else 0
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(found or []), 0 if found else 1, 0)
    body = query[12 : end + 4]
    for data in found or []:
        body += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data
    if not found:
        soa = b"\0\0" + struct.pack("!IIIII", 1, 3600, 600, 86400, 60)
        body += in_bytes("example") + struct.pack("!HHIH", 6, 1, 300, len(soa)) + soa
    return head + body


def open_socket(address, kind, port):
    address, _, zone = address.partition("%")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place = (address, port)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        place = (address, port, 0, socket.if_nametoindex(zone) if zone else 0)
    opened.bind(place)
    if kind == socket.SOCK_STREAM:
        opened.listen(256)
    return opened


def datagrams(opened):
    while True:
        try:
            query, client = opened.recvfrom(4096)
            opened.sendto(reply(query), client)
        except OSError:
            pass


def exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def streams(opened, serve):
    def one(stream):
        try:
            with stream:
                serve(stream)
        except OSError:
            pass

    while True:
        stream, _ = opened.accept()
        threading.Thread(target=one, args=(stream,), daemon=True).start()


def queries(stream):
    while True:
        length = struct.unpack("!H", exactly(stream, 2))[0]
        answer = reply(exactly(stream, length))
        stream.sendall(struct.pack("!H", len(answer)) + answer)


def pages(context):
    def serve(stream):
        with context.wrap_socket(stream, server_side=True) as tls:
            head = b""
            while b"\r\n\r\n" not in head:
                more = tls.recv(4096)
                if not more:
                    return
                head += more
            host = re.search(rb"(?i)\r\nhost: *([^\r:]*)", head).group(1).decode()
            if host.startswith("redirect"):
                answer = "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://rejected.w.example/\r\nContent-Length: 0\r\n\r\n"
            else:
                if host.startswith("slow"):
                    time.sleep(0.8)
                body = '{"m.server":"fed-%s:8449"}' % host
                answer = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            tls.sendall(answer.encode())

    return serve


def main():
    ready, *said = sys.argv[1:]
    options = [part.split("=", 1) for part in said]
    leaf = dict(options).get("leaf")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf + ".pem", leaf + ".key")
    threads = []
    for what, value in options:
        if what == "udp":
            threads.append((datagrams, open_socket(value, socket.SOCK_DGRAM, 53)))
        elif what == "tcp":
            threads.append((streams, open_socket(value, socket.SOCK_STREAM, 53), queries))
        elif what == "https":
            threads.append((streams, open_socket(value, socket.SOCK_STREAM, 443), pages(context)))
    for run, *arguments in threads:
        threading.Thread(target=run, args=arguments, daemon=True).start()
    open(ready, "w").close()
    # Nobody is left behind, whatever becomes of the script.
    threading.Event().wait(600)


main()
