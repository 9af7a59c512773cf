import t from 'tap';
import { cleanPath, Exclusions, parseIgnoreFile, pathPattern } from './patterns.ts';

t.test('patterns of paths', async (t) => {
  const yes = (pattern: string, path: string) => t.match(path, pathPattern(pattern), `${pattern} ${path}`);
  const no = (pattern: string, path: string) => t.notMatch(path, pathPattern(pattern), `${pattern} ${path}`);
  yes('*.go', 'a.go');
  no('*.go', 'd/a.go');
  yes('**/*.go', 'a.go');
  yes('**/*.go', 'd/e/a.go');
  yes('d/**', 'd/e/f');
  yes('a?c', 'abc');
  no('a?c', 'a/c');
  yes('[a-c]x', 'bx');
  no('[^a-c]x', 'bx');
  yes('a\\*b', 'a*b');
  no('a\\*b', 'axb');
  no('a.c', 'abc');
  t.throws(() => pathPattern('[a'), { message: 'invalid pattern "[a": syntax error in pattern' });
});

t.test('ignore files: the last rule decides, a directory decides for what is in it', async (t) => {
  const rules = new Exclusions(parseIgnoreFile('# comment\n*.log\n!keep.log\nnode_modules\n/dist/\n!dist/keep\n\n'));
  for (const path of ['x.log', 'node_modules', 'node_modules/a/b', 'dist', 'dist/x']) t.ok(rules.excludes(path), path);
  for (const path of ['keep.log', 'src/x.log', 'dist/keep', 'dist/keep/x', 'a']) t.notOk(rules.excludes(path), path);
});

t.test('paths', async (t) => {
  t.equal(cleanPath('/a//b/../c/.'), 'a/c');
  t.equal(cleanPath('../../a'), 'a');
  t.equal(cleanPath('./'), '');
});
