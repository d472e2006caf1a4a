import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places } from './places.ts';

const of = (payoutId: string, tradeId: string, to: string) => ({ payoutId, tradeId, to });

test('of one sale two payouts are worked on at a time, wherever their creators have their addresses', () => {
  const places = new Places();
  const taken = [1, 2, 3].map((n) => places.take(of(`p${n}`, 't1', `a@host${n}.example`)));
  assert.deepEqual(taken, [true, true, false]);
  assert.equal(places.take(of('p4', 't2', 'a@host4.test')), true);
  places.leave('p1');
  assert.equal(places.take(of('p3', 't1', 'a@host3.other')), true);
});

test('of one domain two, of however many sales, and whatever stands in front of it or is no address', () => {
  const places = new Places();
  const taken = ['a@x.evil.example', '$b@y.evil.example', 'c@evil.example', 'd@good.example2', 'none', 'none', 'none'];
  assert.deepEqual(
    taken.map((to, n) => places.take(of(`p${n}`, `t${n}`, to))),
    [true, true, false, true, true, true, false],
  );
});

test('eight in all, and none twice', () => {
  const places = new Places();
  const taken = Array.from({ length: 9 }, (_, n) => places.take(of(`p${n}`, `t${n}`, `a@b.host${n}`)));
  assert.deepEqual(taken, [...Array<boolean>(8).fill(true), false]);
  places.leave('p0');
  assert.equal(places.take(of('p1', 't1', 'a@b.host1')), false);
  assert.equal(places.take(of('p8', 't8', 'a@b.host8')), true);
});
