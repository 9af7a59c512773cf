// Owns the shapes of a parsed Dockerfile. Words still hold their quotes and variables: what they mean is known when their stage is built.
import type { Heredoc } from './lines.ts';

export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** Shell form: one text; exec form: a list. */
export type CommandLine =
  | { readonly form: 'shell'; readonly text: string }
  | { readonly form: 'exec'; readonly argv: readonly string[] };

/** `RUN --mount`: keys as written, values with their variables. */
export type MountOptions = Readonly<Record<string, string>>;

export interface CopyCommand {
  readonly keyword: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly destination: string;
  readonly from: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum: string;
  readonly keepGitDir: boolean;
  /** Undefined: as the file is (ADD unpacks local archives, not those of URLs). */
  readonly unpack: boolean | undefined;
  readonly heredocs: readonly Heredoc[];
}

export interface RunCommand {
  readonly keyword: 'RUN';
  readonly command: CommandLine;
  readonly mounts: readonly MountOptions[];
  readonly network: string;
  readonly security: string;
  readonly heredocs: readonly Heredoc[];
}

export type Command =
  | { readonly keyword: 'ARG'; readonly args: readonly { readonly key: string; readonly value?: string }[] }
  | { readonly keyword: 'ENV' | 'LABEL'; readonly pairs: readonly Pair[] }
  | { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: CommandLine }
  | { readonly keyword: 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] }
  | { readonly keyword: 'USER' | 'WORKDIR' | 'STOPSIGNAL' | 'MAINTAINER'; readonly word: string }
  | { readonly keyword: 'SHELL'; readonly argv: readonly string[] }
  | { readonly keyword: 'HEALTHCHECK'; readonly rest: string }
  | { readonly keyword: 'ONBUILD'; readonly trigger: string }
  | CopyCommand
  | RunCommand;

export interface Instruction {
  /** From 1. */
  readonly line: number;
  /** As written, on one line. */
  readonly text: string;
  readonly command: Command;
}

export interface Stage {
  readonly line: number;
  readonly text: string;
  /** The word behind FROM. */
  readonly base: string;
  /** Lower-case; empty without AS. */
  readonly name: string;
  readonly platform: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly escapeMark: string;
  readonly syntax: string;
  /** ARG before the first FROM. */
  readonly globals: readonly Instruction[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly string[];
}
