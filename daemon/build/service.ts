// Owns the face of the build room: a request becomes context, plan and stages; whatever happens, nothing of it stays but images and cache.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../addon/index.ts';
import { EngineError, invalidArgument, notFound } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { Log } from '../base/log.ts';
import type { Containers } from '../containers/types.ts';
import { hostPlatform, parsePlatform } from '../images/platform.ts';
import type { Images } from '../images/types.ts';
import type { BuildCacheTable } from '../store/build-cache.ts';
import type { EventTable } from '../store/events.ts';
import { BuildArguments } from './arguments.ts';
import { BuildCache } from './cache.ts';
import { readContext, unpackBody } from './context.ts';
import { parseDockerfile } from './dockerfile/parse.ts';
import type { Dockerfile } from './dockerfile/types.ts';
import { planBuild } from './graph.ts';
import { OrderedOutput } from './output.ts';
import { pruneCache } from './prune.ts';
import { fetchContext } from './remote.ts';
import { BuildSession, type BuiltStage, type SessionParts } from './session.ts';
import { StageBuilder } from './stage.ts';
import type { BuildLine, BuildRequest, Builds, CacheRecord } from './types.ts';
import { expandWord } from './words.ts';
import { BUILD_DIRECTORY, notedContainers, Workspace } from './workspace.ts';

export interface BuildServiceOptions {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly images: Images;
  readonly containers: Containers;
  readonly table: BuildCacheTable;
  readonly events: EventTable;
  readonly log: Log;
  readonly pull?: SessionParts['pull'];
}

type Write = (line: BuildLine) => void;

export class BuildService implements Builds {
  readonly #options: BuildServiceOptions;
  readonly #cache: BuildCache;
  readonly #running = new Map<string, AbortController>();
  readonly #inUse = new Map<object, Set<string>>();
  readonly #mounts: SessionParts['mounts'];

  constructor(options: BuildServiceOptions) {
    this.#options = options;
    this.#cache = new BuildCache(options.table, options.images);
    const cacheRoot = join(options.dataRoot, 'build-cache');
    mkdirSync(cacheRoot, { recursive: true, mode: 0o700 });
    this.#mounts = { cacheRoot, locks: new KeyedLock(), busy: new Map() };
  }

  async build(request: BuildRequest, write: Write, gone: AbortSignal): Promise<string> {
    checkTags(request.tags);
    const own = new AbortController();
    const failed = new AbortController();
    const signal = AbortSignal.any([gone, own.signal, failed.signal]);
    if (request.buildId !== '') this.#running.set(request.buildId, own);
    const used = new Set<string>();
    this.#inUse.set(own, used);
    const workspace = new Workspace(this.#options.dataRoot, this.#options.images);
    try {
      return await this.#within(workspace, request, write, { signal, failed, used });
    } catch (error) {
      if (own.signal.aborted) throw new EngineError('invalid-argument', 'build cancelled');
      throw error;
    } finally {
      this.#inUse.delete(own);
      if (request.buildId !== '') this.#running.delete(request.buildId);
      await workspace.close().catch((error: unknown) => {
        this.#options.log.warn(
          { err: error },
          `what a build left in ${workspace.directory} stays until the next start`,
        );
      });
    }
  }

  async #within(
    workspace: Workspace,
    request: BuildRequest,
    write: Write,
    {
      signal,
      failed,
      used,
    }: { readonly signal: AbortSignal; readonly failed: AbortController; readonly used: Set<string> },
  ): Promise<string> {
    const { tree, dockerfile } = readContext(
      await (request.remote === ''
        ? unpackBody(workspace, request.body)
        : fetchContext(workspace, request.remote, signal)),
      request.dockerfile,
    );
    let session: BuildSession | undefined;
    try {
      const file = parseDockerfile(dockerfile);
      const host = hostPlatform();
      const platform = parsePlatform(request.platform) ?? host;
      const given = new BuildArguments(request.args, host, platform);
      for (const { command } of file.globals) {
        if (command.keyword !== 'ARG') continue;
        for (const { key, value } of command.args) {
          given.declareGlobal(key, value === undefined ? undefined : expandWord(value, given.global, file.escapeMark));
        }
      }
      const plan = planBuild(file, request.target, given.global);
      const kept: string[] = [];
      const output = new OrderedOutput<BuildLine>(plan.needed.length, (line) => {
        if (!request.quiet) write(line);
        else if (line.stream !== undefined) kept.push(line.stream);
      });
      session = new BuildSession({
        ...this.#options,
        request,
        file,
        plan,
        arguments: given,
        platform,
        context: tree,
        workspace,
        cache: this.#cache,
        mounts: this.#mounts,
        roots: this.#options,
        signal,
        use: (id) => void (id !== '' && used.add(id)),
      });
      try {
        announce(session, file, output);
        const id = await buildStages(session, output, failed);
        for (const name of given.unused().length > 0 ? [given.unused().join(' ')] : []) {
          output.say(0, { stream: `[Warning] One or more build-args [${name}] were not consumed\n` });
        }
        return this.#finish(request, id, write, (line) => output.say(0, line));
      } catch (error) {
        for (const text of kept) write({ stream: text });
        throw error;
      }
    } finally {
      session?.close();
      tree.close();
    }
  }

  #finish(request: BuildRequest, id: string, write: Write, say: Write): string {
    const { images, events } = this.#options;
    say({ stream: `Successfully built ${shortId(id)}\n` });
    for (const tag of request.tags) {
      images.tag(id, tag, '');
      say({ stream: `Successfully tagged ${tag.includes(':', tag.lastIndexOf('/') + 1) ? tag : `${tag}:latest`}\n` });
    }
    events.append({ type: 'image', action: 'build', actorId: id, attributes: { name: request.tags[0] ?? id } });
    if (request.quiet) write({ stream: `${id}\n` });
    return id;
  }

  cancel(buildId: string): void {
    const running = this.#running.get(buildId);
    if (running === undefined) throw notFound(`no such build: ${buildId}`);
    running.abort(new EngineError('invalid-argument', 'build cancelled'));
  }

  cacheRecords(): readonly CacheRecord[] {
    const inUse = this.imagesInUse();
    return this.#cache.all().map((row) => ({
      id: row.key.slice('sha256:'.length),
      parent: row.parent.slice('sha256:'.length),
      description: row.description,
      size: row.size,
      inUse: inUse.has(row.imageId),
      shared: this.#options.images.byId(row.imageId)?.repoTags.length !== 0,
      createdNs: row.createdNs,
      lastUsedNs: row.lastUsedNs,
      usageCount: row.useCount,
      type: 'regular',
    }));
  }

  prune(request: Parameters<Builds['prune']>[0]): ReturnType<Builds['prune']> {
    const { images, events } = this.#options;
    return pruneCache({ cache: this.#cache, images, events, inUse: this.imagesInUse(), mounts: this.#mounts }, request);
  }

  async sweep(): Promise<void> {
    const { dataRoot, containers, log } = this.#options;
    const tmp = join(dataRoot, 'tmp');
    for (const name of readdirSync(tmp).filter((entry) => BUILD_DIRECTORY.test(entry))) {
      const directory = join(tmp, name);
      for (const id of notedContainers(directory)) {
        try {
          await containers.remove(id, { force: true, volumes: true });
        } catch (error) {
          if (error instanceof EngineError && error.kind === 'not-found') continue;
          log.warn({ err: error, container: id }, 'the container of a build that was cut off could not be removed');
        }
      }
      await removeTree(directory);
    }
  }

  imagesInUse(): ReadonlySet<string> {
    return new Set([...this.#inUse.values()].flatMap((ids) => [...ids]));
  }
}

function checkTags(tags: readonly string[]): void {
  for (const tag of tags) {
    if (tag.includes('@'))
      throw invalidArgument(`invalid tag ${JSON.stringify(tag)}: refusing to create a tag with a digest reference`);
  }
}

/** The lines of what stands before the first stage. */
function announce(session: BuildSession, file: Dockerfile, output: OrderedOutput<BuildLine>): void {
  for (const warning of file.warnings) output.say(0, { stream: `[Warning] ${warning}\n` });
  if (session.request.cacheFrom.length > 0) {
    const names = session.request.cacheFrom.join(', ');
    output.say(0, { stream: `[Warning] --cache-from ${names} is ignored: only builds of this engine are its cache\n` });
  }
  for (const { text } of file.globals) {
    output.say(0, { stream: `${session.nextStep(-1)} : ${text}` });
    output.say(0, { stream: '\n' });
  }
}

/** Builds all stages that are needed side by side; each waits for those that it stands on. The first failure stops the others. */
async function buildStages(
  session: BuildSession,
  output: OrderedOutput<BuildLine>,
  stop: AbortController,
): Promise<string> {
  const { needed, target } = session.plan;
  const failures: { readonly speaker: number; readonly error: unknown }[] = [];
  const results = needed.map((index, speaker) => {
    const builder = new StageBuilder(session, index, (line) => output.say(speaker, line));
    // Every stage is known before the first one runs and asks for another.
    const built = Promise.resolve().then(async (): Promise<BuiltStage> => {
      try {
        const imageId = await builder.build();
        if (imageId !== '') output.say(speaker, { aux: { ID: imageId } });
        output.end(speaker);
        return { imageId, config: builder.config };
      } catch (error) {
        failures.push({ speaker, error });
        stop.abort(error);
        throw error;
      }
    });
    session.setStage(index, built);
    return built;
  });
  await Promise.allSettled(results);
  const [first] = failures;
  if (first !== undefined) {
    // The stages before it have said what they had to say; the failing one speaks last.
    for (let speaker = 0; speaker < first.speaker; speaker++) output.end(speaker);
    throw first.error;
  }
  return (await session.stage(target)).imageId;
}
