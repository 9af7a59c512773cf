// Owns which stages a target needs, and in what order they may be built. Pure.
import { invalidArgument } from '../base/errors.ts';
import type { Dockerfile, Stage } from './dockerfile/types.ts';
import { expandWord, type Lookup } from './words.ts';

export interface PlannedStage {
  readonly stage: Stage;
  /** With variables put in: `scratch`, an image, or a stage before. */
  readonly base: string;
  readonly baseStage: number | undefined;
  readonly platform: string;
}

export interface BuildPlan {
  /** All stages of the file. */
  readonly stages: readonly PlannedStage[];
  readonly target: number;
  /** Indices, ascending. */
  readonly needed: readonly number[];
}

/** The stage before `before` that a name or a number means. */
export function stageIndex(stages: readonly Stage[], reference: string, before: number): number | undefined {
  const wanted = reference.toLowerCase();
  for (let index = Math.min(before, stages.length) - 1; index >= 0; index--) {
    if (stages[index]?.name === wanted && wanted !== '') return index;
  }
  if (!/^\d+$/.test(reference)) return undefined;
  return Number(reference) < before ? Number(reference) : undefined;
}

function targetOf(stages: readonly Stage[], target: string): number {
  if (target === '') return stages.length - 1;
  const named = stageIndex(stages, target, stages.length);
  if (named === undefined) throw invalidArgument(`target stage ${JSON.stringify(target)} could not be found`);
  return named;
}

/** Throws invalid-argument for a target that does not exist and a base that is empty. */
export function planBuild(file: Dockerfile, target: string, lookup: Lookup): BuildPlan {
  const last = targetOf(file.stages, target);
  const stages = file.stages.map((stage, index): PlannedStage => {
    const base = expandWord(stage.base, lookup, file.escapeMark);
    if (base === '') throw invalidArgument(`base name (${stage.base}) should not be blank`);
    return {
      stage,
      base,
      // Only by name: a number is the name of an image here.
      baseStage: /^\d+$/.test(base) ? undefined : stageIndex(file.stages, base, index),
      platform: expandWord(stage.platform, lookup, file.escapeMark),
    };
  });
  const needed = new Set<number>();
  const visit = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const dependency of dependenciesOf(file, stages, index)) visit(dependency);
  };
  visit(last);
  return { stages, target: last, needed: [...needed].sort((a, b) => a - b) };
}

function dependenciesOf(file: Dockerfile, stages: readonly PlannedStage[], index: number): number[] {
  const planned = stages[index];
  const found = planned?.baseStage === undefined ? [] : [planned.baseStage];
  for (const { command } of planned?.stage.instructions ?? []) {
    const sources =
      command.keyword === 'COPY'
        ? [command.from]
        : command.keyword === 'RUN'
          ? command.mounts.map((mount) => mount.from ?? '')
          : [];
    for (const source of sources) {
      const from = source === '' ? undefined : stageIndex(file.stages, source, index);
      if (from !== undefined) found.push(from);
    }
  }
  return found;
}
