import assert from 'node:assert/strict';
import type { OpenNodes } from '../../world/nodes.ts';
import type { Name } from '../../world/party.ts';
import type { World } from '../../world/world.ts';
import type { LndPair } from './nodes.ts';
import { NodeLink } from './node-link.ts';
import type { Said } from './said.ts';

/** How often everybody looks while a node is away, what may be asked of it, and what traders and drivers may say about it. */
const LOOKS = 40;
const MOST_CALLS = 3 * LOOKS;
const MOST_LINES = 20;
const MOST_WARNINGS = 3;

/** LNDs that a test takes away, and what is asked of them meanwhile. */
export class Away {
  readonly #links: Record<Name, NodeLink> = { seller: new NodeLink(), buyer: new NodeLink() };
  readonly #pair: LndPair;
  readonly #said: Said;

  constructor({ pair, said }: { pair: LndPair; said: Said }) {
    this.#pair = pair;
    this.#said = said;
  }

  readonly open: OpenNodes = async (place) => {
    const { seller, buyer } = await this.#pair.open(place);
    return {
      seller: { ...seller, lightning: this.#links.seller.over(seller.lightning) },
      buyer: { ...buyer, lightning: this.#links.buyer.over(buyer.lightning) },
    };
  };

  /** Lets blocks come and everybody look while the node of `whose` is away: little is asked and little is said. */
  async pass(world: World, { whose, blocks }: { whose: Name; blocks: number }): Promise<void> {
    const said = this.#said;
    const link = this.#links[whose];
    const [lines, warnings, calls] = [said.lines.length, said.warnings.length, link.calls];
    await world.mine(blocks);
    for (let look = 0; look < LOOKS; look++)
      await Promise.all([world.seller, world.buyer].map(({ trader }) => trader.look()));
    assert.ok(said.lines.length - lines <= MOST_LINES, JSON.stringify(said.lines.slice(lines), undefined, 1));
    assert.ok(said.warnings.length - warnings <= MOST_WARNINGS, said.warnings.slice(warnings).join('\n'));
    const asked = link.calls - calls;
    // Each block is a reason to look once more.
    assert.ok(asked <= MOST_CALLS + blocks, `${asked} questions to a node that is away`);
  }
}
