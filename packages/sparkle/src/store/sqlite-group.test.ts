import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { Kysely, sql } from 'kysely';
import { SqliteGroupDialect } from './sqlite-dialect.ts';
import { SqliteGroup } from './sqlite-group.ts';

type Tables = { number: { value: number }; part: { whole: number } };

function opened(context: TestContext) {
  const said: string[] = [];
  const raw = new SqliteDatabase(':memory:', { verbose: (text) => said.push(String(text)) });
  raw.pragma('foreign_keys = on');
  raw.exec('create table number (value integer primary key) strict');
  // Checked at the commit alone: so that a commit can fail.
  raw.exec('create table part (whole integer references number (value) deferrable initially deferred) strict');
  const group = new SqliteGroup(raw);
  const db = new Kysely<Tables>({ dialect: new SqliteGroupDialect(group) });
  context.after(() => db.destroy());
  const add = (value: number) =>
    db.transaction().execute((session) => session.insertInto('number').values({ value }).execute());
  const values = async () => (await db.selectFrom('number').select('value').execute()).map(({ value }) => value);
  return { db, raw, group, add, values, commits: () => said.filter((text) => text === 'commit').length };
}

test('sqlite group: transactions that are ready at once go to disk with one commit', async (context) => {
  const { add, values, commits } = opened(context);
  await Promise.all([1, 2, 3, 4, 5].map(add));
  assert.equal(commits(), 1);
  assert.deepEqual(await values(), [1, 2, 3, 4, 5]);
  await add(6);
  assert.equal(commits(), 2);
});

test('sqlite group: nobody is answered before the commit, whether he wrote or read', async (context) => {
  const { db, add, values, commits } = opened(context);
  const seen: [string, number][] = [];
  const note = (name: string) => () => void seen.push([name, commits()]);
  await Promise.all([
    add(1).then(note('transaction')),
    db.insertInto('number').values({ value: 2 }).execute().then(note('statement')),
    values().then(note('reader')),
    add(1).catch(note('refused')),
  ]);
  assert.deepEqual(seen.toSorted(), [
    ['reader', 1],
    ['refused', 1],
    ['statement', 1],
    ['transaction', 1],
  ]);
});

test('sqlite group: a transaction that fails takes back its own writes and nobody else’s', async (context) => {
  const { db, add, values } = opened(context);
  const failing = db.transaction().execute(async (session) => {
    await session.insertInto('number').values({ value: 2 }).execute();
    throw new Error('changed his mind');
  });
  const [one, two, three] = await Promise.allSettled([add(1), failing, add(3)]);
  assert.deepEqual([one.status, two.status, three.status], ['fulfilled', 'rejected', 'fulfilled']);
  assert.deepEqual(await values(), [1, 3]);
});

test('sqlite group: when the commit fails, all who share it fail, and nothing of theirs is there', async (context) => {
  const { db, add, values } = opened(context);
  const orphan = db.insertInto('part').values({ whole: 99 }).execute();
  const results = await Promise.allSettled([add(1), orphan, add(2)]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
  assert.deepEqual(await values(), []);
  await add(3);
  assert.deepEqual(await values(), [3]);
});

test('sqlite group: what SQLite rolls back by itself fails for all who were in it, and for what follows in its transaction', async (context) => {
  const { db, add, values } = opened(context);
  await add(1);
  const joined = add(2);
  const stubborn = db.transaction().execute(async (session) => {
    await sql`insert or rollback into number values (1)`.execute(session).catch(() => undefined);
    await session.insertInto('number').values({ value: 7 }).execute();
  });
  const [before, during] = await Promise.allSettled([joined, stubborn]);
  assert.deepEqual([before.status, during.status], ['rejected', 'rejected']);
  await add(3);
  assert.deepEqual(await values(), [1, 3]);
});

test('sqlite group: while a copy is taken each transaction goes to disk by itself', async (context) => {
  const { group, add, commits } = opened(context);
  await group.apart(() => Promise.all([1, 2, 3].map(add)));
  assert.equal(commits(), 3);
  await Promise.all([4, 5].map(add));
  assert.equal(commits(), 4);
});

test('sqlite group: a transaction that waits for something is not committed in the middle', async (context) => {
  const { db, add, values, commits } = opened(context);
  const before = add(1);
  const slow = db.transaction().execute(async (session) => {
    await session.insertInto('number').values({ value: 2 }).execute();
    for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(commits(), 0);
    throw new Error('and is taken back');
  });
  await Promise.allSettled([before, slow, add(3)]);
  assert.deepEqual(await values(), [1, 3]);
});

test('sqlite group: what was asked before the end is on disk when it is closed', async (context) => {
  const { db, raw } = opened(context);
  let ending: Promise<void> | undefined;
  const adding = db.transaction().execute((session) => {
    ending = db.destroy();
    return session.insertInto('number').values({ value: 1 }).execute();
  });
  await adding;
  await ending;
  assert.equal(raw.open, false);
});
