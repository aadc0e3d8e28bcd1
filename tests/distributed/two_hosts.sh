#!/usr/bin/env bash
# Two hosts, simulated by network namespaces, train one run through torchrun's rendezvous; the worker of
# the second is killed with SIGKILL, comes back, and the run completes. Needs root, iproute2 and procps:
#   tests/distributed/two_hosts.sh [python]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(realpath -s "${1:-.venv/bin/python}")
place=$(mktemp -d)
tag=$$
within=400  # seconds; what hangs is ended, and said
hosts=("fs-a-$tag" "fs-b-$tag")
agents=()
watch=

clean() {
    kill "$watch" 2>/dev/null || true
    for agent in "${agents[@]}"; do kill -TERM "$agent" 2>/dev/null || true; done
    for host in "${hosts[@]}"; do ip netns del "$host" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean EXIT

fail() {
    echo "FAIL: $1" >&2
    tail -n 60 "$place"/host*.log >&2 || true
    exit 1
}

for host in "${hosts[@]}"; do
    ip netns add "$host"
    ip -n "$host" link set lo up
done
ip link add veth0 netns "${hosts[0]}" type veth peer name veth0 netns "${hosts[1]}"
for number in 0 1; do
    ip -n "${hosts[$number]}" addr add "10.77.0.$((number + 1))/24" dev veth0
    ip -n "${hosts[$number]}" link set veth0 up
done

PYTHONPATH=. "$python" -m tests.distributed.shop "$place/shop" > "$place/bindings"
options=(-c configs/transfer.gin --name two_hosts --output-dir "$place/experiments")
while read -r binding; do options+=(-p "$binding"); done < "$place/bindings"

for number in 0 1; do
    ip netns exec "${hosts[$number]}" env GLOO_SOCKET_IFNAME=veth0 OMP_NUM_THREADS=1 \
        "$python" -m torch.distributed.run --nnodes=2 --nproc_per_node=1 --max-restarts=1 \
        --rdzv_backend=c10d --rdzv_endpoint=10.77.0.1:29477 --rdzv_id="$tag" \
        --rdzv_conf="is_host=$((1 - number))" \
        --local_addr="10.77.0.$((number + 1))" experiment.py "${options[@]}" \
        > "$place/host$number.log" 2>&1 &
    agents+=($!)
done
(
    trap 'kill "$!"' TERM
    sleep "$within" &
    wait "$!" || exit 0
    echo "no end after $within s" >&2
    kill -TERM "${agents[@]}"
) &
watch=$!

run="$place/experiments/two_hosts"
for _ in $(seq 600); do
    [ -f "$run/last.ckpt" ] && break
    kill -0 "${agents[0]}" 2>/dev/null || fail "the first host ended before its first checkpoint"
    sleep 0.2
done
[ -f "$run/last.ckpt" ] || fail "there is no checkpoint after two minutes"
[ -f "$run/results.json" ] && fail "the run was over before its worker could be killed"
worker=$(pgrep -P "${agents[1]}" -f experiment.py | head -n 1)
[ -n "$worker" ] || fail "the second host has no worker"
kill -KILL "$worker"
echo "killed the worker of the second host"

for agent in "${agents[@]}"; do wait "$agent" || fail "torchrun ended with $?"; done
"$python" - "$run" <<'CHECK' || fail "the run did not complete"
import json, pathlib, sys
run = pathlib.Path(sys.argv[1])
assert json.loads((run / "results.json").read_text())["status"] == "completed"
assert json.loads((run / "environment.json").read_text())["resumed"], "it was not gone on with"
epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
steps = [row["step"] for row in epochs if row["split"] == "train"]
assert steps == sorted(set(steps)), steps
CHECK
echo "PASS: two hosts trained one run, over the loss of a worker"
