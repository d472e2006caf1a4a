export type Asking = { body?: unknown; token?: string; key?: string; signal?: AbortSignal };
export type Answer<Body> = { status: number; body: Body };

/** Asks an HTTP API in JSON, as any program would; `token` is a bearer's, `key` an Idempotency-Key. */
export async function ask<Body>(method: string, url: string, asking: Asking = {}): Promise<Answer<Body>> {
  const { body, token, key, signal = null } = asking;
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, headers, signal, ...sent });
  return { status: response.status, body: (await response.json()) as Body };
}
