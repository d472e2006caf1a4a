import { hex } from '@scure/base';
import { Script, type ScriptType } from '@scure/btc-signer';
import { inscriptionIdBytes } from 'sparkle-protocol/protocol/inscription';
import type { Chance } from '../sim/chance.ts';

type Piece = ScriptType[number];

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const tag = (number: number): Uint8Array => Uint8Array.of(number);

function littleEndian(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  return Uint8Array.from(bytes);
}

/** A pointer within the outputs or beyond them, written as short as can be, with zeros behind, or too long to be one. */
function pointer(chance: Chance, aboutSats: bigint): Piece[] {
  const sat = littleEndian((aboutSats * BigInt(chance.between(0, 130))) / 100n);
  const zeros = new Uint8Array(chance.oneOf([0, 0, 0, 2, 8]));
  const tooLong = chance.happens(0.1) ? Uint8Array.of(...new Uint8Array(8), 1) : undefined;
  return [tag(2), tooLong ?? Uint8Array.of(...sat, ...zeros)];
}

/** Fields that each may or may not be there; all of them together would leave nothing that ord calls blessed. */
function fields(chance: Chance, aboutSats: bigint): Piece[] {
  const someId = inscriptionIdBytes({ txid: hex.encode(chance.bytes(32)), index: chance.between(0, 300) });
  return [
    ...(chance.happens(0.9) ? [tag(1), text('text/plain')] : []),
    ...(chance.happens(0.4) ? pointer(chance, aboutSats) : []),
    // A second pointer is an even tag that is not known: the inscription is bound to no sat.
    ...(chance.happens(0.05) ? pointer(chance, aboutSats) : []),
    ...(chance.happens(0.1) ? [tag(11), someId] : []),
    ...(chance.happens(0.1) ? [tag(3), someId] : []),
    ...(chance.happens(0.05) ? [tag(chance.oneOf([22, 66, 254])), text('even')] : []),
    ...(chance.happens(0.1) ? [tag(chance.oneOf([21, 99, 255])), text('odd')] : []),
    ...(chance.happens(0.05) ? [tag(1), text('twice')] : []),
    ...(chance.happens(0.03) ? ([9, 1] as Piece[]) : []),
    ...(chance.happens(0.03) ? [tag(7)] : []),
  ];
}

/** One envelope; now and then one that is none, or one that ord calls cursed. */
function envelope(chance: Chance, aboutSats: bigint): Piece[] {
  const isStutter = chance.happens(0.03);
  const protocol = chance.happens(0.03) ? text('orc') : text('ord');
  const body: Piece[] = chance.happens(0.9) ? [0, text(`body ${chance.between(0, 9999)}`)] : [];
  // An opcode that pushes nothing ends what ord reads, and what it read so far is no inscription.
  const broken: Piece[] = chance.happens(0.03) ? ['NOP'] : [];
  return [
    ...(isStutter ? [0] : []),
    ...([0, 'IF', protocol, ...fields(chance, aboutSats), ...body, ...broken, 'ENDIF'] as Piece[]),
    ...(isStutter ? (['DROP'] as Piece[]) : []),
  ];
}

/** A tapscript leaf that anyone can spend and that shows none to three envelopes. */
export function envelopeLeaf(chance: Chance, aboutSats: bigint): Uint8Array {
  const count = chance.oneOf([1, 1, 1, 1, 2, 3]);
  const envelopes = Array.from({ length: count }, () => envelope(chance, aboutSats)).flat();
  const before: Piece[] = chance.happens(0.1) ? [text('before'), 'DROP'] : [];
  return Script.encode([...before, ...envelopes, 1]);
}
