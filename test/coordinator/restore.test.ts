import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { backupPostgres } from '../../packages/coordinator/src/database/backup-postgres.ts';
import { houseLimits } from '../../world/house.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { program, withoutPostgres } from '../regtest/parts.ts';
import { startPostgres } from '../regtest/postgres.ts';
import { claimOf, termsIn } from './buyer-http.ts';
import { type Bought, PATIENCE, Shop } from './shop.ts';

/** What docs/operate.md says of a restored coordinator: it begins nothing. */
const RESTORED = { limits: { ...houseLimits, capitalAtRiskSats: 0n, forwardSats: 0n }, listers: [] };

type Kind = {
  newDatabase(): Promise<string>;
  /** As `coordinator backup FILE` does it. */
  copied(shop: Shop, of: { url: string; file: string }): Promise<unknown>;
  /** As docs/operate.md says; the URL of the database that it is in then. */
  restored(file: string): Promise<string>;
};

const folder = mkdtempSync(join(tmpdir(), 'sparkle-restore-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(folder, String((files += 1)));

const sqlite: Kind = {
  newDatabase: async () => `sqlite:${newFile()}`,
  copied: ({ house }, { file }) => house.database.backup(file),
  restored: async (file) => {
    const place = newFile();
    copyFileSync(file, place);
    chmodSync(place, 0o600);
    return `sqlite:${place}`;
  },
};

async function postgresKind(): Promise<Kind & { stop(): Promise<void> }> {
  const server = await startPostgres({ writes: 'fast' });
  const { dir } = await program('postgres');
  process.env['PATH'] = `${dir}:${process.env['PATH']}`;
  return {
    newDatabase: () => server.newDatabase(),
    copied: (_, { url, file }) => backupPostgres({ url, path: file }),
    restored: async (file) => {
      const url = await server.newDatabase();
      execFileSync('pg_restore', ['--no-owner', `--dbname=${url}`, file]);
      return url;
    },
    stop: () => server.stop(),
  };
}

function restores(title: string, open: () => Promise<Kind & { stop(): Promise<void> }>, skip: string | false): void {
  describe(`a coordinator that is brought back from a copy, ${title}`, { skip: withoutBitcoind || skip }, () => {
    const undo: (() => Promise<unknown>)[] = [];
    let kind: Kind;
    let shop: Shop;
    let url: string;

    before(async () => {
      const opened = await open();
      undo.push(() => opened.stop());
      kind = opened;
      url = await kind.newDatabase();
      shop = await Shop.open({ databaseUrl: url });
      undo.push(() => shop.world.stop());
    });
    after(async () => {
      for (const step of undo.toReversed()) await step();
    });

    /** The coordinator is gone, with its database; so many blocks later another goes on from the copy, as its operator starts it. */
    async function broughtBack(lost: Shop, file: string, blocksLater = 0): Promise<Shop> {
      await lost.house.close();
      if (blocksLater > 0) await lost.world.mine(blocksLater);
      return Shop.beside(shop, { ...RESTORED, databaseUrl: await kind.restored(file) });
    }

    /** The buyer claims, and the coordinator has his payment. */
    async function ends(on: Shop, bought: Bought): Promise<void> {
      await on.reaches(bought.checkout, 'broadcast');
      await on.mine(1);
      const { keys, checkout } = bought;
      const proof = await on.proof(checkout);
      const terms = termsIn(proof, keys);
      assert.ok(terms !== undefined && proof.lock !== undefined);
      const address = await on.world.buyer.wallet.address();
      const claim = claimOf({ keys, address }, { terms, lockOutpoint: proof.lock.outpoint });
      const path = `/v1/trade/${checkout.trade_id}/finalize`;
      const body = { payment_preimage: keys.preimage, claim };
      const { status, answer } = await on.house.ask('POST', path, { token: checkout.token, body });
      assert.equal(status, 200, JSON.stringify(answer));
      await on.reaches(checkout, 'confirmed');
      const { lightning } = on.world.buyer;
      await until(
        'the payment is settled',
        async () => (await lightning.payment(keys.paymentHash)).state === 'settled',
        PATIENCE,
      );
    }

    test('a trade that was under way when the copy was made ends right', async () => {
      const { inscribed } = await shop.listed(`copied in the middle, ${title}`);
      const bought = await shop.prepared(inscribed.inscriptionId);
      await shop.pay(bought);
      await shop.reaches(bought.checkout, 'broadcast');
      const file = newFile();
      await kind.copied(shop, { url, file });
      const restored = await broughtBack(shop, file);
      await ends(restored, bought);
      await restored.house.close();
    });

    for (const [when, blocksLater] of [
      ['', 0],
      [', and is found when it is too late to lock anything,', 40],
    ] as const)
      test(`a trade that was paid for and filled after the copy${when} keeps its payment, and ends right`, async () => {
        url = await kind.newDatabase();
        const later = await Shop.beside(shop, { databaseUrl: url });
        const { inscribed } = await later.listed(`copied too early${when}, ${title}`);
        const bought = await later.prepared(inscribed.inscriptionId);
        const file = newFile();
        await kind.copied(later, { url, file });
        await later.pay(bought);
        await later.reaches(bought.checkout, 'broadcast');
        const restored = await broughtBack(later, file, blocksLater);
        await ends(restored, bought);
        await restored.house.close();
      });
  });
}

restores('SQLite', async () => ({ ...sqlite, stop: async () => {} }), false);
restores('PostgreSQL', postgresKind, withoutPostgres);
