import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import fc from 'fast-check';
import { SparkleError } from './errors.ts';
import { bitsOf, checkWork, readHeader, targetOf, workOf, writeHeader, type HeaderFault } from './header.ts';
import { checkNextHeader, PERIOD_BLOCKS, periodStart, requiredBits, retarget, type Ancestors } from './header-rules.ts';
import vectors from './header.vectors.json' with { type: 'json' };

const faulty =
  (reason: HeaderFault) =>
  (error: unknown): boolean =>
    error instanceof SparkleError && error.code === 'bad_proof' && error.detail['reason'] === reason;

const rawOf = (name: string): string => vectors.headers.find((one) => one.name === name)?.raw ?? '';
const genesis = readHeader(rawOf('block 0 of mainnet'));
const block1 = readHeader(rawOf('block 1 of mainnet'));
const afterGenesis = {
  network: 'mainnet',
  height: 1,
  previous: genesis.hash,
  before: (at: number) => (at === 0 ? genesis : undefined),
} as const;

for (const { name, raw, ...facts } of vectors.headers)
  test(`${name} is read as it is, and its work is enough`, () => {
    const { version, ...header } = readHeader(raw);
    assert.equal(version, 1);
    assert.deepEqual(header, facts);
    checkWork(header);
  });

test('a header is written as it was read', () => {
  for (const { raw } of vectors.headers) {
    const nonce = new DataView(hex.decode(raw).buffer).getUint32(76, true);
    assert.equal(writeHeader({ ...readHeader(raw), nonce }), raw);
  }
});

for (const { bits, target } of vectors.compact)
  test(`bits ${bits.toString(16)} mean the target ${target}`, () => {
    assert.equal(targetOf(bits).toString(16), target);
    assert.equal(bitsOf(BigInt(`0x${target}`)), bits);
  });

for (const bits of vectors.refusedBits)
  test(`bits ${bits.toString(16)} mean no target and are refused`, () => {
    assert.throws(() => targetOf(bits), faulty('bad_target'));
  });

for (const { name, next, ...period } of vectors.retargets)
  test(`the target is set anew: ${name}`, () => {
    assert.equal(retarget({ network: 'mainnet', ...period }), next);
  });

test('a target of few bytes is met up to its last bit', () => {
  const bits = 0x0112_3456;
  checkWork({ hash: '12'.padStart(64, '0'), bits });
  assert.throws(() => checkWork({ hash: '13'.padStart(64, '0'), bits }), faulty('bad_work'));
});

test('bits that mean no target are met by no hash', () => {
  for (const bits of vectors.refusedBits)
    assert.throws(() => checkWork({ hash: '00'.repeat(32), bits }), faulty('bad_target'));
});

test('the compact form of a target is never above it, and within one part in 2^15 below', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: (1n << 255n) - 1n }), (target) => {
      const read = targetOf(bitsOf(target));
      return read <= target && (target - read) << 15n <= target;
    }),
  );
});

test('the work of the first block is 2^32 and a bit', () => {
  assert.equal(workOf(0x1d00_ffff), 0x1_0001_0001n);
});

test('text that is no header is refused', () => {
  for (const raw of ['', '00', `${rawOf('block 1 of mainnet')}00`, 'g'.repeat(160), 'A'.repeat(160)])
    assert.throws(() => readHeader(raw), faulty('unreadable'));
});

test('a block may follow the one that it names', () => {
  checkNextHeader(block1, afterGenesis);
});

test('a block that names another one before it is refused', () => {
  assert.throws(() => checkNextHeader(block1, { ...afterGenesis, previous: block1.hash }), faulty('broken_linkage'));
});

test('a block whose hash is above its target is refused', () => {
  const raw = rawOf('block 1 of mainnet').replace(/01e36299$/, '02e36299');
  assert.throws(() => checkNextHeader(readHeader(raw), afterGenesis), faulty('bad_work'));
});

test('a block that is easier than the rules of its network ask for is refused', () => {
  const easy = { ...block1, bits: 0x207f_ffff };
  assert.throws(() => checkNextHeader(easy, afterGenesis), faulty('bad_difficulty'));
});

test('a block that is not later than the median of those before it is refused', () => {
  const before: Ancestors = (at) => (at === 0 ? { ...genesis, timeSeconds: block1.timeSeconds } : undefined);
  assert.throws(() => checkNextHeader(block1, { ...afterGenesis, before }), faulty('bad_time'));
});

test('where a checkpoint cuts the chain off, the median is not judged', () => {
  const before: Ancestors = (at) => (at === 4 ? { ...genesis, timeSeconds: block1.timeSeconds + 1 } : undefined);
  checkNextHeader(block1, { ...afterGenesis, height: 5, before });
});

test('within a period the target stays', () => {
  const before: Ancestors = () => ({ bits: 0x1702_0000, timeSeconds: 1_000 });
  assert.equal(
    requiredBits({ network: 'mainnet', height: PERIOD_BLOCKS + 1, before, timeSeconds: 9_999 }),
    0x1702_0000,
  );
});

const testnetPeriod: Ancestors = (at) =>
  at < PERIOD_BLOCKS || at > 2 * PERIOD_BLOCKS
    ? undefined
    : { bits: at === PERIOD_BLOCKS ? 0x1c00_ffff : 0x1d00_ffff, timeSeconds: at * 600 };

test('on testnet a block may be easiest 20 minutes after the one before it, and not a second earlier', () => {
  const height = PERIOD_BLOCKS + 10;
  const last = (height - 1) * 600;
  const place = { network: 'testnet', height, before: testnetPeriod } as const;
  assert.equal(requiredBits({ ...place, timeSeconds: last + 1_201 }), 0x1d00_ffff);
  assert.equal(requiredBits({ ...place, timeSeconds: last + 1_200 }), 0x1c00_ffff);
});

test('a new target follows the last block of a period on testnet, and the first one on testnet4', () => {
  const place = { height: 2 * PERIOD_BLOCKS, before: testnetPeriod, timeSeconds: 0 };
  assert.equal(requiredBits({ ...place, network: 'testnet' }), 0x1d00_ffde);
  assert.equal(requiredBits({ ...place, network: 'testnet4' }), 0x1c00_ffde);
});

test('on testnet4 the first block of a period may not step back by more than 600 seconds', () => {
  const before: Ancestors = (at) => ({ bits: 0x207f_ffff, timeSeconds: at === PERIOD_BLOCKS - 1 ? 50_000 : 10 });
  const step = { ...block1, timeSeconds: 49_399 };
  const place = { height: PERIOD_BLOCKS, before, previous: block1.previous };
  const bits = requiredBits({ ...place, network: 'testnet4', timeSeconds: 0 });
  const hash = '0'.repeat(64);
  assert.throws(() => checkNextHeader({ ...step, bits, hash }, { ...place, network: 'testnet4' }), faulty('bad_time'));
  checkNextHeader({ ...step, bits, hash, timeSeconds: 49_400 }, { ...place, network: 'testnet4' });
});

test('regtest keeps its target over the end of a period', () => {
  const before: Ancestors = () => ({ bits: 0x207f_ffff, timeSeconds: 1 });
  assert.equal(requiredBits({ network: 'regtest', height: PERIOD_BLOCKS, before, timeSeconds: 2 }), 0x207f_ffff);
});

test('rules that look back further than what is kept are a mistake of the caller', () => {
  const before: Ancestors = () => undefined;
  assert.throws(() => requiredBits({ network: 'mainnet', height: 5, before, timeSeconds: 0 }), RangeError);
  assert.equal(periodStart(4_033), 4_032);
});
