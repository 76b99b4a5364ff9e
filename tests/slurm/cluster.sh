#!/bin/sh
# A Slurm cluster of one node for the tests: cluster.sh install | start | stop | restart-controller. Needs root.
#
# The node pretends to have 4 CPUs, 64 GB and two GPUs (/dev/null), so that the profile's own requests fit; without
# accounting and without cgroups, as in a container. A requeued job starts again after 10 s (cred_expire) instead of two
# minutes. It never touches a Slurm that it has not configured.
set -eu

etc=/etc/slurm
state=/var/lib/slurm-of-seunet
mark="# Written by seunet's tests/slurm/cluster.sh"
host=$(hostname -s)

configured_by_others() {
    [ -e "$etc/slurm.conf" ] && ! grep -qF "$mark" "$etc/slurm.conf"
}

refuse_others() {
    ! configured_by_others || { echo "$etc/slurm.conf belongs to another Slurm; left alone" >&2; exit 3; }
}

install_packages() {
    command -v slurmctld >/dev/null && command -v munged >/dev/null && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}

configure() {
    mkdir -p "$etc" "$state/controller" "$state/node"
    ln -sf /dev/null "$state/gpu0" # Slurm takes only device files for GPUs
    ln -sf /dev/null "$state/gpu1"
    cat >"$etc/slurm.conf" <<END
$mark
ClusterName=seunet
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
SchedulerParameters=sched_interval=5,bf_interval=5
KillWait=5
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/node
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$host MaxTime=INFINITE State=UP
END
    echo "Name=gpu File=$state/gpu[0-1]" >"$etc/gres.conf"
}

start_munge() {
    munge -n >/dev/null 2>&1 && return
    install -d -o munge -g munge /run/munge /var/log/munge
    runuser -u munge -- munged
}

stop_daemon() { # by the process id that it has noted, and wait for its end
    [ -s "$state/$1.pid" ] || return 0
    pid=$(cat "$state/$1.pid")
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 0
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

wait_until_idle() {
    for _ in $(seq 60); do
        sinfo --noheader --format %T 2>/dev/null | grep -qE 'idle|mixed|allocated' && return
        sleep 0.5
    done
    echo "the node does not come up; see $state/*.log" >&2
    exit 1
}

case "${1:-}" in
install) install_packages ;;
start)
    refuse_others
    configure
    start_munge
    stop_daemon slurmd
    stop_daemon slurmctld
    slurmctld -c # without what an earlier test left
    slurmd
    wait_until_idle
    ;;
restart-controller)
    refuse_others
    stop_daemon slurmctld
    sleep "${2:-0}" # seconds without a controller
    slurmctld
    wait_until_idle
    ;;
stop)
    refuse_others
    stop_daemon slurmd
    stop_daemon slurmctld
    ;;
*)
    sed -n 2p "$0" >&2
    exit 2
    ;;
esac
