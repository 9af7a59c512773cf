// Owns what the stages of one build share: the request, the context, views of images, the results of stages, the numbers of steps.
import type { ContainerConfig } from '../../api-spec/index.ts';
import { EngineError } from '../base/errors.ts';
import type { KeyedLock } from '../base/keyed-lock.ts';
import type { Log } from '../base/log.ts';
import type { Containers } from '../containers/types.ts';
import { familiarName, parseReference, withDefaultTag } from '../images/reference.ts';
import type { Registry } from '../images/registry/types.ts';
import type { Image, Images } from '../images/types.ts';
import type { BuildArguments, Platform } from './arguments.ts';
import type { BuildCache } from './cache.ts';
import type { Dockerfile } from './dockerfile/types.ts';
import type { BuildPlan } from './graph.ts';
import { SourceTree } from './source-tree.ts';
import type { BuildLine, BuildRequest } from './types.ts';
import type { Workspace } from './workspace.ts';

export interface BuiltStage {
  /** Empty: scratch. */
  readonly imageId: string;
  readonly config: ContainerConfig;
}

export interface SessionParts {
  readonly request: BuildRequest;
  readonly file: Dockerfile;
  readonly plan: BuildPlan;
  readonly arguments: BuildArguments;
  readonly platform: Platform;
  readonly context: SourceTree;
  readonly workspace: Workspace;
  readonly images: Images;
  readonly containers: Containers;
  readonly cache: BuildCache;
  readonly mounts: { readonly cacheRoot: string; readonly locks: KeyedLock; readonly busy: Map<string, number> };
  readonly roots: { readonly dataRoot: string; readonly execRoot: string };
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Gets an image from its registry; absent: this engine cannot. */
  readonly pull?: Registry['pull'];
  /** Notes that the image must not go while the build goes on. */
  readonly use: (imageId: string) => void;
}

export class BuildSession {
  readonly request: BuildRequest;
  readonly file: Dockerfile;
  readonly plan: BuildPlan;
  readonly arguments: BuildArguments;
  readonly platform: Platform;
  readonly context: SourceTree;
  readonly workspace: Workspace;
  readonly images: Images;
  readonly containers: Containers;
  readonly cache: BuildCache;
  readonly mounts: SessionParts['mounts'];
  readonly roots: SessionParts['roots'];
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly use: (imageId: string) => void;
  readonly #pull: SessionParts['pull'];
  readonly #stages = new Map<number, Promise<BuiltStage>>();
  readonly #trees = new Map<string, SourceTree>();
  readonly #pulled = new Map<string, Promise<Image>>();
  readonly #firstStep: ReadonlyMap<number, number>;
  readonly #steps = new Map<number, number>();
  readonly #total: number;

  constructor(parts: SessionParts) {
    this.request = parts.request;
    this.file = parts.file;
    this.plan = parts.plan;
    this.arguments = parts.arguments;
    this.platform = parts.platform;
    this.context = parts.context;
    this.workspace = parts.workspace;
    this.images = parts.images;
    this.containers = parts.containers;
    this.cache = parts.cache;
    this.mounts = parts.mounts;
    this.roots = parts.roots;
    this.signal = parts.signal;
    this.log = parts.log;
    this.use = parts.use;
    this.#pull = parts.pull;
    const first = new Map<number, number>();
    let count = parts.file.globals.length;
    for (const index of parts.plan.needed) {
      first.set(index, count);
      count += 1 + (parts.plan.stages[index]?.stage.instructions.length ?? 0);
    }
    this.#firstStep = first;
    this.#total = count + (Object.keys(parts.request.labels).length > 0 ? 1 : 0);
  }

  /** `Step 3/7` for the next instruction of a stage; -1: of those before the first one. */
  nextStep(stage: number): string {
    const done = this.#steps.get(stage) ?? 0;
    this.#steps.set(stage, done + 1);
    return `Step ${(this.#firstStep.get(stage) ?? 0) + done + 1}/${this.#total}`;
  }

  /** Called once a stage, before anybody asks for it. */
  setStage(index: number, built: Promise<BuiltStage>): void {
    built.catch(() => undefined);
    this.#stages.set(index, built);
  }

  /** Resolves when the stage is built. */
  async stage(index: number): Promise<BuiltStage> {
    const built = this.#stages.get(index);
    if (built === undefined) throw new EngineError('internal', `stage ${index} is not built for this target`);
    return built;
  }

  /** An image by its name, from its registry when it is not here (or when the request says so). Throws not-found. */
  image(reference: string, platform: string, write: (line: BuildLine) => void): Promise<Image> {
    const known = this.#pulled.get(reference);
    if (known !== undefined) return known;
    const found = this.#find(reference, platform || this.request.platform, write);
    found.catch(() => undefined);
    this.#pulled.set(reference, found);
    return found;
  }

  async #find(reference: string, platform: string, write: (line: BuildLine) => void): Promise<Image> {
    const pull = this.#pull;
    if (this.request.pull && pull !== undefined) await this.#fetch(pull, reference, platform, write);
    try {
      return this.images.get(reference);
    } catch (error) {
      if (pull === undefined || !(error instanceof EngineError) || error.kind !== 'not-found') throw error;
    }
    await this.#fetch(pull, reference, platform, write);
    return this.images.get(reference);
  }

  async #fetch(
    pull: Registry['pull'],
    name: string,
    platform: string,
    write: (line: BuildLine) => void,
  ): Promise<void> {
    const reference = withDefaultTag(parseReference(name));
    const credentials = this.request.credentialsFor(reference.domain);
    await pull({ reference: familiarName(reference), platform, credentials, signal: this.signal }, write);
  }

  /** A view of an image's files, opened once. */
  filesOf(imageId: string): SourceTree {
    let tree = this.#trees.get(imageId);
    if (tree === undefined) {
      tree = new SourceTree(this.workspace.view(imageId));
      this.#trees.set(imageId, tree);
    }
    return tree;
  }

  /** SOURCE_DATE_EPOCH as an option of placements. */
  get time(): { readonly mtime?: number } {
    const { sourceDate } = this.arguments;
    return sourceDate === undefined ? {} : { mtime: sourceDate };
  }

  close(): void {
    for (const tree of this.#trees.values()) tree.close();
    this.#trees.clear();
  }
}
