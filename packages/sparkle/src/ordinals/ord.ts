import type { Chain } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { marksOf, type OutputAssets } from '../protocol/guard.ts';
import { readInscriptionId, readOutpoint, readSatPoint } from '../protocol/inscription.ts';
import {
  inscriptionAnswer,
  inscriptionAnswers,
  type OrdInscription,
  type OrdOutput,
  outputAnswer,
  outputAnswers,
} from './ord-answers.ts';
import { Batches, type Kind } from './ord-batches.ts';
import { noInscriptionIndex, notNow, ordClient, type OrdClient, type OrdClientOptions } from './ord-client.ts';
import { type AtBlock, type OrdHealth, OrdHead } from './ord-head.ts';
import type { InscriptionPlace, Ordinals } from './ordinals.ts';

export type OrdOptions = OrdClientOptions & {
  /** Whose best block the answers must belong to: an index that is at another one is not believed. */
  chain: Chain;
};

export type OrdOrdinals = Ordinals & {
  /** What the server indexes and how far it is. Throws `wrong_network`, `bad_config` or `not_indexed`. */
  health(): Promise<OrdHealth>;
};

/** `OutPoint::null()` and `unbound_outpoint()` of ord: where it keeps what lies in no output. */
const NOWHERE = '0'.repeat(64);
const GONE = ['lost', 'burned', 'unbound'];

const outputKind: Kind<OrdOutput> = {
  one: { path: (outpoint) => `/output/${outpoint}`, schema: outputAnswer },
  many: { path: '/outputs', schema: outputAnswers },
  nameOf: ({ outpoint }) => outpoint,
};

const inscriptionKind: Kind<OrdInscription> = {
  // Of the two forms of this page the one that is kept stable, and that tells of a delegate.
  one: { path: (id) => `/r/inscription/${id}`, schema: inscriptionAnswer },
  many: { path: '/inscriptions', schema: inscriptionAnswers },
  nameOf: ({ id }) => id,
};

class Ord {
  private readonly chain: Chain;
  private readonly client: OrdClient;
  private readonly head: OrdHead;
  private readonly outputs: Batches<OrdOutput>;
  private readonly inscriptions: Batches<OrdInscription>;

  constructor(options: OrdOptions) {
    this.chain = options.chain;
    this.client = ordClient(options);
    this.head = new OrdHead({ chain: options.chain, client: this.client });
    const parts = { client: this.client, head: this.head };
    this.outputs = new Batches({ kind: outputKind, ...parts });
    this.inscriptions = new Batches({ kind: inscriptionKind, ...parts });
  }

  health(): Promise<OrdHealth> {
    return this.head.health();
  }

  async locate(inscriptionId: string): Promise<InscriptionPlace> {
    readInscriptionId(inscriptionId);
    const { answer, atBlock } = await this.inscriptions.ask(inscriptionId);
    if (answer === undefined) throw gone(inscriptionId, 'ord knows no such inscription');
    const charm = GONE.find((each) => answer.charms.includes(each));
    if (charm !== undefined || readSatPoint(answer.satpoint).txid === NOWHERE)
      throw gone(inscriptionId, `it is ${charm ?? 'lost'}`);
    return { satpoint: answer.satpoint, atBlock };
  }

  async inscriptionsIn(outpoint: string): Promise<string[]> {
    readOutpoint(outpoint);
    const { answer } = await this.outputs.ask(outpoint);
    const { inscriptions } = read(answer, outpoint);
    // ord tells them by age; with one there is no other order.
    if (inscriptions.length < 2) return inscriptions;
    return (await this.held(outpoint)).held.map(({ id }) => id);
  }

  async assets(outpoint: string): Promise<OutputAssets> {
    const { txid } = readOutpoint(outpoint);
    const { held, output } = await this.held(outpoint);
    const found = await this.chain.transaction(txid);
    if (found === undefined)
      throw notNow('behind', `the chain must know ${outpoint}; it does not`, { detail: { outpoint } });
    return {
      inscriptions: held,
      runes: output.runes === null ? 'unknown' : Object.keys(output.runes).length === 0 ? 'none' : 'some',
      marks: marksOf(found.raw),
      ...(output.sat_ranges === null
        ? {}
        : { satRanges: output.sat_ranges.map(([from, to]) => ({ from: BigInt(from), to: BigInt(to) })) }),
    };
  }

  /** An output with its inscriptions and their offsets, all of one block, in the order of their sats. */
  private async held(outpoint: string): Promise<{ held: OutputAssets['inscriptions']; output: OrdOutput }> {
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const first = await this.outputs.ask(outpoint);
      const output = read(first.answer, outpoint);
      if (output.inscriptions.length === 0) return { held: [], output };
      const { answer, atBlock } = await this.head.within(() =>
        Promise.all(output.inscriptions.map((id) => this.inscription(id))),
      );
      if (atBlock.hash === first.atBlock.hash) return { held: inOrder(answer, output), output };
    }
    throw moved(outpoint);
  }

  private inscription(id: string): Promise<OrdInscription | undefined> {
    return this.client.get(inscriptionKind.one.path(id), inscriptionKind.one.schema);
  }
}

const MOST_ROUNDS = 5;

const gone = (inscriptionId: string, why: string): SparkleError =>
  new SparkleError('unknown_inscription', `inscription ${inscriptionId} must lie in an output; ${why}`, {
    inscriptionId,
  });

const moved = (outpoint: string): SparkleError =>
  notNow('moving', `the chain must stand still while ${outpoint} is asked for; it moved ${MOST_ROUNDS} times`, {
    detail: { outpoint },
  });

/** ord answers about any output with an empty list; only for one that is in its index does that mean anything. */
function read(answer: OrdOutput | undefined, outpoint: string): OrdOutput & { inscriptions: string[] } {
  if (answer === undefined)
    throw notNow('unknown_output', `output ${outpoint} must exist; the ord server does not know it`, {
      detail: { outpoint },
    });
  const { inscriptions } = answer;
  if (inscriptions === null) throw noInscriptionIndex();
  if (!answer.indexed || answer.outpoint !== outpoint)
    throw notNow('not_in_index', `output ${outpoint} must be confirmed and unspent in the index of ord; it is not`, {
      detail: { outpoint },
    });
  return { ...answer, inscriptions };
}

function inOrder(answers: (OrdInscription | undefined)[], output: OrdOutput): OutputAssets['inscriptions'] {
  const { outpoint, inscriptions } = output;
  const held = answers.filter((answer) => answer !== undefined);
  const isWhole = held.length === answers.length && held.every(({ id }, index) => id === inscriptions?.[index]);
  if (!isWhole || held.some(({ satpoint }) => !satpoint.startsWith(`${outpoint}:`)))
    throw notNow('garbage', `the ord server must place all inscriptions of ${outpoint} in it; it does not`, {
      detail: { outpoint, inscriptions },
    });
  // Sorting is stable: of several on one sat the oldest stays first.
  return held
    .map(({ id, satpoint, charms, delegate }) => ({
      ...{ id, charms, offsetSats: readSatPoint(satpoint).offsetSats },
      ...(delegate === undefined || delegate === null ? {} : { delegate }),
    }))
    .toSorted((a, b) => (a.offsetSats === b.offsetSats ? 0 : a.offsetSats < b.offsetSats ? -1 : 1));
}

/**
 * Answers about inscriptions from an `ord` server. Every answer is of a block that the chain has: the server's best block is
 * asked before and after each question, and one that is behind, on another branch or cannot be asked is answered with
 * `not_indexed`; `detail.reason` says which. ord indexes confirmed transactions alone, so it answers that for outputs that
 * are unconfirmed or spent, too. Throws `wrong_network` when the server follows another network, `bad_config` when it
 * does not index inscriptions, has no JSON API or refuses the credentials. Source: ord 0.29.1, src/subcommand/server.rs.
 */
export function ordOrdinals(options: OrdOptions): OrdOrdinals {
  const ord = new Ord(options);
  return {
    locate: (inscriptionId) => ord.locate(inscriptionId),
    inscriptionsIn: (outpoint) => ord.inscriptionsIn(outpoint),
    assets: (outpoint) => ord.assets(outpoint),
    health: () => ord.health(),
  };
}

export type { AtBlock, OrdHealth };
