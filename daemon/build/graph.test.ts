import t from 'tap';
import { BuildArguments } from './arguments.ts';
import { parseDockerfile } from './dockerfile/parse.ts';
import { planBuild } from './graph.ts';
import { OrderedOutput } from './output.ts';

const plan = (text: string, target = '', lookup: (name: string) => string | undefined = () => undefined) =>
  planBuild(parseDockerfile(text), target, lookup);

t.test('only the stages that the target needs', async (t) => {
  const text =
    'FROM x AS a\nFROM x AS unused\nFROM a AS b\nFROM x\nCOPY --from=b / /\nRUN --mount=type=bind,from=0,target=/m ls\n';
  t.same(plan(text).needed, [0, 2, 3]);
  t.same(plan(text, 'b').needed, [0, 2]);
  t.same(plan(text, 'UNUSED').needed, [1]);
  t.same(plan(text, '1').needed, [1]);
  t.throws(() => plan(text, 'nope'), { message: 'target stage "nope" could not be found' });
});

t.test('bases: stages by name, images by name, arguments', async (t) => {
  const { stages } = plan('FROM x AS busybox\nFROM busybox\nFROM $B\nFROM 0\n', '', (name) =>
    name === 'B' ? 'img' : undefined,
  );
  t.match(stages, [
    { base: 'x', baseStage: undefined },
    { base: 'busybox', baseStage: 0 },
    { base: 'img', baseStage: undefined },
    { base: '0', baseStage: undefined },
  ]);
  t.throws(() => plan('FROM $nope\n'), { message: 'base name ($nope) should not be blank' });
});

t.test('arguments: the request wins, then the own value, then the global one', async (t) => {
  const host = { os: 'linux', architecture: 'amd64', variant: '' };
  const given = new BuildArguments({ A: 'request', N: null, HTTP_PROXY: 'p', Z: '1', Y: '2' }, host, {
    ...host,
    architecture: 'arm64',
    variant: 'v8',
  });
  given.declareGlobal('G', 'global');
  t.equal(given.inStage('A', 'own'), 'request');
  t.equal(given.inStage('B', 'own'), 'own');
  t.equal(given.inStage('G', undefined), 'global');
  t.equal(given.inStage('N', undefined), undefined);
  t.equal(given.inStage('TARGETPLATFORM', undefined), 'linux/arm64/v8');
  t.equal(given.global('BUILDARCH'), 'amd64');
  t.same(given.proxies(new Map()), ['HTTP_PROXY=p']);
  t.same(given.unused(), ['Y', 'Z']);
});

t.test('stages that run side by side speak one after another', async (t) => {
  const said: string[] = [];
  const output = new OrderedOutput<string>(3, (line) => void said.push(line));
  output.say(1, 'b1');
  output.say(0, 'a1');
  output.say(2, 'c1');
  output.end(2);
  output.say(0, 'a2');
  output.end(0);
  output.say(1, 'b2');
  output.end(1);
  t.same(said, ['a1', 'a2', 'b1', 'b2', 'c1']);
});
