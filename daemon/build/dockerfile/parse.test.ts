import t from 'tap';
import { parseDockerfile, parseInstruction } from './parse.ts';

t.test('directives, comments, continuations and blank lines', async (t) => {
  const file = parseDockerfile('# syntax=docker/dockerfile:1\n# escape=`\n\nFROM a\nRUN one `\n# comment\n\n  two\n');
  t.equal(file.escapeMark, '`');
  t.match(file.warnings, [/syntax directive/]);
  t.match(file.stages[0]?.instructions, [{ line: 5, text: 'RUN one   two' }]);
});

t.test('stages and arguments before them', async (t) => {
  const file = parseDockerfile('ARG B=x\nFROM --platform=linux/amd64 $B AS Base\nfrom base\n');
  t.match(file.globals, [{ command: { keyword: 'ARG', args: [{ key: 'B', value: 'x' }] } }]);
  t.match(file.stages, [
    { base: '$B', name: 'base', platform: 'linux/amd64' },
    { base: 'base', name: '' },
  ]);
});

t.test('flags, mounts and forms', async (t) => {
  const of = (text: string) => parseInstruction(text, 1).command;
  t.match(of('COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=*.x --exclude=y ["a b", "/c/"]'), {
    from: 'b',
    chown: '1:2',
    chmod: '755',
    link: true,
    parents: true,
    exclude: ['*.x', 'y'],
    sources: ['a b'],
    destination: '/c/',
  });
  t.match(of('RUN --mount=type=cache,target=/c,sharing=locked --network=none ["ls", "-l"]'), {
    mounts: [{ type: 'cache', target: '/c', sharing: 'locked' }],
    network: 'none',
    command: { form: 'exec', argv: ['ls', '-l'] },
  });
  t.match(of('RUN [ -f x ]'), { command: { form: 'shell', text: '[ -f x ]' } });
  t.match(of('ENV a b c'), { pairs: [{ key: 'a', value: 'b c' }] });
  t.match(of('ENV a=1 b="2 3"'), {
    pairs: [
      { key: 'a', value: '1' },
      { key: 'b', value: '"2 3"' },
    ],
  });
  t.match(of('ADD --checksum=sha256:1 --unpack=false http://h/f /f'), { checksum: 'sha256:1', unpack: false });
});

t.test('here-documents', async (t) => {
  const file = parseDockerfile('FROM a\nRUN <<EOF\necho 1\n# kept\nEOF\nCOPY <<-"X" <<Y /d/\n\tx\nX\n$y\nY\nUSER 1\n');
  t.match(file.stages[0]?.instructions, [
    { command: { keyword: 'RUN', heredocs: [{ name: 'EOF', content: 'echo 1\n# kept\n', expand: true }] } },
    {
      command: {
        keyword: 'COPY',
        sources: [],
        destination: '/d/',
        heredocs: [
          { name: 'X', content: 'x\n', expand: false, chomp: true },
          { name: 'Y', content: '$y\n', expand: true },
        ],
      },
    },
    { line: 11, command: { keyword: 'USER' } },
  ]);
});

t.test('errors in words of Docker, with their line', async (t) => {
  const fails = (text: string, message: string) =>
    t.throws(() => parseDockerfile(text), { kind: 'invalid-argument', message }, text);
  const line = 'dockerfile parse error on line';
  fails('FRO a', `${line} 1: unknown instruction: FRO (did you mean FROM?)`);
  fails('FROM', `${line} 1: FROM requires either one or three arguments`);
  fails(
    'FROM a AS 1x',
    `${line} 1: invalid name for build stage: "1x", name can't start with a number or contain symbols`,
  );
  fails('FROM a\nCOPY --zz=1 a b', `${line} 2: unknown flag: zz`);
  fails('FROM a\nCOPY --from=a --from=b a b', `${line} 2: duplicate flag specified: from`);
  fails('FROM a\nCOPY --link=2 a b', `${line} 2: expecting boolean value for flag link, not: 2`);
  fails('FROM a\nSHELL sh', `${line} 2: SHELL requires the arguments to be in JSON form`);
  fails('FROM a\nONBUILD ONBUILD RUN x', `${line} 2: Chaining ONBUILD via \`ONBUILD ONBUILD\` isn't allowed`);
  fails('FROM a\nONBUILD FROM x', `${line} 2: FROM isn't allowed as an ONBUILD trigger`);
  fails('FROM a\nHEALTHCHECK --zz=1 CMD x', `${line} 2: unknown flag: zz`);
  fails('FROM a\nRUN --mount=type=cach,target=/x y', `${line} 2: unsupported mount type "cach"`);
  fails('FROM a\nRUN --mount=typ=cache y', `${line} 2: unexpected key 'typ' in 'typ=cache' (did you mean type?)`);
  fails('FROM a\nRUN <<EOF\nx\n', `${line} 2: unterminated heredoc: expected EOF on a line of its own`);
  fails('FROM a\nRUN', `${line} 2: RUN requires at least one argument`);
  fails('FROM a\nENV x', 'failed to parse Dockerfile: ENV must have two arguments');
  fails(
    'FROM a\nENV a=1 b',
    'failed to parse Dockerfile: Syntax error - can\'t find = in "b". Must be of the form: name=value',
  );
  fails('RUN x', 'no build stage in current context');
  fails('# x\n', 'failed to parse Dockerfile: file with no instructions');
});
