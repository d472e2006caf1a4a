import { sumSats } from './amount.ts';
import { dustLimitSats } from './fees.ts';
import { encodeDraft, programOf, vsizeOf, type Draft, type DraftInput, type Output, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';

/**
 * BIP 125: signals that the transaction may be replaced, and (bit 31) that BIP 68 does not apply to the input.
 * Every input of ours has it, but for the claim of a v1 lock, whose leaf asks for 1.
 */
export const REPLACEABLE = 0xfffffffd;

/** How to order the sats: the inscription's input first, output 0 for the inscription, change after it, the fee last. */
export type Layout = {
  lockHeight: number;
  /** Inputs that must be there; the first holds the inscription. Witnesses are placeholders of the size of the real ones. */
  inputs: readonly DraftInput[];
  /** Coins to add after `inputs`, in this order, as few as are needed. */
  coins: readonly Prevout[];
  /** Output 0. It gets `wantedSats`, and less, down to `leastSats`, only when there is nothing else to pay with. */
  kept: { script: string; wantedSats: bigint; leastSats: bigint };
  /** Outputs between output 0 and change that are to be there as they are. */
  others: readonly Output[];
  /** Where too little for an output of change goes. */
  leftover: 'kept' | 'fee';
  change: string | undefined;
  feeSatsOf: (vsize: number) => bigint;
};

/** A finished order of sats: the draft still has placeholder witnesses, `vsize` is that of the signed transaction. */
export type LaidOut = { draft: Draft; vsize: number; feeSats: bigint };

const total = (items: readonly { valueSats: bigint }[]): bigint => sumSats(items.map(({ valueSats }) => valueSats));

/** Whether a coin can pay for what we build: P2TR or P2WPKH. */
export const canPay = ({ script }: Pick<Prevout, 'script'>): boolean => programOf(script) !== undefined;

/**
 * Witness of the size that a wallet will put in. Only native segwit: any other input puts its signature into the txid,
 * and whoever signed ahead for the lock's outpoint would have signed for nothing. Throws `bad_script`.
 */
export function walletInput(coin: Prevout): DraftInput {
  const { outpoint, valueSats, script } = coin;
  const input = { outpoint, valueSats, script, sequence: REPLACEABLE };
  const program = programOf(script);
  // BIP 86: one Schnorr signature. BIP 143: a DER signature of at most 72 bytes and a key.
  if (program === 'p2tr') return { ...input, witness: [new Uint8Array(64)] };
  if (program === 'p2wpkh') return { ...input, witness: [new Uint8Array(72), new Uint8Array(33)] };
  throw new SparkleError('bad_script', `coin ${outpoint} must be P2TR or P2WPKH; its script is ${script}`, {
    outpoint,
    script,
  });
}

function measured(
  layout: Layout,
  inputs: readonly DraftInput[],
  outputs: readonly Output[],
): LaidOut & { restSats: bigint } {
  const draft = { lockHeight: layout.lockHeight, inputs, outputs };
  const vsize = vsizeOf(encodeDraft(draft));
  const feeSats = layout.feeSatsOf(vsize);
  return { draft, vsize, feeSats, restSats: total(inputs) - total(outputs) - feeSats };
}

function withChange(layout: Layout, inputs: readonly DraftInput[]): LaidOut | undefined {
  const { kept, others, change } = layout;
  if (change === undefined) return undefined;
  const fixed = [{ script: kept.script, valueSats: kept.wantedSats }, ...others];
  const { draft, vsize, feeSats, restSats } = measured(layout, inputs, [...fixed, { script: change, valueSats: 0n }]);
  if (restSats < dustLimitSats(change)) return undefined;
  return { draft: { ...draft, outputs: [...fixed, { script: change, valueSats: restSats }] }, vsize, feeSats };
}

function withoutChange(layout: Layout, inputs: readonly DraftInput[], valueSats: bigint): LaidOut | undefined {
  const { others, leftover } = layout;
  const { script } = layout.kept;
  const { draft, vsize, feeSats, restSats } = measured(layout, inputs, [{ script, valueSats }, ...others]);
  if (restSats < 0n) return undefined;
  if (leftover === 'fee') return { draft, vsize, feeSats: feeSats + restSats };
  const outputs = [{ script, valueSats: valueSats + restSats }, ...others];
  return { draft: { ...draft, outputs }, vsize, feeSats };
}

/** As `layOut`, but `undefined` when the inputs and coins do not suffice. Throws `bad_script`. */
export function tryLayOut(layout: Layout): LaidOut | undefined {
  const attempts = [
    (inputs: DraftInput[]) => withChange(layout, inputs),
    (inputs: DraftInput[]) => withoutChange(layout, inputs, layout.kept.wantedSats),
    (inputs: DraftInput[]) => withoutChange({ ...layout, leftover: 'kept' }, inputs, layout.kept.leastSats),
  ];
  for (const attempt of attempts) {
    for (const inputs of inputChoices(layout)) {
      const found = attempt(inputs);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The fixed inputs, then with one coin, with two, and so on. */
function inputChoices({ inputs, coins }: Layout): DraftInput[][] {
  const all = coins.map(walletInput);
  return Array.from({ length: all.length + 1 }, (_, count) => [...inputs, ...all.slice(0, count)]);
}

/**
 * Puts inputs and outputs in order and works out the fee: builds, measures, builds again. Change is made where it can be,
 * even at the price of one more coin, because change is what a child can raise the fee with.
 * Throws `insufficient_funds`, or `bad_script` for a coin that is not native segwit.
 */
export function layOut(layout: Layout): LaidOut {
  const found = tryLayOut(layout);
  if (found !== undefined) return found;
  const { script, leastSats } = layout.kept;
  const inputs = [...layout.inputs, ...layout.coins.map(walletInput)];
  const outputs = [{ script, valueSats: leastSats }, ...layout.others];
  const { feeSats } = measured(layout, inputs, outputs);
  const [haveSats, outputSats] = [total(inputs), total(outputs)];
  throw new SparkleError(
    'insufficient_funds',
    `inputs must sum up to ${outputSats + feeSats} sats for the outputs and the fee; they sum up to ${haveSats}`,
    { haveSats, outputSats, feeSats },
  );
}

/** The draft without its placeholder witnesses: what a wallet gets to sign. */
export const unsignedRaw = ({ draft }: LaidOut): string =>
  encodeDraft({ ...draft, inputs: draft.inputs.map((input) => ({ ...input, witness: [] })) });
