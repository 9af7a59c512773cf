// Owns the creation of a container: image and request become one frozen record, with everything that inspect shows. Starts nothing.
import { mkdirSync, statSync } from 'node:fs';
import { hostname as hostName } from 'node:os';
import { conflict, EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import { newId, shortId } from '../base/ids.ts';
import { nowNs } from '../base/time.ts';
import { UndoStack } from '../base/undo-stack.ts';
import { portRequests } from '../networks/ports.ts';
import type { ResolvedUser, SpecInput } from '../runtime/types.ts';
import { containerEvent, type Engine, resolve } from './engine.ts';
import { extensionsOf } from './extensions.ts';
import { checkHealthLabels } from './health-policy.ts';
import { checkHostConfig, warningsOf, withDefaults } from './host-config.ts';
import { checkLinks } from './links.ts';
import { logWarnings } from './log-config.ts';
import { checkConfig, mergeConfig } from './merge-config.ts';
import { collectMounts, type MountWish } from './mount-specs.ts';
import { checkName, generateName } from './names.ts';
import { initialNetworking, networkPlan } from './network-plan.ts';
import { cgroupPath, containerDirectory, layerDirectory } from './paths.ts';
import { removeDirectory } from './remove.ts';
import { createLayer } from './rootfs.ts';
import { specInput } from './spec-input.ts';
import { storageSize } from './storage-size.ts';
import type { ContainerRecord, CreateRequest, MountPoint } from './types.ts';

const NAME_ATTEMPTS = 8;

export async function createContainer(
  engine: Engine,
  request: CreateRequest,
): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
  const given = request.name === '' ? undefined : checkName(request.name);
  if (given !== undefined) checkFree(engine, given);
  const draft = draftOf(engine, request, given ?? '');
  const spec = validate(engine, draft);
  const undo = new UndoStack();
  try {
    const mounts = await resolveMounts(engine, draft, undo);
    // Pushed before: each of them is made in several steps.
    undo.push('directory', () => removeDirectory(containerDirectory(engine, draft.id)));
    mkdirSync(containerDirectory(engine, draft.id), { recursive: true, mode: 0o700 });
    engine.fault?.('directory');
    undo.push('writable layer', () => removeDirectory(layerDirectory(engine, draft.id)));
    await createLayer(engine, draft.id, storageSize(draft.hostConfig));
    engine.fault?.('layer');
    insert(engine, { ...draft, mounts }, given);
    undo.commit();
  } catch (error) {
    await undo.unwind((name, failure) =>
      engine.log.error({ err: failure, container: draft.id }, `undo ${name}: ${messageOf(failure)}`),
    );
    throw error;
  }
  return {
    id: draft.id,
    warnings: [
      ...warningsOf(draft.hostConfig),
      ...logWarnings(draft.hostConfig.LogConfig),
      ...engine.runtime.warnings(spec),
    ],
  };
}

const taken = (name: string, holder: string): EngineError =>
  conflict(
    `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
  );

/** Throws conflict in Docker's words when somebody has the name. */
export function checkFree(engine: Engine, name: string): void {
  const holder = engine.table.byName(name);
  if (holder !== undefined) throw taken(name, holder.id);
}

/** The record without its mounts: merged, checked, with defaults. */
function draftOf(engine: Engine, request: CreateRequest, name: string): ContainerRecord {
  const image = engine.images.get(request.config.Image ?? '');
  checkPlatform(request.platform, image.os, image.architecture);
  checkHostConfig(request.hostConfig, request.config, engine.defaults);
  const id = newId();
  const merged = mergeConfig(image.config, request.config);
  const hostConfig = withDefaults(request.hostConfig, engine.defaults);
  const config = { ...merged, Hostname: hostnameOf(merged.Hostname, hostConfig, id) };
  checkConfig(config);
  const extensions = extensionsOf(request.config.Labels ?? {});
  checkHealthLabels(request.config, config, extensions);
  portRequests(hostConfig, config);
  checkLinks(engine, hostConfig);
  return {
    id,
    name,
    state: 'created',
    createdNs: nowNs(),
    imageId: image.id,
    imageReference: request.config.Image ?? '',
    config,
    hostConfig,
    networkingConfig: initialNetworking(hostConfig, request.networkingConfig),
    mounts: [],
    pid: 0,
    startTime: 0n,
    startedNs: 0n,
    finishedNs: 0n,
    exitCode: 0,
    oomKilled: false,
    error: '',
    restartCount: 0,
    manuallyStopped: false,
    autoRemove: hostConfig.AutoRemove === true,
    bootId: '',
    extensions,
  };
}

function hostnameOf(given: string | undefined, hostConfig: ContainerRecord['hostConfig'], id: string): string {
  if (given !== undefined && given !== '') return given;
  const mode = hostConfig.NetworkMode ?? '';
  if (mode === 'host' || hostConfig.UTSMode === 'host') return hostName();
  return mode.startsWith('container:') ? '' : shortId(id);
}

const goArchitecture: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/** `os/arch`: an image of another one would only fail later, at its exec. */
function checkPlatform(asked: string, os: string, architecture: string): void {
  if (asked === '') return;
  const [wantedOs = '', wantedArch = ''] = asked.toLowerCase().split('/');
  const wrongOs = os !== '' && wantedOs !== os;
  const wrongArch = wantedArch !== '' && architecture !== '' && wantedArch !== architecture;
  if (wrongOs || wrongArch) {
    throw new EngineError(
      'not-found',
      `image with the requested platform ${asked} was not found: the image is for ${os}/${architecture} (this host is linux/${goArchitecture[process.arch] ?? process.arch})`,
    );
  }
}

const nobody: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: '/', name: '' };

/** What can be refused before anything is made. The spec is built once, so that a bad option is an error of create. */
function validate(engine: Engine, draft: ContainerRecord): SpecInput {
  const { hostConfig } = draft;
  const plan = networkPlan(hostConfig, draft.networkingConfig);
  if (plan.kind === 'networks') {
    for (const each of plan.joins) engine.networks.validate(each.network, each.settings);
  }
  const joined = (mode: string | undefined): number | undefined => {
    if (mode === undefined || !mode.startsWith('container:')) return undefined;
    try {
      resolve(engine.table, mode.slice('container:'.length));
    } catch (error) {
      throw invalidArgument(messageOf(error), error);
    }
    // The pid is asked for at the start; here any stands for it.
    return 1;
  };
  const spec = specInput(draft, {
    user: nobody,
    binds: [],
    cgroupPath: cgroupPath(engine.instance, hostConfig.CgroupParent || engine.cgroupParent, draft.id),
    hostname: draft.config.Hostname ?? '',
    domainname: draft.config.Domainname ?? '',
    network: plan.kind === 'networks' && plan.namespace === 'host' ? 'host' : 'own',
    joinPid: joined(hostConfig.PidMode),
    joinIpc: joined(hostConfig.IpcMode),
    host: engine.host,
  });
  engine.runtime.validate(spec);
  return spec;
}

/** Mounts of the containers that `--volumes-from` names, in its order; later ones win. */
function inherited(engine: Engine, volumesFrom: readonly string[]): readonly MountWish[] {
  const wishes = new Map<string, MountWish>();
  for (const entry of volumesFrom) {
    const at = entry.indexOf(':');
    const reference = at < 0 ? entry : entry.slice(0, at);
    const mode = at < 0 ? '' : entry.slice(at + 1);
    if (reference === '') throw invalidArgument(`invalid volume specification: '${entry}'`);
    if (mode !== '' && !mode.split(',').every((part) => ['ro', 'rw', 'z', 'Z', 'nocopy'].includes(part))) {
      throw invalidArgument(`invalid mode for volumes-from: ${mode}`);
    }
    let other: ContainerRecord;
    try {
      other = resolve(engine.table, reference);
    } catch (error) {
      throw invalidArgument(messageOf(error), error);
    }
    for (const mount of other.mounts) {
      if (mount.type === 'tmpfs') continue;
      wishes.set(mount.destination, {
        ...mount,
        type: mount.type,
        source: mount.type === 'volume' ? '' : mount.source,
        rw: mount.rw && !mode.split(',').includes('ro'),
        createSource: true,
        volumeDriver: mount.driver,
        volumeOptions: {},
        volumeLabels: {},
      });
    }
  }
  return [...wishes.values()];
}

async function resolveMounts(engine: Engine, draft: ContainerRecord, undo: UndoStack): Promise<readonly MountPoint[]> {
  const wishes = collectMounts(
    draft.hostConfig,
    draft.config.Volumes ?? {},
    inherited(engine, draft.hostConfig.VolumesFrom ?? []),
  );
  const mounts: MountPoint[] = [];
  for (const wish of wishes) mounts.push(await resolveMount(engine, draft, wish, undo));
  return mounts;
}

/** Not a 404: clients would pull the container's own image for that. */
function mountedImage(engine: Engine, reference: string): string {
  try {
    return engine.images.get(reference).id;
  } catch (error) {
    throw invalidArgument(`invalid mount config for type "image": ${messageOf(error)}`, error);
  }
}

async function resolveMount(
  engine: Engine,
  draft: ContainerRecord,
  wish: MountWish,
  undo: UndoStack,
): Promise<MountPoint> {
  const { type, destination, mode, rw, propagation, copyUp, subpath } = wish;
  const base = { type, destination, mode, rw, propagation, copyUp, ...(subpath === undefined ? {} : { subpath }) };
  if (type === 'tmpfs') return { ...base, name: '', source: '', driver: '' };
  if (type === 'image') return { ...base, name: mountedImage(engine, wish.source), source: wish.source, driver: '' };
  if (type === 'bind') {
    // -v makes a missing source at the start; --mount refuses it at once.
    if (!wish.createSource && statSync(wish.source, { throwIfNoEntry: false }) === undefined) {
      throw invalidArgument(`invalid mount config for type "bind": bind source path does not exist: ${wish.source}`);
    }
    return { ...base, name: '', source: wish.source, driver: '' };
  }
  const volume = await engine.volumes.create({
    name: wish.name,
    driver: wish.volumeDriver === '' ? 'local' : wish.volumeDriver,
    labels: wish.volumeLabels,
    options: wish.volumeOptions,
  });
  if (wish.name === '') {
    undo.push(`volume ${volume.name}`, () => engine.volumes.remove(volume.name, true));
  }
  engine.log.debug({ container: draft.id }, `volume ${volume.name} at ${destination}`);
  return { ...base, name: volume.name, source: volume.mountpoint, driver: volume.driver };
}

/** The row, under the given name or one that is made up; the transaction decides when two ask for the same. */
function insert(engine: Engine, draft: ContainerRecord, given: string | undefined): void {
  for (let attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
    const name = given ?? generateName((candidate) => engine.table.byName(candidate) !== undefined);
    const record = { ...draft, name };
    if (engine.table.insert(record, containerEvent(record, 'create'))) return;
    if (given !== undefined) checkFree(engine, given);
  }
  throw conflict('no free container name was found; give one with --name');
}
