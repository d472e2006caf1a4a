import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withChecksum } from './descriptor.ts';
import { SparkleError } from './errors.ts';

test('the checksum is the one of BIP 380, whatever the length of the body modulo 3', () => {
  // raw(deadbeef): BIP 380, Test Vectors. sh: descriptor unit tests of Bitcoin Core. pkh: getdescriptorinfo of a node; its
  // last two characters are a group of their own, and the first of them is not of the charset's first 32.
  const known = [
    'raw(deadbeef)#89f8spxm',
    "sh(multi(2,[00000000/111'/222]xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8HFsTjSyQbLYnMpCqE2VbFWc,xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L/0))#ggrsrxfy",
    'pkh(tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B)#jl4skpfh',
  ];
  for (const descriptor of known) assert.equal(withChecksum(descriptor.slice(0, -9)), descriptor);
});

test('a character that descriptors do not have is refused', () => {
  assert.throws(
    () => withChecksum('raw(Ü)'),
    (error) => error instanceof SparkleError && error.code === 'bad_script' && error.detail['character'] === 'Ü',
  );
});
