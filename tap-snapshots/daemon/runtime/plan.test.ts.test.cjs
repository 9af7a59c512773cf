/* IMPORTANT
 * This snapshot file is auto-generated, but designed for humans.
 * It should be checked into source control and tracked carefully.
 * Re-generate by setting TAP_SNAPSHOT=1 and running tests.
 * Make sure to inspect the output below.  Do not ignore changes!
 */
'use strict'
exports[`daemon/runtime/plan.test.ts > TAP > the plan of a default container > must match snapshot 1`] = `
open-tree         #6 /data/containers/c0ffee/hosts recursive
open-tree         #7 /sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee -
open-tree         #8 /sys/fs/cgroup/memory/tsd-12345678/c0ffee -
open-tree         #9 /sys/fs/cgroup/systemd/tsd-12345678/c0ffee -
open              #2 /sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee/cgroup.procs 01
open              #3 /sys/fs/cgroup/memory/tsd-12345678/c0ffee/cgroup.procs 01
open              #4 /sys/fs/cgroup/systemd/tsd-12345678/c0ffee/cgroup.procs 01
open              #5 /sys/fs/cgroup/unified/tsd-12345678/c0ffee 0200000
clone             mount+uts+ipc+pid #5
write             #2 0
write             #3 0
write             #4 0
set-namespace     #1 network
session
keyring
propagation       recursive+slave
root              #0 /run/tsd/staging
filesystem        proc proc /proc nosuid+nodev+noexec
filesystem        tmpfs tmpfs /dev nosuid+strictatime mode=755 size=65536k
filesystem        sysfs sysfs /sys ro+nosuid+nodev+noexec
filesystem        devpts devpts /dev/pts nosuid+noexec newinstance ptmxmode=0666 mode=0620 gid=5
filesystem        mqueue mqueue /dev/mqueue nosuid+nodev+noexec
filesystem        tmpfs shm /dev/shm nosuid+nodev+noexec mode=1777 size=67108864
attach            #6 /etc/hosts - private recursive file
filesystem        tmpfs tmpfs /sys/fs/cgroup nosuid+nodev+noexec mode=755
attach            #7 /sys/fs/cgroup/cpu,cpuacct ro+nosuid+nodev+noexec private - directory
symlink           cpu,cpuacct /sys/fs/cgroup/cpu
symlink           cpu,cpuacct /sys/fs/cgroup/cpuacct
attach            #8 /sys/fs/cgroup/memory ro+nosuid+nodev+noexec private - directory
attach            #9 /sys/fs/cgroup/systemd ro+nosuid+nodev+noexec private - directory
mount-attributes  /sys/fs/cgroup ro - - -
device            /dev/null character 0666 1 3 0 0
device            /dev/zero character 0666 1 5 0 0
device            /dev/full character 0666 1 7 0 0
device            /dev/random character 0666 1 8 0 0
device            /dev/urandom character 0666 1 9 0 0
device            /dev/tty character 0666 5 0 0 0
symlink           /proc/self/fd /dev/fd
symlink           /proc/self/fd/0 /dev/stdin
symlink           /proc/self/fd/1 /dev/stdout
symlink           /proc/self/fd/2 /dev/stderr
symlink           /proc/kcore /dev/core
symlink           pts/ptmx /dev/ptmx
stdio             0 0
pivot-root
hostname          c0ffee
sysctl            net.ipv4.ip_unprivileged_port_start 0
sysctl            net.ipv4.ping_group_range "0 2147483647"
readonly          /proc/bus
readonly          /proc/fs
readonly          /proc/irq
readonly          /proc/sys
readonly          /proc/sysrq-trigger
mask              /proc/acpi
mask              /proc/asound
mask              /proc/interrupts
mask              /proc/kcore
mask              /proc/keys
mask              /proc/latency_stats
mask              /proc/sched_debug
mask              /proc/scsi
mask              /proc/timer_list
mask              /proc/timer_stats
mask              /sys/devices/virtual/powercap
mask              /sys/firmware
oom-score         0
umask             022
working-directory / 0 0
await-go
bounding-set      0xa80425fb
seccomp           4 <4000 bytes>
user              0 0 0 10
capabilities      0xa80425fb 0xa80425fb 0x0 0x0
death-signal      9
environment       PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOSTNAME=c0ffee HOME=/root
exec              echo "hello world"
`

exports[`daemon/runtime/plan.test.ts > TAP > the plan of a privileged container on the host network > must match snapshot 1`] = `
open-tree         #5 /data/containers/c0ffee/hosts recursive
open-tree         #6 /sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee -
open-tree         #7 /sys/fs/cgroup/memory/tsd-12345678/c0ffee -
open-tree         #8 /sys/fs/cgroup/systemd/tsd-12345678/c0ffee -
open              #1 /sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee/cgroup.procs 01
open              #2 /sys/fs/cgroup/memory/tsd-12345678/c0ffee/cgroup.procs 01
open              #3 /sys/fs/cgroup/systemd/tsd-12345678/c0ffee/cgroup.procs 01
open              #4 /sys/fs/cgroup/unified/tsd-12345678/c0ffee 0200000
clone             mount+ipc #4
write             #1 0
write             #2 0
write             #3 0
session
keyring
propagation       recursive+slave
root              #0 /run/tsd/staging
filesystem        proc proc /proc nosuid+nodev+noexec
filesystem        tmpfs tmpfs /dev nosuid+strictatime mode=755 size=65536k
filesystem        sysfs sysfs /sys nosuid+nodev+noexec
filesystem        devpts devpts /dev/pts nosuid+noexec newinstance ptmxmode=0666 mode=0620 gid=5
filesystem        mqueue mqueue /dev/mqueue nosuid+nodev+noexec
filesystem        tmpfs shm /dev/shm nosuid+nodev+noexec mode=1777 size=67108864
attach            #5 /etc/hosts - private recursive file
filesystem        tmpfs tmpfs /sys/fs/cgroup nosuid+nodev+noexec mode=755
attach            #6 /sys/fs/cgroup/cpu,cpuacct nosuid+nodev+noexec private - directory
symlink           cpu,cpuacct /sys/fs/cgroup/cpu
symlink           cpu,cpuacct /sys/fs/cgroup/cpuacct
attach            #7 /sys/fs/cgroup/memory nosuid+nodev+noexec private - directory
attach            #8 /sys/fs/cgroup/systemd nosuid+nodev+noexec private - directory
device            /dev/null character 0666 1 3 0 0
device            /dev/zero character 0666 1 5 0 0
device            /dev/full character 0666 1 7 0 0
device            /dev/random character 0666 1 8 0 0
device            /dev/urandom character 0666 1 9 0 0
device            /dev/tty character 0666 5 0 0 0
device            /dev/vda block 0660 254 0 0 6
symlink           /proc/self/fd /dev/fd
symlink           /proc/self/fd/0 /dev/stdin
symlink           /proc/self/fd/1 /dev/stdout
symlink           /proc/self/fd/2 /dev/stderr
symlink           /proc/kcore /dev/core
symlink           pts/ptmx /dev/ptmx
stdio             0 0
pivot-root
oom-score         0
umask             022
working-directory / 0 0
await-go
bounding-set      0x1ffffffffff
user              0 0 0 10
capabilities      0x1ffffffffff 0x1ffffffffff 0x0 0x0
death-signal      9
environment       PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOSTNAME=c0ffee HOME=/root
exec              echo "hello world"
`

exports[`daemon/runtime/plan.test.ts > TAP > the plan of an exec session > must match snapshot 1`] = `
open              #0 /sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee/cgroup.procs 01
open              #1 /sys/fs/cgroup/memory/tsd-12345678/c0ffee/cgroup.procs 01
open              #2 /sys/fs/cgroup/systemd/tsd-12345678/c0ffee/cgroup.procs 01
open              #3 /sys/fs/cgroup/unified/tsd-12345678/c0ffee 0200000
clone             - #3
write             #0 0
write             #1 0
write             #2 0
set-namespace     - mount+uts+ipc+pid+network
clone             parent -
session
keyring
stdio             0 0
oom-score         0
umask             022
working-directory / 0 0
await-go
bounding-set      0xa80425fb
seccomp           4 <4000 bytes>
user              0 0 0 10
capabilities      0xa80425fb 0xa80425fb 0x0 0x0
death-signal      9
environment       PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOSTNAME=c0ffee HOME=/root
exec              echo "hello world"
`

exports[`daemon/runtime/plan.test.ts > TAP > the plan on pure v2, with a terminal, a user, no-new-privileges, init and a read-only root > must match snapshot 1`] = `
open-tree         #3 /data/containers/c0ffee/hosts recursive
open              #2 /sys/fs/cgroup/tsd-12345678/c0ffee 0200000
clone             mount+uts+ipc+pid #2
set-namespace     #1 network
unshare           cgroup
session
keyring
propagation       recursive+slave
root              #0 /run/tsd/staging
filesystem        proc proc /proc nosuid+nodev+noexec
filesystem        tmpfs tmpfs /dev nosuid+strictatime mode=755 size=65536k
filesystem        sysfs sysfs /sys ro+nosuid+nodev+noexec
filesystem        devpts devpts /dev/pts nosuid+noexec newinstance ptmxmode=0666 mode=0620 gid=5
filesystem        mqueue mqueue /dev/mqueue nosuid+nodev+noexec
filesystem        tmpfs shm /dev/shm nosuid+nodev+noexec mode=1777 size=67108864
attach            #3 /etc/hosts - private recursive file
filesystem        cgroup2 cgroup /sys/fs/cgroup ro+nosuid+nodev+noexec
device            /dev/null character 0666 1 3 0 0
device            /dev/zero character 0666 1 5 0 0
device            /dev/full character 0666 1 7 0 0
device            /dev/random character 0666 1 8 0 0
device            /dev/urandom character 0666 1 9 0 0
device            /dev/tty character 0666 5 0 0 0
symlink           /proc/self/fd /dev/fd
symlink           /proc/self/fd/0 /dev/stdin
symlink           /proc/self/fd/1 /dev/stdout
symlink           /proc/self/fd/2 /dev/stderr
symlink           /proc/kcore /dev/core
symlink           pts/ptmx /dev/ptmx
console           24 80 1000 -1
pivot-root
hostname          c0ffee
domainname        example.org
sysctl            net.ipv4.ip_unprivileged_port_start 0
sysctl            net.ipv4.ping_group_range "0 2147483647"
sysctl            net.core.somaxconn 512
readonly          /proc/bus
readonly          /proc/fs
readonly          /proc/irq
readonly          /proc/sys
readonly          /proc/sysrq-trigger
mask              /proc/acpi
mask              /proc/asound
mask              /proc/interrupts
mask              /proc/kcore
mask              /proc/keys
mask              /proc/latency_stats
mask              /proc/sched_debug
mask              /proc/scsi
mask              /proc/timer_list
mask              /proc/timer_stats
mask              /sys/devices/virtual/powercap
mask              /sys/firmware
rlimit            7 1024 -1
oom-score         0
umask             022
working-directory /srv 0 0
remount-root      ro
await-go
bounding-set      0xa80425fb
user              1000 100 100 29
capabilities      0xa80425fb 0xa80425fb 0x0 0x0
death-signal      9
no-new-privileges
seccomp           4 <4000 bytes>
init
environment       PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOSTNAME=c0ffee HOME=/root
exec              echo "hello world"
`
