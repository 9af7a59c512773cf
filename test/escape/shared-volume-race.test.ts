// CVE-2021-30465, CVE-2024-45310: a container exchanges directories and links in a volume while another one that shares it starts, so that
// the engine's mount or mkdir for it lands outside of the root.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Attack, startAttack } from './attack.ts';

const attack = await startAttack(t);
/** Targets in one container: each is a try. */
const WIDTH = 50;
const TRIES = 10_000;
/** Milliseconds that all tries may take together; a slow machine makes fewer. */
const PATIENCE = 20_000;

/** Runs racers on the volume for as long as `work` takes. */
const whileRacing = async (
  attack: Attack,
  volume: string,
  pairs: readonly string[],
  work: () => Promise<void>,
): Promise<void> => {
  const args = ['run', '-d', '-v', `${volume}:/s`, 'attack', '/attack', 'exchange', ...pairs];
  const racer = await attack.ok(...args);
  try {
    await work();
  } finally {
    await attack.ok('rm', '-f', racer);
  }
};

const create = async (hostConfig: object, script: string): Promise<string> => {
  const answer = await attack.daemon.api('POST', '/containers/create', {
    Image: 'attack',
    Cmd: ['sh', '-c', script],
    HostConfig: { NetworkMode: 'none', ...hostConfig },
  });
  const { Id, message } = answer.json as { Id?: string; message?: string };
  if (Id === undefined) throw new Error(message);
  return Id;
};

/** Starts the same container again and again; answers how many tries were made and what the container printed. */
const startOver = async (id: string): Promise<{ tries: number; started: number; output: string }> => {
  const { daemon } = attack;
  const end = Date.now() + PATIENCE;
  let tries = 0;
  let started = 0;
  while (tries < TRIES && Date.now() < end) {
    const answer = await daemon.api('POST', `/containers/${id}/start`);
    if (answer.status === 204) {
      started++;
      await daemon.api('POST', `/containers/${id}/wait`);
    }
    tries += WIDTH;
  }
  const output = (await daemon.api('GET', `/containers/${id}/logs?stdout=1&stderr=1`)).body.toString('latin1');
  return { tries, started, output };
};

/** Prints every file of a marked kind that is reachable where it should not be. */
const inside =
  'grep -c . /etc/passwd >/dev/null; for d in /s/*; do test -e $d/secret && echo "gain: $d"; done; cat /proc/self/mountinfo | grep -c stolen >/dev/null; true';

t.test('CVE-2021-30465: mount targets below an exchanged directory', async (t) => {
  const before = attack.host();
  const volume = attack.shared('targets');
  const given = attack.shared('given');
  mkdirSync(join(volume, 'd'));
  symlinkSync('../../../../../../../../../../..', join(volume, 'up'));
  symlinkSync(attack.target, join(volume, 'host'));
  mkdirSync(join(volume, 'e'));
  const binds = Array.from(
    { length: WIDTH },
    (_, index) => `${given}:/s/${index % 2 === 0 ? 'd' : 'e'}${attack.target}/m${index}`,
  );
  const id = await create({ Binds: [`${volume}:/s`, ...binds] }, inside);
  await whileRacing(attack, volume, ['/s/d', '/s/up', '/s/e', '/s/host'], async () => {
    const { tries, started, output } = await startOver(id);
    t.comment(`${tries} targets, ${started} starts came through`);
    t.ok(started > 0);
    t.notMatch(output, /gain/);
  });
  t.same(attack.host(), before);
  t.same(readdirSync(given), [], 'nothing was made in what was to be mounted');
});

t.test('CVE-2024-45310: directories and files made for mounts below an exchanged directory', async (t) => {
  const before = attack.host();
  const volume = attack.shared('made');
  const file = join(attack.shared('file'), 'f');
  writeFileSync(file, 'bound\n');
  mkdirSync(join(volume, 'a'));
  mkdirSync(join(volume, 'b/x'), { recursive: true });
  symlinkSync('/', join(volume, 'root'));
  symlinkSync(`../../../../../../../../..${attack.target}/etc`, join(volume, 'etc'));
  const binds = Array.from(
    { length: WIDTH },
    (_, index) => `${file}:/s/${index % 2 === 0 ? 'a' : 'b/x'}/n${index}/created${index}`,
  );
  const id = await create({ Binds: [`${volume}:/s`, ...binds] }, inside);
  await whileRacing(attack, volume, ['/s/a', '/s/root', '/s/b/x', '/s/etc'], async () => {
    const { tries, started } = await startOver(id);
    t.comment(`${tries} files, ${started} starts came through`);
  });
  t.same(attack.host(), before);
  t.equal(readFileSync(file, 'utf8'), 'bound\n');
});

t.test('CVE-2024-45310: the working directory and tmpfs below an exchanged directory', async (t) => {
  const before = attack.host();
  const volume = attack.shared('work');
  mkdirSync(join(volume, 'w'));
  symlinkSync(`../../../../../../../..${attack.target}`, join(volume, 'link'));
  const answer = await attack.daemon.api('POST', '/containers/create', {
    Image: 'attack',
    Cmd: ['/attack', 'working-directory'],
    WorkingDir: '/s/w/one/two',
    HostConfig: { NetworkMode: 'none', Binds: [`${volume}:/s`], Tmpfs: { '/s/w/tmp/deep': '' }, ReadonlyRootfs: true },
  });
  const { Id } = answer.json as { Id: string };
  await whileRacing(attack, volume, ['/s/w', '/s/link'], async () => {
    const { started, output } = await startOver(Id);
    t.comment(`${started} starts came through`);
    t.notMatch(output, /outside|unreachable/);
  });
  t.same(attack.host(), before);
});
