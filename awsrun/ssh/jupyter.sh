# What `awsrun jupyter` runs on a server, as its standard input: find | start | install | stop.
# On standard output: the file that a running Jupyter writes of itself (JSON with its port and token).
set -u
umask 077
ours="${XDG_DATA_HOME:-$HOME/.local/share}/awsrun/jupyter"
runtime="$ours/runtime"
mkdir -p "$runtime"

# The file of the Jupyter that runs; those of dead ones are removed. A process id may be another program's by now.
running() {
    for file in "$runtime"/jpserver-*.json; do
        [ -e "$file" ] || continue
        pid=${file##*/jpserver-}
        pid=${pid%.json}
        case $(ps -o args= -p "$pid" 2>/dev/null) in
            *jupyter*) echo "$file"; return 0 ;;
            *) rm -f "$file" ;;
        esac
    done
    return 1
}

# In the PATH of a login first, then where images for deep learning keep their environments, then our own.
program() {
    for name in jupyter-lab jupyter-server; do
        for one in "$(command -v $name)" "$(bash -lc "command -v $name" 2>/dev/null | tail -n 1)" \
            "$HOME/.local/bin/$name" /opt/*/bin/$name /opt/*/envs/*/bin/$name "$ours/venv/bin/$name"; do
            [ -x "$one" ] && { echo "$one"; return 0; }
        done
    done
    return 1
}

case $1 in
find)
    file=$(running) && { cat "$file"; exit 0; }
    program >/dev/null && exit 3 # it is there, and does not run
    exit 4
    ;;
start)
    file=$(running) && { cat "$file"; exit 0; }
    jupyter=$(program) || exit 4
    root=
    [ "$(id -u)" = 0 ] && root=--allow-root
    cd "$HOME" || exit 1
    # In a session of its own: it outlives this connection. The token is random, and stands in no command line.
    JUPYTER_RUNTIME_DIR="$runtime" setsid nohup "$jupyter" --no-browser $root --ServerApp.ip=127.0.0.1 \
        --ServerApp.port=8888 --ServerApp.port_retries=100 --ServerApp.open_browser=False \
        >"$ours/log" 2>&1 </dev/null &
    started=$!
    for _ in $(seq 600); do
        file=$(running) && { cat "$file"; exit 0; }
        kill -0 $started 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$ours/log" >&2
    exit 1
    ;;
install)
    # In an environment of its own that sees the system's packages; where there is no venv, as the user's own.
    if python3 -m venv --system-site-packages "$ours/venv" >"$ours/install.log" 2>&1; then
        exec "$ours/venv/bin/python" -m pip install --quiet --disable-pip-version-check jupyterlab >&2
    fi
    rm -rf "$ours/venv"
    exec python3 -m pip install --quiet --user jupyterlab >&2
    ;;
stop)
    file=$(running) || exit 3
    pid=${file##*/jpserver-}
    pid=${pid%.json}
    kill "$pid"
    for _ in $(seq 100); do
        running >/dev/null || exit 0
        sleep 0.1
    done
    kill -9 "$pid"
    rm -f "$file"
    ;;
esac
