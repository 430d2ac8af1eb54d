# A node in a virtual machine, as far as a container needs one: runs the specification that a real containerd made of the
# pod, by a real low-level runtime, under containerd's AppArmor profile. Variables are set in front of it: RUNTIME,
# CAPABILITIES (of the binary), DIRECTORIES and FILES (what the specification binds).
set -e
# runc wants the controller of devices, and those that its specification sets limits by. The newest kernels have not all of
# version 1.
if [ -d /sys/fs/cgroup/cpu ]; then
    for controller in devices freezer cpuset cpuacct blkio; do
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
    done
    grep -q " /sys/fs/cgroup/memory " /proc/mounts || rmdir /sys/fs/cgroup/memory
fi
mkdir -p /pod /node
mount -t tmpfs tmpfs /pod
mount -t tmpfs tmpfs /node
mkdir /pod/rootfs
cp /bin/agent /pod/rootfs/agent
setcap "$CAPABILITIES" /pod/rootfs/agent
for directory in $DIRECTORIES; do mkdir -p "/node$directory"; done
for file in $FILES; do mkdir -p "/node${file%/*}"; : >"/node$file"; done
# pkg/volume/emptydir of Kubernetes makes it so.
chmod 777 /node/run/pinhole
cp /settings /node/etc/pinhole/agent.toml
chmod 644 /node/etc/pinhole/agent.toml
cp /specification /pod/config.json

cat /apparmor >/sys/kernel/security/apparmor/.load
sysctl -qw kernel.perf_event_paranoid=4 kernel.unprivileged_bpf_disabled=2
echo "LSM $(cat /sys/kernel/security/lsm)"
echo "LOCKDOWN $(cat /sys/kernel/security/lockdown)"
echo "PARANOID $(cat /proc/sys/kernel/perf_event_paranoid) $(cat /proc/sys/kernel/unprivileged_bpf_disabled)"
set +e

"$RUNTIME" run --no-pivot --bundle /pod agent >/tmp/events 2>/tmp/log &
runtime=$!
wait_for() {
    tries=0
    until "$@"; do
        kill -0 $runtime 2>/dev/null || return 1
        tries=$((tries + 1)); [ $tries -lt 6000 ] || return 1
        usleep 100000
    done
}
# (The brackets keep grep from finding itself.)
canary() { /bin/true the-canary; grep -q 'the-canar[y]' /tmp/events; }
agent=''
if wait_for [ -S /node/run/pinhole/agent.sock ] && wait_for canary; then
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = agent ] || continue
        agent=${process#/proc/}
        for thread in "$process"/task/*; do
            echo "THREAD $(cat "$thread/attr/current")"
            grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Groups)' "$thread/status"
        done
        echo "CGROUP $(tr '\n' ' ' <"$process/cgroup")"
    done
fi
[ -z "$agent" ] || kill -TERM "$agent"
wait $runtime
code=$?
echo EVENTS
cat /tmp/events
echo LOG
cat /tmp/log
dmesg | grep -F 'apparmor="DENIED"'
exit $code
