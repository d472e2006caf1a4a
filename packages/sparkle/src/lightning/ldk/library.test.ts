import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as ldk from 'lightningdevkit';
import { feerateFor, FLOOR_FEERATE, libraryNetwork, loadLibrary, userConfig } from './library.ts';
import { isAbsent, readU128, resultOf } from './values.ts';

before(() => loadLibrary());

test('the bindings misread the 128-bit numbers they write, and we read them right', () => {
  const number = 0x0123_4567_89ab_cdefn;
  const option = ldk.Option_U128Z.constructor_some(number);
  assert.ok(option instanceof ldk.Option_U128Z_Some);
  assert.notEqual(option.some, number);
  assert.equal(readU128(option.some), number);
});

test('a node that does not know testnet4 says so', () => {
  assert.equal(libraryNetwork('signet'), ldk.Network.LDKNetwork_Signet);
  assert.throws(() => libraryNetwork('testnet4'), { code: 'bad_config' });
});

test('our floor never lies above the commitment feerate of a peer, and what is tolerated never below 2500', () => {
  const feerates = { slow: 5_000, middle: 6_000, fast: 7_000 };
  const { ConfirmationTarget: target } = ldk;
  assert.equal(feerateFor(target.LDKConfirmationTarget_MinAllowedNonAnchorChannelRemoteFee, feerates), FLOOR_FEERATE);
  assert.equal(feerateFor(target.LDKConfirmationTarget_MaximumFeeEstimate, feerates), 21_000);
  const low = { slow: 253, middle: 253, fast: 253 };
  assert.equal(feerateFor(target.LDKConfirmationTarget_MaximumFeeEstimate, low), 2_500);
  assert.equal(feerateFor(target.LDKConfirmationTarget_UrgentOnChainSweep, feerates), 7_000);
});

test('the configuration keeps what the defaults lose', () => {
  const config = userConfig({ minimumDepth: 3 });
  const [handshake, channel] = [config.get_channel_handshake_config(), config.get_channel_config()];
  assert.equal(handshake.get_max_inbound_htlc_value_in_flight_percent_of_channel(), 100);
  assert.equal(handshake.get_minimum_depth(), 3);
  assert.equal(Boolean(handshake.get_negotiate_anchors_zero_fee_htlc_tx()), false);
  assert.equal(Boolean(handshake.get_announce_for_forwarding()), false);
  assert.equal(channel.get_force_close_avoidance_max_fee_satoshis(), 20_000n);
  assert.equal(Boolean(config.get_manually_accept_inbound_channels()), true);
  assert.equal(Boolean(config.get_accept_forwards_to_priv_channels()), true);
});

test('a failed call becomes an error with the reason of the library, and a null object is seen as absent', () => {
  const result = ldk.Bolt11Invoice.constructor_from_str('no invoice');
  const ok = ldk.Result_Bolt11InvoiceParseOrSemanticErrorZ_OK;
  assert.throws(() => resultOf({ result, ok, what: 'the invoice', code: 'bad_invoice' }), { code: 'bad_invoice' });
  assert.equal(isAbsent({ ptr: 0n }), true);
  assert.equal(isAbsent({ ptr: 5n }), false);
});
