#!/usr/bin/env bash
# Resolves one name for each step of the specification against servers that this project did not write: BIND, behind each resolver
# that is installed (BIND again, unbound, dnsmasq), and nginx on port 443, in a network namespace of their own, through the system's
# own resolv.conf and SSL_CERT_FILE.
#
# Needs root, iproute2, openssl, bind9 and nginx; unbound and dnsmasq-base are taken where they are installed. Says so and ends with
# status 77 where one is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in ip openssl named nginx; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool here"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }

cargo build --quiet -p discovery-cli
binary="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/matrix-discovery"

space="matrix-discovery-$$"
dir="$(mktemp -d)"
stop() { # the name of a file with a process id
    if [ -f "$dir/$1.pid" ]; then kill "$(cat "$dir/$1.pid")" 2>/dev/null || true; fi
}
cleanup() {
    for server in resolver named nginx; do stop "$server"; done
    ip netns del "$space" 2>/dev/null || true
    rm -rf "$dir" "/etc/netns/$space"
}
trap cleanup EXIT
chmod 755 "$dir"

ip netns add "$space"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
for address in 192.0.2.53/32 192.0.2.54/32 192.0.2.80/32 192.0.2.81/32; do inside ip addr add "$address" dev lo; done
inside ip -6 addr add 2001:db8::80/128 dev lo nodad
mkdir -p "/etc/netns/$space"
name_server() { printf 'nameserver %s\nsearch example\noptions ndots:5\n' "$1" >"/etc/netns/$space/resolv.conf"; }
name_server 192.0.2.54
printf '127.0.0.1 localhost\n' >"/etc/netns/$space/hosts"

# --- DNS
many="$(for i in $(seq 1 90); do
    echo "_matrix-fed._tcp.many SRV 10 $i 8450 target-with-a-rather-long-name-$i"
    echo "target-with-a-rather-long-name-$i A 192.0.2.46"
done)"
cat >"$dir/zone" <<EOF
\$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.54
broken NS ns.broken
ns.broken A 192.0.2.99
www A 192.0.2.80
www AAAA 2001:db8::80
port A 192.0.2.30
port AAAA 2001:db8::30
alias CNAME port
hs A 192.0.2.31
t33 A 192.0.2.33
_matrix-fed._tcp.d33 SRV 10 5 4433 t33
t34 AAAA 2001:db8::34
_matrix._tcp.d34 SRV 10 5 4434 t34
d35 A 192.0.2.35
t4 A 192.0.2.44
_matrix-fed._tcp.srv-fed SRV 10 5 4444 t4
t5 A 192.0.2.45
_matrix._tcp.srv-legacy SRV 10 5 4445 t5
_matrix-fed._tcp.not-offered SRV 0 0 0 .
bad-certificate A 192.0.2.81
$many
$(for name in wk-ip wk-port wk-fed wk-legacy wk-plain wk-redirect wk-invalid srv-fed srv-legacy plain many not-offered; do
    echo "$name A 192.0.2.80"; echo "$name AAAA 2001:db8::80"; done)
EOF
named_options() { # where it listens
    echo "directory \"$dir\"; listen-on port 53 { $1; }; listen-on-v6 { none; }; dnssec-validation no;"
    echo "session-keyfile \"$dir/session-$1.key\"; managed-keys-directory \"$dir\";"
}
cat >"$dir/named.conf" <<EOF
options { $(named_options 192.0.2.54) recursion no; pid-file "$dir/named.pid"; };
controls { };
zone "example" { type primary; file "$dir/zone"; };
EOF
inside named -c "$dir/named.conf" -u root >/dev/null 2>&1

# Each resolver asks BIND for the zone, and has nobody to ask for anything else.
start_bind() {
    cat >"$dir/resolver.conf" <<EOF
options { $(named_options 192.0.2.53) recursion yes; allow-recursion { any; }; pid-file "$dir/resolver.pid"; empty-zones-enable no; };
controls { };
zone "." { type hint; file "/dev/null"; };
zone "example" { type static-stub; server-addresses { 192.0.2.54; }; };
EOF
    inside named -c "$dir/resolver.conf" -u root >/dev/null 2>&1
}
start_unbound() {
    cat >"$dir/resolver.conf" <<EOF
server:
    interface: 192.0.2.53
    access-control: 0.0.0.0/0 allow
    username: ""
    chroot: ""
    directory: "$dir"
    pidfile: "$dir/resolver.pid"
    use-syslog: no
    logfile: "$dir/unbound.log"
    module-config: "iterator"
    do-ip6: no
    root-hints: "/dev/null"
remote-control:
    control-enable: no
stub-zone:
    name: "example"
    stub-addr: 192.0.2.54
EOF
    inside unbound -c "$dir/resolver.conf"
}
start_dnsmasq() {
    inside dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --listen-address=192.0.2.53 --user=root --group=root \
        --pid-file="$dir/resolver.pid" --server=/example/192.0.2.54
}
stop_resolver() { # and wait until it has ended, for the next one needs its port
    local pid
    pid="$(cat "$dir/resolver.pid")"
    stop resolver
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    rm -f "$dir/resolver.pid"
}

# --- HTTPS
hosts="wk-ip wk-port wk-fed wk-legacy wk-plain wk-redirect wk-invalid srv-fed srv-legacy plain many not-offered www"
san="$(for host in $hosts; do printf 'DNS:%s.example,' "$host"; done)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$dir/leaf.key" -out "$dir/leaf.csr" 2>/dev/null
openssl x509 -req -in "$dir/leaf.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 2 -set_serial 1 \
    -extfile <(echo "subjectAltName=${san%,}") -out "$dir/leaf.pem" 2>/dev/null
page() { echo "server { listen 192.0.2.80:443 ssl; listen [2001:db8::80]:443 ssl; server_name $1.example; location = /.well-known/matrix/server { $2 } }"; }
delegate() { page "$1" "return 200 '{\"m.server\": \"$2\"}';"; }
cat >"$dir/nginx.conf" <<EOF
pid $dir/nginx.pid; error_log $dir/error.log; worker_processes 1; user root;
events { }
http {
    access_log off; ssl_certificate $dir/leaf.pem; ssl_certificate_key $dir/leaf.key; server_names_hash_bucket_size 128;
    client_body_temp_path $dir/1; proxy_temp_path $dir/2; fastcgi_temp_path $dir/3; uwsgi_temp_path $dir/4; scgi_temp_path $dir/5;
    $(delegate wk-ip 192.0.2.20)
    $(delegate wk-port hs.example:443)
    $(delegate wk-fed d33.example)
    $(delegate wk-legacy d34.example)
    $(delegate wk-plain d35.example)
    $(delegate wk-invalid https://hs.example)
    $(page wk-redirect 'return 301 https://www.example/moved;')
    server { listen 192.0.2.80:443 ssl; listen [2001:db8::80]:443 ssl; server_name www.example; location = /moved { return 302 /again; }
             location = /again { return 200 '{"m.server":"hs.example:8449"}'; } }
    $(for host in srv-fed srv-legacy plain many not-offered; do page "$host" 'return 404;'; done)
    server { listen 192.0.2.81:443 ssl; location / { return 200 '{"m.server":"evil.example:1"}'; } }
}
EOF
inside nginx -p "$dir" -c "$dir/nginx.conf"
ready() { # Each try waits for a reply or its timeout.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        inside "$binary" resolve --any-address --short port.example:1 >/dev/null 2>&1 && return
    done
    echo "FAILED  nobody answers"
}

passed=0
failed=0
expect() { # name, exit status, then texts that the JSON must hold
    local name="$1" want="$2" got=0 line
    shift 2
    line="$(inside env SSL_CERT_FILE="$dir/ca.pem" "$binary" resolve --json --any-address "$name" 2>"$dir/stderr")" || got=$?
    local wrong=""
    [ "$got" = "$want" ] || wrong="exit status $got instead of $want"
    for text in "$@"; do
        case "$line" in *"$text"*) ;; *) wrong="$wrong; lacks $text" ;; esac
    done
    if [ -z "$wrong" ]; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name: $wrong"
        echo "        $line"
        cat "$dir/stderr"
    fi
}
step() { # name, step, first address, Host, certificate name
    expect "$1" 0 "\"step\":\"$2\"" "\"targets\":[{\"addr\":\"$3\"" "\"host_header\":\"$4\"" "\"tls_name\":\"$5\""
}
every_step() {
    step 192.0.2.10                1   192.0.2.10:8448          192.0.2.10               192.0.2.10
    step '[2001:db8::10]:443'      1   '[2001:db8::10]:443'     '[2001:db8::10]:443'     2001:db8::10
    step Port.example:8449         2   '[2001:db8::30]:8449'    Port.example:8449        port.example
    step alias.example:8449        2   '[2001:db8::30]:8449'    alias.example:8449       alias.example
    step wk-ip.example             3.1 192.0.2.20:8448          192.0.2.20               192.0.2.20
    step wk-port.example           3.2 192.0.2.31:443           hs.example:443           hs.example
    step wk-redirect.example       3.2 192.0.2.31:8449          hs.example:8449          hs.example
    step wk-fed.example            3.3 192.0.2.33:4433          d33.example              d33.example
    step wk-legacy.example         3.4 '[2001:db8::34]:4434'    d34.example              d34.example
    step wk-plain.example          3.5 192.0.2.35:8448          d35.example              d35.example
    step srv-fed.example           4   192.0.2.44:4444          srv-fed.example          srv-fed.example
    step srv-legacy.example        5   192.0.2.45:4445          srv-legacy.example       srv-legacy.example
    step plain.example             6   '[2001:db8::80]:8448'    plain.example            plain.example
    step wk-invalid.example        6   '[2001:db8::80]:8448'    wk-invalid.example       wk-invalid.example
    step bad-certificate.example   6   192.0.2.81:8448          bad-certificate.example  bad-certificate.example
    # 90 records don't fit a datagram: they come over TCP.
    expect many.example 0 '"step":"4"' '"host_header":"many.example"' ':8450"'
    expect not-offered.example 1 '"kind":"srv_unavailable"'
    expect no-such-name.example 1 '"kind":"no_addresses"'
    # Nobody to be asked about a delegated zone whose server is away, nor about names outside the zone: nobody can tell.
    expect host.broken.example:8448 3 '"kind":"dns_failure"'
    expect name.invalid-zone 3 '"kind":"dns_failure"'
    expect 'https://example' 1 '"kind":"invalid_server_name"'
}

echo "== BIND itself"
ready
every_step
name_server 192.0.2.53
used="BIND itself" left_out=""
for resolver in bind unbound dnsmasq; do
    tool="$resolver"
    [ "$resolver" = bind ] && tool=named
    if ! command -v "$tool" >/dev/null; then
        left_out="$left_out $resolver"
        continue
    fi
    echo "== $resolver before BIND"
    "start_$resolver"
    ready
    every_step
    stop_resolver
    used="$used, $resolver before BIND"
done
echo "asked: $used${left_out:+; left out, for they are not installed:$left_out}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
