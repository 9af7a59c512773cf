import t from 'tap';
import { hostWarnings } from './warnings.ts';

const full = { apparmor: true, selinux: true, seccomp: true, boundingSet: (1n << 41n) - 1n };

t.same(hostWarnings(full), [], 'a host with everything');
t.match(hostWarnings({ ...full, apparmor: false, selinux: false, seccomp: false }), [/seccomp/, /AppArmor/, /SELinux/]);
t.match(hostWarnings({ ...full, boundingSet: full.boundingSet & ~(1n << 24n) }), [/lacks CAP_SYS_RESOURCE: /]);
