// Owns the building of one stage: instruction after instruction, each from the cache or made anew. It orders; what an instruction means is
// decided next door (image-state, copy, mounts, run).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { placeFiles } from '../../addon/index.ts';
import type { ContainerConfig, HostConfig } from '../../api-spec/index.ts';
import { EngineError, forbidden, invalidArgument, withContext } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { rfc3339Nano } from '../base/time.ts';
import { layerDirectory } from '../containers/paths.ts';
import { platformText } from './arguments.ts';
import { keyOf } from './cache.ts';
import { download, isArchive, unpackFile } from './context.ts';
import {
  type CopySource,
  type CopyWish,
  contentDigest,
  findSources,
  ownerOf,
  placeError,
  placementsOf,
} from './copy.ts';
import { parseInstruction } from './dockerfile/parse.ts';
import type { Command, CopyCommand, RunCommand } from './dockerfile/types.ts';
import { stageIndex } from './graph.ts';
import {
  applyConfig,
  argvOf,
  type ConfigCommand,
  environmentOf,
  initialConfig,
  nopCommand,
  type StageState,
  shellOf,
} from './image-state.ts';
import { mountWish, withMounts } from './mounts.ts';
import { runContainer } from './run.ts';
import type { BuildSession } from './session.ts';
import { kindOf, REGULAR, SourceTree } from './source-tree.ts';
import type { BuildLine } from './types.ts';
import { expandText, expandWord, type Lookup } from './words.ts';

export class StageBuilder {
  readonly #session: BuildSession;
  readonly #index: number;
  readonly #write: (line: BuildLine) => void;
  readonly #say: (text: string) => void;
  readonly #arguments = new Map<string, string>();
  readonly #state: StageState = { config: {}, author: '', cmdSet: false };
  #imageId = '';
  /** Once a step was not in the cache, no later one is looked up. */
  #cached = true;
  #made = false;

  constructor(session: BuildSession, index: number, write: (line: BuildLine) => void) {
    this.#session = session;
    this.#index = index;
    this.#write = write;
    this.#say = (text) => write({ stream: text });
  }

  /** Id and config of the stage's image; the id is empty for a `FROM scratch` alone. */
  async build(): Promise<string> {
    const session = this.#session;
    const planned = session.plan.stages[this.#index];
    if (planned === undefined) throw new EngineError('internal', `there is no stage ${this.#index}`);
    this.#cached = !session.request.noCache;
    this.#step(planned.stage.text);
    await this.#from(planned.base, planned.baseStage, planned.platform);
    for (const instruction of planned.stage.instructions) {
      session.signal.throwIfAborted();
      this.#step(instruction.text);
      await this.#dispatch(instruction.command);
    }
    if (this.#index === session.plan.target) await this.#requestedLabels();
    if (this.#imageId === '' && !this.#made) {
      if (this.#index === session.plan.target) {
        throw invalidArgument('No image was generated. Is your Dockerfile empty?');
      }
    }
    return this.#imageId;
  }

  get config(): ContainerConfig {
    return this.#state.config;
  }

  #step(text: string): void {
    this.#say(`${this.#session.nextStep(this.#index)} : ${text}`);
    this.#say('\n');
  }

  readonly #lookup: Lookup = (name) => environmentOf(this.#state.config).get(name) ?? this.#arguments.get(name);

  #expand(word: string): string {
    return expandWord(word, this.#lookup, this.#session.file.escapeMark);
  }

  async #from(base: string, baseStage: number | undefined, platform: string): Promise<void> {
    const session = this.#session;
    if (base === 'scratch' && baseStage === undefined) {
      this.#state.config = initialConfig({});
      this.#say(' ---> \n');
      return;
    }
    if (baseStage !== undefined) {
      const built = await session.stage(baseStage);
      this.#imageId = built.imageId;
      this.#state.config = built.config;
      if (built.imageId !== '') this.#state.author = session.images.byId(built.imageId)?.author ?? '';
      this.#say(` ---> ${shortId(built.imageId)}\n`);
      await this.#triggers(built.config.OnBuild ?? []);
      return;
    }
    const image = await session.image(base, platform, this.#write);
    this.#imageId = image.id;
    session.use(image.id);
    this.#state.config = initialConfig(image.config);
    this.#state.author = image.author;
    this.#say(` ---> ${shortId(image.id)}\n`);
    await this.#triggers(image.config.OnBuild ?? []);
  }

  async #triggers(triggers: readonly string[]): Promise<void> {
    if (triggers.length === 0) return;
    const { OnBuild: _done, ...config } = this.#state.config;
    this.#state.config = config;
    this.#say(`# Executing ${triggers.length} build trigger${triggers.length > 1 ? 's' : ''}\n`);
    for (const trigger of triggers) {
      await this.#dispatch(parseInstruction(trigger, 1, this.#session.file.escapeMark).command);
    }
  }

  async #requestedLabels(): Promise<void> {
    const labels = Object.entries(this.#session.request.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    if (labels.length === 0) return;
    const text = `LABEL ${labels.map(([key, value]) => `${key}=${value}`).join(' ')}`;
    this.#step(text);
    this.#state.config = {
      ...this.#state.config,
      Labels: { ...this.#state.config.Labels, ...Object.fromEntries(labels) },
    };
    await this.#commit('LABEL', nopCommand(this.#state.config, ` ${text}`));
  }

  #dispatch(command: Command): Promise<void> {
    switch (command.keyword) {
      case 'ARG':
        return this.#arg(command.args);
      case 'RUN':
        return this.#run(command);
      case 'COPY':
      case 'ADD':
        return this.#copy(command);
      case 'WORKDIR':
        return this.#workdir(command);
      default: {
        const comment = applyConfig(this.#state, command, this.#lookup, this.#session.file.escapeMark);
        return this.#commit(command.keyword, nopCommand(this.#state.config, comment));
      }
    }
  }

  async #arg(args: readonly { readonly key: string; readonly value?: string }[]): Promise<void> {
    const texts: string[] = [];
    for (const { key, value } of args) {
      const name = this.#expand(key);
      const own = value === undefined ? undefined : this.#expand(value);
      const effective = this.#session.arguments.inStage(name, own);
      if (effective !== undefined) this.#arguments.set(name, effective);
      texts.push(own === undefined ? name : `${name}=${own}`);
    }
    // Its value enters the keys of the steps that use it, not of those between.
    await this.#commit('ARG', nopCommand(this.#state.config, ` ARG ${texts.join(' ')}`));
  }

  /** The directory is made in the image, owned by root, as dockerd's builder does. */
  async #workdir(command: Extract<ConfigCommand, { readonly word: string }>): Promise<void> {
    const session = this.#session;
    const comment = applyConfig(this.#state, command, this.#lookup, session.file.escapeMark);
    const createdBy = nopCommand(this.#state.config, comment);
    const path = (this.#state.config.WorkingDir ?? '/').slice(1);
    await this.#cachedOr('WORKDIR', createdBy, [], () =>
      session.workspace.layer(
        this.#imageId,
        ({ root }) =>
          placeFiles({
            target: root,
            uid: 0,
            gid: 0,
            ...session.time,
            files: path === '' ? [] : [{ to: path, make: true }],
          }),
        (upper) => this.#record(createdBy, upper),
      ),
    );
  }

  /** A step without files. */
  async #commit(keyword: string, createdBy: string): Promise<void> {
    await this.#cachedOr(keyword, createdBy, [JSON.stringify(this.#state.config), this.#state.author], () =>
      this.#record(createdBy, undefined),
    );
  }

  #record(createdBy: string, upper: string | undefined): Promise<string> {
    const { images, arguments: given } = this.#session;
    return images.commit({
      parent: this.#imageId,
      ...(upper === undefined ? {} : { upper }),
      config: this.#state.config,
      createdBy,
      author: this.#state.author,
      comment: '',
      ...(given.sourceDate === undefined ? {} : { created: rfc3339Nano(BigInt(given.sourceDate) * 1_000_000_000n) }),
      references: [],
      action: '',
    });
  }

  /** Takes the step from the cache, or makes and records it. Says which image it has come to. */
  async #cachedOr(
    keyword: string,
    createdBy: string,
    inputs: readonly string[],
    make: () => Promise<string>,
  ): Promise<void> {
    const session = this.#session;
    const platform = platformText(session.platform);
    const key = keyOf({ parent: this.#imageId, keyword, createdBy, inputs: [platform, ...inputs] });
    const parent = this.#imageId;
    const hit = this.#cached ? session.cache.find(key) : undefined;
    if (hit === undefined) {
      this.#cached = false;
      this.#imageId = await make();
      const size = session.images.byId(this.#imageId)?.history.at(-1)?.size ?? 0;
      session.cache.record(key, this.#imageId, parent, createdBy, size);
    } else {
      this.#imageId = hit;
      this.#say(' ---> Using cache\n');
    }
    this.#made = true;
    session.use(this.#imageId);
    this.#say(` ---> ${shortId(this.#imageId)}\n`);
  }

  async #copy(command: CopyCommand): Promise<void> {
    const session = this.#session;
    const { keyword } = command;
    const wish: CopyWish = {
      keyword,
      sources: command.sources.map((word) => this.#expand(word)),
      destination: this.#expand(command.destination),
      chown: this.#expand(command.chown),
      chmod: this.#expand(command.chmod),
      parents: command.parents,
      exclude: command.exclude.map((word) => this.#expand(word)),
    };
    const trees: SourceTree[] = [];
    try {
      const sources = await this.#sources(command, wish, trees);
      const digest = await contentDigest(wish, sources);
      const createdBy = nopCommand(this.#state.config, `${keyword} ${digest} in ${wish.destination} `);
      const inputs = [wish.chown, wish.chmod, this.#state.config.WorkingDir ?? '/'];
      await this.#cachedOr(keyword, createdBy, inputs, () =>
        session.workspace.layer(
          this.#imageId,
          async ({ root }) => {
            const owner = ownerOf(root, wish.chown);
            const groups = placementsOf(wish, sources, root, this.#state.config.WorkingDir ?? '/');
            for (const { tree, keepOwners, files } of groups) {
              const owners = keepOwners && wish.chown === '' ? {} : owner;
              await placeFiles({ source: tree.root, target: root, ...owners, ...session.time, files }).catch(
                (error: unknown) => {
                  throw placeError(keyword, error);
                },
              );
            }
          },
          (upper) => this.#record(createdBy, upper),
        ),
      );
    } finally {
      for (const tree of trees) tree.close();
    }
  }

  /** All sources of a COPY or ADD; trees that are made for it go into `trees`. */
  async #sources(command: CopyCommand, wish: CopyWish, trees: SourceTree[]): Promise<readonly CopySource[]> {
    const session = this.#session;
    if (command.keyword === 'COPY' && command.from !== '') {
      const root = await this.#rootOf(this.#expand(command.from));
      return findSources(wish, root, true);
    }
    const remote = wish.keyword === 'ADD' ? wish.sources.filter(isAddress) : [];
    const local = wish.sources.filter((source) => !remote.includes(source));
    const found = local.length === 0 ? [] : await findSources({ ...wish, sources: local }, session.context, false);
    const sources: CopySource[] = [];
    for (const source of found) {
      const [top] = source.found.entries;
      const unpack =
        command.keyword === 'ADD' && command.unpack !== false && top !== undefined && kindOf(top) === REGULAR;
      if (!unpack || !(await isArchive(source.tree.root, source.found.path))) {
        sources.push(source);
        continue;
      }
      const tree = await unpackFile(session.workspace, source.tree.root, source.found.path);
      trees.push(tree);
      for (const each of await tree.find('')) sources.push({ tree, found: each, kept: undefined, archive: true });
    }
    for (const url of remote) sources.push(...(await this.#fetched(command, url, trees)));
    if (command.heredocs.length > 0) sources.push(...(await this.#heredocs(command, trees)));
    return sources;
  }

  async #fetched(command: CopyCommand, url: string, trees: SourceTree[]): Promise<CopySource[]> {
    const session = this.#session;
    if (/^git@|\.git(?:#|$)/.test(url)) {
      throw new EngineError('not-implemented', `ADD of git repositories is not supported by this engine yet: ${url}`);
    }
    const directory = session.workspace.makeDirectory('download');
    const name = new URL(url).pathname.split('/').at(-1) ?? '';
    if (name === '' && /\/$/.test(command.destination)) {
      throw invalidArgument(`cannot determine filename from url: ${url}`);
    }
    const file = name === '' ? 'download' : decodeURIComponent(name).replaceAll('/', '_');
    await download(url, join(directory, file), session.signal);
    const tree = new SourceTree(session.workspace.open(directory));
    trees.push(tree);
    const wanted = this.#expand(command.checksum);
    if (wanted !== '') {
      const digest = (await tree.digests([file])).get(file);
      if (digest !== wanted) throw invalidArgument(`digest mismatch ${digest ?? ''}: expected ${wanted}`);
    }
    if (command.unpack === true && (await isArchive(tree.root, file))) {
      const unpacked = await unpackFile(session.workspace, tree.root, file);
      trees.push(unpacked);
      const whole = await unpacked.find('');
      return whole.map((found) => ({ tree: unpacked, found, kept: undefined, archive: true }));
    }
    return (await tree.find(file)).map((found) => ({ tree, found, kept: undefined, archive: false }));
  }

  async #heredocs(command: CopyCommand, trees: SourceTree[]): Promise<CopySource[]> {
    const session = this.#session;
    const directory = session.workspace.makeDirectory('heredoc');
    for (const { name, content, expand } of command.heredocs) {
      const text = expand ? expandText(content, this.#lookup, session.file.escapeMark) : content;
      writeFileSync(join(directory, name), text, { mode: 0o644 });
    }
    const tree = new SourceTree(session.workspace.open(directory));
    trees.push(tree);
    const found = await Promise.all(command.heredocs.map(({ name }) => tree.find(name)));
    return found.flat().map((each) => ({ tree, found: each, kept: undefined, archive: false }));
  }

  /** The files of a stage, a context or an image that `from` names. Kept open until the build ends. */
  async #rootOf(from: string): Promise<SourceTree> {
    const session = this.#session;
    const index = stageIndex(session.file.stages, from, this.#index);
    if (index !== undefined) return session.filesOf((await session.stage(index)).imageId);
    try {
      const image = await session.image(from, '', this.#write);
      session.use(image.id);
      return session.filesOf(image.id);
    } catch (error) {
      throw withContext(`invalid from flag value ${from}`, error);
    }
  }

  async #run(command: RunCommand): Promise<void> {
    const session = this.#session;
    const { request } = session;
    if (command.security !== '' && command.security !== 'sandbox') {
      throw forbidden(`RUN --security=${command.security} is not allowed by this engine (security.insecure)`);
    }
    const network = this.#network(this.#expand(command.network));
    const { argv, script } = this.#commandOf(command);
    const env = environmentOf(this.#state.config);
    const args = [...this.#arguments]
      .filter(([name]) => !env.has(name))
      .map(([name, value]) => `${name}=${value}`)
      .sort();
    const shown = `${args.length === 0 ? '' : `|${args.length} ${args.join(' ')} `}${argv.join(' ')}`;
    const workdir = this.#state.config.WorkingDir ?? '/';
    const wishes = command.mounts.map((mount) => mountWish(mount, workdir, (word) => this.#expand(word)));
    const inputs = [network, JSON.stringify(argv), script?.content ?? ''];
    for (const wish of wishes) {
      inputs.push(JSON.stringify(wish));
      // What a bind shows is part of what the step depends on.
      if (wish.type === 'bind' || wish.from !== '') inputs.push(await this.#bindDigest(wish.from, wish.source));
    }
    await this.#cachedOr('RUN', shown, inputs, async () => {
      if (this.#imageId === '') this.#imageId = await this.#record('', undefined);
      session.use(this.#imageId);
      const parts = {
        ...session.mounts,
        workspace: session.workspace,
        rootOf: async (from: string) =>
          from === ''
            ? { root: session.context.root, host: true }
            : { root: (await this.#rootOf(from)).root, host: false },
      };
      const own = script === undefined ? [] : [this.#scriptMount(script)];
      return withMounts(parts, wishes, (mounts) =>
        runContainer(
          session,
          {
            imageId: this.#imageId,
            argv,
            env: [...args, ...session.arguments.proxies(this.#arguments)],
            config: this.#state.config,
            hostConfig: { ...request.limits, NetworkMode: network, Mounts: [...mounts, ...own] },
            remove: request.remove,
            forceRemove: request.forceRemove,
          },
          this.#say,
          session.signal,
          (id) => this.#record(shown, join(layerDirectory(session.roots, id), 'diff')),
        ),
      );
    });
  }

  async #bindDigest(from: string, source: string): Promise<string> {
    const tree = from === '' ? this.#session.context : await this.#rootOf(from);
    const found = await tree.find(source === '' ? '/' : source);
    const wish: CopyWish = {
      keyword: 'COPY',
      sources: [source],
      destination: '/',
      chown: '',
      chmod: '',
      parents: false,
      exclude: [],
    };
    return contentDigest(
      wish,
      found.map((each) => ({ tree, found: each, kept: undefined, archive: false })),
    );
  }

  #network(asked: string): string {
    const given = this.#session.request.limits.NetworkMode ?? 'default';
    if (asked === '' || asked === 'default') return given;
    if (asked === 'none') return 'none';
    if (asked !== 'host') throw invalidArgument(`unsupported network mode ${JSON.stringify(asked)}`);
    if (given !== 'host') {
      throw forbidden(
        'RUN --network=host is only allowed in a build with --network=host (network.host is not granted)',
      );
    }
    return 'host';
  }

  /** With its here-documents: a lone one is a script, others are read by the shell itself. */
  #commandOf({ command, heredocs }: RunCommand): { readonly argv: readonly string[]; readonly script?: Script } {
    const [first] = heredocs;
    if (command.form === 'exec' || first === undefined) return { argv: argvOf(command, this.#state.config) };
    const shell = shellOf(this.#state.config);
    if (heredocs.length === 1 && /^\d*<<-?["']?[\w.]+["']?$/.test(command.text)) {
      if (!first.content.startsWith('#!')) return { argv: [...shell, first.content] };
      const path = `/dev/pipes/${first.name}`;
      return { argv: [...shell, path], script: { path, content: first.content } };
    }
    const documents = heredocs.map(({ name, content }) => `${content}${name}\n`);
    return { argv: [...shell, `${command.text}\n${documents.join('')}`] };
  }

  /** A script with an interpreter of its own, as a file that only this step sees. */
  #scriptMount({ path, content }: Script): NonNullable<HostConfig['Mounts']>[number] {
    const source = join(this.#session.workspace.makeDirectory('script'), 'script');
    writeFileSync(source, content, { mode: 0o755 });
    return { Type: 'bind', Source: source, Target: path, ReadOnly: true };
  }
}

interface Script {
  readonly path: string;
  readonly content: string;
}

const isAddress = (source: string): boolean => /^(?:https?:\/\/|git@)/.test(source);
