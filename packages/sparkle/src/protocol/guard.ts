import { broken, type Failure, type Rule } from './checks-rule.ts';
import type { Mark } from './guard-marks.ts';
import { rareSatIn, type SatRange } from './guard-rare.ts';
import { canPay } from './layout.ts';
import type { NetworkName } from './network.ts';

export { type Mark, marksIn, marksOf } from './guard-marks.ts';
export { rareSatIn, type SatRange } from './guard-rare.ts';

/** An inscription in an output. `charms` and `delegate` are absent where the index keeps no such facts. */
export type HeldInscription = {
  id: string;
  offsetSats: bigint;
  /** ord's words: `cursed`, `vindicated`, `reinscription`, `lost`, `burned`, `unbound`, ... */
  charms?: readonly string[];
  /** The inscription whose content is shown in place of its own. */
  delegate?: string;
};

/** What an index knows of an output. */
export type OutputAssets = {
  /** In the order of their sats; of several on one sat the oldest first. */
  inscriptions: HeldInscription[];
  /** `unknown`: this index does not follow runes, which is not the same as none. */
  runes: 'none' | 'some' | 'unknown';
  /** Seen from the transaction that created the output. */
  marks: readonly Mark[];
  /** Absent without an index of sats. */
  satRanges?: readonly SatRange[];
};

/**
 * What to make of an output of which no index says whether runes lie in it. `must know`: it is neither sold nor spent.
 * `trust wallet`: the wallet gives out coins that never held any, as one that nothing but payments and inscriptions are
 * sent to; what lies in them after all goes to the buyer.
 */
export type RunePolicy = 'must know' | 'trust wallet';

/** An output that may be spent, as far as it is known. */
export type CoinFacts = {
  outpoint: string;
  /** `gettxout` with the mempool counted; `undefined` when it does not exist or is spent. */
  unspent: { valueSats: bigint; script: string; confirmations: number } | undefined;
  /** Fewest confirmations it must have: 1 from strangers, 0 for change of one's own. */
  leastConfirmations: number;
  /** `undefined`: the index cannot say yet. */
  assets: OutputAssets | undefined;
  runePolicy: RunePolicy;
};

/** An output that is to be sold with what lies in it. `place`: where the index says that the inscription is. */
export type SaleFacts = CoinFacts & {
  inscriptionId: string;
  offsetSats: bigint;
  place: { satpoint: string } | { problem: 'not_indexed' | 'unknown_inscription' };
};

export type NoticeCode = 'cursed' | 'vindicated' | 'reinscription' | 'delegated' | 'rare_sats' | 'token_marks';

/** Something that whoever decides should know, and that forbids nothing. */
export type Notice = { code: NoticeCode; sentence: string; detail: Record<string, unknown> };

export type Verdict = { failures: Failure[]; notices: Notice[] };

/** Runes on a network of tests are worth nothing, and few who try things out run an index of them. */
export const runePolicyFor = (network: NetworkName): RunePolicy =>
  network === 'mainnet' ? 'must know' : 'trust wallet';

/**
 * Whether an output may pay a fee. Nothing that somebody might value may lie in it: no inscription, no rune, no trace of
 * a token that is not indexed. Source: ecosystem 1.8.
 */
export function guardFee(facts: CoinFacts): Verdict {
  const { outpoint, assets } = facts;
  if (assets === undefined) return { failures: broken([...coinRules(facts), indexRule(outpoint)]), notices: [] };
  const held = assets.inscriptions.map(({ id }) => id);
  const marks = tokenMarks(assets);
  const rules: Rule[] = [
    ...coinRules(facts),
    {
      code: 'not_cardinal',
      holds: held.length === 0,
      sentence: `${outpoint} must hold no inscription to pay a fee; it holds ${held.length}`,
      detail: { outpoint, held },
    },
    runeRule(facts, assets),
    {
      code: 'token_possible',
      holds: marks.length === 0,
      sentence: `${outpoint} must come from a transaction without tokens to pay a fee; it shows ${marks.join(', ')}`,
      detail: { outpoint, marks },
    },
  ];
  return { failures: broken(rules), notices: rareNotices(facts, assets) };
}

/**
 * Whether an output may be sold for an inscription: it lies there, at the offset named, and nothing else does. What is
 * odd about the inscription but does not make it another is a notice. Source: ecosystem 1.8.
 */
export function guardSell(facts: SaleFacts): Verdict {
  const { outpoint, assets } = facts;
  const rules = [...placeRules(facts), ...coinRules(facts)];
  if (assets === undefined) return { failures: broken([...rules, indexRule(outpoint)]), notices: [] };
  return {
    failures: broken([...rules, ...holdingRules(facts, assets), runeRule(facts, assets)]),
    notices: [...oddities(facts, assets), ...rareNotices(facts, assets)],
  };
}

function coinRules({ outpoint, unspent, leastConfirmations }: CoinFacts): Rule[] {
  const exists: Rule = {
    code: 'coin_spent',
    holds: unspent !== undefined,
    sentence: `${outpoint} must exist and be unspent, the mempool counted; it is not`,
    detail: { outpoint },
  };
  if (unspent === undefined) return [exists];
  const { script, confirmations } = unspent;
  return [
    {
      code: 'coin_unconfirmed',
      holds: confirmations >= leastConfirmations,
      sentence: `${outpoint} must have ${leastConfirmations} confirmations; it has ${confirmations}`,
      detail: { outpoint, confirmations, leastConfirmations },
      wait: true,
    },
    {
      code: 'coin_script',
      // Any other input puts its signature into the txid, on which presigned spends of the lock rest.
      holds: canPay({ script }),
      sentence: `${outpoint} must be P2TR or P2WPKH; its script is ${script}`,
      detail: { outpoint, script },
    },
  ];
}

const indexRule = (outpoint: string): Rule => ({
  code: 'index_behind',
  holds: false,
  sentence: `the index must say what lies in ${outpoint}; it cannot yet`,
  detail: { outpoint },
  wait: true,
});

/** `unknown` never reads as none: it is refused, or somebody has said why it may be spent all the same. */
function runeRule({ outpoint, runePolicy }: CoinFacts, { runes }: OutputAssets): Rule {
  switch (runes) {
    case 'none':
    case 'some':
      return {
        code: 'runes_present',
        holds: runes === 'none',
        sentence: `${outpoint} must hold no runes; it holds some, which would go to whoever gets the first output`,
        detail: { outpoint },
      };
    case 'unknown':
      return {
        code: 'runes_unknown',
        holds: runePolicy === 'trust wallet',
        sentence: `it must be known that no runes lie in ${outpoint}; the index does not follow runes`,
        detail: { outpoint, runePolicy },
      };
  }
}

const GONE: readonly string[] = ['lost', 'burned', 'unbound'];

function placeRules({ outpoint, inscriptionId, offsetSats, place }: SaleFacts): Rule[] {
  if ('satpoint' in place) {
    const expected = `${outpoint}:${offsetSats}`;
    return [
      {
        code: 'sat_moved',
        holds: place.satpoint === expected,
        sentence: `${inscriptionId} must be at ${expected}; it is at ${place.satpoint}`,
        detail: { expected, came: place.satpoint },
      },
    ];
  }
  if (place.problem === 'not_indexed') return [indexRule(outpoint)];
  const sentence = `${inscriptionId} must exist and not be burned, lost or unbound; the index knows no such inscription`;
  return [{ code: 'inscription_unknown', holds: false, sentence, detail: { inscriptionId } }];
}

function holdingRules({ outpoint, inscriptionId, offsetSats }: SaleFacts, { inscriptions }: OutputAssets): Rule[] {
  const own = inscriptions.find(({ id }) => id === inscriptionId);
  const others = inscriptions.map(({ id }) => id).filter((id) => id !== inscriptionId);
  const charms = (own?.charms ?? []).filter((charm) => GONE.includes(charm));
  return [
    {
      code: 'inscription_missing',
      holds: own !== undefined && own.offsetSats === offsetSats,
      sentence: `${outpoint} must hold ${inscriptionId} at offset ${offsetSats}; the index does not list it there`,
      detail: { inscriptionId, offsetSats, came: own?.offsetSats },
    },
    {
      code: 'other_inscriptions',
      holds: others.length === 0,
      sentence: `${outpoint} must hold ${inscriptionId} alone; it holds ${others.length} more`,
      detail: { others },
    },
    {
      code: 'inscription_unknown',
      holds: charms.length === 0,
      sentence: `${inscriptionId} must not be burned, lost or unbound; it is ${charms.join(', ')}`,
      detail: { charms },
    },
  ];
}

/** A runestone counts only where no index says that it left no runes here; what rides on it is in no index. */
const tokenMarks = ({ marks, runes }: OutputAssets): Mark[] =>
  marks.filter((mark) => mark !== 'runestone' || runes === 'unknown');

const NOTED: Readonly<Partial<Record<string, NoticeCode>>> = {
  cursed: 'cursed',
  vindicated: 'vindicated',
  reinscription: 'reinscription',
};

function oddities({ outpoint, inscriptionId }: SaleFacts, assets: OutputAssets): Notice[] {
  const own = assets.inscriptions.find(({ id }) => id === inscriptionId);
  const noted = (own?.charms ?? []).flatMap((charm): Notice[] => {
    const code = NOTED[charm];
    return code === undefined ? [] : [{ code, sentence: `${inscriptionId} is ${charm}`, detail: { inscriptionId } }];
  });
  const delegate = own?.delegate;
  const marks = tokenMarks(assets);
  return [
    ...noted,
    ...(delegate === undefined
      ? []
      : [
          {
            code: 'delegated' as const,
            sentence: `${inscriptionId} shows the content of ${delegate} in place of its own`,
            detail: { inscriptionId, delegate },
          },
        ]),
    ...(marks.length === 0
      ? []
      : [
          {
            code: 'token_marks' as const,
            sentence: `${outpoint} may hold tokens besides: its transaction shows ${marks.join(', ')}`,
            detail: { outpoint, marks },
          },
        ]),
  ];
}

function rareNotices({ outpoint }: CoinFacts, { satRanges = [] }: OutputAssets): Notice[] {
  const rare = satRanges.map(rareSatIn).filter((sat) => sat !== undefined);
  if (rare.length === 0) return [];
  const sentence = `${outpoint} holds ${rare.length} sats that opened a block, the first of them ${rare[0]}`;
  return [{ code: 'rare_sats', sentence, detail: { outpoint, sats: rare } }];
}
