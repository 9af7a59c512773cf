// The direction of imports: the tree keeps to the table, and the check sees what it must see.
import { join } from 'node:path';
import t from 'tap';
import { checkSource, checkTree, listSources, readImports, roomOf } from './layers.ts';

t.test('the tree keeps to the table', async (t) => {
  const root = join(import.meta.dirname, '..');
  t.ok(listSources(root).length > 10, 'sources were found');
  t.same(checkTree(root), []);
});

t.test('imports of every form are read', async (t) => {
  const source = [
    "import a from './a.ts';",
    "import { b, type c } from './b.ts';",
    "import type { D } from './d.ts';",
    "import { type E, type F } from './e.ts';",
    "import './side-effect.ts';",
    "export * from './g.ts';",
    "export type { H } from './h.ts';",
    'import {\n  one,\n  two,\n} from "./many.ts";',
    "const late = await import('./late.ts');",
    "// import x from './comment.ts';",
    "/* import y from './block.ts'; */",
    "const text = 'http://x'; import z from './after-url.ts';",
  ].join('\n');
  t.same(
    readImports(source).map((found) => [found.specifier, found.typeOnly]),
    [
      ['./a.ts', false],
      ['./b.ts', false],
      ['./d.ts', true],
      ['./e.ts', true],
      ['./side-effect.ts', false],
      ['./g.ts', false],
      ['./h.ts', true],
      ['./many.ts', false],
      ['./late.ts', false],
      ['./after-url.ts', false],
    ],
  );
  t.equal(readImports("\n\nimport a from './a.ts';")[0]?.line, 3);
});

t.test('a violation is caught and named', async (t) => {
  const cases: [string, string, RegExp][] = [
    ['daemon/http/routes/x.ts', "import { q } from '../../store/database.ts';", /http may not import store/],
    ['daemon/http/x.ts', "import { q } from '../../addon/index.ts';", /http may not import addon/],
    [
      'daemon/supervisor/cgroup/v2.ts',
      "import { q } from '../../store/database.ts';",
      /supervisor may not import store/,
    ],
    [
      'daemon/supervisor/x.ts',
      "import type { HostConfig } from '../../api-spec/index.ts';",
      /supervisor may not import api-spec/,
    ],
    ['daemon/images/x.ts', "import { q } from '../networks/types.ts';", /images may not import networks/],
    ['daemon/runtime/spec.ts', "import { q } from '../../api-spec/index.ts';", /runtime may not import api-spec/],
    ['daemon/store/x.ts', "import { q } from '../supervisor/x.ts';", /store may not import supervisor/],
    ['daemon/base/x.ts', "import { z } from 'zod';", /base may not import the package zod/],
    ['client/x.ts', "import { q } from '../daemon/base/ids.ts';", /client may not import base/],
    ['daemon/runtime/x.ts', "import x from '../../addon/build/Release/tsd.node';", /only addon\/index.ts/],
    ['daemon/runtime/x.ts', "import x from '../../addon/load.ts';", /addon\/index.ts alone/],
    ['daemon/containers/x.ts', "import x from '../../test/helpers/tar.ts';", /outside of the rooms/],
  ];
  for (const [file, source, why] of cases)
    t.match(checkSource(file, `// head\n${source}`), [why], `${file}: ${source}`);
  t.match(checkSource('daemon/http/x.ts', "\nimport { q } from '../store/x.ts';"), [/^daemon\/http\/x.ts:2: /]);
});

t.test('what the table allows passes', async (t) => {
  const cases: [string, string][] = [
    ['daemon/runtime/spec.ts', "import type { HostConfig } from '../../api-spec/index.ts';"],
    ['daemon/containers/start.ts', "import { Images } from '../images/types.ts';"],
    ['daemon/http/x.ts', "import type { Containers } from '../containers/types.ts';"],
    ['daemon/main.ts', "import { createServer } from './http/server.ts';"],
    ['daemon/base/ids.ts', "import { createHash } from 'node:crypto';"],
    ['daemon/containers/start.test.ts', "import t from 'tap';"],
  ];
  for (const [file, source] of cases) t.same(checkSource(file, source), [], `${file}: ${source}`);
  t.equal(roomOf('daemon/config.ts'), 'config');
  t.equal(roomOf('daemon/main.ts'), 'main');
  t.equal(roomOf('scripts/up.ts'), undefined);
});
