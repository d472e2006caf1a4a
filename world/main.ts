import { parseArgs } from 'node:util';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { ldkNodes, lndNodes, type OpenNodes } from './nodes.ts';
import { jsonPrinter, type Printer, textPrinter } from './print.ts';
import { type StoryName, tell } from './story.ts';
import { createWorld, type World } from './world.ts';

const STORIES: StoryName[] = ['hold-first', 'lock-first', 'refund'];
const NODES: Readonly<Record<string, OpenNodes>> = { ldk: ldkNodes, lnd: lndNodes };
const USAGE = 'npm start -- [--trade hold-first|lock-first|refund] [--lightning ldk|lnd] [--json] [--keep]';

const options = {
  trade: { type: 'string' },
  lightning: { type: 'string' },
  json: { type: 'boolean' },
  keep: { type: 'boolean' },
} as const;

/** An option that does not exist is answered with those that do. */
function parsed() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const sentence = `${error instanceof Error ? error.message : String(error)}; usage: ${USAGE}`;
    throw new SparkleError('bad_config', sentence, {}, { cause: error });
  }
}

const refusedOption = (field: string, { allowed, got }: { allowed: readonly string[]; got: string | undefined }) =>
  new SparkleError('bad_config', `--${field} must be one of ${allowed.join(', ')}; got ${got}; usage: ${USAGE}`, {
    field,
  });

function readArguments(): { stories: StoryName[]; openNodes: OpenNodes; json: boolean; keep: boolean } {
  const { trade, lightning = 'ldk', json = false, keep = false } = parsed();
  const stories = trade === undefined ? STORIES : STORIES.filter((name) => name === trade);
  if (stories.length === 0) throw refusedOption('trade', { allowed: STORIES, got: trade });
  const openNodes = NODES[lightning];
  if (openNodes === undefined) throw refusedOption('lightning', { allowed: Object.keys(NODES), got: lightning });
  return { stories, openNodes, json, keep };
}

async function play(stories: StoryName[], printer: Printer, world: World, started: number): Promise<void> {
  const told = [];
  for (const name of stories) {
    printer.note(`\n${name}`.trimEnd());
    told.push(await tell(world, name, printer));
  }
  const holdings = told.flatMap((story) => story.holdings);
  printer.summary({ stories: told.map(({ report }) => report), holdings, millis: Date.now() - started });
}

/** Ctrl-C ends what was started, and only that. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

function howToConnect({ regtest }: World): string {
  const { rpcUrl, rpcUser, rpcPassword, zmq } = regtest.node;
  return [
    'the world stays up until Ctrl-C',
    `  bitcoind  ${rpcUrl}  user ${rpcUser}  password ${rpcPassword}  wallets seller, buyer, miner`,
    `  zmq       ${zmq.rawblock}  ${zmq.rawtx}  ${zmq.sequence}`,
  ].join('\n');
}

async function main(): Promise<number> {
  const { stories, openNodes, json, keep } = readArguments();
  const printer = json ? jsonPrinter() : textPrinter({ terminal: process.stdout.isTTY === true });
  const started = Date.now();
  const interrupted = untilInterrupted().then(() => 'interrupted' as const);
  let world: World | undefined;
  try {
    world = await createWorld({ log: (what) => printer.note(what), openNodes });
    const played = await Promise.race([play(stories, printer, world, started), interrupted]);
    if (played === 'interrupted') return 130;
    if (keep) {
      printer.note(howToConnect(world));
      await interrupted;
    }
    return 0;
  } finally {
    printer.stop();
    await world?.stop();
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof SparkleError && error.code === 'bad_config' ? 2 : 1);
  },
);
