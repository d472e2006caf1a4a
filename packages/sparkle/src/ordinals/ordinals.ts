import type { OutputAssets } from '../protocol/guard.ts';

/** Where an inscription is: `satpoint` is `txid:vout:offset`, right as of the block `atBlock`. */
export type InscriptionPlace = { satpoint: string; atBlock: { height: number; hash: string } };

/**
 * Where is inscription X, and what lies in output Y. An index that is behind the chain, or cannot be asked now, throws
 * `not_indexed`: "not yet" is never an answer like "nothing there". Burned, unbound and lost inscriptions throw
 * `unknown_inscription`.
 */
export interface Ordinals {
  /** The confirmed place of an inscription; throws `unknown_inscription` when there is no such inscription. */
  locate(inscriptionId: string): Promise<InscriptionPlace>;
  /** Every inscription whose sat lies in this output (which may be unconfirmed), as far as this index knows. */
  inscriptionsIn(outpoint: string): Promise<string[]>;
  /** The same with all else that this index knows of an output: what the guard decides on (protocol/guard.ts). */
  assets(outpoint: string): Promise<OutputAssets>;
}
