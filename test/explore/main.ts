import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Game } from './game.ts';
import { atLength } from './scenarios.ts';
import { type Found, Search } from './search.ts';

const MOST_STATES = 8_000_000;

function explored(name: string): Found {
  const scenario = atLength.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return new Search(new Game(scenario)).run({ mostStates: MOST_STATES });
}

/** What a process of its own is asked for, followed by the name of a scenario. */
const ONE = '--one';

const inProcess = (name: string): Promise<Found> =>
  new Promise((done, failed) => {
    const child = fork(fileURLToPath(import.meta.url), [ONE, name], { serialization: 'advanced' });
    child.once('message', (found) => done(found as Found));
    child.once('error', failed);
    child.once('exit', (code) =>
      failed(new Error(`the explorer of "${name}" ended with ${code} and without an answer`)),
    );
  });

function told({ name, states, edges, outcomes, millis, losses, deadlocks }: Found): string {
  const ends = [...outcomes].map(([outcome, count]) => `    ${outcome}: ${count}`);
  const stories = [...losses, ...deadlocks].flatMap(({ why, story }) => [
    '',
    `  ${why}`,
    ...story.map((line) => `    ${line}`),
  ]);
  return [`${name}: ${states} states, ${edges} edges, ${(millis / 1000).toFixed(1)} s`, ...ends, ...stories].join('\n');
}

/** Runs all scenarios whose name contains all of the words, as many at once as there are processors. */
async function main(words: string[]): Promise<void> {
  const waiting = atLength.map(({ name }) => name).filter((name) => words.every((word) => name.includes(word)));
  const all: Found[] = [];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const found = await inProcess(name);
      all.push(found);
      console.log(told(found));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const sum = (count: (found: Found) => number): number => all.reduce((total, found) => total + count(found), 0);
  const losses = sum((found) => found.losses.length);
  const deadlocks = sum((found) => found.deadlocks.length);
  const size = `${sum(({ states }) => states)} states, ${sum(({ edges }) => edges)} edges`;
  console.log(`explored ${size}, ${losses} losses, ${deadlocks} deadlocks`);
  process.exitCode = losses + deadlocks === 0 ? 0 : 1;
}

const [flag, name = ''] = process.argv.slice(2);
if (flag === ONE) process.send?.(explored(name));
else await main(process.argv.slice(2));
