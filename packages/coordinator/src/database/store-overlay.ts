import type { Store } from 'sparkle-protocol/store/store';

/** The same store with some of its members replaced. Whatever else it can do, it does as before. */
export const overlaid = (store: Store, members: Partial<Store>): Store =>
  new Proxy(store, {
    get(target, name): unknown {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
