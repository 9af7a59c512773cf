import t from 'tap';
import type { EngineError } from '../base/errors.ts';
import { collectMounts, parseBind, parseMount } from './mount-specs.ts';

t.test('-v as dockerd reads it', async (t) => {
  const bind = (spec: string) => {
    const { type, name, source, destination, mode, rw, propagation, copyUp } = parseBind(spec, '');
    return { type, from: type === 'bind' ? source : name, destination, mode, rw, propagation, copyUp };
  };
  t.same(bind('/src:/dst'), {
    type: 'bind',
    from: '/src',
    destination: '/dst',
    mode: '',
    rw: true,
    propagation: 'rprivate',
    copyUp: false,
  });
  t.same(bind('/src/../a:/b/../c/:rw,Z,rslave'), {
    type: 'bind',
    from: '/a',
    destination: '/c',
    mode: 'rw,Z,rslave',
    rw: true,
    propagation: 'rslave',
    copyUp: false,
  });
  t.match(bind('/src:/dst:ro'), { rw: false, mode: 'ro' });
  t.same(bind('vol:/dst'), {
    type: 'volume',
    from: 'vol',
    destination: '/dst',
    mode: 'z',
    rw: true,
    propagation: '',
    copyUp: true,
  });
  t.match(bind('vol:/dst:ro,nocopy'), { rw: false, mode: 'ro,nocopy', copyUp: false });
  t.match(bind('/only'), { type: 'volume', from: '', destination: '/only', mode: 'z' });
  t.match(bind('/only:ro'), { type: 'volume', from: '', destination: '/only', rw: false });
});

t.test("refusals of -v in dockerd's words", async (t) => {
  const message = (spec: string): string => {
    try {
      parseBind(spec, '');
      return '';
    } catch (error) {
      return (error as EngineError).message;
    }
  };
  const invalid = (spec: string, type: string, why: string) =>
    t.equal(message(spec), `invalid volume specification: '${spec}': invalid mount config for type "${type}": ${why}`);
  invalid('nopath', 'volume', "invalid mount path: 'nopath' mount path must be absolute");
  invalid('a:b', 'volume', "invalid mount path: 'b' mount path must be absolute");
  invalid('/a:/', 'bind', "invalid specification: destination can't be '/'");
  invalid('/a::ro', 'bind', 'field Target must not be empty');
  invalid('/x:/a:nocopy', 'bind', 'field VolumeOptions must not be specified');
  invalid('v:/a:rshared', 'volume', 'field BindOptions must not be specified');
  for (const spec of ['', ':/a', '/a:', 'a:b:c:d']) t.equal(message(spec), `invalid volume specification: '${spec}'`);
  t.equal(message('/a:/b:zz'), 'invalid mode: zz');
  t.equal(message('a:/b:ro,rw'), 'invalid mode: ro,rw');
});

t.test('--mount', async (t) => {
  t.match(parseMount({ Type: 'bind', Source: '/s/', Target: '/t' }), {
    type: 'bind',
    source: '/s',
    createSource: false,
    rw: true,
    mode: '',
  });
  t.match(parseMount({ Type: 'bind', Source: '/s', Target: '/t', BindOptions: { CreateMountpoint: true } }), {
    createSource: true,
  });
  t.match(
    parseMount({ Type: 'volume', Target: '/t', ReadOnly: true, VolumeOptions: { NoCopy: true, Labels: { a: 'b' } } }),
    {
      type: 'volume',
      name: '',
      rw: false,
      copyUp: false,
      mode: 'z',
      volumeLabels: { a: 'b' },
    },
  );
  t.match(parseMount({ Type: 'tmpfs', Target: '/t' }), { type: 'tmpfs' });
  const refused = (mount: Parameters<typeof parseMount>[0], message: string) =>
    t.throws(() => parseMount(mount), {
      kind: 'invalid-argument',
      message: `invalid mount config for type "${mount.Type}": ${message}`,
    });
  refused({ Type: 'zork', Source: '/n', Target: '/x' }, 'mount type unknown');
  refused({ Type: 'volume', Source: 'x', Target: 'x' }, "invalid mount path: 'x' mount path must be absolute");
  refused({ Type: 'bind', Target: '/x' }, 'field Source must not be empty');
  refused({ Type: 'bind', Source: 'rel', Target: '/x' }, "invalid mount path: 'rel' mount path must be absolute");
  refused({ Type: 'tmpfs', Source: 'rel', Target: '/x' }, 'field Source must not be specified');
});

t.test('all together', async (t) => {
  const at = (list: ReturnType<typeof collectMounts>) => list.map(({ destination, type }) => `${type} ${destination}`);
  t.same(at(collectMounts({ Binds: ['/a:/data'] }, { '/data': {}, '/more': {} }, [])), ['bind /data', 'volume /more']);
  t.same(at(collectMounts({ Tmpfs: { '/data': '' } }, { '/data': {} }, [])), [], 'a tmpfs is in place of the volume');
  const inherited = parseBind('/from:/data', '');
  t.match(collectMounts({ Binds: ['/mine:/data'] }, {}, [inherited]), [{ source: '/mine' }]);
  t.match(collectMounts({}, { '/data': {} }, [inherited]), [{ source: '/from' }]);
  t.throws(() => collectMounts({ Binds: ['/a:/b', '/c:/b'] }, {}, []), { message: 'Duplicate mount point: /b' });
  t.throws(() => collectMounts({ Binds: ['/a:/b'], Tmpfs: { '/b': '' } }, {}, []), {
    message: 'Duplicate mount point: /b',
  });
});

t.test('parts of volumes and images', async (t) => {
  const volume = (path: string) =>
    parseMount({ Type: 'volume', Source: 'v', Target: '/x', VolumeOptions: { Subpath: path } });
  t.match(volume('a/b'), { type: 'volume', subpath: 'a/b' });
  t.equal(volume('').subpath, undefined);
  t.match(volume('a/../b'), { subpath: 'a/../b' }, 'it stays inside');
  for (const path of ['/a', '..', '../a', 'a/../../b']) {
    t.throws(() => volume(path), {
      message: 'invalid mount config for type "volume": subpath must be a relative path within the volume',
    });
  }
  const image = parseMount({ Type: 'image', Source: 'busybox', Target: '/i/', ImageOptions: { Subpath: 'etc' } });
  t.match(image, { type: 'image', source: 'busybox', destination: '/i', rw: false, subpath: 'etc', copyUp: false });
  t.throws(() => parseMount({ Type: 'image', Target: '/i' }), { message: /field Source must not be empty/ });
  t.throws(() => parseMount({ Type: 'volume', Source: 'v', Target: '/x', ImageOptions: {} }), {
    message: /field ImageOptions must not be specified/,
  });
});
