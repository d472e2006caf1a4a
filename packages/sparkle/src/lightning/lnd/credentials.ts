import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import type { LndUse } from './calls.ts';

/** A file of LND's: where it is, or what is in it. */
export type LndFile = { path: string } | { hex: string } | { base64: string };

/** Where LND is and how it is asked. Without `cert` the certificate must be one that this machine's authorities vouch for. */
export type LndAccess = { socket: string; cert?: LndFile; macaroon: LndFile };

export type LndSettings = {
  access: LndAccess;
  uses: readonly LndUse[];
  /** `refused` unless the operator has said otherwise: a stolen one empties the node. */
  adminMacaroon: 'refused' | 'allowed';
  holdExpiryMarginBlocks: number;
};

/** LND's own `invoices.holdexpirydelta`: it cannot be asked for. */
export const LND_HOLD_EXPIRY_MARGIN_BLOCKS = 18;

// LND broadcasts 16 blocks before an HTLC ends and refuses a smaller margin; 2016 is the longest HTLC.
const LEAST_MARGIN_BLOCKS = 17;
const MOST_MARGIN_BLOCKS = 2016;

const mayBe = (text: string): boolean => /^[0-9a-z.-]+:[1-9][0-9]{0,4}$|^\[[0-9a-f:]+\]:[1-9][0-9]{0,4}$/i.test(text);

/** Throws `bad_config` for anything but `host:port`. */
export function readSocket(socket: string): string {
  const port = Number(socket.slice(socket.lastIndexOf(':') + 1));
  if (mayBe(socket) && port <= 65_535) return socket;
  throw new SparkleError('bad_config', 'socket must be host:port of LND’s gRPC, without a scheme', {
    field: 'socket',
  });
}

const isHex = (text: string): boolean => /^(?:[0-9a-f]{2})+$/i.test(text);
const isBase64 = (text: string): boolean => /^(?:[A-Za-z0-9+/_-]{4})*[A-Za-z0-9+/_-]{2,4}={0,2}$/.test(text);

const bad = (field: string, problem: string): SparkleError =>
  new SparkleError('bad_config', `${field} ${problem}`, { field });

async function contents(file: LndFile, field: string): Promise<Buffer> {
  if ('path' in file)
    return readFile(file.path).catch((error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      throw bad(field, `cannot be read from ${file.path} (${code})`);
    });
  const [text, encoding] = 'hex' in file ? ([file.hex, 'hex'] as const) : ([file.base64, 'base64'] as const);
  if (!(encoding === 'hex' ? isHex : isBase64)(text)) throw bad(field, `must be ${encoding}`);
  return Buffer.from(text, encoding);
}

async function readCert(file: LndFile): Promise<string> {
  const pem = await contents(file, 'cert');
  try {
    new X509Certificate(pem);
  } catch {
    throw bad('cert', 'must be the tls.cert of LND (PEM)');
  }
  return pem.toString('base64');
}

async function readMacaroon(file: LndFile): Promise<string> {
  const macaroon = await contents(file, 'macaroon');
  // Version 2 of the binary format, whose first field is the location or the identifier.
  if (macaroon.length < 40 || macaroon[0] !== 2) throw bad('macaroon', 'must be a binary macaroon of LND');
  return macaroon.toString('base64');
}

/** What the `lightning` library takes, read anew each time: LND renews its certificate. Throws `bad_config` without showing any of it. */
export async function readAccess({ socket, cert, macaroon }: LndAccess) {
  return {
    socket: readSocket(socket),
    macaroon: await readMacaroon(macaroon),
    ...(cert === undefined ? {} : { cert: await readCert(cert) }),
  };
}

const given = z.string().trim().min(1);
const contentOf = given.refine((text) => isHex(text) || isBase64(text), 'must be hex or base64').optional();

const environment = z.object({
  LND_HOST: given.refine((text) => mayBe(text), 'must be host:port, for example localhost:10009'),
  LND_CERT_PATH: given.optional(),
  LND_CERT: contentOf,
  LND_MACAROON_PATH: given.optional(),
  LND_MACAROON: contentOf,
  LND_USES: z.enum(['receive', 'pay', 'receive,pay'], 'must be receive, pay or receive,pay').optional(),
  LND_ADMIN_MACAROON: z.enum(['yes', 'no'], 'must be yes or no').optional(),
  LND_HOLD_EXPIRY_MARGIN_BLOCKS: given
    .refine(
      (text) => /^[1-9][0-9]{0,3}$/.test(text) && isMargin(Number(text)),
      `must be a whole number from ${LEAST_MARGIN_BLOCKS} to ${MOST_MARGIN_BLOCKS}`,
    )
    .optional(),
});

type Named = Readonly<Record<string, string | undefined>>;
type Complaint = { name: string; problem: string };

/** What is wrong with the settings taken together, whatever each of them looks like. */
function contradictions(env: Named): Complaint[] {
  const complaints: Complaint[] = [];
  for (const name of ['LND_CERT', 'LND_MACAROON'])
    if (env[name] !== undefined && env[`${name}_PATH`] !== undefined)
      complaints.push({ name, problem: `must not be given together with ${name}_PATH` });
  if (env['LND_MACAROON'] === undefined && env['LND_MACAROON_PATH'] === undefined)
    complaints.push({ name: 'LND_MACAROON_PATH', problem: 'is missing; LND_MACAROON may stand in its place' });
  return complaints;
}

const isMargin = (blocks: number): boolean => blocks >= LEAST_MARGIN_BLOCKS && blocks <= MOST_MARGIN_BLOCKS;

/** Throws `bad_config` for a margin that no LND can have. */
export function readMargin(blocks: number): number {
  if (Number.isSafeInteger(blocks) && isMargin(blocks)) return blocks;
  const range = `from ${LEAST_MARGIN_BLOCKS} to ${MOST_MARGIN_BLOCKS}`;
  throw bad('holdExpiryMarginBlocks', `must be a whole number ${range}; got ${blocks}`);
}

function fileOf({ path, content }: { path: string | undefined; content: string | undefined }): LndFile | undefined {
  if (path !== undefined) return { path };
  if (content === undefined) return undefined;
  return isHex(content) ? { hex: content } : { base64: content };
}

/**
 * Reads LND_HOST, LND_CERT_PATH or LND_CERT, LND_MACAROON_PATH or LND_MACAROON (hex or base64), LND_USES,
 * LND_ADMIN_MACAROON and LND_HOLD_EXPIRY_MARGIN_BLOCKS. Throws `bad_config` with all complaints at once, which never
 * repeat a value.
 */
export function readLndEnvironment(env: Named): LndSettings {
  // An empty line in an .env file is how people take a setting out.
  const names = Object.keys(environment.shape);
  const filled = Object.fromEntries(names.map((name) => [name, env[name] === '' ? undefined : env[name]]));
  const read = environment.safeParse(filled);
  const complaints = [...(read.error === undefined ? [] : complaintsOf(read.error)), ...contradictions(filled)];
  const { data } = read;
  const macaroon = fileOf({ path: data?.LND_MACAROON_PATH, content: data?.LND_MACAROON });
  if (data === undefined || macaroon === undefined || complaints.length > 0)
    throw new SparkleError('bad_config', complaints.map(({ name, problem }) => `${name} ${problem}`).join('; '), {
      complaints,
    });
  const cert = fileOf({ path: data.LND_CERT_PATH, content: data.LND_CERT });
  return {
    access: { socket: data.LND_HOST, macaroon, ...(cert === undefined ? {} : { cert }) },
    uses: (data.LND_USES ?? 'receive,pay').split(',') as LndUse[],
    adminMacaroon: data.LND_ADMIN_MACAROON === 'yes' ? 'allowed' : 'refused',
    holdExpiryMarginBlocks: Number(data.LND_HOLD_EXPIRY_MARGIN_BLOCKS ?? LND_HOLD_EXPIRY_MARGIN_BLOCKS),
  };
}

const complaintsOf = (error: z.ZodError): Complaint[] =>
  error.issues.map(({ path, message, code }) => ({
    name: String(path[0]),
    problem: code === 'invalid_type' ? 'is missing' : message,
  }));
