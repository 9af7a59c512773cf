import t from 'tap';
import {
  familiarName,
  familiarRepository,
  fullName,
  parseReference,
  shownName,
  storedName,
  withDefaultTag,
  withTag,
} from './reference.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

t.test('normalisation', async (t) => {
  const cases: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['some/thing', 'docker.io/some/thing:latest', 'some/thing:latest'],
    ['localhost/thing', 'localhost/thing:latest', 'localhost/thing:latest'],
    ['localhost:5000/thing:a', 'localhost:5000/thing:a', 'localhost:5000/thing:a'],
    ['[::1]:5000/thing', '[::1]:5000/thing:latest', '[::1]:5000/thing:latest'],
    ['Host/thing', 'Host/thing:latest', 'Host/thing:latest'],
    ['ghcr.io/a/b/c__d:v1.0-x', 'ghcr.io/a/b/c__d:v1.0-x', 'ghcr.io/a/b/c__d:v1.0-x'],
  ];
  for (const [text, full, familiar] of cases) {
    const reference = withDefaultTag(parseReference(text));
    t.equal(fullName(reference), full, text);
    t.equal(familiarName(reference), familiar, text);
  }
  t.equal(storedName(parseReference(`busybox:1@${digest}`)), `docker.io/library/busybox@${digest}`);
  t.equal(familiarName(parseReference(`busybox@${digest}`)), `busybox@${digest}`);
  t.equal(familiarRepository(parseReference('library/a/b')), 'library/a/b');
  t.equal(withTag(parseReference('busybox'), 'x').tag, 'x');
});

t.test('what errors show', async (t) => {
  t.equal(shownName('busybox'), 'busybox:latest');
  t.equal(shownName('a'.repeat(64)), `sha256:${'a'.repeat(64)}`);
  t.equal(shownName(digest), digest);
});

t.test('bad names', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /^invalid reference format$/],
    ['Busybox', /^invalid reference format: repository name \(library\/Busybox\) must be lowercase$/],
    ['a/Busybox', /repository name \(a\/Busybox\) must be lowercase$/],
    ['busy box', /^invalid reference format$/],
    ['-busybox', /^invalid reference format$/],
    ['busybox:', /^invalid reference format$/],
    ['busybox:-x', /^invalid reference format$/],
    [`busybox:${'x'.repeat(129)}`, /^invalid reference format$/],
    ['busybox@sha256:abc', /^invalid reference format$/],
    ['a//b', /^invalid reference format$/],
    ['a/b/', /^invalid reference format$/],
    ['a'.repeat(64), /cannot specify 64-byte hexadecimal strings$/],
    [`x/${'y'.repeat(300)}`, /must not be more than 255 characters$/],
    ['../../etc/passwd', /^invalid reference format$/],
    [`busybox@sha256:${'0'.repeat(40)}`, /^invalid checksum digest length$/],
  ];
  for (const [text, message] of cases) {
    t.throws(() => parseReference(text), { kind: 'invalid-argument', message }, text);
  }
  t.throws(() => withTag(parseReference('a'), '/'), { message: 'invalid tag format' });
});
