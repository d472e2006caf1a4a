import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hex } from '@scure/base';
import { addressScript, encodeDraft, txidOf, type DraftInput } from '../protocol/draft.ts';
import { refusedWith, type ChainBench } from './suite-hands.ts';
import { ownScript, spendOwn } from './suite-keys.ts';
import type { Coin, Wallet } from './wallet.ts';

export type WalletBench = ChainBench & { wallet: Wallet };

const SATS = 200_000n;
const FEE = 1_000n;

const unsigned = ({ outpoint, valueSats, script }: Omit<Coin, 'confirmations'>): DraftInput => ({
  ...{ outpoint, valueSats, script, sequence: 0xffff_fffd, witness: [] },
});

/** What every wallet must do; it is paid and mined for by the hands of its chain. */
export function walletSuite(
  name: string,
  open: () => Promise<WalletBench>,
  options: { skip?: string | false } = {},
): void {
  describe(`wallet: ${name}`, { skip: options.skip ?? false }, () => {
    let opened: WalletBench | undefined;
    const bench = (): WalletBench => {
      assert.ok(opened !== undefined);
      return opened;
    };
    before(async () => {
      opened = await open();
    });
    after(async () => {
      await opened?.chain.close();
      await opened?.stop();
    });

    const ownedScript = async (): Promise<string> => addressScript(await bench().wallet.address(), bench().network);
    const funded = async (): Promise<Coin> => {
      const outpoint = await bench().pay({ script: await ownedScript(), sats: SATS });
      await bench().mine(1);
      const coin = (await bench().wallet.coins()).find((each) => each.outpoint === outpoint);
      assert.ok(coin !== undefined);
      return coin;
    };

    test('each address is another one, and pays to Taproot', async () => {
      const first = await ownedScript();
      const second = await ownedScript();
      assert.match(first, /^5120[0-9a-f]{64}$/);
      assert.notEqual(first, second);
    });

    test('a coin counts from its first confirmation on, and no longer once a transaction in the mempool spends it', async () => {
      const script = await ownedScript();
      const outpoint = await bench().pay({ script, sats: SATS });
      assert.ok(!(await bench().wallet.coins()).some((coin) => coin.outpoint === outpoint));
      await bench().mine(2);
      const coin = (await bench().wallet.coins()).find((each) => each.outpoint === outpoint);
      assert.deepEqual(coin, { outpoint, valueSats: SATS, script, confirmations: 2 });
      const raw = encodeDraft({
        ...{ lockHeight: 0, inputs: [unsigned(coin)] },
        outputs: [{ valueSats: SATS - FEE, script: ownScript }],
      });
      await bench().chain.broadcast([await bench().wallet.sign(raw, [coin])]);
      assert.ok(!(await bench().wallet.coins()).some((each) => each.outpoint === outpoint));
    });

    test('signing changes nothing but witnesses', async () => {
      const coin = await funded();
      const raw = encodeDraft({
        ...{ lockHeight: 7, inputs: [unsigned(coin)] },
        outputs: [{ valueSats: SATS - FEE, script: ownScript }],
      });
      assert.equal(txidOf(await bench().wallet.sign(raw, [coin])), txidOf(raw));
    });

    test('inputs of others stay as they are: their signature is kept, their absence is no error', async () => {
      const coin = await funded();
      const foreign = await bench().pay({ script: ownScript, sats: SATS });
      await bench().mine(1);
      const outputs = [{ script: ownScript, sats: 2n * SATS - FEE }];
      const other = { outpoint: foreign, valueSats: SATS, script: ownScript };
      const draft = {
        ...{ lockHeight: 0, inputs: [unsigned(other), unsigned(coin)] },
        outputs: outputs.map(({ script, sats }) => ({ valueSats: sats, script })),
      };
      const half = await bench().wallet.sign(encodeDraft(draft), [other, coin]);
      await assert.rejects(bench().chain.broadcast([half]), refusedWith('broadcast_refused'));
      const { witness } = spendOwn({
        inputs: [{ outpoint: foreign, sats: SATS }],
        outputs,
        others: [{ outpoint: coin.outpoint, sats: coin.valueSats, script: coin.script }],
      });
      const [first, second] = draft.inputs;
      assert.ok(first !== undefined && second !== undefined);
      const withTheirs = encodeDraft({
        ...draft,
        inputs: [{ ...first, witness: witness.map((item) => hex.decode(item)) }, second],
      });
      const whole = await bench().wallet.sign(withTheirs, [other, coin]);
      await bench().chain.broadcast([whole]);
      assert.ok((await bench().chain.transaction(txidOf(whole))) !== undefined);
    });

    test('an output of a transaction that is not broadcast yet can be spent', async () => {
      const coin = await funded();
      const script = await ownedScript();
      const parent = await bench().wallet.sign(
        encodeDraft({ lockHeight: 0, inputs: [unsigned(coin)], outputs: [{ valueSats: SATS - FEE, script }] }),
        [coin],
      );
      const change = { outpoint: `${txidOf(parent)}:0`, valueSats: SATS - FEE, script };
      const child = await bench().wallet.sign(
        encodeDraft({
          ...{ lockHeight: 0, inputs: [unsigned(change)] },
          outputs: [{ valueSats: SATS - 2n * FEE, script: ownScript }],
        }),
        [change],
      );
      await bench().chain.broadcast([parent, child]);
      assert.ok((await bench().chain.transaction(txidOf(child))) !== undefined);
    });

    test('a list of spent outputs that leaves one out is refused', async () => {
      const coin = await funded();
      const raw = encodeDraft({
        ...{ lockHeight: 0, inputs: [unsigned(coin)] },
        outputs: [{ valueSats: SATS - FEE, script: ownScript }],
      });
      await assert.rejects(bench().wallet.sign(raw, []), refusedWith('bad_transaction'));
    });

    test('a coin whose value is told wrong is not signed so that it could be spent', async () => {
      const coin = await funded();
      const raw = encodeDraft({
        ...{ lockHeight: 0, inputs: [unsigned(coin)] },
        outputs: [{ valueSats: SATS - FEE, script: ownScript }],
      });
      // BIP 341: the signature commits to the value, which is why a lie about it cannot burn anything as a fee.
      const signed = await bench().wallet.sign(raw, [{ ...coin, valueSats: SATS + 1n }]);
      await assert.rejects(bench().chain.broadcast([signed]), refusedWith('broadcast_refused'));
    });
  });
}
