import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

const certificates = JSON.parse(
  readFileSync(new URL('../../../sparkle/src/lightning/lnurl-certificates.vectors.json', import.meta.url), 'utf8'),
) as { ca: string; serverCertificate: string; serverKey: string };

export type Received = { path: string; headers: IncomingHttpHeaders; body: string };
type Answer = number | { status: number; headers: Record<string, string>; body: string } | 'never';

/** Somebody's server that is told by webhooks: on loopback, with a certificate for pay.example.com. */
export async function openReceiver() {
  const received: Received[] = [];
  const world: { answer: (told: Received) => Answer } = { answer: () => 204 };
  const { serverCertificate: cert, serverKey: key } = certificates;
  const server = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const heard = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') };
      received.push(heard);
      const answer = world.answer(heard);
      if (answer === 'never') return;
      if (typeof answer === 'number') return response.writeHead(answer).end();
      return response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `https://pay.example.com:${(server.address() as AddressInfo).port}`;
  const guard = {
    privateOrigins: [origin],
    resolve: async () => ['127.0.0.1'],
    ca: certificates.ca,
    timeoutMilliseconds: 5_000,
  };
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { origin, guard, received, world, close };
}
