#!/usr/bin/env bash
# Tries what only a real kernel does: ICMP rejections of every kind over IPv4 and IPv6, closed UDP ports as name servers, name servers on
# a link, a resolv.conf that changes, certificate chains that cost more than they prove, and a process that is stopped for a while. Runs in a network namespace of its own, against small
# DNS and HTTPS servers (xtask/real_kernels.py), on every runtime of the command.
#
# Needs root, iproute2, iptables, openssl and Python 3. Says so and ends with status 77 where one is missing. The last line is a summary;
# the exit status is 1 if a check failed. MATRIX_DISCOVERY names a command that is built already; MOMENTS="0.2:3 1.0:60" names other moments
# at which the process is stopped, and for how long, in seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in ip iptables ip6tables openssl python3; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool here"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }

if [ -n "${MATRIX_DISCOVERY:-}" ]; then
    binary="$MATRIX_DISCOVERY" # one that is built already
else
    cargo build --quiet -p discovery-cli --features smol,async-std,blocking
    binary="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/matrix-discovery"
fi
runtimes="tokio"
for runtime in smol async-std blocking; do
    "$binary" resolve --lab --short --runtime "$runtime" to-ip.example >/dev/null 2>&1 && runtimes="$runtimes $runtime"
done

space="matrix-discovery-kernels-$$"
dir="$(mktemp -d)"
servers=""
cleanup() {
    for pid in $servers; do kill "$pid" 2>/dev/null || true; done
    ip netns del "$space" 2>/dev/null || true
    rm -rf "$dir" "/etc/netns/$space"
}
trap cleanup EXIT
ip netns add "$space" 2>/dev/null || { echo "skipped: this machine gives no network namespaces"; exit 77; }
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
for address in 53 54 80 81 82 83 84 99; do inside ip addr add "192.0.2.$address/32" dev lo; done
for address in 80 81 99; do inside ip -6 addr add "2001:db8::$address/128" dev lo nodad; done
inside ip -6 addr add fe80::53/64 dev lo nodad
inside iptables -N TRY 2>/dev/null || { echo "skipped: iptables doesn't work here"; exit 77; }
inside iptables -A INPUT -j TRY
inside ip6tables -N TRY
inside ip6tables -A INPUT -j TRY
mkdir -p "/etc/netns/$space"
resolv_conf() { printf '%s\n' "$@" >"/etc/netns/$space/resolv.conf"; }
resolv_conf "nameserver 192.0.2.53"
printf '127.0.0.1 localhost\n192.0.2.77 from-hosts.example\n' >"/etc/netns/$space/hosts"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$dir/leaf.key" -out "$dir/leaf.csr" 2>/dev/null
openssl x509 -req -in "$dir/leaf.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 2 -set_serial 1 \
    -extfile <(echo "subjectAltName=DNS:*.w.example") -out "$dir/leaf.pem" 2>/dev/null

# What it serves is said before the function: see the Python file.
serve() {
    # Without a function in between, which would be a shell of its own: the process id is the server's.
    ip netns exec "$space" python3 xtask/real_kernels.py "$dir/ready" "$@" >/dev/null 2>&1 &
    servers="$servers $!"
    for _ in $(seq 100); do
        [ -e "$dir/ready" ] && break
        sleep 0.05
    done
    rm -f "$dir/ready"
}
serve udp=192.0.2.53 tcp=192.0.2.53 "udp=fe80::53%lo" tcp=192.0.2.54 "https=192.0.2.82" "leaf=$dir/leaf"

passed=0
failed=0
verdict() { # what was tried, what is wrong with it (nothing, if it is right), what was said
    if [ -z "$2" ]; then
        passed=$((passed + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        echo "FAILED  $1: $2"
        [ -z "${3:-}" ] || echo "        $3"
    fi
}
resolve() { inside env SSL_CERT_FILE="$dir/ca.pem" "$binary" resolve --any-address "$@"; }
millis() { date +%s%3N; }
# What is tried, the longest time in ms, the exit status, texts that the JSON must hold (or, after "!", must not); then "--" and options.
check() {
    local label="$1" limit="$2" want="$3" texts=() got=0 line wrong="" start took
    shift 3
    while [ "$1" != -- ]; do texts+=("$1"); shift; done
    shift
    start="$(millis)"
    line="$(resolve --json "$@" 2>"$dir/stderr")" || got=$?
    took=$(($(millis) - start))
    [ "$got" = "$want" ] || wrong="exit status $got instead of $want"
    [ "$took" -le "$limit" ] || wrong="$wrong; took $took ms, more than $limit"
    for text in "${texts[@]}"; do
        case "$text" in
            !*) case "$line" in *"${text#!}"*) wrong="$wrong; says ${text#!}" ;; esac ;;
            *) case "$line" in *"$text"*) ;; *) wrong="$wrong; lacks $text" ;; esac ;;
        esac
    done
    verdict "$label" "$wrong" "$line $(cat "$dir/stderr")"
}

# --- Port 443 is rejected by the network: no document, so on at step 4.
count=0
new_name() { count=$((count + 1)); name="$1$count.w.example"; }
v4="icmp-host-prohibited icmp-admin-prohibited icmp-net-prohibited icmp-host-unreachable icmp-net-unreachable icmp-proto-unreachable
    icmp-port-unreachable tcp-reset"
for how in $v4; do
    inside iptables -F TRY
    inside iptables -A TRY -d 192.0.2.80 -p tcp --dport 443 -j REJECT --reject-with "$how"
    new_name srv
    check "443 is rejected with $how: SRV" 3000 0 '"step":"4"' '"addr":"192.0.2.81:8443"' -- "$name"
done
inside iptables -F TRY
inside iptables -A TRY -d 192.0.2.80 -p tcp --dport 443 -j REJECT --reject-with icmp-host-prohibited
for runtime in $runtimes; do
    new_name plain
    check "443 is rejected, no SRV record, on $runtime: 8448" 3000 0 '"step":"6"' '"addr":"192.0.2.80:8448"' -- --runtime "$runtime" "$name"
done
inside iptables -Z TRY
new_name plain
resolve --short --jobs 1 "$name" "$name" "$name" "$name" "$name" >/dev/null 2>&1 || true
syns="$(inside iptables -L TRY -v -x -n | awk '/REJECT/ { print $1 }')"
verdict "five lookups of a rejected name send one SYN" "$([ "$syns" = 1 ] || echo "sent $syns")"
new_name mixed
check "one address is rejected, the other one has the document" 3000 0 '"step":"3.2"' -- "$name"
v6="icmp6-no-route icmp6-adm-prohibited icmp6-addr-unreachable icmp6-port-unreachable tcp-reset"
# Older releases of ip6tables don't know these.
for how in icmp6-policy-fail icmp6-reject-route; do
    inside ip6tables -A TRY -d 2001:db8::99 -p tcp -j REJECT --reject-with "$how" 2>/dev/null && v6="$v6 $how"
done
for how in $v6; do
    inside ip6tables -F TRY
    inside ip6tables -A TRY -d 2001:db8::80 -p tcp --dport 443 -j REJECT --reject-with "$how"
    new_name six
    check "443 is rejected with $how over IPv6: SRV" 3000 0 '"step":"4"' '"addr":"[2001:db8::81]:8443"' -- "$name"
done
new_name redirect
check "the host of a redirect is rejected: 8448" 3000 0 '"step":"6"' -- "$name"
inside iptables -F TRY
inside ip6tables -F TRY
inside ip route add unreachable 198.51.100.0/24
new_name away
check "no route to the only address stays a local failure" 3000 3 '"kind":"local"' '"origin":"local"' -- "$name"
inside ip route del unreachable 198.51.100.0/24

# --- A name server that is not there.
for runtime in $runtimes; do
    resolv_conf "nameserver 127.0.0.1"
    new_name plain
    check "the only name server is a closed port, on $runtime" 1000 3 '"kind":"local"' '"origin":"local"' '127.0.0.1:53' '!no reply' -- --runtime "$runtime" "$name"
    resolv_conf "nameserver 2001:db8::99" "nameserver 192.0.2.53"
    new_name plain
    check "the first of two name servers is a closed port, on $runtime" 700 0 '"step":"6"' -- --runtime "$runtime" "$name"
done
resolv_conf ""
new_name plain
check "an empty resolv.conf: 127.0.0.1 refuses" 1000 3 '"origin":"local"' '127.0.0.1:53' -- "$name"
verdict "an empty resolv.conf is warned of" "$(grep -q '127.0.0.1' "$dir/stderr" || echo "nothing is said")"
resolv_conf "nameserver 192.0.2.99" "nameserver 192.0.2.53"
for how in icmp-host-unreachable icmp-net-unreachable icmp-admin-prohibited icmp-proto-unreachable; do
    inside iptables -F TRY
    inside iptables -A TRY -d 192.0.2.99 -p udp --dport 53 -j REJECT --reject-with "$how"
    new_name plain
    check "the first of two name servers is rejected with $how" 700 0 '"step":"6"' -- "$name"
done
inside ip6tables -A TRY -d 2001:db8::99 -p udp --dport 53 -j REJECT --reject-with icmp6-adm-prohibited
resolv_conf "nameserver 2001:db8::99" "nameserver 192.0.2.53"
new_name plain
check "the first of two name servers is rejected over IPv6" 700 0 '"step":"6"' -- "$name"
resolv_conf "nameserver 192.0.2.99"
new_name plain
check "the only name server is rejected by the network" 1000 3 '"kind":"local"' '192.0.2.99:53' -- "$name"
inside iptables -F TRY
inside ip6tables -F TRY

# --- A name server on a link, by the interface's name and number.
for line in fe80::53%lo fe80::53%1; do
    resolv_conf "nameserver $line"
    new_name plain
    check "nameserver $line" 2000 0 '"step":"6"' -- "$name"
done
resolv_conf "nameserver fe80::53%wlan7"
new_name plain
check "the only name server is on an interface that is not there" 1000 3 '"kind":"local"' 'no usable name server' -- "$name"
resolv_conf "nameserver 127.0.0.1"
for option in fe80::53%lo '[fe80::53%lo]:53' '[fe80::53%1]:53' fe80::53%1; do
    new_name plain
    check "--nameserver $option" 2000 0 '"step":"6"' -- --nameserver "$option" "$name"
done
check "an address of the hosts file is told as such" 1000 0 '192.0.2.77:8448' 'hosts_file' -- from-hosts.example:8448

# --- A name server that speaks TCP alone.
resolv_conf "nameserver 192.0.2.54" "options use-vc"
new_name plain
check "options use-vc, and the server listens on TCP alone" 4000 0 '"step":"6"' -- "$name"

# --- resolv.conf changes under a running batch: the server of before is gone.
resolv_conf "nameserver 192.0.2.53"
{ echo plain-before.w.example:1; sleep 6; echo plain-after.w.example:1; } | resolve --short --jobs 1 - >"$dir/changed" 2>&1 &
batch=$!
sleep 2
resolv_conf "nameserver fe80::53%lo"
inside iptables -A TRY -d 192.0.2.53 -p udp --dport 53 -j DROP
wait "$batch" || true
verdict "a batch follows a resolv.conf that changes" "$([ "$(grep -c step=2 "$dir/changed")" = 2 ] || echo "not all resolved")" "$(cat "$dir/changed")"
inside iptables -F TRY

# --- Certificate chains that lead nowhere by 16^6 paths, beside names that are in order.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=layer 0" \
    -addext "basicConstraints=critical,CA:TRUE" -keyout "$dir/layer0.key" -out "$dir/layer0.pem" 2>/dev/null
: >"$dir/layers.pem"
for layer in 1 2 3 4 5 6; do
    above=$((layer - 1))
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=layer $layer" -keyout "$dir/layer$layer.key" -out "$dir/layer.csr" 2>/dev/null
    for serial in $(seq 16); do
        openssl x509 -req -in "$dir/layer.csr" -CA "$dir/layer$above.pem" -CAkey "$dir/layer$above.key" -days 2 -set_serial "$serial" \
            -extfile <(echo "basicConstraints=critical,CA:TRUE") -out "$dir/layer$layer.pem" 2>/dev/null
        cat "$dir/layer$layer.pem" >>"$dir/layers.pem"
    done
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=leaf" -keyout "$dir/costly.key" -out "$dir/costly.csr" 2>/dev/null
openssl x509 -req -in "$dir/costly.csr" -CA "$dir/layer6.pem" -CAkey "$dir/layer6.key" -days 2 -set_serial 1 \
    -extfile <(echo "subjectAltName=DNS:*.w.example") -out "$dir/costly.pem" 2>/dev/null
cat "$dir/layers.pem" >>"$dir/costly.pem"
serve "https=192.0.2.84" "leaf=$dir/costly"
resolv_conf "nameserver 192.0.2.53"
costly="$(for n in $(seq 10); do echo "costly$n.w.example"; done)"
good="$(for n in $(seq 30); do echo "slowbesidex$n.w.example"; done)"
began="$(date +%s%N)"
inside env SSL_CERT_FILE="$dir/ca.pem" "$binary" resolve --any-address --short --jobs 40 $costly $good >"$dir/beside" 2>&1 || true
took=$((($(date +%s%N) - began) / 1000000))
right="$(grep -c 'step=3.2' "$dir/beside" || true)"
wrong="$([ "$right" = 30 ] || echo "$right of 30 are right")"
verdict "30 good names beside ten costly certificate chains ($took ms)" "$wrong" "$(grep slow "$dir/beside" | grep -v step=3.2 | head -2)"

# --- A process that is stopped while its answers arrive: none may be lost, and none may come out by a later step.
resolv_conf "nameserver 192.0.2.53"
stopped() { # when it is stopped, in seconds after its start; for how long; a label for its names; the runtime
    local pid names right
    names="$(for n in $(seq 30); do echo "slow$3x$n.w.example"; done)"
    # Without a shell in between: the signal is for the command itself.
    ip netns exec "$space" env SSL_CERT_FILE="$dir/ca.pem" "$binary" resolve --any-address --short --jobs 30 --runtime "$4" $names >"$dir/stopped.$3" 2>&1 &
    pid=$!
    sleep "$1"
    kill -STOP "$pid" 2>/dev/null || true
    sleep "$2"
    kill -CONT "$pid" 2>/dev/null || true
    wait "$pid" || true
    right="$(grep -c 'step=3.2' "$dir/stopped.$3" || true)"
    [ "$right" = 30 ] || echo "$((30 - right)) of 30 are wrong: $(grep -v 'step=3.2' "$dir/stopped.$3" | head -2)" >"$dir/wrong.$3"
}
moments="${MOMENTS:-0.2:3 0.5:11 0.3:15 1.0:11}"
runtime_of() { # the runtimes in turn
    # shellcheck disable=SC2086
    set -- "$1" $runtimes
    shift $((($1 - 1) % ($# - 1) + 1))
    echo "$1"
}
waiting=""
n=0
for moment in $moments; do
    n=$((n + 1))
    stopped "${moment%:*}" "${moment#*:}" "$n" "$(runtime_of "$n")" &
    waiting="$waiting $!"
done
for pid in $waiting; do wait "$pid" || true; done
n=0
for moment in $moments; do
    n=$((n + 1))
    verdict "stopped after ${moment%:*} s for ${moment#*:} s, on $(runtime_of "$n"): no answer is lost" "$(cat "$dir/wrong.$n" 2>/dev/null || true)"
done

echo "asked: runtimes $runtimes"
echo "$((passed + failed)) checks, $failed failed"
[ "$failed" = 0 ]
