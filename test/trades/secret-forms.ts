const hexPairs = (bytes: Uint8Array): string[] => [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));

/**
 * The ways in which programs write a secret down: as it is when it is no hex, else in hex, base64, as a list of numbers,
 * and as the first line of a hex dump (Go's `%v` and spew, Node's `inspect`).
 */
export function formsOf(secret: string): string[] {
  if (!/^(?:[0-9a-f]{2})+$/.test(secret)) return [secret];
  const bytes = Buffer.from(secret, 'hex');
  const pairs = hexPairs(bytes);
  return [
    secret,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    [...bytes].join(' '),
    [...bytes].join(','),
    [...bytes].join(', '),
    pairs.slice(0, 8).join(' '),
    pairs.map((pair) => `0x${pair}`).join(', '),
  ];
}

/** Which of the secrets the text shows, by their names, whatever the case of its letters. */
export function shownIn(text: string, secrets: Readonly<Record<string, string>>): string[] {
  const low = text.toLowerCase();
  return Object.keys(secrets).filter((name) =>
    formsOf(secrets[name] ?? '').some((form) => low.includes(form.toLowerCase())),
  );
}
