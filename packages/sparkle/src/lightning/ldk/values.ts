import { hex } from '@scure/base';
import { SparkleError, type ErrorCode } from '../../protocol/errors.ts';

/** The library's constructors are protected, so its classes are told apart by their prototypes. */
type ClassOf<Kind> = Function & { readonly prototype: Kind };

/** Block hashes and txids travel in internal byte order inside the library, in display order everywhere else. */
export const displayHash = (bytes: Uint8Array): string => hex.encode(Uint8Array.from(bytes).reverse());
export const internalHash = (display: string): Uint8Array => hex.decode(display).reverse();

const isA = <Kind>(value: object, kind: ClassOf<Kind>): value is Kind & object => value instanceof kind;

/** What a successful library result carries. Throws `code` with the library's own reason. */
export function resultOf<Ok extends { res: unknown }>(of: {
  result: object;
  ok: ClassOf<Ok>;
  what: string;
  code: ErrorCode;
}): Ok['res'] {
  if (isA(of.result, of.ok)) return of.result.res;
  throw refused(of);
}

/** Throws `code` when a library call without an answer of its own has failed. */
export function expectOk(of: { result: { is_ok(): boolean }; what: string; code: ErrorCode }): void {
  if (!of.result.is_ok()) throw refused(of);
}

export function refused({ result, what, code }: { result: object; what: string; code: ErrorCode }): SparkleError {
  const reason = reasonOf(result);
  return new SparkleError(code, `${what} was refused by the node: ${reason}`, { reason });
}

/** The library's words for a failed result: its `err` text, or the name of the error's kind. */
export function reasonOf(result: object): string {
  const error: unknown = Reflect.get(result, 'err');
  if (typeof error === 'string' || typeof error === 'number') return String(error);
  if (typeof error !== 'object' || error === null) return result.constructor.name;
  const text: unknown = Reflect.get(error, 'err');
  return typeof text === 'string' ? text : error.constructor.name;
}

/** What an option carries, `undefined` when it carries nothing. */
export function someOf<Some extends { some: unknown }>(option: object, some: ClassOf<Some>): Some['some'] | undefined {
  return isA(option, some) ? option.some : undefined;
}

/** Nullable getters of the library return an object with a null pointer, although their type says otherwise. */
export const isAbsent = (object: object): boolean => Reflect.get(object, 'ptr') === 0n;

/** The bindings read 128-bit numbers in the opposite byte order to the one they write them in. */
export const readU128 = (misread: bigint): bigint => {
  const bytes = hex.decode(misread.toString(16).padStart(32, '0')).reverse();
  return BigInt(`0x${hex.encode(bytes)}`);
};
