#!/usr/bin/env bash
# A SLURM cluster of this one machine, to try the workflow on: not for work. Debian and Ubuntu.
#
#   scripts/one_node_slurm.sh install    as root: the packages slurmctld, slurmd, slurm-client and munge
#   scripts/one_node_slurm.sh start      begins it, waits until its node is idle, and prints what a shell must export
#   scripts/one_node_slurm.sh slurmd     begins the node's daemon again, after it was killed
#   scripts/one_node_slurm.sh slurmctld  begins the controller again
#   scripts/one_node_slurm.sh stop       ends it, its jobs included
#   scripts/one_node_slurm.sh exec snakemake --profile profiles/slurm     starts it, runs a command there, stops it
#
# All files lie in MER_SLURM (default: /tmp/mer-slurm-<user>), none in /etc, and whoever starts it owns it: after `install`
# nobody needs to be root. GPUS says how many GPUs the node shows (default: those of /dev/nvidia*, else 2 stand-ins, which
# jobs are given and cannot compute on), CPUS and MEMORY (MiB) what it claims to have, PORT where the controller listens
# (the node's daemon: one above).
set -euo pipefail

FOLDER=${MER_SLURM:-/tmp/mer-slurm-$(id -un)}
export SLURM_CONF=$FOLDER/slurm.conf
PATH=$PATH:/usr/sbin:/sbin
HOST=$(hostname -s)
PORT=${PORT:-16817}

die() {
  echo "one_node_slurm: $*" >&2
  exit 1
}

# running NAME: whether the daemon whose pid file that is lives.
running() { [ -s "$FOLDER/$1.pid" ] && kill -0 "$(cat "$FOLDER/$1.pid")" 2>/dev/null; }

install_packages() {
  [ "$(id -u)" = 0 ] || die "not root; expected root, to install packages; ask who administers this machine"
  command -v apt-get >/dev/null || die "no apt-get; expected Debian or Ubuntu; install slurmctld, slurmd, slurm-client and munge another way"
  # The packages' own services want /etc/slurm/slurm.conf and are not used.
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge
}

write_configuration() {
  local cpus=${CPUS:-$(nproc)} memory=${MEMORY:-$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)}
  # Without cards other devices stand in for them: SLURM wants a device for each, and none twice.
  local cards=(/dev/nvidia[0-9]) gpus=${GPUS:-2}
  if [ -e "${cards[0]}" ]; then gpus=${GPUS:-${#cards[@]}}; else cards=(/dev/null /dev/zero /dev/full /dev/random); fi
  [ "$gpus" -le ${#cards[@]} ] || die "GPUS=$gpus; expected at most ${#cards[@]}"
  printf "NodeName=$HOST Name=gpu File=%s\n" "${cards[@]:0:$gpus}" >"$FOLDER/gres.conf"
  # KillWait, SlurmdTimeout and the frequency of accounting are short, so that faults show soon.
  cat >"$SLURM_CONF" <<END
ClusterName=mer
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge.socket
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
SlurmdTimeout=10
SlurmctldTimeout=10
MinJobAge=300
GresTypes=gpu
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory$([ "$gpus" -gt 0 ] && echo " Gres=gpu:$gpus") State=UNKNOWN
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
END
}

# The plug-in of Snakemake hides SLURM_CONF from the srun of its jobs, as clusters have their file in /etc.
write_srun() {
  mkdir -p "$FOLDER/bin"
  printf '#!/bin/sh\nSLURM_CONF=%q exec %q "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$FOLDER/bin/srun"
  chmod +x "$FOLDER/bin/srun"
}

begin() {
  case $1 in
    munged)
      munged --key-file="$FOLDER/munge.key" --socket="$FOLDER/munge.socket" --pid-file="$FOLDER/munged.pid" \
        --log-file="$FOLDER/munged.log" --seed-file="$FOLDER/munge.seed" --num-threads=4
      ;;
    slurmctld) slurmctld -f "$SLURM_CONF" ;;
    slurmd) slurmd -f "$SLURM_CONF" -N "$HOST" ;;
  esac
}

# until_true SECONDS WHAT COMMAND…
until_true() {
  local most=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$most" ] || die "$what; see $FOLDER/*.log"
    sleep 0.2
  done
}

idle() { sinfo --noheader --format=%t 2>/dev/null | grep -qE '^(idle|mix|alloc)$'; }

start() {
  for name in munged slurmctld slurmd sbatch; do
    command -v $name >/dev/null || die "$name is not installed; expected slurmctld, slurmd, slurm-client and munge; as root: $0 install"
  done
  for name in slurmd slurmctld; do
    running $name && die "$FOLDER: $name runs already; expected none; $0 stop"
  done
  mkdir -p "$FOLDER/state" "$FOLDER/spool"
  chmod 755 "$FOLDER"
  [ -s "$FOLDER/munge.key" ] || (umask 077 && head -c 128 /dev/urandom >"$FOLDER/munge.key")
  write_configuration
  write_srun
  running munged || begin munged
  begin slurmctld
  begin slurmd
  until_true 30 "the node is not idle after 30 s" idle
  echo "export MER_SLURM=$FOLDER SLURM_CONF=$SLURM_CONF PATH=$FOLDER/bin:\$PATH"
}

stop() {
  if running slurmctld; then
    scancel --user="$(id -un)" 2>/dev/null || true
    # A job step that outlives its daemon would go on computing.
    until_true 20 "jobs do not end" sh -c '[ -z "$(squeue --noheader 2>/dev/null)" ]'
  fi
  for name in slurmctld slurmd munged; do
    running $name && kill "$(cat "$FOLDER/$name.pid")"
    until_true 20 "$name does not end" sh -c '! kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null' - "$FOLDER/$name.pid"
  done
  rm -rf "$FOLDER"
}

case ${1:-} in
  install) install_packages ;;
  start | stop) "$1" ;;
  slurmd | slurmctld)
    [ -s "$SLURM_CONF" ] || die "no cluster in $FOLDER; expected one that was started; $0 start"
    begin "$1"
    ;;
  exec)
    shift
    start >&2
    trap stop EXIT
    export MER_SLURM=$FOLDER PATH=$FOLDER/bin:$PATH
    "$@"
    ;;
  *)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
    ;;
esac
