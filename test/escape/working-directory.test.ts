// CVE-2024-21626: a working directory of /proc/self/fd/N puts the process onto a directory of the host that the engine left open.
import t from 'tap';
import { startAttack } from './attack.ts';

const attack = await startAttack(t);
await attack.image('fd-links', [
  ...Array.from({ length: 16 }, (_, fd) => ({
    path: `link${fd}`,
    type: 'symlink' as const,
    linkTarget: `/proc/self/fd/${fd}`,
  })),
]);

/** Creates, starts and waits by the API: 256 rounds of the command would take their time. */
const start = async (workingDirectory: string, image = 'attack'): Promise<{ error: string; output: string }> => {
  const { daemon } = attack;
  const created = await daemon.api('POST', '/containers/create', {
    Image: image,
    Cmd: ['/attack', 'working-directory'],
    WorkingDir: workingDirectory,
    HostConfig: { NetworkMode: 'none' },
  });
  const { Id } = created.json as { Id: string };
  const started = await daemon.api('POST', `/containers/${Id}/start`);
  let output = '';
  if (started.status === 204) {
    await daemon.api('POST', `/containers/${Id}/wait`);
    output = (await daemon.api('GET', `/containers/${Id}/logs?stdout=1`)).body.toString('latin1');
  }
  await daemon.api('DELETE', `/containers/${Id}?force=1`);
  return { error: started.status === 204 ? '' : started.body.toString(), output };
};

t.test('CVE-2024-21626: WORKDIR /proc/self/fd/N for every N', async (t) => {
  const before = attack.host();
  const reached: string[] = [];
  const work = Array.from({ length: 256 }, (_, n) => n);
  const worker = async (): Promise<void> => {
    for (let n = work.shift(); n !== undefined; n = work.shift()) {
      const { error, output } = await start(`/proc/self/fd/${n}`);
      if (error === '') reached.push(`${n}: ${output}`);
      else if (!/chdir|cwd|working/.test(error)) reached.push(`${n}: ${error}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  t.same(reached, [], 'all 256 are refused by name');
  t.same(attack.host(), before);
});

t.test('CVE-2024-21626: the same behind links and dots', async (t) => {
  const before = attack.host();
  const ways = [
    ...Array.from({ length: 16 }, (_, fd) => `/link${fd}`),
    '/link7/../../../..',
    '/proc/thread-self/fd/7',
    '/proc/1/fd/7',
    '/proc/1/cwd',
    '/proc/self/cwd',
    '/proc/self/root',
    '/dev/fd/8',
  ];
  for (const way of ways) {
    const { error, output } = await start(way, 'fd-links');
    if (error === '') t.match(output, /cwd: \/[\s\S]*up: root/, `${way}: inside of the root`);
    else t.match(error, /chdir|cwd|working/, way);
  }
  const { output } = await start('/a/b/../../../../../c');
  t.match(output, /cwd: \/c\n/, 'an ordinary one is made inside of the root');
  t.same(attack.host(), before);
});
