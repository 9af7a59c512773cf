// Owns the host's own name servers: /etc/resolv.conf, read again when it has changed (inotify). Asks nobody.
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import { isIP } from 'node:net';
import { basename, dirname } from 'node:path';

/** Docker's, when the host names none. */
const PUBLIC_SERVERS: readonly string[] = ['8.8.8.8', '8.8.4.4'];

/** The addresses behind `nameserver`. */
export function nameServers(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    return keyword === 'nameserver' && isIP(address.replace(/%.*$/, '')) !== 0 ? [address] : [];
  });
}

export class HostResolvers {
  readonly #path: string;
  #servers: readonly string[] | undefined;
  #watchers: FSWatcher[] = [];

  constructor(path = '/etc/resolv.conf') {
    this.#path = path;
  }

  servers(): readonly string[] {
    if (this.#servers !== undefined) return this.#servers;
    this.#watch();
    let text = '';
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      // A host without the file has no name servers.
    }
    const found = nameServers(text);
    const servers = found.length > 0 ? found : PUBLIC_SERVERS;
    // Without a watch the file is read for each question.
    if (this.#watchers.length > 0) this.#servers = servers;
    return servers;
  }

  /** Its directory, as the file is mostly replaced by a rename, and the one that it leads to when it is a link. */
  #watch(): void {
    this.close();
    const paths = new Set([this.#path]);
    try {
      paths.add(realpathSync(this.#path));
    } catch {
      // It is missing: its directory tells when it comes.
    }
    try {
      for (const path of paths) this.#watchers.push(this.#watchOne(path));
    } catch {
      // No inotify instance is left: see servers().
      this.close();
    }
  }

  #watchOne(path: string): FSWatcher {
    const watcher = watch(dirname(path), { persistent: false });
    watcher.on('change', (_event, name) => {
      if (name === null || name.toString() === basename(path)) this.#servers = undefined;
    });
    watcher.on('error', () => this.close());
    return watcher;
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#servers = undefined;
  }
}
