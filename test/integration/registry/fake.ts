// Owns a registry that serves whatever a test gives it, true or not: manifests by name, blobs by digest.
import { createServer } from 'node:http';
import type { Teardown } from '../../helpers/daemon.ts';
import { digest } from '../../helpers/image.ts';
import { listen, stopServer } from '../../helpers/registry.ts';

export interface FakeRegistry {
  readonly host: string;
  readonly requests: string[];
  /** Content and media type by tag or digest, whatever the repository. */
  readonly manifests: Map<string, { readonly body: string; readonly type: string }>;
  readonly blobs: Map<string, Buffer>;
  /** Adds a blob under its own digest. */
  blob(data: Buffer | string): { readonly digest: string; readonly size: number };
  /** Adds a manifest under a tag and its own digest. */
  manifest(tag: string, document: unknown, type?: string): { readonly digest: string; readonly size: number };
}

export async function startFake(t: Teardown): Promise<FakeRegistry> {
  const requests: string[] = [];
  const manifests: FakeRegistry['manifests'] = new Map();
  const blobs: FakeRegistry['blobs'] = new Map();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const [, kind = '', name = ''] = /\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? '') ?? [];
    const manifest = kind === 'manifests' ? manifests.get(name) : undefined;
    const blob = kind === 'blobs' ? blobs.get(name) : undefined;
    if (manifest !== undefined) response.writeHead(200, { 'content-type': manifest.type }).end(manifest.body);
    else if (blob !== undefined) response.writeHead(200, { 'content-length': String(blob.length) }).end(blob);
    else response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  const host = `127.0.0.1:${await listen(server)}`;
  t.teardown(() => stopServer(server));
  return {
    host,
    requests,
    manifests,
    blobs,
    blob(data) {
      const bytes = Buffer.from(data);
      blobs.set(digest(bytes), bytes);
      return { digest: digest(bytes), size: bytes.length };
    },
    manifest(tag, document, type = 'application/vnd.oci.image.manifest.v1+json') {
      const body = typeof document === 'string' ? document : JSON.stringify(document);
      manifests.set(tag, { body, type });
      manifests.set(digest(body), { body, type });
      return { digest: digest(body), size: Buffer.byteLength(body) };
    },
  };
}
