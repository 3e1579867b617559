#!/usr/bin/env bash
# Trains on all workers of a Cloud TPU slice, from your own machine, by gcloud.
#
#   launch/tpu_pod.sh setup  --tpu=NAME --zone=ZONE --repository=URL [--commit=REF] [--python=python3.11]
#   launch/tpu_pod.sh doctor --tpu=NAME --zone=ZONE [-- --workdir=/mnt/runs/base]
#   launch/tpu_pod.sh train  --tpu=NAME --zone=ZONE -- --config=configs/wmt14_base.py --workdir=/mnt/runs/base
#   launch/tpu_pod.sh logs   --tpu=NAME --zone=ZONE
#   launch/tpu_pod.sh stop   --tpu=NAME --zone=ZONE
#
# setup puts a checkout and an environment on every worker; train starts train.py on all of them, and
# it goes on when the connection ends; stop asks it to save (exit code 42), and the same train goes
# on from there. Which process each worker is, JAX finds out by itself.
#
#   --project=NAME   of Google Cloud, if it is not gcloud's own
#   --folder=NAME    of the checkout, in the home folder of the workers (default: attention-lab)
#   --port=PORT      of the coordinator, if the firewall does not let JAX's own through
#   --dry_run        print the command, run nothing
set -euo pipefail

fail() {
    echo "error: $*" >&2
    exit 2
}

action=${1:-}
[[ $action =~ ^(setup|doctor|train|logs|stop)$ ]] || {
    sed -n '2,19s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
shift

tpu='' zone='' project='' repository='' commit='' python=python3 folder=attention-lab port='' dry_run=''
while (($#)); do
    case $1 in
        --tpu=*) tpu=${1#*=} ;;
        --zone=*) zone=${1#*=} ;;
        --project=*) project=${1#*=} ;;
        --repository=*) repository=${1#*=} ;;
        --commit=*) commit=${1#*=} ;;
        --python=*) python=${1#*=} ;;
        --folder=*) folder=${1#*=} ;;
        --port=*) port=${1#*=} ;;
        --dry_run) dry_run=1 ;;
        --) shift; break ;;
        *) fail "$1 is no flag of this script. What is for train.py or the doctor stands behind --." ;;
    esac
    shift
done
[[ $tpu && $zone ]] || fail "--tpu and --zone must say which slice. See \`gcloud compute tpus tpu-vm list\`."

# What the workers' shell gets is quoted here, once, and read there, once.
there=$(printf '%q' "$folder")
arguments=''
if (($#)); then arguments=$(printf ' %q' "$@"); fi
variables=${port:+JAX_COORDINATOR_PORT=$(printf '%q' "$port") }
# The number in train.pid may be another process's by now, after a restart of the machine.
alive='grep -qs train.py "/proc/$(cat train.pid 2>/dev/null || echo none)/cmdline"'

workers=all
case $action in
    setup)
        [[ $repository ]] || fail "--repository must name what the workers clone, such as a git URL."
        url=$(printf '%q' "$repository")
        wanted=$(printf '%q' "${commit:-HEAD}")
        remote="test -d $there || git clone --quiet $url $there; cd $there"
        remote+=" && git fetch --quiet $url $wanted && git checkout --quiet --detach FETCH_HEAD"
        remote+=" && $(printf '%q' "$python") -c 'import sys; sys.exit(sys.version_info < (3, 11)"
        remote+=" and \"Python 3.11 or newer is needed; name it with --python.\")'"
        remote+=" && { test -x .venv/bin/pip || $(printf '%q' "$python") -m venv .venv; }"
        remote+=" && .venv/bin/pip install -qq -c constraints.txt -e '.[tpu]'"
        ;;
    doctor)
        remote="cd $there && ${variables}.venv/bin/python -m launch.doctor$arguments"
        ;;
    train)
        remote="cd $there && if $alive; then echo 'It runs already; stop it first.' >&2; exit 3; fi"
        remote+=" && { ${variables}nohup .venv/bin/python train.py$arguments"
        remote+=" </dev/null >>train.log 2>&1 & echo \$! >train.pid; }"
        ;;
    logs)
        workers=0
        remote="cd $there && tail -n 40 train.log; if $alive; then echo '(it runs)'; else echo '(it has ended)'; fi"
        ;;
    stop)
        remote="cd $there && if $alive; then kill -TERM \"\$(cat train.pid)\"; else echo 'It does not run.'; fi"
        ;;
esac

whole=(gcloud compute tpus tpu-vm ssh "$tpu" "--zone=$zone")
[[ $project ]] && whole+=("--project=$project")
whole+=("--worker=$workers" "--command=$remote")
if [[ $dry_run ]]; then
    printf '%q ' "${whole[@]}"
    echo
else
    "${whole[@]}"
fi
