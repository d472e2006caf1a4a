import { finalizeEvent, getPublicKey, type EventTemplate, type VerifiedEvent } from 'nostr-tools/pure';
import * as nip04 from 'nostr-tools/nip04';
import * as nip44 from 'nostr-tools/nip44';
import { SparkleError } from '../../protocol/errors.ts';

/** NIP-47's names of the two ways to encrypt; NIP-04 has no authentication of its own and is for old wallets only. */
export type Scheme = 'nip44_v2' | 'nip04';

/** Relays pass at least 64 kB; what is longer is no wallet's message. Decrypting is the expensive step. */
const MAX_CONTENT = 262_144;

/**
 * One side of an encrypted conversation between two Nostr keys. The secret key stays in here: it is in no property that
 * a log, an inspection or JSON could show.
 */
export class Conversation {
  /** Our public key, x-only hex. */
  readonly self: string;
  /** The other side's. */
  readonly peer: string;
  readonly #secretKey: Uint8Array;
  readonly #conversationKey: Uint8Array;

  /** Throws `bad_key` for keys that are not on the curve. */
  constructor({ secretKey, peer }: { secretKey: Uint8Array; peer: string }) {
    try {
      this.self = getPublicKey(secretKey);
      this.#conversationKey = nip44.getConversationKey(secretKey, peer);
    } catch {
      // The library's own words may quote the key.
      throw new SparkleError('bad_key', 'a conversation needs a secret key in range and a public key on the curve');
    }
    this.peer = peer;
    this.#secretKey = Uint8Array.from(secretKey);
  }

  sign(event: EventTemplate): VerifiedEvent {
    return finalizeEvent(event, this.#secretKey);
  }

  encrypt({ scheme, text }: { scheme: Scheme; text: string }): string {
    return scheme === 'nip44_v2'
      ? nip44.encrypt(text, this.#conversationKey)
      : nip04.encrypt(this.#secretKey, this.peer, text);
  }

  /** `undefined` for what cannot be read with these keys. */
  decrypt({ scheme, content }: { scheme: Scheme; content: string }): string | undefined {
    if (content.length > MAX_CONTENT) return undefined;
    try {
      return scheme === 'nip44_v2'
        ? nip44.decrypt(content, this.#conversationKey)
        : nip04.decrypt(this.#secretKey, this.peer, content);
    } catch {
      return undefined;
    }
  }
}
