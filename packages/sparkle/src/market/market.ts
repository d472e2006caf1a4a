/** A seller's standing offer. `sellerId` is his x-only message key (hex), `expiresAt` Unix seconds. */
export type Listing = {
  id: string;
  sellerId: string;
  inscriptionId: string;
  priceSats: bigint;
  modes: ('hold-first' | 'lock-first')[];
  expiresAt: number;
  /** A coordinator may stand between the buyer and this seller, who is then paid by it; at a fee on top. */
  forward?: true;
};

/** A message as it came: text that nobody has checked yet. `from` is what the transport claims, never proof. */
export type Envelope = { from: string; text: string };

/**
 * How traders find and talk to each other. Delivery is at least once and in any order: whoever reads must
 * tolerate a message twice, late, or never. Keys are x-only hex.
 */
export interface Market {
  publish(listing: Listing): Promise<void>;
  withdraw(id: string): Promise<void>;
  browse(): Promise<Listing[]>;
  send(to: string, envelope: Envelope): Promise<void>;
  /** Calls `receive` for each message to `me`, those that came before included; one whose `receive` rejects comes again. */
  inbox(me: string, receive: (envelope: Envelope) => Promise<void>): () => void;
  close(): Promise<void>;
}
