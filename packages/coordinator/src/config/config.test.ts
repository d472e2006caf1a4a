import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { configTable, type Env, envExample, readConfig, withEnvFile, withSecretFiles } from './config.ts';
import { variables } from './config-variables.ts';

const RPC = { BITCOIN_RPC_USER: 'your_user', BITCOIN_RPC_PASS: 'your_password' };
const LND = { LND_MACAROON_PATH: '/lnd/invoice.macaroon' };
const REGTEST: Env = { NETWORK: 'regtest', ...RPC, ...LND };
const MAINNET: Env = { NETWORK: 'mainnet', PUBLIC_URL: 'https://coordinator.example', ...RPC, ...LND };

/** Part 5.2 of the coordinator API of v0.3, word by word. */
const SEED_FILE = `# .env configuration
LND_MACAROON_PATH=/path/to/admin.macaroon
LND_CERT_PATH=/path/to/tls.cert
LND_HOST=localhost:10009
BITCOIN_RPC_HOST=localhost
BITCOIN_RPC_PORT=8332
BITCOIN_RPC_USER=your_user
BITCOIN_RPC_PASS=your_password
# Coordinator settings
COORDINATOR_FEE_SATS=1000
MIN_LOCKTIME_BLOCKS=6
MAX_TRADE_AMOUNT_SATS=10000000
`;

function complaints(env: Env): string[] {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof SparkleError && error.code === 'bad_config');
    assert.ok((error.detail['complaints'] as string[]).every((each) => error.message.includes(each)));
    return error.detail['complaints'] as string[];
  }
  return [];
}

test('on regtest the network and the ways to the Bitcoin and the Lightning node are all that must be said', () => {
  const config = readConfig(REGTEST);
  assert.deepEqual(config.api, {
    host: '127.0.0.1',
    port: 8080,
    publicUrl: 'http://127.0.0.1:8080',
    trustedProxies: [],
    corsOrigins: [],
  });
  assert.equal(config.admin, undefined);
  assert.equal(config.databaseUrl, 'sqlite:data/coordinator.sqlite');
  assert.equal(config.lightning.type, 'lnd');
  assert.deepEqual(config.fees, { fixedSats: 1000n, bps: 0 });
  assert.deepEqual(config.royalties, { overLightning: false, routeFeeBps: 100, privateOrigins: [] });
  assert.deepEqual(config.limits, {
    minTradeSats: 10_000n,
    maxTradeSats: 10_000_000n,
    capitalAtRiskSats: 10_000_000n,
    forwardSats: 0n,
    maxOpenHoldsPerBuyer: 20,
    maxOpenTrades: 10_000,
    quoteTtlSeconds: 90,
    maxChainFeeBps: 10_000,
    claimWindowBlocks: 72,
  });
  assert.equal(config.bitcoin.port, 18_443);
});

test('the .env file of the seed is understood; the network and the public address are what it does not say', () => {
  const folder = mkdtempSync(join(tmpdir(), 'config-'));
  try {
    const path = join(folder, '.env');
    writeFileSync(path, SEED_FILE);
    const config = readConfig(
      withEnvFile({ path, env: { NETWORK: 'mainnet', PUBLIC_URL: 'https://a.example/', BITCOIN_RPC_USER: 'another' } }),
    );
    assert.deepEqual(config.lightning, {
      type: 'lnd',
      host: 'localhost:10009',
      macaroonPath: '/path/to/admin.macaroon',
      certPath: '/path/to/tls.cert',
      adminMacaroon: 'refused',
    });
    assert.deepEqual(config.bitcoin.auth, { type: 'password', user: 'another', pass: 'your_password' });
    assert.deepEqual([config.bitcoin.host, config.bitcoin.port], ['localhost', 8332]);
    assert.equal(config.fees.fixedSats, 1000n);
    assert.equal(config.limits.maxTradeSats, 10_000_000n);
    assert.equal(config.api.publicUrl, 'https://a.example');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a .env file that is not there is refused by its name', () => {
  assert.throws(
    () => withEnvFile({ path: '/nowhere/.env', env: {} }),
    (error) => error instanceof SparkleError && error.code === 'bad_config' && /\/nowhere\/\.env/.test(error.message),
  );
});

test('all complaints come at once, each with the variable, what was expected and what came', () => {
  assert.deepEqual(
    complaints({
      PORT: '80a',
      COORDINATOR_FEE_SATS: '-1',
      MARKET_FEE_BPS: '10001',
      CORS_ORIGINS: '*',
      DATABASE_URL: 'mysql://root:hunter2hunter2@db/x',
      BITCOIN_RPC_USER: 'u',
      LOG_LEVEL: 'loud',
    }),
    [
      'NETWORK must be one of mainnet, testnet, testnet4, signet, regtest; got nothing',
      'PORT must be a port, a whole number from 1 to 65535; got "80a"',
      'CORS_ORIGINS must be origins such as https://market.example, separated by commas; got "*"',
      'LOG_LEVEL must be one of error, warn, info, debug; got "loud"',
      'DATABASE_URL must be sqlite:PATH or postgres://user:password@host:port/name; got something else, which is not shown',
      'COORDINATOR_FEE_SATS must be a whole number of sats from 0 to 2100000000000000; got "-1"',
      'MARKET_FEE_BPS must be a whole number of basis points from 0 to 10000; got "10001"',
      'BITCOIN_RPC_USER and BITCOIN_RPC_PASS, or else BITCOIN_RPC_COOKIE_FILE, must be given; got one of the two',
      'LIGHTNING must be lnd, cln or nwc, or LND_MACAROON_PATH be given; got nothing',
    ],
  );
});

for (const name of ['ADMIN_TOKEN', 'WEBHOOK_SECRET', 'DATABASE_URL'] as const)
  test(`a wrong ${name} is not repeated`, () => {
    const came = 'hunter2 ü';
    const [first] = complaints({ ...REGTEST, [name]: came });
    assert.match(first ?? '', new RegExp(`^${name} must be`));
    assert.doesNotMatch(complaints({ ...REGTEST, [name]: came }).join(), /hunter2/);
  });

for (const [said, env, complaint] of [
  ['the embedded node', { ...REGTEST, LIGHTNING: 'ldk' }, /^LIGHTNING must be one of lnd, cln, nwc; got "ldk"$/],
  ['no Lightning node', { ...REGTEST, LND_MACAROON_PATH: '' }, /^LIGHTNING must be lnd, cln or nwc, or LND_/],
  [
    'an LND without a macaroon',
    { ...REGTEST, LIGHTNING: 'lnd', LND_MACAROON_PATH: '' },
    /^LND_MACAROON_PATH must be given with LIGHTNING=lnd/,
  ],
  ['a wallet without a connection', { ...REGTEST, LIGHTNING: 'nwc' }, /^NWC_CONNECTION_PATH must be given/],
  ['plain http on mainnet', { ...MAINNET, PUBLIC_URL: 'http://a.example' }, /^PUBLIC_URL must begin with https/],
  [
    'plain http that is onion by name only',
    { ...MAINNET, PUBLIC_URL: 'http://a.example/.onion' },
    /^PUBLIC_URL must begin/,
  ],
  ['no public address on mainnet', { ...MAINNET, PUBLIC_URL: '' }, /^PUBLIC_URL must be given/],
  ['a smallest trade of nothing', { ...REGTEST, MIN_TRADE_SATS: '0' }, /^MIN_TRADE_SATS must be above 0/],
  [
    'a largest trade below the smallest',
    { ...REGTEST, MAX_TRADE_AMOUNT_SATS: '9999' },
    /^MAX_TRADE_AMOUNT_SATS must be at least/,
  ],
  ['a lock longer than can be', { ...REGTEST, MIN_LOCKTIME_BLOCKS: '172' }, /^MIN_LOCKTIME_BLOCKS must be/],
  ['one port for two', { ...REGTEST, ADMIN_PORT: '8080', ADMIN_TOKEN: 'a'.repeat(32) }, /^ADMIN_PORT must be another/],
  [
    'alerts that nobody can verify',
    { ...REGTEST, WEBHOOK_URL: 'https://a.example/x' },
    /^WEBHOOK_SECRET must be given/,
  ],
  [
    'webhooks into a private network on mainnet',
    { ...MAINNET, WEBHOOK_PRIVATE_ORIGINS: 'https://10.0.0.1' },
    /^WEBHOOK_PRIVATE_ORIGINS/,
  ],
  [
    'Lightning addresses in a private network on mainnet',
    { ...MAINNET, LNURL_PRIVATE_ORIGINS: 'https://10.0.0.1' },
    /^LNURL_PRIVATE_ORIGINS/,
  ],
  ['a cookie and a password', { ...REGTEST, BITCOIN_RPC_COOKIE_FILE: '/x' }, /got both$/],
  ['no way to the Bitcoin node', { NETWORK: 'regtest', ...LND }, /^BITCOIN_RPC_USER and .* got nothing$/],
  ['an address with a password', { ...REGTEST, ORD_URL: 'https://a:b@ord.example' }, /^ORD_URL must be/],
  ['an origin with a path', { ...REGTEST, CORS_ORIGINS: 'https://a.example/' }, /^CORS_ORIGINS must be/],
  ['a host with a port', { ...REGTEST, HOST: 'localhost:80' }, /^HOST must be/],
  ['a short admin token', { ...REGTEST, ADMIN_TOKEN: 'a'.repeat(31) }, /^ADMIN_TOKEN must be a secret of at least 32/],
  ['a proxy that is a name', { ...REGTEST, TRUSTED_PROXIES: 'proxy' }, /^TRUSTED_PROXIES must be/],
  ['a leading zero', { ...REGTEST, PORT: '080' }, /^PORT must be/],
] as [string, Env, RegExp][])
  test(`refused: ${said}`, () => {
    const all = complaints(env);
    assert.equal(all.length, 1, all.join('\n'));
    assert.match(all[0] ?? '', complaint);
  });

test('an onion service may be plain http', () => {
  const PUBLIC_URL = 'http://abcdefghij.onion:8080';
  assert.equal(readConfig({ ...MAINNET, PUBLIC_URL }).api.publicUrl, PUBLIC_URL);
});

test('each other kind of node, database and login is read', () => {
  const cln = { LIGHTNING: 'cln', CLN_URL: 'https://localhost:3010', CLN_RUNE_PATH: 'rune', CLN_CA_PATH: 'ca.pem' };
  const config = readConfig({
    NETWORK: 'signet',
    BITCOIN_RPC_COOKIE_FILE: '/b/.cookie',
    DATABASE_URL: 'postgresql://a:b@db:5432/sparkle',
    ADMIN_TOKEN: 'a'.repeat(32),
    WEBHOOK_URL: 'https://a.example/alerts',
    WEBHOOK_SECRET: 'b'.repeat(16),
    TRUSTED_PROXIES: '10.0.0.0/8, ::1',
    MIN_LOCKTIME_BLOCKS: '171',
    ...cln,
  });
  assert.deepEqual(config.lightning, {
    type: 'cln',
    url: 'https://localhost:3010',
    runePath: 'rune',
    caPath: 'ca.pem',
  });
  assert.deepEqual(config.bitcoin.auth, { type: 'cookie', path: '/b/.cookie' });
  assert.equal(config.bitcoin.port, 38_332);
  assert.equal(config.databaseUrl, 'postgresql://a:b@db:5432/sparkle');
  assert.deepEqual(config.alerts, { url: 'https://a.example/alerts', secret: 'b'.repeat(16) });
  assert.deepEqual(config.api.trustedProxies, ['10.0.0.0/8', '::1']);
  assert.equal(config.limits.claimWindowBlocks, 144);
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 8081, token: 'a'.repeat(32) });
});

test('the table of the documentation has a row for every variable, with its default', () => {
  const table = configTable();
  for (const name of Object.keys(variables)) assert.match(table, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
  assert.match(
    table,
    /^\| `QUOTE_TTL_SECONDS` \| `90` \| How long a quote holds\. Expected: a whole number of seconds/m,
  );
  assert.match(table, /^\| `NETWORK` \| must be given \|/m);
});

test('a secret may be given as a file that holds nothing else; the end of its line is not part of it', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-secrets-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const token = 'correct-horse-battery-staple-0123456789';
  const file = join(folder, 'admin-token');
  for (const text of [token, `${token}\n`, `${token}\r\n`]) {
    writeFileSync(file, text);
    assert.equal(withSecretFiles({ ADMIN_TOKEN_FILE: file })['ADMIN_TOKEN'], token);
  }
  assert.equal(withSecretFiles({ ADMIN_TOKEN: token, ADMIN_TOKEN_FILE: '' })['ADMIN_TOKEN'], token);
  // What is no secret has a name for a file of its own, or none.
  assert.equal(withSecretFiles({ PORT_FILE: file })['PORT'], undefined);
});

test('every secret that is given twice, or as a file that cannot be read, is named at once and not repeated', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-secrets-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'large');
  writeFileSync(file, 'f00dfeed'.repeat(10_000));
  const env = {
    ADMIN_TOKEN: 'f00dfeed',
    ADMIN_TOKEN_FILE: '/none',
    DATABASE_URL_FILE: '/none',
    WEBHOOK_SECRET_FILE: file,
  };
  assert.throws(
    () => withSecretFiles(env),
    (error: unknown) => {
      assert.ok(error instanceof SparkleError && error.code === 'bad_config');
      assert.deepEqual(error.detail['complaints'], [
        'ADMIN_TOKEN must be given as itself or as ADMIN_TOKEN_FILE; got both',
        'DATABASE_URL_FILE must name a readable file with one secret; /none cannot be read (ENOENT)',
        `WEBHOOK_SECRET_FILE must name a readable file with one secret; ${file} has 80000 bytes`,
      ]);
      return !error.message.includes('f00dfeed');
    },
  );
});

test('the table in docs/operate.md is what the declaration of the variables says; UPDATE=1 writes it', () => {
  const path = new URL('../../../../docs/operate.md', import.meta.url);
  const [before = ''] = readFileSync(path, 'utf8').split('| variable | default |');
  if (process.env['UPDATE'] === '1') writeFileSync(path, `${before}${configTable()}\n`);
  assert.equal(readFileSync(path, 'utf8'), `${before}${configTable()}\n`);
});

test('.env.example is what the declaration of the variables says; UPDATE=1 writes it', () => {
  const path = new URL('../../../../.env.example', import.meta.url);
  if (process.env['UPDATE'] === '1') writeFileSync(path, envExample());
  assert.equal(readFileSync(path, 'utf8'), envExample());
});

test('what is commented out in .env.example is what holds without it', () => {
  const uncommented = envExample().replaceAll(/^#([A-Z_]+=)/gm, '$1');
  assert.deepEqual(readConfig({ ...parseEnv(uncommented), ...REGTEST }), readConfig(REGTEST));
});

test('whatever the variables hold, it is a configuration or one list of complaints without a secret', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('', '0', '-1', '1e9', '*', 'yes', 'https://a.example', 'sqlite:x', '[::1]:80'),
  );
  const env = fc.record(Object.fromEntries(Object.keys(variables).map((name) => [name, text])), { requiredKeys: [] });
  fc.assert(
    fc.property(env, fc.constantFrom('ADMIN_TOKEN', 'WEBHOOK_SECRET', 'DATABASE_URL'), (given, name) => {
      for (const each of complaints({ ...given, [name]: 'hunter2 ü' })) {
        assert.match(each, /^[A-Z_]+ .*must be/);
        assert.doesNotMatch(each, /hunter2/);
      }
    }),
  );
});
