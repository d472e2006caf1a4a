import { relative, sep } from 'node:path';
import { inspect } from 'node:util';
import { root } from './install.mjs';

const pathOf = (file) => relative(root, file).split(sep).join('/');

/** The room a test file belongs to: `protocol`, `chain`, ... in the library, else the package; `test/sim`, `test/docs` outside. */
function roomOf(path) {
  const [top, second, , room] = path.split('/');
  if (top === 'packages') return second === 'sparkle' ? room : second;
  return `${top}/${second.replace('.test.ts', '')}`;
}

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
const indented = (text) => text.replace(/^(?=.)/gm, '    ');

/** The thrown error with its cause; for a file that died, how it died. The message of an assertion holds both values already. */
function reasonOf(error) {
  const { cause } = error ?? {};
  if (cause instanceof Error) return cause.code === 'ERR_ASSERTION' ? cause.stack : inspect(cause, { depth: 6 });
  const end = error?.signal ?? error?.exitCode;
  return `${cause ?? error}${end === undefined || end === null ? '' : `, ended by ${end}`}`;
}

class Room {
  tests = 0;
  failed = 0;
  milliseconds = 0;
  notes = [];
  skipped = new Map();

  constructor(name) {
    this.name = name;
  }

  count({ nesting, details, skip }) {
    if (nesting === 0) this.milliseconds += details.duration_ms;
    if (details.type === 'suite') return;
    this.tests += 1;
    if (skip === undefined) return;
    const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason given';
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + 1);
  }

  text() {
    const verdict = this.failed === 0 ? '' : `   ${this.failed} FAILED`;
    const counts = `${String(this.tests).padStart(5)} tests${seconds(this.milliseconds).padStart(10)}`;
    const skips = [...this.skipped].map(([reason, count]) => `${count} skipped: ${reason}`);
    const notes = [...this.notes, ...skips].map((note) => `  ${note}\n`);
    return `${this.name.padEnd(18)}${counts}${verdict}\n${notes.join('')}`;
  }
}

export class Rooms {
  room;
  /** Names of the tests around the current one, outermost first. */
  names = [];
  /** What each file printed since its last failure. */
  printed = new Map();

  /** Text to print because of one event of node's runner; files come one after the other, sorted by path. */
  on({ type, data }) {
    if (type === 'test:start') this.names[data.nesting] = data.name;
    if (type === 'test:stdout' || type === 'test:stderr')
      this.printed.set(data.file, (this.printed.get(data.file) ?? '') + data.message);
    if (type === 'test:diagnostic') return this.note(data);
    if (type === 'test:pass' || type === 'test:fail') return this.result(type, data);
    return '';
  }

  /** A note of a test stands under its room; what belongs to no file is node's own summary, and every room is told. */
  note({ file, message }) {
    if (file === undefined) return this.closeRoom();
    this.room?.notes.push(message);
    return '';
  }

  result(type, data) {
    const name = roomOf(pathOf(data.file ?? data.name));
    const before = this.room?.name === name ? '' : this.closeRoom();
    this.room ??= new Room(name);
    this.room.count(data);
    // A parent fails with its children, which have been told already.
    if (type === 'test:pass' || data.details.error?.failureType === 'subtestsFailed') return before;
    this.room.failed += 1;
    return before + this.failure(data);
  }

  /** Where, which, the error itself, and what its file printed. */
  failure({ nesting, name, file = name, details: { error } }) {
    const title = name === file ? 'the file as a whole' : this.names.slice(0, nesting + 1).join(' > ');
    const printed = this.printed.get(file)?.trimEnd() ?? '';
    this.printed.delete(file);
    const tail = printed === '' ? '' : `  printed by this file:\n${indented(printed)}\n`;
    return `\nFAIL ${pathOf(file)}\n  ${title}\n${indented(reasonOf(error))}\n${tail}\n`;
  }

  closeRoom() {
    const text = this.room?.text() ?? '';
    this.room = undefined;
    return text;
  }
}

/** A reporter: one line a room when all is well, and every failure in full. `ending.mjs` has the counts. */
export default async function* reporter(events) {
  const rooms = new Rooms();
  for await (const event of events) {
    const text = rooms.on(event);
    if (text !== '') yield text;
  }
}
