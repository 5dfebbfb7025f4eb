#!/usr/bin/env bash
# Fetches version and keys of two Synapse servers by name with `discovery-client`: through a document, an SRV record, and port 8448, in a
# network namespace with BIND and with documents served by Python.
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
    timeout 240 target/synapse/bin/pip install --quiet matrix-synapse==1.163.2 >/dev/null 2>&1 \
        || { echo "skipped: Synapse cannot be installed from here"; exit 77; }
fi

cargo build --quiet -p discovery-client --example key_fetcher
target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"

space="matrix-discovery-synapse-$$"
dir="$(mktemp -d)"
servers=""
cleanup() {
    for pid in $servers; do kill "$pid" 2>/dev/null || true; done
    [ ! -f "$dir/named.pid" ] || kill "$(cat "$dir/named.pid")" 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
    rm -rf "$dir" "/etc/netns/$space"
}
trap cleanup EXIT
ip netns add "$space" 2>/dev/null || { echo "skipped: this machine gives no network namespaces"; exit 77; }
chmod 755 "$dir"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
# Global unicast addresses, which the default policy allows; they exist in this namespace alone.
for last in 31 32 53 80; do inside ip addr add "5.1.1.$last/32" dev lo; done
mkdir -p "/etc/netns/$space"
echo "nameserver 5.1.1.53" >"/etc/netns/$space/resolv.conf"
echo "127.0.0.1 localhost" >"/etc/netns/$space/hosts"

# --- DNS: each server has three names.
{
    echo '$TTL 300'
    echo '@ SOA ns hostmaster 1 3600 600 86400 60'
    echo '@ NS ns'
    echo 'ns A 5.1.1.53'
    for n in 1 2; do
        echo "hs$n A 5.1.1.3$n"
        echo "document$n A 5.1.1.80"
        echo "srv$n A 5.1.1.80"
        echo "_matrix-fed._tcp.srv$n SRV 10 5 8448 hs$n"
        echo "port$n A 5.1.1.3$n"
    done
} >"$dir/zone"
cat >"$dir/named.conf" <<EOF
options {
    directory "$dir"; listen-on port 53 { 5.1.1.53; }; listen-on-v6 { none; }; dnssec-validation no; recursion no;
    session-keyfile "$dir/session.key"; managed-keys-directory "$dir"; pid-file "$dir/named.pid";
};
controls { };
zone "example" { type primary; file "$dir/zone"; };
EOF
inside named -c "$dir/named.conf" -u root >/dev/null 2>&1

# --- Certificates.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
certificate() { # file, names
    local file="$1"
    shift
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$dir/$file.key" -out "$dir/$file.csr" 2>/dev/null
    openssl x509 -req -in "$dir/$file.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 2 -set_serial 1 \
        -extfile <(printf 'subjectAltName=%s' "$(printf 'DNS:%s.example,' "$@" | sed 's/,$//')") -out "$dir/$file.pem" 2>/dev/null
}
certificate documents document1 document2 srv1 srv2
for n in 1 2; do certificate "hs$n" "hs$n" "srv$n" "port$n"; done

# --- Documents: document1 and document2 have one, srv1 and srv2 have none.
cat >"$dir/documents.py" <<'EOF'
import http.server, json, ssl, sys
class Documents(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.headers["Host"].split(":")[0]
        has = name.startswith("document") and self.path == "/.well-known/matrix/server"
        body = json.dumps({"m.server": "hs%s.example:8448" % name[8]}).encode() if has else b""
        self.send_response(200 if has else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("5.1.1.80", 443), Documents)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
EOF
ip netns exec "$space" python3 "$dir/documents.py" "$dir/documents" >/dev/null 2>&1 &
servers="$servers $!"

# --- Two homeservers.
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
for place in "5.1.1.31 8448" "5.1.1.32 8448" "5.1.1.80 443"; do
    for _ in $(seq 300); do
        # shellcheck disable=SC2086
        is_up $place && break
        sleep 0.2
    done
done

passed=0
failed=0
fetch() { inside env SSL_CERT_FILE="$dir/ca.pem" "$target/debug/examples/key_fetcher" "$@" 2>&1; }
for path in /_matrix/key/v2/server /_matrix/federation/v1/version; do
    out="$(fetch "$path" document1.example srv1.example port1.example document2.example srv2.example port2.example)" || true
    for n in 1 2; do
        for name in "document$n.example" "srv$n.example" "port$n.example"; do
            line="$(grep "^$name: " <<<"$out" || true)"
            case "$path" in
                */server) want="\"server_name\":\"hs$n.example\"" ;;
                *) want='"name":"Synapse"' ;;
            esac
            if [[ "$line" == *"$want"* ]]; then
                passed=$((passed + 1))
                echo "ok      $name$path"
            else
                failed=$((failed + 1))
                echo "FAILED  $name$path: ${line:-nothing} lacks $want"
            fi
        done
    done
done
if [ "$failed" -gt 0 ]; then tail -5 "$dir"/hs?/log; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
