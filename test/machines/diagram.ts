import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A pure machine, as far as its picture needs to know it. */
type Step<T, E> = (trade: T, event: E) => { trade: T; effects: readonly { effect: { do: string } }[] };

/**
 * One or more trades in each state, and what can happen there: names of states, separated by spaces, and the events
 * that mean something in them. `alive` stands for every state that has not ended.
 */
export type Samples<T, E> = {
  states: readonly T[];
  events: Readonly<Record<string, Readonly<Record<string, E>>>>;
};

export type Edge = { from: string; to: string; event: string; effects: string[] };

/** The name of a state in the picture: an ended trade is named by how it ended. */
export const nodeOf = (trade: { state: string; outcome?: string }): string =>
  trade.state === 'ended' ? (trade.outcome ?? trade.state) : trade.state;

/** What changes a state or causes an effect, each edge once, in the order of its text. */
export function edgesOf<T extends { state: string; outcome?: string }, E>(
  step: Step<T, E>,
  { states, events }: Samples<T, E>,
): Edge[] {
  const edges = new Map<string, Edge>();
  for (const [where, happenings] of Object.entries(events))
    for (const before of states.filter(({ state }) => isIn(state, where)))
      for (const [event, happened] of Object.entries(happenings)) {
        const { trade, effects } = step(before, happened);
        const done = effects.map(({ effect }) => effect.do);
        const edge = { from: nodeOf(before), to: nodeOf(trade), event, effects: done };
        if (edge.from !== edge.to || done.length > 0) edges.set(lineOf(edge), edge);
      }
  return [...edges].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, edge]) => edge);
}

const isIn = (state: string, where: string): boolean =>
  where === 'alive' ? state !== 'ended' : where.split(' ').includes(state);

function lineOf({ from, to, event, effects }: Edge): string {
  return `${from} --> ${to}: ${event}${effects.length > 0 ? ` / ${effects.join(', ')}` : ''}`;
}

/** The edges as a mermaid state diagram. A node without a way out is an end. */
export function mermaid(edges: readonly Edge[], first: string): string {
  const left = new Set(edges.filter(({ from, to }) => from !== to).map(({ from }) => from));
  const ends = [...new Set(edges.map(({ to }) => to))].filter((node) => !left.has(node)).toSorted();
  const lines = [`[*] --> ${first}`, ...edges.map(lineOf), ...ends.map((node) => `${node} --> [*]`)];
  return ['```mermaid', 'stateDiagram-v2', ...lines.map((line) => `  ${line}`), '```'].join('\n');
}

/** Nodes to which no edge leads: a sample too many, or an event too few. */
export function unreached(edges: readonly Edge[], first: string): string[] {
  const reached = new Set([first, ...edges.filter(({ from, to }) => from !== to).map(({ to }) => to)]);
  return [...new Set(edges.map(({ from }) => from))].filter((node) => !reached.has(node));
}

const folder = fileURLToPath(new URL('../../docs/machines/', import.meta.url));

/** Text of docs/machines/`name`.md, and what stands there now; with UPDATE set it is written first. */
export function page(picture: { name: string; title: string; source: string; edges: readonly Edge[]; first: string }): {
  expected: string;
  found: string;
} {
  const { name, title, source, edges, first } = picture;
  const head = [
    `# ${title}`,
    `What \`step\` does, drawn from [${source}](../../packages/sparkle/src/${source}) by running it: \`UPDATE=1 npm test -- diagrams\` draws it again.`,
    'An edge reads: what happened / what is done because of it. What is not drawn changes nothing.',
  ];
  const expected = `${[...head, mermaid(edges, first)].join('\n\n')}\n`;
  const file = join(folder, `${name}.md`);
  if (process.env['UPDATE'] !== undefined) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, expected);
  }
  return { expected, found: existsSync(file) ? readFileSync(file, 'utf8') : 'not there' };
}
