// Owns the reading of streams of JSON values, one a line. Must not know what the values mean.

/**
 * The values of a stream, one a line (empty lines are skipped, a value at the end needs no newline). Bytes of a character may be split
 * over chunks. Throws a SyntaxError that quotes the line when one is no JSON.
 */
export async function* jsonLines<T>(source: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') {
        yield parse<T>(line);
      }
    }
  }
  rest += decoder.decode();
  if (rest.trim() !== '') {
    yield parse<T>(rest);
  }
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch {
    throw new SyntaxError(`expected a JSON value, received ${line.slice(0, 200)}`);
  }
}
