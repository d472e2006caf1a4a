import { createHash } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { SparkleError } from '../protocol/errors.ts';

/**
 * Whom a server must show itself to be. `authorities`: a certificate for its name by one of `ca` (PEM), or of the
 * system's when that is empty. `fingerprint`: exactly the certificate with this SHA-256 (hex). `first use`: the one that
 * it showed first; `known` and `remember` keep its SHA-256 (hex) between runs.
 */
export type ElectrumTrust =
  | { by: 'authorities'; ca: readonly string[] }
  | { by: 'fingerprint'; sha256: string }
  | {
      by: 'first use';
      known(): Promise<string | undefined>;
      remember(sha256: string): Promise<void>;
    };

/** Where a server listens: `tcp://host:port` without `trust`, or `tls://host:port` (also written `ssl://`) with it. */
export type ElectrumServer = { url: string; trust?: ElectrumTrust };

export type Target = { host: string; port: number; trust: ElectrumTrust | undefined };

/** A server that was asked for nothing yet or that cannot be asked; `reason` is one word that says why. */
export const unavailable = (
  reason: string,
  sentence: string,
  detail: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): SparkleError =>
  new SparkleError(
    'chain_unavailable',
    `the Electrum server must answer; ${sentence}`,
    { ...detail, reason },
    { cause },
  );

const badConfig = (field: string, sentence: string): SparkleError =>
  new SparkleError('bad_config', sentence, { field });

/** Reads where a server is. Throws `bad_config`. */
export function readTarget({ url: text, trust }: ElectrumServer): Target {
  const found = /^(tcp|ssl|tls):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([1-9][0-9]{0,4})\/?$/.exec(text);
  const [, scheme = '', host = '', port = ''] = found ?? [];
  if (found === null || Number(port) > 65_535)
    throw badConfig('url', 'url must be tcp://host:port or tls://host:port of an Electrum server; got another form');
  if ((scheme === 'tcp') !== (trust === undefined))
    throw badConfig('trust', 'trust must say how a tls:// server is recognised, and cannot for a tcp:// one');
  if (trust?.by === 'fingerprint' && !/^[0-9a-f]{64}$/.test(trust.sha256))
    throw badConfig('trust', 'a fingerprint must be the SHA-256 of a certificate as 64 lowercase hex characters');
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port), trust };
}

const fingerprintOf = (socket: TLSSocket): string =>
  createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex');

async function checkCertificate(socket: TLSSocket, trust: ElectrumTrust): Promise<void> {
  if (trust.by === 'authorities') return;
  const came = fingerprintOf(socket);
  const wanted = trust.by === 'fingerprint' ? trust.sha256 : await trust.known();
  if (wanted === undefined && trust.by === 'first use') return trust.remember(came);
  if (wanted !== came)
    throw unavailable('certificate', 'it shows another certificate than the one it is known by', { wanted, came });
}

function start({ host, port, trust }: Target): Socket {
  if (trust === undefined) return connectTcp({ host, port, noDelay: true });
  const byAuthority = trust.by === 'authorities';
  return connectTls({
    ...{ host, port, rejectUnauthorized: byAuthority },
    ...(byAuthority && trust.ca.length > 0 ? { ca: [...trust.ca] } : {}),
    // RFC 6066: a name, never an address.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
}

function failure(error: Error): SparkleError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ERR_TLS/.test(code);
  if (isCertificate) return unavailable('certificate', `its certificate is not trusted (${code})`, {}, error);
  return unavailable('unreachable', `it cannot be reached (${code})`, {}, error);
}

/** A connection on which nothing was said yet; over TLS the server is the one that `trust` wants. */
export async function openSocket(target: Target, timeoutMilliseconds: number): Promise<Socket> {
  const socket = start(target);
  const event = target.trust === undefined ? 'connect' : 'secureConnect';
  const stillSilent = unavailable('timeout', `no connection within ${timeoutMilliseconds} ms`);
  const timer = setTimeout(() => socket.destroy(stillSilent), timeoutMilliseconds);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(event, resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(unavailable('unreachable', 'it closed the connection at once')));
    });
    if (target.trust !== undefined) await checkCertificate(socket as TLSSocket, target.trust);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error instanceof SparkleError ? error : failure(error as Error);
  } finally {
    clearTimeout(timer);
    socket.on('error', () => undefined);
  }
}

/** Cuts what arrives into lines. `tooLong` is called instead once a line has more than `mostBytes`. */
export function lineReader(on: {
  mostBytes: number;
  line(text: string): void;
  tooLong(): void;
}): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let bytes = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      if (bytes + end > on.mostBytes) return on.tooLong();
      const text = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8');
      rest = rest.subarray(end + 1);
      parts = [];
      bytes = 0;
      on.line(text);
    }
    if (rest.length === 0) return;
    parts.push(rest);
    bytes += rest.length;
    if (bytes > on.mostBytes) on.tooLong();
  };
}
