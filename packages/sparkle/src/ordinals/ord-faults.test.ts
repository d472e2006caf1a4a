import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Chain } from '../chain/chain.ts';
import { memoryChain } from '../chain/memory.ts';
import { ownScript } from '../chain/suite-keys.ts';
import { SparkleError } from '../protocol/errors.ts';
import { ordOrdinals, type OrdOptions } from './ord.ts';

const ID = `${'ab'.repeat(32)}i0`;
const JSON_TYPE = 'application/json';
const LIMITS = { timeoutMilliseconds: 2_000, maxAnswerBytes: 100_000, maxInFlight: 4 };

type Answer = { status?: number; type?: string; location?: string; body: unknown } | 'hang' | 'half' | 'cut';
type Paths = Record<string, Answer | (() => Answer)>;

/** A server that answers as told, and what it was asked. */
class Server {
  readonly asked: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = [];
  paths: Paths = {};
  inFlight = 0;
  mostInFlight = 0;
  private readonly server = createServer((request, response) => void this.handle(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method = '', url = '', headers } = request;
    this.asked.push({ method, path: url, headers, body });
    const found = this.paths[url];
    const answer = typeof found === 'function' ? found() : found;
    await new Promise((resolve) => setImmediate(resolve));
    this.inFlight -= 1;
    if (answer === 'hang') return;
    if (answer === 'cut') return void response.destroy();
    if (answer === 'half') return void response.writeHead(200, { 'content-type': JSON_TYPE }).write('{"chain":');
    const { status = 200, type = JSON_TYPE, location = '/', body: said } = answer ?? notFound(url);
    response.writeHead(status, { 'content-type': type, ...(status === 302 ? { location } : {}) });
    response.end(typeof said === 'string' ? said : JSON.stringify(said));
  }
}

const notFound = (path: string): Exclude<Answer, string> => ({
  status: 404,
  type: 'text/plain',
  body: `${path} not found`,
});
const page: Answer = { type: 'text/html; charset=utf-8', body: '<!doctype html><title>Ordinals</title>' };

const server = new Server();
const chain = memoryChain({ network: 'regtest', seed: 9, nowSeconds: () => 1_750_000_000 });
const coin = chain.control.pay({ script: ownScript, sats: 10_000n });
chain.control.mine(1);
const tip = await chain.tip();

const status = (changed: object = {}): Answer => ({
  body: {
    ...{ chain: 'regtest', height: tip.height, unrecoverably_reorged: false, uptime: { secs: 1, nanos: 0 } },
    ...{ inscription_index: true, rune_index: true, sat_index: false, ...changed },
  },
});
const output = (changed: object = {}): Answer => ({
  body: { outpoint: coin, indexed: true, inscriptions: [ID], runes: {}, sat_ranges: null, ...changed },
});
const inscription = (changed: object = {}): Answer => ({
  body: { id: ID, satpoint: `${coin}:0`, charms: [], delegate: null, ...changed },
});
const hash = (text: string): Answer => ({ body: JSON.stringify(text) });

const healthy = (): Paths => ({
  '/status': status(),
  '/r/blockhash': hash(tip.hash),
  [`/r/inscription/${ID}`]: inscription(),
  [`/output/${coin}`]: output(),
});

const driver = (changed: Partial<OrdOptions> = {}) => ordOrdinals({ url: server.url, chain, ...LIMITS, ...changed });

/** A refusal that names its cause. */
const refused = (code: string, reason: string | undefined) => (error: unknown) => {
  assert.ok(error instanceof SparkleError, String(error));
  assert.deepEqual({ code: error.code, reason: error.detail['reason'] }, { code, reason });
  return true;
};

const refusesAll = async (
  paths: Paths,
  code: string,
  reason: string | undefined,
  changed: Partial<OrdOptions> = {},
) => {
  server.paths = { ...healthy(), ...paths };
  await assert.rejects(driver(changed).locate(ID), refused(code, reason));
  await assert.rejects(driver(changed).inscriptionsIn(coin), refused(code, reason));
  await assert.rejects(driver(changed).assets(coin), refused(code, reason));
};

describe('an ord server', () => {
  before(() => server.start());
  after(() => server.stop());
  beforeEach(() => {
    server.paths = healthy();
    server.asked.splice(0);
    server.mostInFlight = 0;
  });

  test('that is well is believed, and is asked with the one header that makes it answer in JSON', async () => {
    const ordinals = driver();
    const { height, hash: at } = tip;
    assert.deepEqual(await ordinals.locate(ID), { satpoint: `${coin}:0`, atBlock: { height, hash: at } });
    assert.deepEqual(await ordinals.inscriptionsIn(coin), [ID]);
    assert.deepEqual(await ordinals.assets(coin), {
      inscriptions: [{ id: ID, offsetSats: 0n, charms: [] }],
      ...{ runes: 'none', marks: [] },
    });
    assert.deepEqual(new Set(server.asked.map(({ headers }) => headers.accept)), new Set([JSON_TYPE]));
    assert.deepEqual(await ordinals.health(), { chain: 'regtest', height, runes: true, sats: false });
  });

  test('that lags behind the chain has no answer yet, whatever it says', async () => {
    const old = (await chain.blockHash(tip.height - 1)) ?? '';
    const lag: Paths = { '/status': status({ height: tip.height - 1 }), '/r/blockhash': hash(old) };
    await refusesAll(lag, 'not_indexed', 'behind');
    await refusesAll({ ...lag, [`/r/inscription/${ID}`]: notFound(ID) }, 'not_indexed', 'behind');
    await refusesAll({ '/status': status({ height: null }) }, 'not_indexed', 'behind');
  });

  test('that is ahead of the chain on the same branch is believed, and its block is named', async () => {
    const ahead = 'aa'.repeat(32);
    const height = tip.height + 1;
    const paths = {
      '/status': status({ height }),
      '/r/blockhash': hash(ahead),
      [`/r/blockhash/${height}`]: hash(ahead),
    };
    server.paths = { ...healthy(), ...paths, [`/r/blockhash/${tip.height}`]: hash(tip.hash) };
    assert.deepEqual((await driver().locate(ID)).atBlock, { height, hash: ahead });
  });

  test('on another branch has no answer: a reorg has not reached it, or not us', async () => {
    const other = 'bb'.repeat(32);
    const height = tip.height + 1;
    await refusesAll(
      { '/r/blockhash': hash(other), [`/r/blockhash/${tip.height}`]: hash(other) },
      ...(['not_indexed', 'other_branch'] as const),
    );
    const beyond = {
      '/status': status({ height }),
      '/r/blockhash': hash(other),
      [`/r/blockhash/${height}`]: hash(other),
    };
    await refusesAll({ ...beyond, [`/r/blockhash/${tip.height}`]: hash(other) }, 'not_indexed', 'other_branch');
  });

  test('whose index a reorg has broken for good says so, and must be built anew', async () => {
    const broken = { '/status': status({ unrecoverably_reorged: true }) };
    await refusesAll(broken, 'not_indexed', 'unrecoverably_reorged');
    server.paths = healthy();
    const ordinals = driver();
    await ordinals.locate(ID);
    server.paths = { ...healthy(), ...broken, '/r/blockhash': hash('bb'.repeat(32)) };
    await assert.rejects(ordinals.locate(ID), refused('not_indexed', 'unrecoverably_reorged'));
  });

  test('whose best block changes with every look is given up', async () => {
    let looks = 0;
    const restless = () => hash((looks += 1) % 2 === 1 ? tip.hash : 'cc'.repeat(32));
    await refusesAll({ '/r/blockhash': restless }, 'not_indexed', 'moving');
  });

  test('of another network is refused', async () => {
    await refusesAll({ '/status': status({ chain: 'mainnet' }) }, 'wrong_network', undefined);
  });

  test('without an index of inscriptions is refused, because null is not empty', async () => {
    await refusesAll({ '/status': status({ inscription_index: false }) }, 'bad_config', 'no_inscription_index');
    server.paths = { ...healthy(), [`/output/${coin}`]: output({ inscriptions: null }) };
    await assert.rejects(driver().inscriptionsIn(coin), refused('bad_config', 'no_inscription_index'));
  });

  test('without an index of runes does not know whether there are some; with one it does', async () => {
    const runes = async (said: unknown) => {
      server.paths = { ...healthy(), [`/output/${coin}`]: output({ runes: said }) };
      return (await driver().assets(coin)).runes;
    };
    assert.equal(await runes(null), 'unknown');
    assert.equal(await runes({}), 'none');
    assert.equal(await runes({ 'UNCOMMON•GOODS': { amount: 1, divisibility: 0, symbol: '⧉' } }), 'some');
  });

  test('tells delegates, charms and ranges of sats where it has them', async () => {
    const delegate = `${'cd'.repeat(32)}i1`;
    server.paths = {
      ...healthy(),
      [`/r/inscription/${ID}`]: inscription({ delegate, charms: ['vindicated'] }),
      [`/output/${coin}`]: output({ sat_ranges: [[5_000_000_000, 5_000_010_000]] }),
    };
    assert.deepEqual(await driver().assets(coin), {
      inscriptions: [{ id: ID, offsetSats: 0n, charms: ['vindicated'], delegate }],
      ...{ runes: 'none', marks: [], satRanges: [{ from: 5_000_000_000n, to: 5_000_010_000n }] },
    });
  });

  test('that has not indexed an output, or knows it as spent, does not make it empty', async () => {
    const unknown = { [`/output/${coin}`]: output({ indexed: false, inscriptions: [] }) };
    server.paths = { ...healthy(), ...unknown };
    await assert.rejects(driver().inscriptionsIn(coin), refused('not_indexed', 'not_in_index'));
    await assert.rejects(driver().assets(coin), refused('not_indexed', 'not_in_index'));
    server.paths = { ...healthy(), [`/output/${coin}`]: notFound(`output ${coin}`) };
    await assert.rejects(driver().inscriptionsIn(coin), refused('not_indexed', 'unknown_output'));
  });

  for (const charm of ['lost', 'burned', 'unbound'])
    test(`knows an inscription that is ${charm}: it lies nowhere`, async () => {
      server.paths = { ...healthy(), [`/r/inscription/${ID}`]: inscription({ charms: [charm] }) };
      await assert.rejects(driver().locate(ID), refused('unknown_inscription', undefined));
    });

  test('keeps what is lost or unbound in outputs that are none', async () => {
    for (const nowhere of [`${'0'.repeat(64)}:4294967295:77`, `${'0'.repeat(64)}:0:3`]) {
      server.paths = { ...healthy(), [`/r/inscription/${ID}`]: inscription({ satpoint: nowhere }) };
      await assert.rejects(driver().locate(ID), refused('unknown_inscription', undefined));
    }
  });

  test('that knows no such inscription says it in its own words; any other 404 says nothing', async () => {
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: notFound(`inscription ${ID}`) };
    await assert.rejects(driver().locate(ID), refused('unknown_inscription', undefined));
    const elsewhere: Answer = { status: 404, type: 'text/html', body: '<h1>404</h1>' };
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: elsewhere };
    await assert.rejects(driver().locate(ID), refused('not_indexed', 'garbage'));
    await refusesAll({ '/status': elsewhere }, 'not_indexed', 'garbage');
    await refusesAll({ '/r/blockhash': notFound('blockhash') }, 'not_indexed', 'garbage');
  });

  test('that places an inscription of an output in another one is not believed', async () => {
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: inscription({ satpoint: `${'ef'.repeat(32)}:0:0` }) };
    await assert.rejects(driver().assets(coin), refused('not_indexed', 'garbage'));
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: notFound(ID) };
    await assert.rejects(driver().assets(coin), refused('not_indexed', 'garbage'));
  });

  test('that answers with a page, as one without the right header does, is named', async () => {
    await refusesAll({ '/status': page }, 'not_indexed', 'not_json');
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: page };
    await assert.rejects(driver().locate(ID), refused('not_indexed', 'not_json'));
  });

  test('whose JSON is broken or of another shape is named', async () => {
    await refusesAll({ '/status': { body: '{"chain":' } }, 'not_indexed', 'garbage');
    await refusesAll({ '/status': { body: {} } }, 'not_indexed', 'garbage');
    await refusesAll({ '/r/blockhash': hash('zz') }, 'not_indexed', 'garbage');
    server.paths = { ...healthy(), [`/r/inscription/${ID}`]: inscription({ satpoint: `${coin}:-1` }) };
    await assert.rejects(driver().locate(ID), refused('not_indexed', 'garbage'));
    server.paths = { ...healthy(), [`/output/${coin}`]: output({ inscriptions: ['x'] }) };
    await assert.rejects(driver().inscriptionsIn(coin), refused('not_indexed', 'garbage'));
  });

  test('that answers for another output than it was asked for is not heard', async () => {
    server.paths = { ...healthy(), [`/output/${coin}`]: output({ outpoint: `${'ef'.repeat(32)}:0` }) };
    await assert.rejects(driver().inscriptionsIn(coin), refused('not_indexed', 'unknown_output'));
  });

  test('that hangs is given up in time, before the answer and within it', async () => {
    await refusesAll({ '/status': 'hang' }, 'not_indexed', 'timeout', { timeoutMilliseconds: 50 });
    await refusesAll({ '/status': 'half' }, 'not_indexed', 'timeout', { timeoutMilliseconds: 200 });
  });

  test('that breaks off or is not there cannot be reached', async () => {
    await refusesAll({ '/status': 'cut' }, 'not_indexed', 'unreachable');
    await refusesAll({}, 'not_indexed', 'unreachable', { url: 'http://127.0.0.1:1' });
  });

  test('that answers without end is cut off', async () => {
    const endless: Answer = { body: JSON.stringify('x'.repeat(200_000)) };
    await refusesAll({ '/status': endless }, 'not_indexed', 'oversized');
  });

  test('that has enough of us, or fails, is asked again later', async () => {
    await refusesAll({ '/status': { status: 429, body: '' } }, 'not_indexed', 'rate_limited');
    await refusesAll({ '/status': { status: 500, body: 'Internal Server Error' } }, 'not_indexed', 'server_error');
    await refusesAll({ '/status': { status: 400, body: '' } }, 'not_indexed', 'server_error');
  });

  test('that sends us elsewhere is not followed', async () => {
    await refusesAll({ '/status': { status: 302, location: '/there', body: '' } }, 'not_indexed', 'unreachable');
    assert.ok(server.asked.every(({ path }) => path !== '/there'));
  });

  test('without a JSON API, or that wants credentials, is a matter of configuration', async () => {
    await refusesAll({ '/status': { status: 406, body: '' } }, 'bad_config', 'json_api_off');
    await refusesAll({ '/status': { status: 401, body: '' } }, 'bad_config', 'unauthorized');
  });

  test('gets credentials in a header; they are in no error', async () => {
    const credentials = { user: 'me', password: 'tr0ub4dor' };
    await driver({ credentials }).locate(ID);
    assert.equal(server.asked[0]?.headers.authorization, `Basic ${btoa('me:tr0ub4dor')}`);
    server.paths = { '/status': { status: 401, body: '' } };
    await assert.rejects(driver({ credentials }).locate(ID), (error: SparkleError) => {
      const all = JSON.stringify([error.message, error.detail, String(error.cause), error.stack]);
      return !all.includes('tr0ub4dor') && !all.includes(btoa('me:tr0ub4dor'));
    });
  });

  test('is given as a URL without credentials', () => {
    for (const url of ['nowhere', 'ftp://127.0.0.1', 'http://me:tr0ub4dor@127.0.0.1', 'http://127.0.0.1/?key=1'])
      assert.throws(
        () => driver({ url }),
        (error: SparkleError) => error.code === 'bad_config' && !error.message.includes('tr0ub4dor'),
      );
  });

  test('is asked about many outputs in one request, and one by one when it refuses', async () => {
    const coins = Array.from({ length: 60 }, (_, vout) => `${'12'.repeat(32)}:${vout}`);
    const plain = (outpoint: string) => output({ outpoint, inscriptions: [] });
    const each = Object.fromEntries(coins.map((outpoint) => [`/output/${outpoint}`, plain(outpoint)]));
    const many = () => {
      const wanted = JSON.parse(server.asked.at(-1)?.body ?? '[]') as string[];
      return { body: wanted.map((outpoint) => (plain(outpoint) as { body: unknown }).body) };
    };
    server.paths = { ...healthy(), '/outputs': many };
    const ordinals = driver();
    const held = await Promise.all(coins.map((outpoint) => ordinals.inscriptionsIn(outpoint)));
    assert.equal(held.flat().length, 0);
    assert.equal(server.asked.filter(({ method }) => method === 'POST').length, 2);
    server.paths = {
      ...healthy(),
      ...each,
      '/outputs': { status: 400, type: 'text/plain', body: 'exceeds batch limit' },
    };
    await Promise.all(coins.map((outpoint) => ordinals.inscriptionsIn(outpoint)));
    assert.ok(server.mostInFlight <= LIMITS.maxInFlight, `${server.mostInFlight} at a time`);
  });

  test('is not believed when our own chain moves meanwhile', async () => {
    let height = tip.height;
    const moving: Chain = { ...chain, tip: async () => ({ ...tip, height: (height += 1), hash: `${height}` }) };
    await assert.rejects(driver({ chain: moving }).locate(ID), (error: SparkleError) => error.code === 'not_indexed');
  });
});
