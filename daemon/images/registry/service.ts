// Owns the registry room as the rest of the engine sees it: it puts the parts together, and has the short requests (login, search, inspect).
import type { Readable } from 'node:stream';
import { EngineError, invalidArgument, messageOf, notFound } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Database } from '../../store/database.ts';
import type { ImageTable } from '../../store/images.ts';
import { RegistryTable } from '../../store/registry.ts';
import type { Catalog } from '../catalog.ts';
import { parseImageConfig } from '../image-config.ts';
import type { ImageStore } from '../image-store.ts';
import type { LayerStore } from '../layer-store.ts';
import { parseReference, withDefaultTag } from '../reference.ts';
import { Connector } from './connect.ts';
import { Downloads } from './downloads.ts';
import { failureOf, registryError } from './failure.ts';
import { Gate } from './gate.ts';
import { login } from './login.ts';
import { parseDocument } from './manifest.ts';
import { pull } from './pull.ts';
import { push } from './push.ts';
import { search } from './search.ts';
import type { RegistryParts } from './session.ts';
import { readText, Transport } from './transport.ts';
import type {
  Credentials,
  DistributionAnswer,
  OfferedPlatform,
  PullRequest,
  PushRequest,
  Registry,
  RegistrySettings,
  Report,
  SearchRequest,
  SearchResult,
} from './types.ts';

export interface RegistryServiceOptions {
  readonly database: Database;
  readonly dataRoot: string;
  readonly images: ImageTable;
  readonly layers: LayerStore;
  readonly catalog: Catalog;
  readonly store: ImageStore;
  readonly settings: () => RegistrySettings;
  /** `tsd/1.2.3`. */
  readonly userAgent: string;
  readonly log: Log;
}

const CERTIFICATES = '/etc/docker/certs.d';
/** Places that are remembered of one layer. */
const KEEP_PLACES = 50;
/** Nothing that is asked for here takes longer. */
const SHORT_MS = 60_000;
const MAX_ERROR = 64 * 1024;
const MAX_CONFIG = 8 * 1024 * 1024;

export class RegistryService implements Registry {
  readonly #parts: RegistryParts;
  readonly #settings: () => RegistrySettings;
  readonly #transport: Transport;

  constructor(options: RegistryServiceOptions) {
    const { database, images, layers, catalog, store, settings, log, dataRoot } = options;
    const table = new RegistryTable(database);
    this.#settings = settings;
    this.#transport = new Transport({
      certificates: CERTIFICATES,
      userAgent: options.userAgent,
      environment: process.env,
    });
    this.#parts = {
      database,
      images,
      layers,
      catalog,
      store,
      table,
      log,
      connector: new Connector({ transport: this.#transport, settings, log }),
      downloads: new Downloads({
        table,
        dataRoot,
        log,
        limit: () => settings().maxConcurrentDownloads,
        attempts: () => settings().maxDownloadAttempts,
      }),
      uploads: new Gate(() => settings().maxConcurrentUploads),
    };
  }

  pull(request: PullRequest, report: Report): Promise<void> {
    return pull(this.#parts, request, this.#settings().maxConcurrentDownloads, report);
  }

  push(request: PushRequest, report: Report): Promise<void> {
    const { maxConcurrentUploads, maxDownloadAttempts } = this.#settings();
    const limits = { parallel: maxConcurrentUploads, attempts: maxDownloadAttempts };
    return push(this.#parts, request, limits, report);
  }

  async search(request: SearchRequest): Promise<readonly SearchResult[]> {
    return await search(this.#transport, this.#parts.connector, request, AbortSignal.timeout(SHORT_MS));
  }

  async login(credentials: Credentials): Promise<string> {
    return await login(this.#transport, this.#parts.connector, credentials, AbortSignal.timeout(SHORT_MS));
  }

  async inspect(text: string, credentials: Credentials): Promise<DistributionAnswer> {
    const reference = withDefaultTag(parseReference(text));
    const name = reference.digest || reference.tag;
    try {
      const repository = await this.#parts.connector.forPull(reference, credentials, AbortSignal.timeout(SHORT_MS));
      const resolve = reference.digest === '';
      const { value: manifest } = await repository.first((client) => client.manifest(name), { resolve });
      const document = parseDocument(manifest.bytes, manifest.mediaType);
      const { digest } = manifest;
      const common = { mediaType: document.mediaType, digest, size: manifest.bytes.length };
      if (document.kind === 'index') {
        const platforms = document.entries.flatMap((entry) =>
          entry.platform === undefined ? [] : [shown(entry.platform)],
        );
        return { ...common, platforms };
      }
      const { config } = document;
      if (config.size > MAX_CONFIG) throw invalidArgument(`invalid manifest: the config has ${config.size} bytes`);
      const { value } = await repository.first((client) => client.blobBytes(config.digest, config.size));
      return { ...common, platforms: [platformOfConfig(value)] };
    } catch (error) {
      throw registryError(error);
    }
  }

  async fetch(url: string, signal: AbortSignal): Promise<Readable> {
    const endpoint = { url, verify: true, ca: '', mirror: false, resolves: false, namespace: '' };
    try {
      const answer = await this.#transport.send(endpoint, { method: 'GET', url, signal });
      if (answer.status === 200) return answer.body;
      const text = await readText(answer.body, MAX_ERROR);
      throw failureOf(answer.status, answer.reason, text, `Get "${url}"`);
    } catch (error) {
      throw registryError(error);
    }
  }

  async sweep(): Promise<void> {
    this.#parts.table.trimLayerBlobs(KEEP_PLACES);
    await this.#parts.downloads.sweep();
  }

  close(): void {
    this.#transport.close();
  }
}

const shown = (platform: { os: string; architecture: string; variant: string }): OfferedPlatform => ({
  architecture: platform.architecture,
  os: platform.os,
  ...(platform.variant === '' ? {} : { variant: platform.variant }),
});

/** A config that is no image's has no platform to tell of: artifacts are inspected too. */
function platformOfConfig(bytes: Uint8Array): OfferedPlatform {
  try {
    return shown(parseImageConfig(bytes));
  } catch (error) {
    if (error instanceof EngineError) return { architecture: '', os: '' };
    throw notFound(messageOf(error), error);
  }
}
