import { isIP } from 'node:net';
import { MAX_SATS } from 'sparkle-protocol/protocol/amount';

/** Turns the text of one variable into a value; `undefined` for what is not `expected`. */
export type Reader<T> = { expected: string; read(text: string): T | undefined };

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/;

export const integer = ({ min, max, unit }: { min: number; max: number; unit: string }): Reader<number> => ({
  expected: `a whole number of ${unit} from ${min} to ${max}`,
  read(text) {
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  },
});

export const sats: Reader<bigint> = {
  expected: `a whole number of sats from 0 to ${MAX_SATS}`,
  read(text) {
    if (!DECIMAL.test(text)) return undefined;
    const value = BigInt(text);
    return value <= MAX_SATS ? value : undefined;
  },
};

export const oneOf = <const Word extends string>(words: readonly Word[]): Reader<Word> => ({
  expected: `one of ${words.join(', ')}`,
  read: (text) => words.find((word) => word === text),
});

export const yesOrNo: Reader<boolean> = {
  expected: 'yes or no',
  read: (text) => (text === 'yes' ? true : text === 'no' ? false : undefined),
};

export const port: Reader<number> = {
  ...integer({ min: 1, max: 65_535, unit: 'port' }),
  expected: 'a port, a whole number from 1 to 65535',
};

/** A host's name or address, as `listen` and a connection take it. */
export const host: Reader<string> = {
  expected: 'the name or address of a host, without a port',
  read: (text) => (isHost(text) ? text : undefined),
};

const isHost = (text: string): boolean => isIP(text) !== 0 || /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text);

export const hostAndPort: Reader<string> = {
  expected: 'host:port',
  read(text) {
    const found = /^(?:\[([0-9a-f:.]+)\]|([^:]+)):([0-9]+)$/i.exec(text);
    const name = found?.[1] ?? found?.[2];
    return name !== undefined && isHost(name) && port.read(found?.[3] ?? '') !== undefined ? text : undefined;
  },
};

/** A file or a folder; whether it is there is seen when it is opened. */
export const path: Reader<string> = {
  expected: 'the path of a file',
  read: (text) => (text.trim() === text && !text.includes('\0') ? text : undefined),
};

export const text: Reader<string> = { expected: 'some text', read: (value) => value };

export const secretText = (least: number): Reader<string> => ({
  expected: `a secret of at least ${least} characters without spaces`,
  read: (value) => (value.length >= least && /^[\x21-\x7e]+$/.test(value) ? value : undefined),
});

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** An address of the web without credentials and fragment; without a slash at its end, so that paths can be added. */
export const webUrl: Reader<string> = {
  expected: 'an address that begins with https:// or http://, without a password and without #',
  read(value) {
    const url = urlOf(value);
    const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
    if (!isWeb || url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
    return url.href.replace(/\/$/, '');
  },
};

const isOrigin = (value: string): boolean => urlOf(value)?.origin === value && /^https?:/.test(value);

/** Origins as browsers send them. A lone `*` is refused: it would be every page on the web. */
export const origins: Reader<readonly string[]> = listOf({
  expected: 'origins such as https://market.example, separated by commas',
  isItem: isOrigin,
});

/** Addresses and networks of the proxies in front. */
export const addresses: Reader<readonly string[]> = listOf({
  expected: 'addresses or networks such as 10.0.0.1 or 10.0.0.0/8, separated by commas',
  isItem: (item) => {
    const [address = '', prefix] = item.split('/');
    return isIP(address) !== 0 && (prefix === undefined || /^[0-9]{1,3}$/.test(prefix));
  },
});

const keys = listOf({
  expected: 'x-only keys of 64 lowercase hex characters, separated by commas, or the word anyone',
  isItem: (item) => /^[0-9a-f]{64}$/.test(item),
});

/** Keys of people, or everybody. */
export const keysOrAnyone: Reader<readonly string[] | 'anyone'> = {
  expected: keys.expected,
  read: (value) => (value === 'anyone' ? value : keys.read(value)),
};

function listOf({ expected, isItem }: { expected: string; isItem: (item: string) => boolean }) {
  const read = (value: string): readonly string[] | undefined => {
    const items = value.split(',').map((item) => item.trim());
    return items.every(isItem) ? items : undefined;
  };
  return { expected, read };
}

/** The address itself; whoever opens the database takes it apart. */
export const databaseUrl: Reader<string> = {
  expected: 'sqlite:PATH or postgres://user:password@host:port/name',
  read(value) {
    if (/^sqlite:.+$/.test(value)) return value;
    const url = urlOf(value);
    const isPostgres = url?.protocol === 'postgres:' || url?.protocol === 'postgresql:';
    return isPostgres && url.pathname.length > 1 ? value : undefined;
  },
};
