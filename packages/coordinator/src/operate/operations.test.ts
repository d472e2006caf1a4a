import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog } from 'sparkle-protocol/trader/log';
import { open } from '../database/database.suite.ts';
import { handClock } from '../hub/hub.suite.ts';
import { openOperations, type OperationsConfig } from './operations.ts';
import type { ServiceParts } from './service.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What watches over nothing, on a database of its own; `answer` lets the question for live trades be answered. */
async function watching(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-operations-'));
  const database = await open(`sqlite:${join(folder, 'db')}`);
  context.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  let answer = (): void => assert.fail();
  const asked = new Promise<never[]>((resolve) => (answer = () => resolve([])));
  const given = {
    ...{ clock: handClock(1_800_000_000), log: silentLog },
    chain: { tip: async () => ({ height: 1 }), subscribe: () => () => undefined },
    database: { ...database, store: { liveAnywhere: () => asked } },
  } as unknown as ServiceParts;
  const config = { admin: undefined, alerts: undefined, databaseUrl: '', webhookPrivateOrigins: [] };
  return { database, answer, operations: openOperations(given, config satisfies OperationsConfig) };
}

test('who ends the watch waits for the look that is under way, since the database is closed next', async (context) => {
  const { operations, answer } = await watching(context);
  const end = operations.start();
  let isEnded = false;
  const ended = end().then(() => (isEnded = true));
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.equal(isEnded, false);
  answer();
  await ended;
});
