// Archives that want out of their directory, or too much of it. After each one nothing outside of the target has changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { assembleLayer, packTree, removeTree, type UnpackedLayer, unpackLayer } from '../../../addon/index.ts';
import { makeTar, type TarEntry } from '../../helpers/tar.ts';

const work = mkdtempSync(join(tmpdir(), 'tsd-hostile-'));
t.teardown(() => removeTree(work));
let counter = 0;

interface Jail {
  readonly outside: string;
  readonly target: string;
  readonly split: string;
  /** Everything outside of the target, in one text. */
  snapshot(): string;
}

function makeJail(): Jail {
  const outside = join(work, `case${counter++}`);
  const target = join(outside, 'layers/target');
  mkdirSync(target, { recursive: true });
  mkdirSync(join(outside, 'etc'));
  writeFileSync(join(outside, 'etc/passwd'), 'secret');
  writeFileSync(join(outside, 'layers/neighbour'), 'mine');
  return {
    outside,
    target,
    split: `${outside}.split`,
    snapshot: () =>
      execFileSync(
        'sh',
        [
          '-c',
          'find . -path ./layers/target -prune -o -printf "%P %y %m %U %s %T@ %l\\n"; cat etc/passwd layers/neighbour',
        ],
        {
          cwd: outside,
          encoding: 'utf8',
        },
      ).replace(/^(layers d .*) \d+ [\d.]+ $/m, '$1'),
  };
}

async function unpack(jail: Jail, data: Uint8Array, limits = {}): Promise<UnpackedLayer> {
  const path = `${jail.outside}.tar`;
  writeFileSync(path, data);
  const fd = openSync(path, 'r');
  try {
    return await unpackLayer({
      source: { fd, offset: 0, length: data.length },
      target: jail.target,
      whiteouts: 'overlay',
      split: jail.split,
      ...limits,
    });
  } finally {
    closeSync(fd);
  }
}

const link = (path: string, linkTarget: string): TarEntry => ({ path, type: 'symlink', linkTarget });
const hard = (path: string, linkTarget: string): TarEntry => ({ path, type: 'hardlink', linkTarget });
const file = (path: string, data = 'evil'): TarEntry => ({ path, data });
const directory = (path: string): TarEntry => ({ path, type: 'directory' });
const deep = '../'.repeat(20);

t.test('refused', async (t) => {
  const cases: [string, TarEntry[], RegExp][] = [
    ['..', [file('../neighbour')], /"..\/neighbour" is outside of the layer/],
    ['.. in the middle', [directory('a'), file('a/../../neighbour')], /is outside of the layer/],
    ['many ..', [file(`${deep}etc/passwd`)], /is outside of the layer/],
    ['directory ..', [directory('..')], /is outside of the layer/],
    ['whiteout of ..', [file('a/.wh...', '')], /whiteout of "\.\."/],
    ['whiteout of .', [file('.wh..', '')], /whiteout of "\."/],
    ['whiteout of nothing', [file('.wh.', '')], /whiteout of ""/],
    ['whiteout above', [file('../.wh.neighbour', '')], /is outside of the layer/],
    ['root is a file', [file('/')], /root of the layer/],
    ['root is a link', [link('.', '/etc')], /root of the layer/],
    ['hard link by ..', [hard('x', '../neighbour')], /invalid hardlink/],
    ['hard link to what is only outside', [hard('x', '/etc/passwd')], /x -> \/etc\/passwd/],
    ['hard link through a link', [link('up', '../..'), hard('x', 'up/etc/passwd')], /x -> up\/etc\/passwd/],
    ['hard link to the root', [hard('x', '/')], /invalid hardlink/],
    ['a file as directory', [file('f'), file('f/x')], /f/],
    ['link loop as directory', [link('a', 'b'), link('b', 'a'), file('a/x')], /a/],
    ['long component', [file('n'.repeat(300))], /nnn/],
    ['long name', [file('n/'.repeat(3000))], /n\/n/],
  ];
  for (const [name, entries, message] of cases) {
    const jail = makeJail();
    const before = jail.snapshot();
    await t.rejects(unpack(jail, makeTar(entries)), { name: 'SystemError', message }, name);
    t.equal(jail.snapshot(), before, `${name}: nothing outside has changed`);
  }
});

t.test('contained', async (t) => {
  const cases: [string, TarEntry[], (target: string) => boolean][] = [
    ['absolute name', [file('/etc/passwd')], (at) => readFileSync(join(at, 'etc/passwd'), 'utf8') === 'evil'],
    [
      'absolute link as directory',
      [directory('etc'), link('out', '/etc'), file('out/passwd')],
      (at) => readFileSync(join(at, 'etc/passwd'), 'utf8') === 'evil',
    ],
    [
      'relative link as directory',
      [link('out', deep), file('out/neighbour')],
      (at) => existsSync(join(at, 'neighbour')),
    ],
    [
      'chain of links',
      [directory('d'), link('a', 'd/../../../..'), link('b', 'a'), link('c', '/b/..'), file('c/f')],
      (at) => existsSync(join(at, 'f')),
    ],
    [
      'link replaced by directory',
      [link('x', '/etc'), directory('x'), file('x/passwd')],
      (at) => lstatSync(join(at, 'x')).isDirectory(),
    ],
    [
      'directory replaced by link',
      [directory('x'), file('x/1'), link('x', '../../etc'), directory('etc'), file('x/passwd')],
      (at) => readlinkSync(join(at, 'x')) === '../../etc' && existsSync(join(at, 'etc/passwd')),
    ],
    [
      'file through a link of its name',
      [link('x', `${deep}etc/passwd`), file('x')],
      (at) => readFileSync(join(at, 'x'), 'utf8') === 'evil',
    ],
    [
      'whiteout through a link',
      [link('up', '..'), file('up/.wh.neighbour', '')],
      (at) => lstatSync(join(at, 'neighbour')).isCharacterDevice(),
    ],
    [
      'opaque through a link',
      [directory('d'), link('l', '/d'), file('l/.wh..wh..opq', '')],
      (at) => lstatSync(join(at, 'd')).isDirectory(),
    ],
    [
      'device nodes',
      [{ path: 'disk', type: 'block', major: 8, minor: 0, mode: 0o666 }, file('disk')],
      (at) => lstatSync(join(at, 'disk')).isFile(),
    ],
    [
      'a device stays one',
      [{ path: 'mem', type: 'character', major: 1, minor: 1, mode: 0o600 }],
      (at) => lstatSync(join(at, 'mem')).rdev === 257,
    ],
    ['a pipe is not opened', [{ path: 'p', type: 'fifo' }, file('p')], (at) => lstatSync(join(at, 'p')).isFile()],
    [
      'overlay marks of the archive',
      [{ path: 'd', type: 'directory', xattrs: { 'trusted.overlay.redirect': '/etc', 'trusted.overlay.opaque': 'y' } }],
      (at) => execFileSync('getfattr', ['-d', '-m', '-', join(at, 'd')]).length === 0,
    ],
    ['control characters in names', [file('a\u001b[2Jb')], (at) => existsSync(join(at, 'a\u001b[2Jb'))],
  ];
  for (const [name, entries, holds] of cases) {
    const jail = makeJail();
    const before = jail.snapshot();
    await unpack(jail, makeTar(entries));
    t.ok(holds(jail.target), name);
    t.equal(jail.snapshot(), before, `${name}: nothing outside has changed`);
  }
});

t.test('whiteouts mean what lies below, whatever the order', async (t) => {
  const jail = makeJail();
  await unpack(
    jail,
    makeTar([
      file('.wh.first', ''),
      directory('first'),
      directory('second'),
      file('second/x'),
      file('.wh.second', ''),
      file('gone/.wh.file', ''),
      directory('opaque'),
      file('opaque/.wh..wh..opq', ''),
      directory('.wh..wh.plnk'),
    ]),
  );
  const opaque = (name: string) =>
    execFileSync('getfattr', [
      '--absolute-names',
      '--only-values',
      '-n',
      'trusted.overlay.opaque',
      join(jail.target, name),
    ]).toString();
  for (const name of ['first', 'second', 'opaque']) t.equal(opaque(name), 'y', name);
  t.ok(existsSync(join(jail.target, 'second/x')));
  t.ok(lstatSync(join(jail.target, 'gone/file')).isCharacterDevice());
  t.notOk(existsSync(join(jail.target, '.wh..wh.plnk')));
});

t.test('the target may be reached by a link, and is never left through it', async (t) => {
  const jail = makeJail();
  symlinkSync('/', join(jail.target, 'planted'));
  await unpack(jail, makeTar([directory('tmp'), file('planted/tmp/tsd-hostile-probe')]));
  t.notOk(existsSync('/tmp/tsd-hostile-probe'));
  t.ok(existsSync(join(jail.target, 'tmp/tsd-hostile-probe')));
});

t.test('limits', async (t) => {
  const zeros = Buffer.alloc(200 * 1024 * 1024);
  const bomb = makeTar([{ path: 'zeros', data: zeros }]);
  await t.rejects(unpack(makeJail(), gzipSync(bomb), { maxRatio: 100 }), {
    code: 'EFBIG',
    message: /decompression bomb/,
  });
  await t.rejects(unpack(makeJail(), zstdCompressSync(bomb), { maxBytes: 1e6 }), {
    code: 'EFBIG',
    message: /limit of 1000000 bytes/,
  });
  const many = makeTar(Array.from({ length: 50 }, (_, index) => file(`f${index}`)));
  await t.rejects(unpack(makeJail(), many, { maxEntries: 49 }), { code: 'EFBIG', message: /more than 49 entries/ });
  t.equal((await unpack(makeJail(), many, { maxEntries: 50 })).entries, 50);
});

/** A header with a right checksum over anything. */
function rawHeader(change: (block: Buffer) => void): Buffer {
  const block = Buffer.from(makeTar([file('x', '')]).subarray(0, 512));
  change(block);
  block.write('        ', 148);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}

t.test('broken headers', async (t) => {
  const end = Buffer.alloc(1024);
  const huge = (bytes: number[]) => (block: Buffer) => Buffer.from(bytes).copy(block, 124);
  const cases: [string, Buffer][] = [
    ['wrong checksum', Buffer.concat([rawHeader(() => undefined).fill('7', 0, 1), end])],
    ['size beyond the end', Buffer.concat([rawHeader((block) => block.write('77777777777\0', 124)), end])],
    ['size of 2^62', Buffer.concat([rawHeader(huge([0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0])), end])],
    ['size of 2^95', Buffer.concat([rawHeader(huge(new Array<number>(12).fill(0xff).with(0, 0x80))), end])],
    ['negative size', Buffer.concat([rawHeader(huge(new Array<number>(12).fill(0xff))), end])],
    ['no number', Buffer.concat([rawHeader((block) => block.write('12x', 124)), end])],
    [
      'owner of -1',
      Buffer.concat([rawHeader((block) => Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).copy(block, 108)), end]),
    ],
    ['unknown type', Buffer.concat([rawHeader((block) => block.write('V', 156)), end])],
    [
      'pax of 2 GiB',
      Buffer.concat([
        rawHeader((block) => {
          block.write('x', 156);
          block.write('17777777777\0', 124);
        }),
        end,
      ]),
    ],
    [
      'pax without its file',
      Buffer.concat([
        rawHeader((block) => {
          block.write('x', 156);
        }),
        end,
      ]),
    ],
    ['half a header', rawHeader(() => undefined).subarray(0, 300)],
  ];
  for (const [name, data] of cases) {
    const jail = makeJail();
    await t.rejects(unpack(jail, data), { name: 'SystemError', message: /./ }, name);
  }
  const records: [string, string][] = [
    ['short record', '5 a\n'],
    ['record beyond the end', '999 path=x\n'],
    ['no equals', '10 pathxx\n'],
    ['NUL in the path', '12 path=a\0b\n'],
    [
      'sparse map backwards',
      '22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n26 GNU.sparse.realsize=100\n29 GNU.sparse.map=50,1,10,1\n',
    ],
    ['negative size', '12 size=-100\n'],
  ];
  for (const [name, text] of records) {
    const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
    body.write(text);
    const head = rawHeader((block) => {
      block.write('x', 156);
      block.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
    });
    await t.rejects(
      unpack(makeJail(), Buffer.concat([head, body, makeTar([file('y')])])),
      { name: 'SystemError', message: /./ },
      name,
    );
  }
});

t.test('GNU tar’s own formats come out as they went in', async (t) => {
  const source = join(work, 'source');
  mkdirSync(join(source, 'd'.repeat(120), 'e'.repeat(120)), { recursive: true });
  execFileSync('sh', [
    '-ec',
    `cd "$1"; printf x > ${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(100)}
    truncate -s 40M sparse; for at in 0 5 9 13 17 21 25 29 33; do printf data | dd of=sparse bs=1M seek=$at conv=notrunc status=none; done
    ln -s ${'l/'.repeat(80)} link; ln sparse hard; printf 1 > "$(printf 'F\\305\\221t\\377')"; setcap cap_net_raw+ep hard 2>/dev/null || true
    mkdir -m 1777 t; mknod c c 5 1; mknod b b 7 9; mkfifo -m 640 p; chown 100:200 p; touch -d '2001-02-03 04:05:06.789' t p link -h`,
    'sh',
    source,
  ]);
  const listing = (root: string) =>
    execFileSync(
      'sh',
      [
        '-c',
        'find . -mindepth 1 -printf "%P %y %m %U %G %s %n %l %T@\\n" | sort; find . -type f -exec sha256sum {} + | sort',
      ],
      { cwd: root, encoding: 'utf8' },
    );
  const whole = (text: string) => text.replaceAll(/ (-?\d+)\.\d+$/gm, ' $1').replaceAll(/( d \d+ \d+ \d+) \d+/g, '$1');
  for (const options of [
    ['--format=gnu'],
    ['--format=gnu', '-S'],
    ['--format=pax'],
    ['--format=pax', '-S', '--sparse-version=0.0'],
    ['--format=pax', '-S', '--sparse-version=0.1'],
    ['--format=pax', '-S', '--sparse-version=1.0'],
  ]) {
    const tar = execFileSync('tar', [...options, '-C', source, '-c', '.'], { maxBuffer: 2 ** 30 });
    const jail = makeJail();
    const layer = await unpack(jail, zstdCompressSync(tar));
    const name = options.join(' ');
    t.equal(whole(listing(jail.target)), whole(listing(source)), name);
    t.equal(layer.diffId, `sha256:${createHash('sha256').update(tar).digest('hex')}`);
    if (options.includes('-S')) t.ok(lstatSync(join(jail.target, 'sparse')).blocks < 1000, `${name}: holes`);
    const again = openSync(`${jail.outside}.again`, 'w');
    const built = await assembleLayer({ split: jail.split, directory: jail.target, target: again });
    closeSync(again);
    t.equal(built.digest, layer.diffId, `${name}: built again`);
    t.ok(readFileSync(`${jail.outside}.again`).equals(tar));
    const packed = openSync(`${jail.outside}.packed`, 'w');
    await packTree({ path: jail.target, whiteouts: 'overlay', target: packed });
    closeSync(packed);
    const repacked = makeJail();
    await unpack(repacked, readFileSync(`${jail.outside}.packed`));
    t.equal(whole(listing(repacked.target)), whole(listing(source)), `${name}: packed and unpacked again`);
    // GNU's format has whole seconds, as a packed tree has; with pax the file's nanoseconds are there to differ.
    if (name.includes('gnu')) execFileSync('tar', ['--compare', '-C', jail.target, '-f', `${jail.outside}.packed`]);
  }
});

t.test('an archive that holds a file twice says that it cannot be built again', async (t) => {
  const layer = await unpack(makeJail(), makeTar([file('x', 'one'), file('x', 'two')]));
  t.notOk(layer.reproducible);
  t.equal(layer.contentBytes, 3);
});
