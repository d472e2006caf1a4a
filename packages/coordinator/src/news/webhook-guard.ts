import { request } from 'node:https';
import { onlyTo } from 'sparkle-protocol/lightning/lnurl-get';
import { checkedAddresses, type Resolve } from 'sparkle-protocol/lightning/lnurl-guard';
import { SparkleError } from 'sparkle-protocol/protocol/errors';

export type GuardOptions = {
  /** Origins in private networks that the operator allows: `https://host:port`. */
  privateOrigins: readonly string[];
  resolve: Resolve;
  /** A certificate authority of one's own, in place of those of the system. */
  ca: string | undefined;
  timeoutMilliseconds: number;
};

const MOST_URL_CHARACTERS = 500;

/**
 * The addresses of a webhook that a stranger registered: it must be reachable by https on the open Internet, or it would
 * make us ask the services of our own network for him. Throws `bad_message` naming `url`.
 */
export async function webhookAddresses(
  text: string,
  { privateOrigins, resolve }: Pick<GuardOptions, 'privateOrigins' | 'resolve'>,
): Promise<{ url: URL; addresses: readonly string[] }> {
  if (text.length > MOST_URL_CHARACTERS || !URL.canParse(text)) throw refused('it is no such address');
  const url = new URL(text);
  try {
    return { url, addresses: await checkedAddresses({ url, allowedOrigins: privateOrigins, resolve }) };
  } catch (error) {
    throw refused('it leads elsewhere or nowhere', error);
  }
}

const refused = (said: string, cause?: unknown): SparkleError =>
  new SparkleError(
    'bad_message',
    `url must be an https address of at most ${MOST_URL_CHARACTERS} characters, without a password, of a service on the open Internet; ${said}`,
    { field: 'url' },
    { cause },
  );

export type Posted = { to: string; body: string; headers: Readonly<Record<string, string>> };

/**
 * Posts once and returns the status. Every name is looked up and checked anew, and connected to as it was checked; a
 * redirect is an answer like any other, and nothing of the answer's body is read. Throws when there is no answer in time.
 */
export async function postOnce({ to, body, headers }: Posted, options: GuardOptions): Promise<number> {
  const signal = AbortSignal.timeout(options.timeoutMilliseconds);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () =>
      reject(new SparkleError('refused', 'a webhook must answer in time; it did not')),
    );
  });
  return Promise.race([connectAndPost(), late]);

  async function connectAndPost(): Promise<number> {
    const { url, addresses } = await webhookAddresses(to, options);
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(body);
      const { ca } = options;
      const call = request(
        url,
        {
          method: 'POST',
          // No agent: a connection that was kept would go to an address that was checked for another request.
          agent: false,
          signal,
          lookup: onlyTo(addresses),
          headers: { ...headers, 'content-type': 'application/json', 'content-length': bytes.length },
          ...(ca !== undefined && { ca }),
        },
        (response) => {
          resolve(response.statusCode ?? 0);
          response.destroy();
        },
      );
      call.on('error', reject);
      call.end(bytes);
    });
  }
}
