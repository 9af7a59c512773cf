// Owns the proof that the engine finds what it has left over: each kind of leak is made by hand, named, healed and gone.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Leaks } from '../../../api-spec/index.ts';
import { Client, routes } from '../../../client/index.ts';
import { startDaemon } from '../../helpers/daemon.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';

const daemon = await startDaemon(t);
const client = new Client({ host: daemon.host });
const archive = join(daemon.root, 'busybox.tar');
writeFileSync(archive, makeDockerArchive(busyboxImage()));

const tsdctl = (...args: string[]) => {
  const program = join(import.meta.dirname, '../../../client/tsdctl');
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, TSD_HOST: daemon.host },
  });
  return { stdout, stderr, code: status };
};
const ok = (...args: string[]): string => {
  const { stdout, stderr, code } = tsdctl(...args);
  if (code !== 0) throw new Error(`tsdctl ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};
const find = async (): Promise<Leaks> => (await client.call(routes.TsdLeaks)).body;
const heal = async (): Promise<Leaks> => (await client.call(routes.TsdLeaksHeal)).body;

ok('load', '-i', archive);
const web = ok('run', '-d', '--name', 'web', '-p', '127.0.0.1::80', '-v', 'kept:/data', 'busybox', 'sleep', '1000');
const stopped = ok('run', '-d', '--name', 'stopped', 'busybox', 'true');
const { Instance: instance } = await find();
const stranger = 'ab'.repeat(32);

/** Runs SQL against the daemon's database behind its back. */
function sql(text: string, ...values: unknown[]): void {
  const database = new Sqlite(join(daemon.dataRoot, 'tsd.db'));
  database.prepare(text).run(...values);
  database.close();
}

interface Case {
  readonly what: string;
  readonly make: () => void;
  /** Kind and name (or a part of it) of each leak that is told. */
  readonly told: readonly (readonly [kind: string, name: string | RegExp])[];
  readonly gone: () => boolean;
}

const hierarchies = (): string[] =>
  ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))].filter((path) =>
    existsSync(join(path, `tsd-${instance}`)),
  );
const groupOf = (id: string): string => join(hierarchies()[0] ?? '', `tsd-${instance}`, id);
const rules = (table: string): string => execFileSync('iptables-save', ['-t', table], { encoding: 'utf8' });
const links = (): string[] => readdirSync('/sys/class/net');
const directoryLeak = (...parts: string[]): Case => {
  const path = join(daemon.root, ...parts);
  return {
    what: `the directory ${parts.slice(1, -1).join('/')}`,
    make: () => mkdirSync(path, { recursive: true }),
    told: [['directory', path]],
    gone: () => !existsSync(path),
  };
};
const dataName = daemon.dataRoot.slice(daemon.root.length + 1);
const execName = daemon.execRoot.slice(daemon.root.length + 1);
const link = `tsdx${instance}`;
const port = '-p tcp -m tcp --dport 9 -j DNAT --to-destination 172.17.0.99:9';
const masquerade = (): string =>
  new RegExp(`^-A (TSD-${instance}-MASQ -s \\S+ ! -o .*)$`, 'm').exec(rules('nat'))?.[1] ?? '';
let rule = '';

const cases: readonly Case[] = [
  {
    what: 'a control group of no container',
    make: () => mkdirSync(groupOf(stranger)),
    told: [['cgroup', `/tsd-${instance}/${stranger}`]],
    gone: () => !existsSync(groupOf(stranger)),
  },
  {
    what: 'a control group of a container that has ended',
    make: () => mkdirSync(groupOf(stopped)),
    told: [['cgroup', `/tsd-${instance}/${stopped}`]],
    gone: () => !existsSync(groupOf(stopped)),
  },
  {
    what: 'a link',
    make: () => {
      execFileSync('ip', ['link', 'add', link, 'type', 'bridge']);
      execFileSync('ip', ['link', 'set', link, 'alias', `tsd:${instance}`]);
    },
    told: [['link', link]],
    gone: () => !links().includes(link),
  },
  {
    what: 'a rule, a chain and a jump',
    make: () => {
      const run = (text: string) => execFileSync('iptables', ['-w', '-t', 'nat', ...text.split(' ')]);
      run(`-A TSD-${instance}-PORTS ${port}`);
      run(`-N TSD-${instance}-OLD`);
      run(`-A POSTROUTING -j TSD-${instance}-OLD`);
    },
    told: [
      ['rule', `iptables -t nat -A TSD-${instance}-PORTS ${port}`],
      ['rule', `iptables -t nat :TSD-${instance}-OLD`],
      ['rule', `iptables -t nat -A POSTROUTING -j TSD-${instance}-OLD`],
    ],
    gone: () => !rules('nat').includes('172.17.0.99') && !rules('nat').includes(`TSD-${instance}-OLD`),
  },
  {
    what: 'a rule that somebody took away',
    make: () => {
      rule = masquerade();
      execFileSync('iptables', ['-w', '-t', 'nat', '-D', ...rule.split(' ')]);
    },
    told: [['row', /iptables -t nat -A TSD-.*-MASQ/]],
    gone: () => rules('nat').includes(rule),
  },
  {
    what: 'a mount',
    make: () => {
      mkdirSync(join(daemon.dataRoot, 'rw', stopped, 'mounted'));
      execFileSync('mount', ['-t', 'tmpfs', 'none', join(daemon.dataRoot, 'rw', stopped, 'mounted')]);
    },
    told: [['mount', join(daemon.dataRoot, 'rw', stopped, 'mounted')]],
    gone: () => !readFileSync('/proc/self/mountinfo', 'utf8').includes(`${stopped}/mounted`),
  },
  directoryLeak(dataName, 'rw', stranger),
  directoryLeak(dataName, 'containers', stranger),
  directoryLeak(execName, 'containers', stranger),
  directoryLeak(dataName, 'layers', stranger),
  directoryLeak(dataName, 'tmp', 'layer-0123456789abcdef'),
  directoryLeak(dataName, 'tmp', 'volume-0123456789abcdef'),
  {
    what: 'the directory of a volume without a row, empty',
    make: () => mkdirSync(join(daemon.dataRoot, 'volumes/lost/_data'), { recursive: true }),
    told: [['directory', join(daemon.dataRoot, 'volumes/lost')]],
    gone: () => !existsSync(join(daemon.dataRoot, 'volumes/lost')),
  },
  {
    what: 'an endpoint of a container that has ended',
    make: () => sql(`UPDATE endpoints SET container_id = ? WHERE container_id = ?`, stranger, web),
    told: [['row', /^endpoint /]],
    gone: () => true,
  },
];

t.test('a clean engine reports nothing', async (t) => {
  t.same(await find(), { Instance: instance, Leaks: [] });
  t.strictSame(tsdctl('doctor'), { stdout: `instance ${instance}: nothing is left over\n`, stderr: '', code: 0 });
});

for (const { what, make, told, gone } of cases) {
  t.test(what, async (t) => {
    make();
    const found = await find();
    t.equal(found.Leaks.length, told.length, JSON.stringify(found.Leaks));
    for (const [kind, name] of told) {
      t.ok(
        found.Leaks.some(
          (leak) => leak.Kind === kind && (typeof name === 'string' ? leak.Name === name : name.test(leak.Name)),
        ),
        `${kind} ${name}: ${JSON.stringify(found.Leaks)}`,
      );
    }
    const healed = await heal();
    t.same(
      healed.Leaks.map(({ Healed, Error: error }) => [Healed, error]),
      told.map(() => [true, undefined]),
    );
    t.same((await find()).Leaks, []);
    t.ok(gone());
  });
}

t.test('what holds data and what is missing is told and left to a person', async (t) => {
  const lost = join(daemon.dataRoot, 'volumes/precious/_data');
  mkdirSync(lost, { recursive: true });
  writeFileSync(join(lost, 'file'), 'data');
  const upper = join(daemon.dataRoot, 'rw', stopped);
  rmSync(upper, { recursive: true });
  const { stdout, code } = tsdctl('doctor', '--heal');
  t.equal(code, 1);
  t.match(stdout, /directory \S+precious: a directory without a volume holds data.* \(cannot be healed\)/);
  t.match(stdout, new RegExp(`row container stopped: ${upper}/diff: .*missing.*\\(cannot be healed\\)`));
  t.ok(existsSync(join(lost, 'file')));
  rmSync(join(lost, '..'), { recursive: true });
  ok('rm', 'stopped');
  t.equal(tsdctl('doctor').code, 0);
});

t.test('a container whose row is gone: its processes are named and ended', async (t) => {
  ok('run', '-d', '--name', 'orphan', '--network', 'none', 'busybox', 'sleep', '1000');
  const id = ok('ps', '-q', '--no-trunc', '-f', 'name=orphan');
  sql('DELETE FROM containers WHERE id = ?', id);
  const kinds = (await find()).Leaks.map(({ Kind, Owner }) => [Kind, Owner === id]);
  t.same(
    new Set(kinds.map(([kind]) => kind)),
    new Set(['process', 'cgroup', 'row', 'directory']),
    'monitor, group, endpoint and directories',
  );
  t.ok(kinds.every(([, own]) => own));
  t.ok((await heal()).Leaks.every(({ Healed }) => Healed === true));
  t.same((await find()).Leaks, []);
});

t.test('a row without its process, after the daemon was down', async (t) => {
  t.same((await find()).Leaks, []);
  mkdirSync(groupOf(stranger));
  mkdirSync(join(daemon.dataRoot, 'rw', stranger));
  await daemon.restart('SIGKILL');
  await t.resolves(find());
  t.same((await find()).Leaks, [], 'the sweep at the start is the same look');
  t.notOk(existsSync(join(daemon.dataRoot, 'rw', stranger)));
  if (existsSync(groupOf(stranger))) rmdirSync(groupOf(stranger));
  ok('rm', '-f', 'web');
  t.same((await find()).Leaks, []);
});
