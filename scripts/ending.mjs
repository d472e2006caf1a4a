/** Suites that several drivers share are named `room: driver`. */
const SHARED = /^(lightning|chain|ordinals|store|market): (.+)$/;

/** Node's own counts, in its order. */
const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'];

const byName = ([a], [b]) => (a < b ? -1 : 1);

/** What the runs of a test command add up to: node's own counts, and the shared suites by room and driver. */
export class Ending {
  counts = {};
  /** `room: driver` -> what became of its tests. */
  shared = {};
  names = [];

  on({ type, data }) {
    if (type === 'test:start') this.names[data.nesting] = data.name;
    if (type === 'test:diagnostic' && data.file === undefined) this.count(data.message);
    if (type === 'test:pass' || type === 'test:fail') this.result(type, data);
  }

  count(message) {
    const [name, value] = message.split(' ');
    if (COUNTS.includes(name)) this.add({ counts: { [name]: Number(value) } });
  }

  result(type, { nesting, name, details, skip }) {
    const suite = [...this.names.slice(0, nesting), name].find((each) => SHARED.test(each));
    if (suite === undefined) return;
    const isSkipped = skip !== undefined;
    if (details.type === 'suite' && !isSkipped) return;
    const fate = isSkipped ? 'skipped' : type === 'test:pass' ? 'pass' : 'fail';
    this.add({ shared: { [suite]: { [fate]: 1 } } });
  }

  /** Adds another run. */
  add({ counts = {}, shared = {} }) {
    for (const [name, value] of Object.entries(counts)) this.counts[name] = (this.counts[name] ?? 0) + value;
    for (const [suite, fates] of Object.entries(shared)) {
      const sum = (this.shared[suite] ??= { pass: 0, fail: 0, skipped: 0 });
      for (const [fate, value] of Object.entries(fates)) sum[fate] += value;
    }
  }

  /** One line a room with its drivers: how many tests of the suite ran with each, and what did not go well. */
  sharedLines() {
    const rooms = {};
    for (const [suite, { pass, fail, skipped }] of Object.entries(this.shared).sort(byName)) {
      const [, room, driver] = SHARED.exec(suite);
      const notes = [...(fail > 0 ? [`${fail} FAILED`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])];
      const ran = pass + fail === 0 ? 'skipped' : `${pass + fail}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
      (rooms[room] ??= []).push(`${driver} ${ran}`);
    }
    return Object.entries(rooms).map(([room, drivers]) => `# suites ${room}: ${drivers.join(', ')}`);
  }

  text() {
    const counts = COUNTS.filter((name) => name in this.counts).map((name) => `# ${name} ${this.counts[name]}`);
    return [...this.sharedLines(), ...counts].map((line) => `${line}\n`).join('');
  }
}

/** A reporter for a program: the counts as JSON, to be added to those of other runs. */
export default async function* reporter(events) {
  const ending = new Ending();
  for await (const event of events) ending.on(event);
  const { counts, shared } = ending;
  yield JSON.stringify({ counts, shared });
}
