// Names, removal, prune, lists and what a restart finds.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { close, openInRoot, readInRoot } from '../../../addon/index.ts';
import { shortId } from '../../../daemon/base/ids.ts';
import { Overlay } from '../../../daemon/supervisor/storage/overlay.ts';
import { imageId, makeDockerArchive } from '../../helpers/image.ts';
import { makeTar } from '../../helpers/tar.ts';
import { type Fixture, makeFixture } from './fixture.ts';

const base = makeTar([{ path: 'base', data: 'base' }]);
const one = { layers: [base, makeTar([{ path: 'one', data: '1' }])], tags: ['one:1'], config: { Labels: { a: '1' } } };
const two = { layers: [base, makeTar([{ path: 'two', data: '22' }])], tags: ['two:1'] };

async function both(t: { teardown(fn: () => Promise<void>): void }): Promise<Fixture> {
  const fixture = makeFixture(t);
  await fixture.load(makeDockerArchive(one));
  await fixture.load(makeDockerArchive(two));
  return fixture;
}

const actions = (fixture: Fixture, after = 0): string[] =>
  fixture.events.after(after, 100).map((event) => event.action);

t.test('tag', async (t) => {
  const fixture = await both(t);
  const { images } = fixture;
  images.tag('one:1', 'registry.example:5000/x/y', '');
  images.tag(imageId(one), 'one', 'again');
  t.strictSame(images.get('one:1').repoTags, ['one:1', 'one:again', 'registry.example:5000/x/y:latest']);
  images.tag('two:1', 'one', '1');
  t.equal(images.get('one:1').id, imageId(two), 'a name moves');
  t.ok(images.get('one:1').lastTaggedNs > 0n);
  t.throws(() => images.tag('nothing', 'x', ''), { kind: 'not-found', message: 'No such image: nothing:latest' });
  t.throws(() => images.tag('two:1', 'X', ''), { kind: 'invalid-argument', message: /lowercase/ });
  t.throws(() => images.tag('two:1', 'x', 'a b'), { message: 'invalid tag format' });
  t.throws(() => images.tag('two:1', `x@${imageId(one)}`, ''), { message: /digest reference/ });
  t.strictSame(actions(fixture), ['load', 'load', 'tag', 'tag', 'tag']);
  t.equal(fixture.events.after(2, 1)[0]?.attributes.name, 'registry.example:5000/x/y:latest');
  t.equal(fixture.events.after(2, 1)[0]?.attributes.a, '1', 'labels are attributes');
});

t.test('removal by name and by id; shared layers stay', async (t) => {
  const fixture = await both(t);
  const { images, leftovers } = fixture;
  t.equal(leftovers().length, 3);
  images.tag('one:1', 'extra', '');
  const force = { force: false, prune: true };
  t.strictSame(await images.remove('extra', force), [{ Untagged: 'extra:latest' }]);
  const removed = await images.remove('one:1', force);
  t.strictSame(removed.slice(0, 2), [{ Untagged: 'one:1' }, { Deleted: imageId(one) }]);
  t.equal(removed.length, 3, 'and the one layer that nobody else has');
  t.equal(leftovers().length, 2);
  t.equal(readFileSync(join(images.lowerDirectories(imageId(two))[1] ?? '', 'base'), 'utf8'), 'base');
  t.strictSame(actions(fixture, 2), ['tag', 'untag', 'untag', 'delete']);
  t.equal((await images.remove(imageId(two).slice(7, 15), force)).length, 4, 'by id: its one name goes too');
  t.strictSame(leftovers(), []);
  await t.rejects(images.remove('two:1', force), { kind: 'not-found', message: 'No such image: two:1' });
});

t.test('conflicts in Docker’s words', async (t) => {
  const { images, users, leftovers } = await both(t);
  const id = imageId(one);
  const container = 'c'.repeat(64);
  const careful = { force: false, prune: true };
  const forced = { force: true, prune: true };
  users.set(id, [{ id: container, running: false }]);
  await t.rejects(images.remove('one:1', careful), {
    kind: 'conflict',
    message: `conflict: unable to remove repository reference "one:1" (must force) - container cccccccccccc is using its referenced image ${shortId(id)}`,
  });
  await t.rejects(images.remove(id, careful), {
    message: `conflict: unable to delete ${shortId(id)} (must be forced) - image is being used by stopped container cccccccccccc`,
  });
  images.tag('one:1', 'other', '');
  await t.rejects(images.remove(id, careful), {
    message: `conflict: unable to delete ${shortId(id)} (must be forced) - image is referenced in multiple repositories`,
  });
  users.set(id, [{ id: container, running: true }]);
  await t.rejects(images.remove(id, forced), {
    message: `conflict: unable to delete ${shortId(id)} (cannot be forced) - image is being used by running container cccccccccccc`,
  });
  t.strictSame(images.get(id).repoTags, ['one:1', 'other:latest'], 'a refused removal takes nothing');
  t.strictSame(await images.remove('other', careful), [{ Untagged: 'other:latest' }]);
  t.strictSame(await images.remove('one:1', forced), [{ Untagged: 'one:1' }], 'the image of a running container stays');
  users.set(id, [{ id: container, running: false }]);
  t.strictSame(await images.remove(id, forced), [{ Deleted: id }], 'layers stay for the stopped container');
  t.throws(() => images.get(id), { kind: 'not-found', message: /./ });
  t.equal(images.byId(id), undefined);
  t.equal(images.lowerDirectories(id).length, 2);
  t.equal(leftovers().length, 3);
  users.clear();
  await images.prune({});
  t.equal(leftovers().length, 2, 'and go after it');
  t.throws(() => images.lowerDirectories(id), { kind: 'not-found', message: /./ });
});

t.test('prune', async (t) => {
  const fixture = await both(t);
  const { images, users } = fixture;
  const untagged = { ...one, tags: [], config: { Labels: { keep: 'no' } } };
  await fixture.load(makeDockerArchive(untagged));
  t.strictSame((await images.prune({ label: ['keep=yes'] })).deleted, []);
  t.strictSame(await images.prune({}), { deleted: [{ Deleted: imageId(untagged) }], reclaimed: 0 });
  users.set(imageId(two), [{ id: 'c'.repeat(64), running: false }]);
  const { deleted, reclaimed } = await images.prune({ dangling: ['false'] });
  t.strictSame(deleted.slice(0, 2), [{ Untagged: 'one:1' }, { Deleted: imageId(one) }]);
  t.equal(reclaimed, 1);
  t.equal(images.list().length, 1);
  t.equal(fixture.events.after(0, 100).at(-1)?.attributes.reclaimed, '1');
  await t.rejects(images.prune({ color: ['x'] }), { kind: 'invalid-argument', message: "invalid filter 'color'" });
  await t.rejects(images.prune({ dangling: ['maybe'] }), { message: "invalid filter 'dangling=[maybe]'" });
});

t.test('list and its filters', async (t) => {
  const fixture = await both(t);
  const { images } = fixture;
  await fixture.import(base, '');
  images.tag('one:1', 'example.com/a/b', 'v1');
  const list = (filters: Record<string, readonly string[]>) =>
    images.list({ filters }).flatMap((image) => (image.repoTags.length === 0 ? ['<none>'] : image.repoTags));
  t.strictSame(list({ reference: ['one'] }), ['one:1']);
  t.strictSame(list({ reference: ['*:1'] }).sort(), ['one:1', 'two:1']);
  t.strictSame(list({ reference: ['*/*/*'] }), ['example.com/a/b:v1'], 'names that match, not all of the image');
  t.strictSame(list({ dangling: ['true'] }), ['<none>']);
  t.equal(list({ dangling: ['false'] }).length, 3);
  t.strictSame(list({ label: ['a=1'] }), ['one:1', 'example.com/a/b:v1']);
  t.strictSame(list({ label: ['a=2'] }), []);
  t.strictSame(list({ since: ['one:1'] }), ['<none>']);
  t.equal(list({ until: ['2024-06-01'] }).length, 3);
  t.strictSame(list({ until: ['2023-06-01'] }), []);
  t.throws(() => list({ before: ['nothing'] }), { kind: 'not-found', message: 'No such image: nothing:latest' });
  t.throws(() => list({ color: ['x'] }), { kind: 'invalid-argument', message: "invalid filter 'color'" });
  const image = images.get('one:1');
  t.equal(image.size, 5);
  t.strictSame(
    image.history.map((entry) => entry.size),
    [4, 1],
  );
});

t.test('the layers as a root', async (t) => {
  const fixture = makeFixture(t);
  const layers = [
    makeTar([
      { path: 'd', type: 'directory' },
      { path: 'd/old', data: 'x' },
      { path: 'gone', data: 'x' },
      { path: 'same', data: '1' },
    ]),
    makeTar([
      { path: 'd/.wh..wh..opq' },
      { path: 'd/new', data: 'y' },
      { path: '.wh.gone' },
      { path: 'same', data: '2' },
    ]),
    makeTar([
      { path: 'gone', type: 'directory' },
      { path: 'gone/inside', data: 'z' },
    ]),
  ];
  await fixture.load(makeDockerArchive({ layers, tags: ['stack:1'] }));
  const lower = fixture.images.lowerDirectories(fixture.images.get('stack:1').id);
  const upper = join(fixture.root, 'upper');
  const work = join(fixture.root, 'work');
  for (const directory of [upper, work]) mkdirSync(directory);
  const root = new Overlay().mount({ lower, writable: { upper, work } });
  t.teardown(() => close(root));
  const text = (path: string) => Buffer.from(readInRoot(root, path, 100) ?? 'missing').toString();
  t.equal(text('d/old'), 'missing');
  t.equal(text('d/new'), 'y');
  t.equal(text('same'), '2');
  t.equal(text('gone/inside'), 'z');
  close(openInRoot(root, 'made', 0o101));
  t.ok(existsSync(join(upper, 'made')));
});

t.test('an image without layers has one empty directory', async (t) => {
  const fixture = makeFixture(t);
  await fixture.load(makeDockerArchive({ layers: [], tags: ['scratch-like:1'] }));
  const [only, ...rest] = fixture.images.lowerDirectories(fixture.images.get('scratch-like:1').id);
  t.strictSame(readdirSync(only ?? ''), []);
  t.equal(rest.length, 0);
});

t.test('after the death of the daemon', async (t) => {
  const fixture = makeFixture(t, 'boot-1');
  await fixture.load(makeDockerArchive(one));
  await fixture.images.settled();
  for (const name of ['layers/0123/diff', 'tmp/layer-1/diff', 'tmp/removed-1', 'tmp/other']) {
    mkdirSync(join(fixture.root, name), { recursive: true });
  }
  writeFileSync(join(fixture.root, 'tmp/spool-1'), 'x');
  const again = fixture.restart();
  await again.images.sweep();
  t.equal(again.leftovers().length, 3, 'two layers, and what is not ours in tmp/');
  t.equal(again.images.get('one:1').id, imageId(one));
});

t.test('after a power cut, an image that was not yet on the disk has gone; one that was is there', async (t) => {
  const fixture = makeFixture(t, 'boot-1');
  await fixture.load(makeDockerArchive(one));
  await fixture.images.settled();
  const late = fixture.load(makeDockerArchive(two));
  await late;
  // No chance for the write-through to end: the next service comes in another boot.
  const again = fixture.restart('boot-2');
  await again.images.sweep();
  t.equal(again.images.get('one:1').id, imageId(one));
  t.throws(() => again.images.get('two:1'), { kind: 'not-found', message: /./ });
  t.equal(again.leftovers().length, 2);
});
