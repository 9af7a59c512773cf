// Owns the reading of tap's output: one line a test file as it ends, the whole output of a file that failed, and the line
// of counts at the end. Judges nothing itself: what counts as a failure is tap's word (and that of the checks given by flag).
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const resultLine = /^(not ok|ok) \d+(?: - (.*?))?(?: # time=([\d.]+)(ms|s|m)?)?(?: \{)?$/;
const assertionLine = /^\s+(not ok|ok) \d+(?: - (.*?))?(?:\s+#\s*(SKIP|TODO)\b.*)?(?:\s+#.*)?(\s*\{)?$/i;

/**
 * Counts assertions in the indented lines of one test file. A subtest's own line sums up the lines within it and is left
 * out, except when it failed with no failed assertion inside (a time-out, an early exit).
 */
export const countAssertions = (lines: readonly string[]): Counts => {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  let diagnosticsIndent: number | undefined;
  const subtestNames: { indent: number; failedInside: boolean }[] = [];
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    if (diagnosticsIndent !== undefined) {
      if (indent === diagnosticsIndent && line.trim() === '...') diagnosticsIndent = undefined;
      continue;
    }
    if (/^\s+---\s*$/.test(line)) {
      diagnosticsIndent = indent;
      continue;
    }
    if (/^\s+# Subtest(:|$)/.test(line)) {
      subtestNames.push({ indent, failedInside: false });
      continue;
    }
    const match = assertionLine.exec(line);
    if (match === null) continue;
    const open = subtestNames.at(-1);
    const failed = match[1] === 'not ok' && match[3] === undefined;
    if (open !== undefined && open.indent === indent) {
      subtestNames.pop();
      if (failed && !open.failedInside) counts.failed += 1;
      if (failed) for (const outer of subtestNames) outer.failedInside = true;
      continue;
    }
    if (match[3] !== undefined) counts.skipped += 1;
    else if (failed) {
      counts.failed += 1;
      for (const outer of subtestNames) outer.failedInside = true;
    } else counts.passed += 1;
  }
  return counts;
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({ options: { 'failed-checks': { type: 'string', default: '' } } });
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  let inside: string[] = [];
  let buffered: string | undefined;
  const finish = (line: string): void => {
    const match = resultLine.exec(line);
    const counts = countAssertions(inside);
    const ok = line.startsWith('ok ');
    if (!ok && counts.failed === 0) counts.failed = 1;
    // A file that ran no assertion (all of it skipped, say) is one line of its own.
    if (/# SKIP/i.test(line)) counts.skipped += 1;
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    const name = match?.[2] ?? line;
    const time = match?.[3] === undefined ? '' : ` (${match[3]}${match[4] ?? 'ms'})`;
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    process.stdout.write(
      `${ok ? 'ok  ' : 'FAIL'} ${name}: ${counts.passed} passed, ${counts.failed} failed${skipped}${time}\n`,
    );
    if (!ok) process.stdout.write(`${inside.join('\n')}\n`);
    inside = [];
  };
  for await (const line of createInterface({ input: process.stdin })) {
    if (buffered !== undefined) {
      if (line === '}') {
        finish(buffered);
        buffered = undefined;
      } else inside.push(line);
    } else if (/^(not ok|ok) \d+/.test(line)) {
      if (line.endsWith(' {')) buffered = line;
      else finish(line);
    } else if (line.startsWith('#') || line.startsWith('TAP version') || /^\d+\.\.\d+/.test(line)) {
      // tap's own frame, told by the last line
    } else inside.push(line);
  }
  const checks = values['failed-checks'].split(' ').filter((name) => name !== '');
  if (checks.length > 0) process.stdout.write(`failed checks of the sources: ${checks.join(', ')}\n`);
  total.failed += checks.length;
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
};

if (import.meta.main) process.exitCode = await main();
