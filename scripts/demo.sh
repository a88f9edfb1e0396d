#!/bin/sh
# The main job, from a YAML spec to a heat map and back to nothing, on the embedded cloud.
# Everything it keeps is below .demo, so that neither your AWS account nor your own local stacks are touched.
set -eu
export AWSRUN_HOME="$PWD/.demo" AWSRUN_CONTEXT=local

show() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}
trap 'awsrun local stop >/dev/null 2>&1 || true' EXIT

show awsrun plan specs/batch.yaml || [ $? -eq 2 ] # 2: there are changes
show awsrun apply specs/batch.yaml
show awsrun submit jobs/mnist.py --grid lr=0.1,0.01,0.001 --grid momentum=0.5,0.1,0.05 \
    --set epochs=3 --set data=sample --workers 2 --wait
show awsrun results last
show awsrun plot last -o heatmap.png
show awsrun logs last 0
show awsrun teardown --all --yes
