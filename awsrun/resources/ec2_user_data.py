"""What a server runs when it starts for the first time: the user's own script, and what stops the server when idle.

The watcher looks once a minute.  A minute counts as used where somebody has a session (SSH, a tunnel without a shell,
Session Manager, the serial console), where the load is 0.3 or more, a GPU works, or 5 MB or more go over the network.
After as many unused minutes as the server's tag ``awsrun:stop-when-idle`` says, it powers the server off, which for EC2
is a stop: the disk stays.  The tag is read each time, so that the minutes can be changed, or made 0: never.  SSH ends
connections whose other side does not answer for three minutes; else a laptop that was shut would keep a server up.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html (16 KB; run once),
https://cloudinit.readthedocs.io/en/latest/explanation/format.html (several parts as one MIME document),
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html (tags, kept up to date while it runs).
"""

from __future__ import annotations

from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from awsrun.aws.names import digest

MOST = 16 * 1024  # bytes
IDLE_TAG = "awsrun:stop-when-idle"  # minutes; 0: the server has the watcher, and it is to do nothing
_FORMATS = {
    "#!": "x-shellscript",
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
    "#include": "x-include-url",
}
_BOUNDARY = "=====awsrun====="  # always the same: a repeated request must be equal to the first

WATCHER = r"""#!/bin/sh
# Powers this server off after so many minutes without use as its tag awsrun:stop-when-idle says.
proc=${AWSRUN_PROC:-/proc} net=${AWSRUN_NET:-/sys/class/net} kept=${AWSRUN_KEPT:-/run/awsrun-idle}
imds=http://169.254.169.254/latest
mkdir -p "$kept"

token=$(curl -sf -m 3 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/api/token")
tag=$(curl -sf -m 3 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/tags/instance/awsrun:stop-when-idle")
case $tag in '' | *[!0-9]*) ;; *) echo "$tag" > "$kept/minutes" ;; esac
minutes=$(cat "$kept/minutes" 2>/dev/null || echo 0)

now=$(cut -d. -f1 "$proc/uptime")
bytes=$(cat "$net"/e*/statistics/[rt]x_bytes 2>/dev/null | awk '{ sum += $1 } END { printf "%.0f", sum }')
before=$(cat "$kept/bytes" 2>/dev/null || echo "$bytes")
echo "$bytes" > "$kept/bytes"

used() {
    [ -n "$(ss -Htn state established '( sport = :22 )')" ] && return
    [ -n "$(who)" ] && return
    pgrep -f ssm-session-worker > /dev/null && return
    awk '{ exit !($1 >= 0.3) }' "$proc/loadavg" && return
    nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits 2>/dev/null |
        awk '$1 > 5 { busy = 1 } END { exit !busy }' && return
    [ $((bytes - before)) -ge 5000000 ]
}

if [ "$minutes" -eq 0 ] || [ ! -f "$kept/used" ] || used; then
    echo "$now" > "$kept/used"
elif [ $((now - $(cat "$kept/used"))) -ge $((minutes * 60)) ]; then
    logger -t awsrun-idle "unused for $minutes minutes: powering off"
    shutdown -h now
fi
"""
_INSTALL = f"""#!/bin/sh
cat > /usr/local/sbin/awsrun-idle <<'END'
{WATCHER}END
chmod 755 /usr/local/sbin/awsrun-idle
cat > /etc/systemd/system/awsrun-idle.service <<'END'
[Unit]
Description=Powers the server off when it is idle
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/awsrun-idle
END
cat > /etc/systemd/system/awsrun-idle.timer <<'END'
[Unit]
Description=Looks once a minute whether the server is used
[Timer]
OnBootSec=60
OnUnitActiveSec=60
AccuracySec=5
[Install]
WantedBy=timers.target
END
mkdir -p /etc/ssh/sshd_config.d
printf 'ClientAliveInterval 60\\nClientAliveCountMax 3\\n' > /etc/ssh/sshd_config.d/10-awsrun.conf
systemctl reload sshd || systemctl reload ssh
systemctl daemon-reload
systemctl enable --now awsrun-idle.timer
"""


class UserData:
    """User data as it is compared: by a fingerprint, which is all that a server's tags tell of it.

    Args:
        text: empty for none.
        fingerprint: instead of the text.
    """

    def __init__(self, text: str = "", fingerprint: str = "") -> None:
        self.text = text
        self.fingerprint = fingerprint or (digest(text, length=16) if text else "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserData) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return self.fingerprint or "none"

    def whole(self, watched: bool) -> str:
        """What the server gets; empty for nothing."""
        if not watched or not self.text:
            return self.text or (_INSTALL if watched else "")
        whole = MIMEMultipart("mixed", boundary=_BOUNDARY)
        for text in (_INSTALL, self.text):  # the watcher first: it is to be there even if the rest fails
            whole.attach(MIMEText(text, _format(text), "us-ascii" if text.isascii() else "utf-8"))
        return whole.as_string()


def mistake(text: str, watched: bool) -> str:
    """What is wrong with user data; empty where nothing is."""
    if watched and text and not _format(text):
        return f"with stop_when_idle it begins with one of {', '.join(_FORMATS)}"
    size = len(UserData(text).whole(watched).encode())
    if size > MOST:
        return f"it is {size} bytes long, with what stop_when_idle adds; EC2 takes {MOST}"
    return ""


def _format(text: str) -> str:
    return next((name for start, name in _FORMATS.items() if text.startswith(start)), "")
