#!/bin/sh
# What the tests of images and containers need, on Debian or Ubuntu as root: a Docker engine that answers, a registry
# that nobody here wrote, and a base image with Python and boto3, made from Debian's packages (nothing is pulled).
# May be run again at any time; does nothing where all of it is there. Tests that need an engine skip where there is none.
set -eu

BASE=awsrun-test/python:2
LOG=/tmp/awsrun-dockerd.log

answers() {
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

install() {
    missing=""
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing$missing ..."
    apt-get update -qq
    quiet=/usr/sbin/policy-rc.d # while it says 101, packages start no services of their own
    [ -e "$quiet" ] || { printf '#!/bin/sh\nexit 101\n' >"$quiet" && chmod +x "$quiet" && ours=yes; }
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
    [ -z "${ours-}" ] || rm "$quiet"
}

# Without bridge and iptables an engine runs in most sandboxes too; builds and runs use the host's network.
start() {
    for driver in overlay2 vfs; do
        echo "starting dockerd ($driver) ..."
        setsid dockerd --storage-driver="$driver" --iptables=false --ip6tables=false --bridge=none \
            --exec-opt native.cgroupdriver=cgroupfs >"$LOG" 2>&1 </dev/null &
        engine=$!
        tries=0
        while kill -0 "$engine" 2>/dev/null && [ "$tries" -lt 150 ]; do
            answers && return 0
            tries=$((tries + 1))
            sleep 0.2
        done
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    done
    echo "no Docker engine could be started; the end of $LOG:" >&2
    tail -5 "$LOG" >&2
    return 1
}

# Debian's smallest system with Python and pip, and this machine's certificates and pip settings.
build_base() {
    echo "making the base image $BASE (a minute or two, once) ..."
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    . /etc/os-release
    debootstrap --variant=minbase --include=python3,python3-pip,python-is-python3,ca-certificates \
        "$VERSION_CODENAME" "$folder/root" >"$folder/log" 2>&1 || { tail -5 "$folder/log" >&2; return 1; }
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
        cp /etc/ssl/certs/ca-certificates.crt "$folder/root/etc/ssl/certs/ca-certificates.crt"
    fi
    if [ -f /etc/pip.conf ]; then
        cp /etc/pip.conf "$folder/root/etc/pip.conf"
    fi
    rm -rf "$folder/root/var/cache/apt" "$folder/root/var/lib/apt/lists" "$folder/root/usr/share/doc" \
        "$folder/root/usr/share/locale" "$folder/root/usr/share/man"
    tar -C "$folder/root" --one-file-system --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* -c . |
        docker import --change 'CMD ["python"]' - awsrun-test/debian:1 >/dev/null
    printf 'FROM awsrun-test/debian:1\nRUN PIP_BREAK_SYSTEM_PACKAGES=1 python -m pip install --no-cache-dir boto3\n' |
        DOCKER_BUILDKIT=0 docker build --quiet --network host --tag "$BASE" - >/dev/null
}

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    answers && echo "an engine answers, but only root on Debian can make the base image" >&2
    exit 1
fi
install docker.io docker-registry debootstrap
answers || start
docker image inspect "$BASE" >/dev/null 2>&1 || build_base
