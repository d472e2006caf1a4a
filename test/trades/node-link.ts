import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { SparkleError } from 'sparkle-protocol/protocol/errors';

type Method = (...args: unknown[]) => Promise<unknown>;

/** The way from a trader to his Lightning node: it counts what is asked over it, and can be cut while the node goes on. */
export class NodeLink {
  calls = 0;
  isCut = false;

  over(lightning: Lightning): Lightning {
    const subscribe: Lightning['subscribe'] = (listener) =>
      lightning.subscribe((event) => {
        if (!this.isCut) listener(event);
      });
    return new Proxy(lightning, {
      get: (target, name) => {
        if (name === 'subscribe') return subscribe;
        const found: unknown = Reflect.get(target, name);
        return typeof found === 'function' ? this.#counted(found.bind(target) as Method) : found;
      },
    });
  }

  #counted(ask: Method): Method {
    return async (...args) => {
      this.calls += 1;
      if (this.isCut) throw new SparkleError('lightning_unavailable', 'the Lightning node does not answer');
      return ask(...args);
    };
  }
}
