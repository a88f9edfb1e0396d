#!/usr/bin/env bash
# The whole path on a real account, once, for a few cents (a dollar at the very most): doctor, plan, apply, apply again,
# a small sweep on Fargate, its results, a change, and a teardown whatever happens.
#
#   scripts/smoke-aws.sh                          in the account of the present credentials, after asking
#   scripts/smoke-aws.sh --image URI              jobs run in this image (Python 3.10 or newer and boto3); without it
#                                                 one is built here and pushed, which takes a Docker engine
#   scripts/smoke-aws.sh --context local --yes    the same on the embedded cloud: nothing is billed
#
# It makes one stack of its own, smoke-XXXXXX (SMOKE_STACK names it), and never touches another one.  All that is said is
# kept in smoke-XXXXXX.log.  Exit code: 0 all went well and nothing is left, 1 something failed or is left, 130 stopped.
set -uo pipefail

context=aws image="" yes="" child="" step="start" begun=$SECONDS
while [ $# -gt 0 ]; do
    case "$1" in
        --context) context=$2 && shift 2 ;;
        --image) image=$2 && shift 2 ;;
        --yes | -y) yes=1 && shift ;;
        *) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 2 ;;
    esac
done
stack=${SMOKE_STACK:-smoke-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')}
export AWSRUN_CONTEXT=$context
log=$PWD/$stack.log
folder=$(mktemp -d)
exec > >(exec tee -i "$log") 2>&1

say() { printf '\n== %s\n' "$*"; }

# A command that a signal to this script stops too: bash runs a trap only between commands, but in the middle of a wait.
run() {
    step=$*
    printf '\n$ %s\n' "$*"
    "$@" </dev/null &
    child=$!
    wait "$child"
    local code=$?
    child=""
    return $code
}

must() {
    local expected=$1 code
    shift
    run "$@"
    code=$?
    [ "$code" = "$expected" ] && return
    say "FAILED: $* ended with $code"
    exit 1
}

stop() {
    trap '' INT TERM
    say "stopped during: $step"
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    exit 130
}

gone() {
    local said
    said=$(awsrun status "$stack" 2>&1)
    [[ $said == *"there is no stack '$stack'"* ]]
}

# Runs last, whatever happened before; the teardown goes on from what is left, so that trying again helps.
finish() {
    local code=$? try pause=30
    trap '' INT TERM EXIT
    [ "$context" = local ] && pause=2
    if [ -n "${made:-}" ]; then
        say "teardown of $stack"
        for try in 1 2 3; do
            awsrun teardown "$stack" --purge --yes </dev/null
            gone && break
            [ "$try" = 3 ] || sleep $pause
        done
        if gone; then
            say "nothing of $stack is left"
        else
            say "STILL THERE, and what is there may cost money:"
            awsrun status "$stack"
            echo "once more: AWSRUN_CONTEXT=$context awsrun teardown $stack --purge"
            code=1
        fi
    fi
    rm -rf "$folder"
    [ "$code" = 0 ] && say "all went well, in $((SECONDS - begun)) s" || say "NOT well (exit code $code), after $((SECONDS - begun)) s"
    echo "all that was said: $log"
    exit "$code"
}
trap finish EXIT
trap stop INT TERM

[ "$context" = local ] && image=${image:-public.ecr.aws/docker/library/python:3.12-slim} # jobs are processes there
runs_in="image: $image" with_image=""
if [ -z "$image" ]; then
    runs_in="built: image"
    with_image="
  images: {kind: ecr.repository, purge: true}
  image: {kind: ecr.image, repository: images}"
fi
spec() {
    cat >"$folder/smoke.yaml" <<YAML
stack: $stack
resources:
  results: {kind: s3.bucket, purge: true, expire_days: 1}
  network: {kind: vpc, cidr: 10.97.0.0/23, max_azs: 2}
  compute: {kind: batch.compute_environment, vpc: network, fargate: true, max_vcpus: $1}
  queue: {kind: batch.job_queue, compute_environments: [compute]}$with_image
  worker: {kind: iam.role, service: ecs-tasks, read_write: [results], jobs: true}
  train:
    {kind: batch.job_definition, $runs_in, role: worker, fargate: true, vcpus: 0.5, memory_mib: 1024, timeout: 15m}
YAML
}
cat >"$folder/smoke_job.py" <<'PYTHON'
import awsrun


def train(trial: awsrun.Trial, x: float = 0.0, y: float = 0.0) -> dict[str, float]:
    print(f"x={x} y={y}")
    return {"loss": (x - 2) ** 2 + (y - 1) ** 2}


if __name__ == "__main__":
    awsrun.main(train, metric="loss", mode="min")
PYTHON
spec 1
cd "$folder" || exit 1

say "smoke test of awsrun, stack $stack, context $context"
must 0 awsrun doctor smoke.yaml
run awsrun plan smoke.yaml
echo
echo "It costs the seconds of two workers of half a vCPU on Fargate, and what a few requests cost: usually under \$0.10."
echo "Everything is deleted at the end. It takes about 10 minutes."
if [ -z "$yes" ]; then
    read -r -p "Go on in this account? [y/N]: " answer </dev/tty || answer=""
    case "$answer" in y | Y | yes) ;; *) echo "nothing was made" && exit 1 ;; esac
fi

made=1
must 0 awsrun apply smoke.yaml --yes
must 0 awsrun apply smoke.yaml --yes --json >"$folder/again.json"
grep -q '"applied": \[\]' "$folder/again.json" || { cat "$folder/again.json" && say "FAILED: a second apply changed something" && exit 1; }
echo "a second apply: no change"
must 0 awsrun status "$stack"
must 0 awsrun submit smoke_job.py --stack "$stack" --grid x=1,2,3 --grid y=1,2 --workers 2 --wait
must 0 awsrun results last
if python3 -c 'import matplotlib' 2>/dev/null; then
    must 0 awsrun plot last -o "$folder/smoke.png"
else
    echo "no plot: matplotlib is not installed"
fi
spec 2
must 0 awsrun apply smoke.yaml --yes
must 0 awsrun drift smoke.yaml
