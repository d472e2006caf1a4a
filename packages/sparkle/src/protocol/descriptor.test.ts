import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withChecksum } from './descriptor.ts';
import { SparkleError } from './errors.ts';

test('the checksum is the one of BIP 380, whatever the length of the body modulo 3', () => {
  // raw(deadbeef): BIP 380, Test Vectors. The others: descriptor unit tests of Bitcoin Core.
  const known = [
    'raw(deadbeef)#89f8spxm',
    "sh(multi(2,[00000000/111'/222]xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8HFsTjSyQbLYnMpCqE2VbFWc,xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L/0))#ggrsrxfy",
  ];
  for (const descriptor of known) assert.equal(withChecksum(descriptor.slice(0, -9)), descriptor);
});

test('a character that descriptors do not have is refused', () => {
  assert.throws(
    () => withChecksum('raw(Ü)'),
    (error) => error instanceof SparkleError && error.code === 'bad_script',
  );
});
