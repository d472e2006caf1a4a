import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { readConfig, withSecretFiles } from '../../packages/coordinator/src/config/config.ts';
import { type VariableName, variables } from '../../packages/coordinator/src/config/config-variables.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'packages', 'coordinator', 'deploy');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

type Service = {
  image?: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  secrets?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  restart?: string;
  stop_grace_period?: string;
  user?: string;
};
type Compose = {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
};

const compose = parse(read('compose.yaml')) as Compose;
const services = Object.entries(compose.services);
const coordinator = compose.services['coordinator'] ?? {};

const isDeclared = (name: string): boolean => {
  const secret = name.replace(/_FILE$/, '');
  return name in variables || (secret !== name && variables[secret as VariableName]?.isSecret);
};

/** `${NAME:-value}` becomes its value, and what must be given a sample. */
const filledIn = (text: string): string =>
  text.replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1').replaceAll(/\$\{PUBLIC_URL:\?[^}]*\}/g, 'https://market.example');

const seconds = (span: string): number => Number(/^([0-9]+)s$/.exec(span)?.[1]);
const least = { NETWORK: 'regtest', LND_MACAROON_PATH: 'macaroon', BITCOIN_RPC_COOKIE_FILE: 'cookie' };
const { drainSeconds } = readConfig(least);

test('deploy: the services name only volumes, secrets and services that there are', () => {
  for (const [name, { volumes = [], secrets = [], depends_on = {} }] of services) {
    for (const volume of volumes) assert.ok((volume.split(':')[0] ?? '') in compose.volumes, `${name}: ${volume}`);
    for (const secret of secrets) assert.ok(secret in compose.secrets, `${name}: ${secret}`);
    for (const [other, { condition }] of Object.entries(depends_on)) {
      assert.ok(other in compose.services, `${name}: ${other}`);
      if (condition === 'service_healthy') assert.ok(compose.services[other]?.healthcheck !== undefined, other);
    }
  }
});

test('deploy: every volume that a program of its own user writes to is given to that user first', () => {
  const { command = [], volumes = [] } = compose.services['volumes'] ?? {};
  const given = volumes.map((each) => each.split(':'));
  for (const [, target] of given) assert.ok(command.includes(target ?? ''), target);
  for (const [name, service] of services) {
    if (service.user === undefined && name !== 'coordinator') continue;
    for (const volume of service.volumes ?? [])
      assert.ok(
        given.some(([source]) => source === volume.split(':')[0]),
        `${name}: ${volume}`,
      );
  }
});

test('deploy: images are of one version, and what stops comes back', () => {
  for (const [name, { image, restart }] of services) {
    if (image !== undefined) assert.match(image, /^[a-z/]+:v?[0-9][\w.-]*$/, name);
    if (name !== 'volumes') assert.equal(restart, 'unless-stopped', name);
  }
});

test('deploy: no port but that of Lightning peers is open to others', () => {
  const open = services.flatMap(([, { ports = [] }]) => ports.filter((port) => !port.startsWith('127.0.0.1:')));
  assert.deepEqual(open, ['${LND_PEER_PORT:-9735}:9735']);
});

test('deploy: the environment of the coordinator is one that it takes, with the secrets that are made for it', (context) => {
  const environment = coordinator.environment ?? {};
  assert.deepEqual(
    Object.keys(environment).filter((name) => !isDeclared(name)),
    [],
  );
  const place = mkdtempSync(join(tmpdir(), 'sparkle-deploy-'));
  context.after(() => rmSync(place, { recursive: true }));
  copyFileSync(join(folder, 'new-secrets.sh'), join(place, 'new-secrets.sh'));
  execFileSync('/bin/sh', [join(place, 'new-secrets.sh')]);
  const made = readdirSync(join(place, 'secrets')).toSorted();
  assert.deepEqual(
    made,
    Object.values(compose.secrets)
      .map(({ file }) => file.replace('./secrets/', ''))
      .toSorted(),
  );
  for (const name of made) assert.equal(statSync(join(place, 'secrets', name)).mode & 0o777, 0o600);
  const secretAt = (path: string) => join(place, compose.secrets[path.replace('/run/secrets/', '')]?.file ?? '');
  const env = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.startsWith('/run/secrets/') ? secretAt(value) : filledIn(value),
    ]),
  );
  const config = readConfig(withSecretFiles({ HOST: '0.0.0.0', PORT: '8080', ...env }));
  const password = readFileSync(join(place, 'secrets', 'postgres-password'), 'utf8');
  assert.equal(new URL(config.databaseUrl).password, password);
  assert.match(password, /^[0-9a-f]{64}$/);
  // A second time would lock everybody out.
  assert.notEqual(spawnSync('/bin/sh', [join(place, 'new-secrets.sh')]).status, 0);
  assert.equal(readFileSync(join(place, 'secrets', 'postgres-password'), 'utf8'), password);
});

test('deploy: every secret that a service reads is handed to it', () => {
  for (const [name, { environment = {}, command = [], secrets = [] }] of services) {
    const named = [...Object.values(environment), ...command].flatMap(
      (text) => /\/run\/secrets\/(\w+)/.exec(text)?.[1] ?? [],
    );
    assert.deepEqual(named.toSorted(), secrets.toSorted(), name);
  }
});

test('deploy: what a variable of the compose file holds is known: it has a default, or says what it must be', () => {
  const used = [...read('compose.yaml').matchAll(/\$\{([A-Z_]+)([^}]*)\}/g)];
  const page = readFileSync(join(root, 'docs', 'operate.md'), 'utf8');
  for (const [, name = '', rest = ''] of used) {
    assert.match(rest, /^:[-?]/, name);
    assert.ok(page.includes(`\`${name}\``), `docs/operate.md says nothing of ${name}`);
  }
});

test('deploy: the macaroons of docs/operate.md may do what docs/nodes.md says that it must', () => {
  const rights = (page: string): string[] =>
    [
      ...readFileSync(join(root, 'docs', page), 'utf8').matchAll(
        /bakemacaroon (?:--root_key_id [0-9]+ )?--save_to \S*(?:receive|coordinator)\.macaroon (.*)$/gm,
      ),
    ].map(([, all = '']) => all);
  const [asked = ''] = rights('nodes.md');
  assert.match(asked, /AddHoldInvoice/);
  assert.deepEqual(rights('operate.md'), [asked, asked]);
  assert.match(
    readFileSync(join(root, 'docs', 'operate.md'), 'utf8'),
    new RegExp(`--save_to ${coordinator.environment?.['LND_MACAROON_PATH']} `),
  );
});

test('deploy: a coordinator that stops has longer than it takes to finish, by compose file and by unit', () => {
  assert.ok(seconds(coordinator.stop_grace_period ?? '') > drainSeconds);
  assert.ok(seconds(`${unit()['TimeoutStopSec']}s`) > drainSeconds);
});

test('deploy: the image is built of files that there are', () => {
  const { context = '', dockerfile = '' } = coordinator.build ?? {};
  assert.equal(join(folder, context, '/'), root);
  assert.ok(existsSync(join(root, dockerfile)));
  assert.ok(existsSync(join(root, `${dockerfile}.dockerignore`)));
});

/** The lines `Key=value` of the unit. */
function unit(): Record<string, string> {
  const lines = read('coordinator.service')
    .split('\n')
    .filter((line) => /^[A-Z]/i.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

test('deploy: the unit starts the command that the package installs, for a user of its own, and gives it no more than it needs', () => {
  const { ExecStart = '', User, NoNewPrivileges, ProtectSystem, StateDirectory, WorkingDirectory, Restart } = unit();
  const { bin } = JSON.parse(readFileSync(join(folder, '..', 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
  };
  const [program = '', command] = ExecStart.split(' ');
  assert.ok(program.endsWith(`/node_modules/.bin/${Object.keys(bin)[0]}`));
  assert.equal(command, 'serve');
  assert.deepEqual(
    [User, NoNewPrivileges, ProtectSystem, Restart, WorkingDirectory],
    ['coordinator', 'yes', 'strict', 'always', `/var/lib/${StateDirectory}`],
  );
});

const withoutSystemd =
  spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not there';

test('deploy: systemd finds no fault with the unit', { skip: withoutSystemd }, (context) => {
  const place = mkdtempSync(join(tmpdir(), 'sparkle-unit-'));
  context.after(() => rmSync(place, { recursive: true }));
  const program = join(place, 'opt', 'coordinator');
  mkdirSync(dirname(program));
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  // As installed here: the program, and a user that there is.
  const text = read('coordinator.service')
    .replace(/^ExecStart=\S+/m, `ExecStart=${program}`)
    .replace(/^User=coordinator/m, 'User=daemon')
    .replace(/^Group=coordinator/m, 'Group=daemon');
  writeFileSync(join(place, 'coordinator.service'), text);
  const { status, stdout, stderr } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', join(place, 'coordinator.service')],
    {
      encoding: 'utf8',
    },
  );
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('coordinator.service'));
  assert.deepEqual([status, ours], [0, []]);
});
