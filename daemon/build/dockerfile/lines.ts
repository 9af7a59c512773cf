// Owns how the text of a Dockerfile falls into instructions: parser directives, comments, continued lines, here-documents. Pure; the meaning
// of an instruction is parse.ts's.
import { EngineError } from '../../base/errors.ts';
import { DockerfileError } from './error.ts';

export interface Heredoc {
  /** The word that ends it. */
  readonly name: string;
  readonly content: string;
  /** Variables are put in (the word was not quoted). */
  readonly expand: boolean;
  /** `<<-`: tabs at the beginning of lines have been taken off. */
  readonly chomp: boolean;
  /** Descriptor number before `<<`, as a text; mostly empty. */
  readonly descriptor: string;
}

export interface LogicalLine {
  /** Of its first line, from 1. */
  readonly line: number;
  /** Joined and trimmed, without here-documents. */
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
}

export interface SourceText {
  readonly escapeMark: '\\' | '`';
  /** Of the directive `syntax`; empty when there is none. */
  readonly syntax: string;
  /** Of the directive `check`. */
  readonly check: string;
  readonly lines: readonly LogicalLine[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const HEREDOC = /(^|\s)(\d*)<<(-?)(?:"([^"\s<]+)"|'([^'\s<]+)'|([a-zA-Z_][\w.]*))(?=\s|$|[|>&;)])/g;
/** Only these take here-documents. */
const WITH_HEREDOC = /^(?:RUN|COPY|ADD|ONBUILD\s+(?:RUN|COPY|ADD))\b/i;

function directivesOf(lines: readonly string[]): { readonly escapeMark: '\\' | '`'; syntax: string; check: string } {
  const found = new Map<string, string>();
  for (const [index, line] of lines.entries()) {
    const match = DIRECTIVE.exec(line);
    const name = match?.[1]?.toLowerCase() ?? '';
    if (match === null || !['syntax', 'escape', 'check'].includes(name)) break;
    if (found.has(name)) throw new DockerfileError(index + 1, `only one ${name} parser directive can be used`);
    found.set(name, match[2] ?? '');
  }
  const escapeMark = found.get('escape') ?? '\\';
  if (escapeMark !== '\\' && escapeMark !== '`') {
    throw new EngineError('invalid-argument', `invalid escape token '${escapeMark}' does not match \` or \\`);
  }
  return { escapeMark, syntax: found.get('syntax') ?? '', check: found.get('check') ?? '' };
}

function heredocsOf(text: string, lines: readonly string[], from: number): { heredocs: Heredoc[]; next: number } {
  const heredocs: Heredoc[] = [];
  let next = from;
  if (!WITH_HEREDOC.test(text)) return { heredocs, next };
  for (const [, , descriptor = '', dash = '', double, single, bare] of text.matchAll(HEREDOC)) {
    const name = double ?? single ?? bare ?? '';
    const begin = next;
    const content: string[] = [];
    for (;;) {
      const line = lines[next];
      if (line === undefined)
        throw new DockerfileError(begin, `unterminated heredoc: expected ${name} on a line of its own`);
      next++;
      const stripped = dash === '-' ? line.replace(/^\t+/, '') : line;
      if (stripped === name) break;
      content.push(stripped);
    }
    heredocs.push({
      name,
      content: content.map((line) => `${line}\n`).join(''),
      expand: bare !== undefined,
      chomp: dash === '-',
      descriptor,
    });
  }
  return { heredocs, next };
}

/** Throws invalid-argument in Docker's words. */
export function readLines(source: string): SourceText {
  const lines = source.replace(/^\uFEFF/, '').split(/\r?\n/);
  const directives = directivesOf(lines);
  const mark = directives.escapeMark === '\\' ? '\\\\' : '`';
  const continued = new RegExp(`${mark}[ \\t]*$`);
  const doubled = new RegExp(`${mark}${mark}[ \\t]*$`);
  const result: LogicalLine[] = [];
  for (let at = 0; at < lines.length; ) {
    const begin = at + 1;
    let text = '';
    let open = true;
    while (open && at < lines.length) {
      const line = lines[at++] ?? '';
      // Comments and blank lines do not end a continued instruction.
      if (/^\s*#/.test(line) || (text !== '' && /^\s*$/.test(line))) {
        if (text === '') break;
        continue;
      }
      open = continued.test(line) && !doubled.test(line);
      const part = open ? line.replace(continued, '') : line;
      text += text === '' ? part.trimStart() : part;
    }
    if (text.trim() === '') continue;
    const { heredocs, next } = heredocsOf(text, lines, at);
    at = next;
    result.push({ line: begin, text: text.trim(), heredocs });
  }
  return { ...directives, lines: result };
}
