#!/bin/sh
# Clients and servers that nobody here wrote, on Debian or Ubuntu as root: a browser (Chromium) for the pages and an SSH
# server for `awsrun ssh`. Does nothing where they are there. Tests that need one skip where it is missing.
set -eu

if command -v chromium >/dev/null && [ -x /usr/sbin/sshd ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    exit 1
fi
echo "installing Chromium and an SSH server ..."
apt-get update -qq
quiet=/usr/sbin/policy-rc.d # while it says 101, packages start no services of their own
[ -e "$quiet" ] || { printf '#!/bin/sh\nexit 101\n' >"$quiet" && chmod +x "$quiet" && ours=yes; }
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    chromium openssh-server openssh-client fonts-dejavu-core >/dev/null
[ -z "${ours-}" ] || rm "$quiet"
