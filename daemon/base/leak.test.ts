// Owns the proof that work under way is not taken for a leak.
import t from 'tap';
import { confirmed, type Leak } from './leak.ts';

const leak = (name: string): Leak => ({ kind: 'link', name, problem: 'it is there' });

t.test('only what both looks find', async (t) => {
  const looks = [
    [leak('being removed'), leak('lost')],
    [leak('lost'), leak('being made')],
  ];
  const settled: string[] = [];
  const found = await confirmed(
    async () => looks.shift() ?? [],
    async (suspects) => {
      settled.push(...suspects.map(({ name }) => name));
    },
  );
  t.same(settled, ['being removed', 'lost']);
  t.same(
    found.map(({ name }) => name),
    ['lost'],
  );
});

t.test('nothing found is looked for once', async (t) => {
  let looks = 0;
  const look = async (): Promise<readonly Leak[]> => {
    looks += 1;
    return [];
  };
  t.same(await confirmed(look, () => Promise.reject(new Error('nothing to wait for'))), []);
  t.equal(looks, 1);
});

t.test('the same name of another kind is another thing', async (t) => {
  const looks: Leak[][] = [[leak('a')], [{ ...leak('a'), kind: 'cgroup' }]];
  t.same(
    await confirmed(
      async () => looks.shift() ?? [],
      async () => undefined,
    ),
    [],
  );
});
