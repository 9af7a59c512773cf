// The rules that take an instance's chains away again, from what iptables-save prints.
import t from 'tap';
import { chainRemoval } from './leftovers.ts';

const saved = `# Generated
*nat
:PREROUTING ACCEPT [0:0]
:TSD-0a1b2c3d-NAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j TSD-0a1b2c3d-NAT
-A TSD-0a1b2c3d-NAT -i x -j RETURN
-A OUTPUT -j TSD-ffffffff-NAT
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -j TSD-ffffffff-FORWARD
COMMIT
`;

t.equal(
  chainRemoval(saved, '0a1b2c3d'),
  '*nat\n-D PREROUTING -m addrtype --dst-type LOCAL -j TSD-0a1b2c3d-NAT\n-F TSD-0a1b2c3d-NAT\n-X TSD-0a1b2c3d-NAT\nCOMMIT\n',
);
t.equal(chainRemoval(saved, '11111111'), '');
