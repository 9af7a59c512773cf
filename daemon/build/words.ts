// Owns the words of Dockerfile instructions: splitting them, taking quotes off, and putting variables in with the shell's forms
// ${v:-x} ${v:+x} ${v:?x} ${v#p} ${v%p} ${v/a/b}. Pure. As the Dockerfile reference describes.
import { invalidArgument } from '../base/errors.ts';

export type Lookup = (name: string) => string | undefined;

/** Splits at blanks outside of quotes; quotes and escapes stay. */
export function splitWords(text: string, escapeMark = '\\'): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  let open = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === escapeMark && quote !== "'" && at + 1 < text.length) {
      word += c + text.charAt(++at);
      open = true;
    } else if (quote === '' && /\s/.test(c)) {
      if (open) words.push(word);
      word = '';
      open = false;
    } else {
      if (quote === '' && (c === '"' || c === "'")) quote = c;
      else if (c === quote) quote = '';
      word += c;
      open = true;
    }
  }
  if (open) words.push(word);
  return words;
}

/** One word with variables put in and quotes taken off. Throws invalid-argument: `failed to process "WORD": reason`. */
export function expandWord(word: string, lookup: Lookup, escapeMark = '\\'): string {
  try {
    return new Expander(word, lookup, escapeMark, false).all();
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    throw invalidArgument(`failed to process ${JSON.stringify(word)}: ${error.message}`, error);
  }
}

/** Text of a here-document: variables are put in, quotes stay. */
export function expandText(text: string, lookup: Lookup, escapeMark = '\\'): string {
  try {
    return new Expander(text, lookup, escapeMark, true).all();
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    throw invalidArgument(`failed to process a heredoc: ${error.message}`, error);
  }
}

class WordError extends Error {}

class Expander {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #verbatim: boolean;
  #at = 0;

  constructor(text: string, lookup: Lookup, escapeMark: string, verbatim: boolean) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = escapeMark;
    this.#verbatim = verbatim;
  }

  all(): string {
    return this.#until('');
  }

  /** Up to one of the characters of `stops` outside of quotes, which is left. */
  #until(stops: string): string {
    let result = '';
    while (this.#at < this.#text.length) {
      const c = this.#text.charAt(this.#at);
      if (stops.includes(c)) return result;
      if (!this.#verbatim && c === "'") result += this.#single();
      else if (!this.#verbatim && c === '"') result += this.#double();
      else if (c === '$') result += this.#dollar();
      else if (c === this.#escape) result += this.#escaped();
      else {
        result += c;
        this.#at++;
      }
    }
    return result;
  }

  #escaped(): string {
    const next = this.#text.charAt(this.#at + 1);
    this.#at += 2;
    if (this.#verbatim) return next === '$' || next === this.#escape ? next : this.#escape + next;
    return next;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw new WordError('unexpected end of statement while looking for matching single-quote');
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return value;
  }

  #double(): string {
    let result = '';
    this.#at++;
    while (this.#at < this.#text.length) {
      const c = this.#text.charAt(this.#at);
      if (c === '"') {
        this.#at++;
        return result;
      }
      if (c === '$') result += this.#dollar();
      else if (c === this.#escape) {
        const next = this.#text.charAt(this.#at + 1);
        // Within double quotes only these lose their escape.
        result += next === '"' || next === '$' || next === this.#escape ? next : c + next;
        this.#at += 2;
      } else {
        result += c;
        this.#at++;
      }
    }
    throw new WordError('unexpected end of statement while looking for matching double-quote');
  }

  #name(): string {
    const match = /^(?:[A-Za-z_]\w*|[0-9@*#?$!-])/.exec(this.#text.slice(this.#at));
    this.#at += match?.[0].length ?? 0;
    return match?.[0] ?? '';
  }

  #dollar(): string {
    this.#at++;
    if (this.#text.charAt(this.#at) !== '{') {
      const name = this.#name();
      return name === '' ? '$' : (this.#lookup(name) ?? '');
    }
    this.#at++;
    const name = this.#name();
    if (name === '') throw new WordError('bad substitution');
    const value = this.#lookup(name);
    const next = this.#text.charAt(this.#at);
    if (next === '}') {
      this.#at++;
      return value ?? '';
    }
    if (next === '') throw new WordError("syntax error: missing '}'");
    return this.#modified(name, value);
  }

  /** Behind the name: the operator, its word, the brace. */
  #modified(name: string, value: string | undefined): string {
    const [operator = ''] = /^(?:##?|%%?|\/\/?|:?[-+?])/.exec(this.#text.slice(this.#at)) ?? [];
    if (operator === '') throw new WordError(`unsupported modifier (${this.#text.charAt(this.#at)}) in substitution`);
    this.#at += operator.length;
    const word = this.#until(operator.startsWith('/') ? '/}' : '}');
    let replacement = '';
    if (operator.startsWith('/') && this.#text.charAt(this.#at) === '/') {
      this.#at++;
      replacement = this.#until('}');
    }
    if (this.#text.charAt(this.#at) !== '}') throw new WordError("syntax error: missing '}'");
    this.#at++;
    if (/^[#%]/.test(operator)) return trim(value ?? '', word, operator);
    if (operator.startsWith('/')) return substitute(value ?? '', word, replacement, operator === '//');
    const set = operator.startsWith(':') ? (value ?? '') !== '' : value !== undefined;
    if (operator.endsWith('-')) return set ? (value ?? '') : word;
    if (operator.endsWith('+')) return set ? word : '';
    if (!set) throw new WordError(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`);
    return value ?? '';
  }
}

/** A shell pattern as the source of a regular expression; `*` matches as little as possible when not `greedy`. */
function patternSource(pattern: string, greedy: boolean): string {
  return pattern.replace(/[\\^$.|+()[\]{}*?]/g, (c) => {
    if (c === '*') return greedy ? '[\\s\\S]*' : '[\\s\\S]*?';
    return c === '?' ? '[\\s\\S]' : `\\${c}`;
  });
}

function trim(value: string, pattern: string, operator: string): string {
  const greedy = operator.length === 2;
  if (operator.startsWith('#')) return value.replace(new RegExp(`^${patternSource(pattern, greedy)}`), '');
  const whole = new RegExp(`^${patternSource(pattern, true)}$`);
  // The shortest end: from the back; the longest: from the front.
  const starts = Array.from({ length: value.length + 1 }, (_, index) => (greedy ? index : value.length - index));
  const start = starts.find((index) => whole.test(value.slice(index)));
  return start === undefined ? value : value.slice(0, start);
}

function substitute(value: string, pattern: string, replacement: string, everywhere: boolean): string {
  if (pattern === '') return value;
  return value.replace(new RegExp(patternSource(pattern, true), everywhere ? 'g' : ''), () => replacement);
}
