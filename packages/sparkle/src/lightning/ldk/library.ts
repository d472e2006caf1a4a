import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';

let loading: Promise<void> | undefined;

/** Instantiates the WebAssembly once per thread. All nodes of a thread share it; a panic ends only the node that caused it. */
export function loadLibrary(): Promise<void> {
  loading ??= instantiate();
  return loading;
}

async function instantiate(): Promise<void> {
  const file = createRequire(import.meta.url).resolve('lightningdevkit/liblightningjs.wasm');
  const { console: terminal } = globalThis;
  const { log } = terminal;
  // The bindings greet on standard output, which belongs to whoever started us.
  terminal.log = (...words: unknown[]) => {
    if (!String(words[0]).startsWith('Loaded LDK')) log.apply(terminal, words);
  };
  try {
    await ldk.initializeWasmFromBinary(readFileSync(file));
  } finally {
    terminal.log = log;
  }
}

/** The library's name for a network. Throws `bad_config` for one it does not know. */
export function libraryNetwork(network: NetworkName): ldk.Network {
  switch (network) {
    case 'mainnet':
      return ldk.Network.LDKNetwork_Bitcoin;
    case 'testnet':
      return ldk.Network.LDKNetwork_Testnet;
    case 'signet':
      return ldk.Network.LDKNetwork_Signet;
    case 'regtest':
      return ldk.Network.LDKNetwork_Regtest;
    case 'testnet4':
      throw new SparkleError('bad_config', 'the embedded node knows no testnet4', { network });
  }
}

/** How a node behaves towards its peers; each line is there because the library's default loses something. */
export function userConfig({ minimumDepth }: { minimumDepth: number }): ldk.UserConfig {
  const handshake = ldk.ChannelHandshakeConfig.constructor_default();
  handshake.set_minimum_depth(minimumDepth);
  handshake.set_announce_for_forwarding(false);
  // 10 % by default for private channels: no payment above a tenth of the channel could arrive.
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100);
  // Anchor channels need coins in reserve to get anything confirmed; without them a commitment may never be broadcast.
  handshake.set_negotiate_anchors_zero_fee_htlc_tx(false);
  const limits = ldk.ChannelHandshakeLimits.constructor_default();
  limits.set_force_announced_channel_preference(false);
  const channel = ldk.ChannelConfig.constructor_default();
  // The default follows the feerate and refuses the fortieth small hold at once.
  channel.set_max_dust_htlc_exposure(ldk.MaxDustHTLCExposure.constructor_fixed_limit_msat(50_000_000n));
  // LND asks 25 sat/vB for a cooperative close when it has no estimate; with the default of 1000 sats we would force-close.
  channel.set_force_close_avoidance_max_fee_satoshis(20_000n);
  const config = ldk.UserConfig.constructor_default();
  config.set_channel_handshake_config(handshake);
  config.set_channel_handshake_limits(limits);
  config.set_channel_config(channel);
  config.set_accept_forwards_to_priv_channels(true);
  // Who may open a channel to us is decided by us, per request.
  config.set_manually_accept_inbound_channels(true);
  return config;
}

/** Feerates in sat per 1000 weight units, refreshed from the block source. */
export type Feerates = { slow: number; middle: number; fast: number };

/** BOLT 3 and bitcoind's relay minimum: 253 instead of 250, because weights are rounded up. */
export const FLOOR_FEERATE = 253;
// Shown to the library as the most a feerate could plausibly be, from which it derives what it tolerates of a peer.
const LEAST_MAXIMUM_FEERATE = 2500;

export function feerateFor(target: ldk.ConfirmationTarget, { slow, middle, fast }: Feerates): number {
  switch (target) {
    case ldk.ConfirmationTarget.LDKConfirmationTarget_MaximumFeeEstimate:
      return Math.max(fast * 3, LEAST_MAXIMUM_FEERATE);
    case ldk.ConfirmationTarget.LDKConfirmationTarget_UrgentOnChainSweep:
      return fast;
    case ldk.ConfirmationTarget.LDKConfirmationTarget_NonAnchorChannelFee:
    case ldk.ConfirmationTarget.LDKConfirmationTarget_OutputSpendingFee:
      return middle;
    // A floor above the peer's commitment feerate would make us refuse its channels.
    case ldk.ConfirmationTarget.LDKConfirmationTarget_MinAllowedAnchorChannelRemoteFee:
    case ldk.ConfirmationTarget.LDKConfirmationTarget_MinAllowedNonAnchorChannelRemoteFee:
      return FLOOR_FEERATE;
    case ldk.ConfirmationTarget.LDKConfirmationTarget_AnchorChannelFee:
    case ldk.ConfirmationTarget.LDKConfirmationTarget_ChannelCloseMinimum:
      return slow;
  }
}
