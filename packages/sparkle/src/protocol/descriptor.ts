import { SparkleError } from './errors.ts';

/** BIP 380: the characters of a descriptor, arranged so that a mistyped letter case changes few symbols. */
const INPUT_CHARSET =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
const CHECKSUM_CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];

function polymod(symbols: readonly number[]): bigint {
  let checksum = 1n;
  for (const symbol of symbols) {
    const top = checksum >> 35n;
    checksum = ((checksum & 0x7ffffffffn) << 5n) ^ BigInt(symbol);
    for (const [bit, generator] of GENERATOR.entries()) if ((top >> BigInt(bit)) & 1n) checksum ^= generator;
  }
  return checksum;
}

function symbolsOf(body: string): number[] {
  const symbols: number[] = [];
  let groups: number[] = [];
  for (const character of body) {
    const position = INPUT_CHARSET.indexOf(character);
    if (position === -1)
      throw new SparkleError(
        'bad_script',
        `a descriptor must be written in the characters of BIP 380; got ${character}`,
        {
          character,
        },
      );
    symbols.push(position & 31);
    groups.push(position >> 5);
    if (groups.length < 3) continue;
    symbols.push(groups.reduce((sum, group) => sum * 3 + group, 0));
    groups = [];
  }
  if (groups.length > 0) symbols.push(groups.reduce((sum, group) => sum * 3 + group, 0));
  return symbols;
}

/** A descriptor with its checksum appended, as wallets ask for it: `body#checksum` (BIP 380). Throws `bad_script`. */
export function withChecksum(body: string): string {
  const checksum = polymod([...symbolsOf(body), 0, 0, 0, 0, 0, 0, 0, 0]) ^ 1n;
  const characters = Array.from(
    { length: 8 },
    (_, index) => CHECKSUM_CHARSET[Number((checksum >> BigInt(5 * (7 - index))) & 31n)],
  );
  return `${body}#${characters.join('')}`;
}
