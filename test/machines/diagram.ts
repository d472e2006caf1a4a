import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A pure machine, as far as its picture needs to know it. */
type Step<T, E> = (trade: T, event: E) => { trade: T; effects: readonly { effect: { do: string } }[] };

/**
 * One or more trades in each state, and one event for each way a state can be left. Every event is tried in every
 * state; one that depends on the trade (a view of its own lock) is made from it, and is absent where it has no meaning.
 */
export type Samples<T, E> = {
  states: readonly T[];
  events: readonly { name: string; of: (trade: T) => E | undefined }[];
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
  for (const before of states)
    for (const { name, of } of events) {
      const event = of(before);
      if (event === undefined) continue;
      const { trade, effects } = step(before, event);
      const edge = {
        from: nodeOf(before),
        to: nodeOf(trade),
        event: name,
        effects: effects.map((each) => each.effect.do),
      };
      if (edge.from !== edge.to || effects.length > 0) edges.set(lineOf(edge), edge);
    }
  return [...edges].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, edge]) => edge);
}

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
