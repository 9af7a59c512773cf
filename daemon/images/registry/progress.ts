// Owns the lines of pull and push as Docker's clients draw them, and their pace. Knows nothing of what moves.
import type { Progress } from '../types.ts';
import type { Report } from './types.ts';

const BAR = 50;
const PACE_MS = 100;
const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Four digits and a decimal unit: `36.45kB`. */
function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** `[=====>     ]  1.07MB/3.001MB`, for clients that do not draw by themselves. */
export function progressBar(current: number, total: number): string {
  const now = humanSize(current).padStart(8);
  if (current <= 0 && total <= 0) return '';
  if (total <= 0) return now;
  const filled = Math.min(BAR, Math.floor(((current / total) * 100) / 2));
  const bar = `[${'='.repeat(filled)}>${' '.repeat(BAR - filled)}] `;
  return current > total ? `${bar}${now}` : `${bar}${now}/${humanSize(total)}`;
}

/** What one layer tells. Numbers come at most ten times a second, words at once. */
export class LayerProgress {
  readonly #id: string;
  readonly #report: Report;
  #next = 0;
  #last = '';

  constructor(id: string, report: Report) {
    this.#id = id;
    this.#report = report;
  }

  word(status: string): void {
    this.#last = status;
    this.#report({ status, progressDetail: {}, id: this.#id });
  }

  /** A word that was not the last one already. */
  once(status: string): void {
    if (this.#last !== status) this.word(status);
  }

  amount(status: string, current: number, total: number): void {
    const now = performance.now();
    if (status === this.#last && now < this.#next && current !== total) return;
    this.#next = now + PACE_MS;
    this.#last = status;
    const line: Progress = {
      status,
      progressDetail: { current, total },
      progress: progressBar(current, total),
      id: this.#id,
    };
    this.#report(line);
  }
}
