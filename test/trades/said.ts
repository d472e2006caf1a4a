import assert from 'node:assert/strict';
import type { Log } from 'sparkle-protocol/trader/log';
import { formsOf } from './secret-forms.ts';

/** A line of a trader's log. */
export type Line = { level: 'info' | 'warn' | 'error'; fields: Record<string, unknown>; sentence: string };

/** Everything that traders and drivers of one test wrote down or threw, to be searched for what must not be in it. */
export class Said {
  readonly lines: Line[] = [];
  readonly warnings: string[] = [];
  readonly thrown: string[] = [];

  readonly log: Log = {
    info: (fields, sentence) => void this.lines.push({ level: 'info', fields, sentence }),
    warn: (fields, sentence) => void this.lines.push({ level: 'warn', fields, sentence }),
    error: (fields, sentence) => void this.lines.push({ level: 'error', fields, sentence }),
  };
  readonly warn = (words: string): void => void this.warnings.push(words);

  /** Keeps an error as a crash dump would show it: own fields, stack and causes. */
  throws(error: unknown): void {
    this.thrown.push(dump(error));
  }

  /** All of it in one string, every secret that is bytes in hex. */
  text(): string {
    return [...this.lines.map((line) => dump(line)), ...this.warnings, ...this.thrown].join('\n');
  }

  /** None of the secrets is in anything, however it may be written. */
  assertKeeps(secrets: readonly string[]): void {
    const text = this.text();
    for (const secret of secrets) {
      assert.ok(secret.length >= 8, 'a secret must be long enough to be searched for');
      for (const form of formsOf(secret))
        assert.ok(!text.toLowerCase().includes(form.toLowerCase()), `a secret was said: …${around(text, form)}…`);
    }
  }
}

function around(text: string, form: string): string {
  const at = text.toLowerCase().indexOf(form.toLowerCase());
  return text.slice(Math.max(0, at - 120), at);
}

function dump(value: unknown): string {
  if (!(value instanceof Error)) return JSON.stringify(value, printable) ?? String(value);
  const { cause, stack, message } = value;
  const own = JSON.stringify(Object.fromEntries(Object.entries(value)), printable);
  return [message, stack ?? '', own, cause === undefined ? '' : dump(cause)].join('\n');
}

function printable(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value instanceof Error ? dump(value) : value;
}
