// Owns the shell-like words of Dockerfile instructions: quotes, backslashes, $NAME and ${NAME:-word}. Pure.
import { invalidArgument } from '../base/errors.ts';

/** Splits at blanks outside of quotes; quotes and backslashes stay for expandWord. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  let open = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '\\' && quote !== "'" && at + 1 < text.length) {
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

type Lookup = (name: string) => string | undefined;

/** Takes quotes and backslashes off and puts variables in. A missing one is empty. Throws invalid-argument on an open quote or brace. */
export function expandWord(word: string, lookup: Lookup): string {
  let result = '';
  let quote = '';
  for (let at = 0; at < word.length; at++) {
    const c = word.charAt(at);
    if (quote === "'") {
      if (c === "'") quote = '';
      else result += c;
    } else if (c === '\\') {
      const next = word.charAt(at + 1);
      // Within double quotes only these lose their backslash.
      if (next === '') {
        if (quote !== '') result += c;
      } else if (quote === '"' && !'"$\\'.includes(next)) {
        result += c + next;
      } else {
        result += next;
      }
      at++;
    } else if (c === quote) {
      quote = '';
    } else if (quote === '' && (c === '"' || c === "'")) {
      quote = c;
    } else if (c === '$') {
      const { value, length } = variable(word.slice(at + 1), lookup);
      result += value;
      at += length;
    } else {
      result += c;
    }
  }
  if (quote !== '')
    throw invalidArgument(
      `unexpected end of statement while looking for matching ${quote === '"' ? 'double-quote' : 'single-quote'}`,
    );
  return result;
}

/** What stands behind a `$`; `length` is how much of `text` it took. */
function variable(text: string, lookup: Lookup): { value: string; length: number } {
  const plain = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#])/.exec(text);
  if (plain !== null) return { value: lookup(plain[0]) ?? '', length: plain[0].length };
  if (!text.startsWith('{')) return { value: '$', length: 0 };
  const end = closingBrace(text);
  if (end < 0) throw invalidArgument("syntax error: missing '}'");
  const match = /^([A-Za-z_][A-Za-z0-9_]*|[0-9@*#]+)(?:(:?[-+?])(.*))?$/s.exec(text.slice(1, end));
  if (match === null) throw invalidArgument(`unsupported modifier in substitution: ${text.slice(0, end + 1)}`);
  const [, name = '', operator = '', word = ''] = match;
  const found = lookup(name);
  const set = operator.startsWith(':') ? found !== undefined && found !== '' : found !== undefined;
  const length = end + 1;
  if (operator.endsWith('-')) return { value: set ? (found ?? '') : expandWord(word, lookup), length };
  if (operator.endsWith('+')) return { value: set ? expandWord(word, lookup) : '', length };
  if (operator.endsWith('?') && !set)
    throw invalidArgument(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`);
  return { value: found ?? '', length };
}

function closingBrace(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '\\') at++;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return at;
  }
  return -1;
}
