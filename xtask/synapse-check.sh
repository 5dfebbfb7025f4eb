#!/usr/bin/env bash
# Checks a real Synapse with `matrix-discovery check`, healthy and with one thing broken after the other, in a network namespace with BIND:
# the first line of each report must name the cause.
#
# Needs root, iproute2, openssl, bind9, and Python with `venv`; Synapse is installed from PyPI into target/synapse if it is not there.
# Says so and ends with status 77 where one is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in ip openssl named python3; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool here"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }

python="${SYNAPSE_PYTHON:-target/synapse/bin/python3}"
if ! "$python" -c 'import synapse' 2>/dev/null; then
    python3 -m venv target/synapse 2>/dev/null || { echo "skipped: there is no venv here"; exit 77; }
    python=target/synapse/bin/python3
    timeout 400 target/synapse/bin/pip install --quiet matrix-synapse==1.163.2 >/dev/null 2>&1 \
        || { echo "skipped: Synapse cannot be installed from here"; exit 77; }
fi

cargo build --quiet -p discovery-cli
target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"

space="matrix-discovery-check-$$"
dir="$(mktemp -d)"
servers=""
named_pid() { cat "$dir/named.pid" 2>/dev/null || true; }
cleanup() {
    for pid in $servers; do kill "$pid" 2>/dev/null || true; done
    [ -z "$(named_pid)" ] || kill "$(named_pid)" 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
    rm -rf "$dir" "/etc/netns/$space"
}
trap cleanup EXIT
ip netns add "$space" 2>/dev/null || { echo "skipped: this machine gives no network namespaces"; exit 77; }
chmod 755 "$dir"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
# Global unicast addresses, which the default policy allows; they exist in this namespace alone.
for last in 31 32 53; do inside ip addr add "5.1.1.$last/32" dev lo; done
inside ip addr add 2a01:4f8::31/128 dev lo nodad
mkdir -p "/etc/netns/$space"
echo "nameserver 5.1.1.53" >"/etc/netns/$space/resolv.conf"
echo "127.0.0.1 localhost" >"/etc/netns/$space/hosts"

# --- DNS
zone() { # further records
    {
        echo '$TTL 300'
        echo "@ SOA ns hostmaster $(date +%s%N | cut -c 8-16) 3600 600 86400 60"
        echo '@ NS ns'
        echo 'ns A 5.1.1.53'
        printf '%s\n' "$@"
    } >"$dir/zone"
    # Started anew for each zone, so that what it serves is known.
    if [ -n "$(named_pid)" ]; then
        local old
        old="$(named_pid)"
        kill "$old"
        tail --pid="$old" -f /dev/null
    fi
    inside named -c "$dir/named.conf" -u root >/dev/null 2>&1
}
cat >"$dir/named.conf" <<EOF
options {
    directory "$dir"; listen-on port 53 { 5.1.1.53; }; listen-on-v6 { none; }; dnssec-validation no; recursion no;
    session-keyfile "$dir/session.key"; managed-keys-directory "$dir"; pid-file "$dir/named.pid";
};
controls { };
zone "example" { type primary; file "$dir/zone"; };
EOF

# --- Certificates
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
certificate() { # file, days, names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>/dev/null
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$2" -set_serial 1 \
        -extfile <(printf 'subjectAltName=%s' "$3") -out "$dir/$1.pem" 2>/dev/null
}
certificate hs1 60 DNS:hs1.example,DNS:alias.example
certificate hs2 60 DNS:hs1.example,DNS:hs2.example

# --- A web server: the document is a file, and so is the page that answers everything else.
cat >"$dir/web.py" <<'EOF'
import http.server, os, ssl, sys
folder = sys.argv[1]
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = "document" if self.path == "/.well-known/matrix/server" else "page"
        path = os.path.join(folder, file)
        body = open(path, "rb").read() if os.path.exists(path) else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html" if file == "page" else "application/json")
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("5.1.1.31", 443), Web)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/hs1.pem", folder + "/hs1.key")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
EOF
ip netns exec "$space" python3 "$dir/web.py" "$dir" >/dev/null 2>&1 &
servers="$servers $!"

# --- Two homeservers
for n in 1 2; do
    mkdir "$dir/hs$n"
    cat >"$dir/hs$n/homeserver.yaml" <<EOF
server_name: hs$n.example
pid_file: $dir/hs$n/pid
report_stats: false
tls_certificate_path: $dir/hs$n.pem
tls_private_key_path: $dir/hs$n.key
listeners:
  - {port: 8448, type: http, tls: true, bind_addresses: [5.1.1.3$n], resources: [{names: [federation]}]}
database: {name: sqlite3, args: {database: $dir/hs$n/homeserver.db}}
media_store_path: $dir/hs$n/media
signing_key_path: $dir/hs$n/signing.key
macaroon_secret_key: a secret of this test
registration_shared_secret: another one
trusted_key_servers: []
EOF
    "$python" -m synapse.app.homeserver --config-path "$dir/hs$n/homeserver.yaml" --generate-keys >/dev/null 2>&1
    ip netns exec "$space" "$python" -m synapse.app.homeserver --config-path "$dir/hs$n/homeserver.yaml" >"$dir/hs$n/log" 2>&1 &
    servers="$servers $!"
done
is_up() { inside bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
for place in "5.1.1.31 8448" "5.1.1.32 8448" "5.1.1.31 443"; do
    for _ in $(seq 300); do
        # shellcheck disable=SC2086
        is_up $place && break
        sleep 0.2
    done
done

passed=0
failed=0
expect() { # what is broken, name, pattern of the first line
    local line
    line="$(inside env COLUMNS=200 SSL_CERT_FILE="$dir/ca.pem" "$target/debug/matrix-discovery" check --plain "$2" 2>&1 | head -1 || true)"
    if grep -q -- "$3" <<<"$line"; then
        passed=$((passed + 1))
        echo "ok      $1: $line"
    else
        failed=$((failed + 1))
        echo "FAILED  $1: $line lacks $3"
    fi
}
document() { printf '%s' "$1" >"$dir/document"; }
healthy=("hs1 A 5.1.1.31" "alias A 5.1.1.31" "hs2 A 5.1.1.32" "other A 5.1.1.31")

zone "${healthy[@]}"
document '{"m.server":"hs1.example:8448"}'
expect "nothing" hs1.example 'federates: Synapse 1'
document '{"m.server":"other.example:8448"}'
expect "certificate" hs1.example 'the certificate is for another name'
document '{"m.server":"hs1.example:8449"}'
expect "port" hs1.example 'nothing answers on port 8449'
document '{"m.server":"https://hs1.example:8448"}'
expect "document" hs1.example '"m.server" is a URL'
echo '<!DOCTYPE html><html></html>' >"$dir/page"
document '{"m.server":"hs1.example:443"}'
expect "proxy" hs1.example 'a web page answers in place of the homeserver'
rm "$dir/page"
expect "proxy without the API" hs1.example 'API answers with an error'
document '{"m.server":"hs1.example:8448"}'
expect "name" alias.example 'the server there calls itself hs1.example'
rm "$dir/document"
zone "${healthy[@]}" "target CNAME hs1" "_matrix-fed._tcp.hs1 SRV 10 5 8448 target"
expect "SRV" hs1.example 'its SRV record leads to an alias'
zone "${healthy[@]}" "hs1 AAAA 2a01:4f8::31"
expect "IPv6" hs1.example 'its IPv6 addresses do not answer'
zone "${healthy[@]}" "hs1 A 5.1.1.32"
expect "two servers" hs1.example 'calls itself hs2.example'
zone "hs2 A 5.1.1.32"
expect "no address" hs1.example 'it has no address in DNS'
kill "$(named_pid)"
tail --pid="$(named_pid)" -f /dev/null 2>/dev/null || true
rm -f "$dir/named.pid"
expect "DNS" hs1.example "your name server does not answer"
if [ "$failed" -gt 0 ]; then tail -n 5 "$dir"/hs?/log; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
