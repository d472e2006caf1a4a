import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createHodlInvoice, createInvoice, getInvoice, openChannel, settleHodlInvoice } from 'lightning';
import { startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';
import { startElectrumWallet, withoutElectrum, type ElectrumWallet } from './electrum-wallet.ts';
import { startElectrumX, withoutElectrumx, type ElectrumX } from './electrumx.ts';
import { until } from './kept-process.ts';
import { fundLnd, startLnd, type Lnd } from './lnd.ts';
import { withoutLnd } from './parts.ts';

const skip = withoutBitcoind || withoutElectrumx || withoutElectrum || withoutLnd;

describe('the Electrum wallet as a payer', { skip }, () => {
  let regtest: Regtest;
  let electrumx: ElectrumX;
  let lnd: Lnd;
  let wallet: ElectrumWallet;

  before(async () => {
    regtest = await startRegtest();
    [electrumx, lnd] = await Promise.all([startElectrumX({ regtest }), startLnd({ regtest, name: 'payee' })]);
    wallet = await startElectrumWallet({ regtest, electrumx });
    await wallet.fund(2_000_000n);
    const peer = { nodeId: lnd.nodeId, socket: lnd.peerSocket };
    await wallet.openChannel({ peer, sats: 1_000_000n, pushSats: 100_000n });
  });
  after(async () => {
    for (const part of [wallet, lnd, electrumx, regtest]) await part?.stop();
  });

  const held = (id: string) =>
    until('the payment to be held', async () => (await getInvoice({ lnd: lnd.lnd, id })).is_held === true);

  test('it pays a hold invoice of an LND node, which is held until the preimage is shown', async () => {
    const preimage = '37'.repeat(32);
    const id = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
    const { request } = await createHodlInvoice({ lnd: lnd.lnd, id, tokens: 50_000, cltv_delta: 171 });
    const paying = wallet.pay(request);
    await held(id);
    const { payments } = await getInvoice({ lnd: lnd.lnd, id });
    const height = await regtest.height();
    assert.ok(payments.every(({ timeout }) => timeout >= height + 171));
    await settleHodlInvoice({ lnd: lnd.lnd, secret: preimage });
    assert.deepEqual([(await paying).success, (await paying).preimage], [true, preimage]);
  });

  test('killed and started again it still has its channel and pays a plain invoice', async () => {
    await wallet.down('kill');
    await wallet.up();
    const { id, request } = await createInvoice({ lnd: lnd.lnd, tokens: 12_345 });
    await until('the payment to be made', async () => (await wallet.pay(request)).success);
    assert.equal((await getInvoice({ lnd: lnd.lnd, id })).is_confirmed, true);
  });

  test('an LND node opens a channel to it', async () => {
    await fundLnd(regtest, { node: lnd, sats: 2_000_000n });
    await electrumx.caughtUp();
    const { transaction_id: txid } = await openChannel({
      ...{ lnd: lnd.lnd, partner_public_key: wallet.nodeId, partner_socket: wallet.peerSocket },
      ...{ local_tokens: 500_000, is_private: true, chain_fee_tokens_per_vbyte: 2 },
    });
    await until('the funding transaction', async () => (await regtest.rpc<string[]>('getrawmempool')).includes(txid));
    await regtest.mine(6);
    await until('both ends to call it open', async () => {
      const channels = await wallet.command<{ state: string; channel_point: string }[]>('list_channels');
      return channels.some((channel) => channel.channel_point.startsWith(txid) && channel.state === 'OPEN');
    });
  });
});
