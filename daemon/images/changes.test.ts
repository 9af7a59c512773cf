import t from 'tap';
import { applyChanges } from './changes.ts';

t.test('each instruction', async (t) => {
  t.strictSame(applyChanges({}, ['CMD ["a","b"]']).Cmd, ['a', 'b']);
  t.strictSame(applyChanges({}, ['CMD a  b']).Cmd, ['/bin/sh', '-c', 'a  b']);
  t.strictSame(
    applyChanges({ Cmd: ['x'] }, ['ENTRYPOINT ["e"]']),
    { Entrypoint: ['e'] },
    'entrypoint resets the command',
  );
  t.strictSame(applyChanges({}, ['CMD ["a"]', 'ENTRYPOINT ["e"]']), { Cmd: ['a'], Entrypoint: ['e'] });
  t.strictSame(applyChanges({}, ['ENV A=1 B="two words" C=a\\ b']).Env, ['A=1', 'B=two words', 'C=a b']);
  t.strictSame(applyChanges({ Env: ['A=1'] }, ['ENV A rest of the line', "ENV D='$A'"]).Env, [
    'A=rest of the line',
    'D=$A',
  ]);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's variables, not ours
  t.strictSame(applyChanges({ Env: ['A=1'] }, ['ENV B=${A}2 C=${Z:-z} E=${A:+set}']).Env, [
    'A=1',
    'B=12',
    'C=z',
    'E=set',
  ]);
  t.strictSame(applyChanges({ Labels: { a: '1' } }, ['LABEL b=2 "c d"=3']).Labels, { a: '1', b: '2', 'c d': '3' });
  t.strictSame(applyChanges({}, ['EXPOSE 80 53/udp 8000-8001']).ExposedPorts, {
    '80/tcp': {},
    '53/udp': {},
    '8000/tcp': {},
    '8001/tcp': {},
  });
  t.strictSame(applyChanges({}, ['VOLUME /a /b', 'VOLUME ["/c d"]']).Volumes, { '/a': {}, '/b': {}, '/c d': {} });
  t.strictSame(applyChanges({}, ['WORKDIR /a', 'WORKDIR ../b/./c']).WorkingDir, '/b/c');
  t.strictSame(applyChanges({}, ['USER app:app', 'STOPSIGNAL SIGQUIT']), { User: 'app:app', StopSignal: 'SIGQUIT' });
  t.strictSame(applyChanges({}, ['ONBUILD RUN x']).OnBuild, ['RUN x']);
  t.strictSame(applyChanges({}, ['HEALTHCHECK NONE']).Healthcheck, { Test: ['NONE'] });
  t.strictSame(applyChanges({}, ['HEALTHCHECK --interval=5s --retries=3 CMD curl x || exit 1']).Healthcheck, {
    Test: ['CMD-SHELL', 'curl x || exit 1'],
    Interval: 5_000_000_000,
    Retries: 3,
  });
  t.strictSame(applyChanges({}, ['# comment\nENV A=1 \\\n  B=2\n\nUSER u']), { Env: ['A=1', 'B=2'], User: 'u' });
});

t.test('errors are Docker’s', async (t) => {
  const cases: [string, RegExp][] = [
    ['RUN x', /^run is not a valid change command$/],
    ['constructor x', /^constructor is not a valid change command$/],
    ['ENV', /^ENV requires at least one argument$/],
    ['ENV A', /^ENV must have two arguments$/],
    ['ENV A=1 B', /can't find = in "B"/],
    ['ENV =1', /^ENV names can not be blank$/],
    ['USER', /^USER requires exactly one argument$/],
    ['EXPOSE abc', /^invalid containerPort: abc$/],
    ['EXPOSE 70000', /^invalid containerPort: 70000$/],
    ['STOPSIGNAL a.b', /^Invalid signal: a.b$/],
    ['ONBUILD ONBUILD RUN x', /Chaining ONBUILD/],
    ['ONBUILD FROM x', /^FROM isn't allowed as an ONBUILD trigger$/],
    ['HEALTHCHECK CMD', /^Missing command after HEALTHCHECK CMD$/],
    ['HEALTHCHECK TCP 1', /^Unknown type "TCP" in HEALTHCHECK/],
    ['HEALTHCHECK --interval=1 CMD x', /invalid duration "1"/],
    ['ENV A="x', /looking for matching double-quote/],
    ['ENV A=${B', /missing '}'/],
  ];
  for (const [change, message] of cases) {
    t.throws(() => applyChanges({}, [change]), { kind: 'invalid-argument', message }, change);
  }
});
