import { lookup, Resolver } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { SparkleError } from '../protocol/errors.ts';

/** All addresses of a name; `isAllowed` is one that the operator has named himself. */
export type Resolve = (host: string, of: { isAllowed: boolean }) => Promise<readonly string[]>;

/** RFC 6890 and the IANA registry of special-purpose addresses: nothing here is a service on the open Internet. */
const SPECIAL_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;
/** Inside global unicast: protocol assignments with Teredo, documentation, and 6to4, which carries an IPv4 address. */
const SPECIAL_V6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

const special = new BlockList();
for (const [net, prefix] of SPECIAL_V4) special.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of SPECIAL_V6) special.addSubnet(net, prefix, 'ipv6');
/** RFC 4291 2.4: everything else in IPv6 is loopback, link-local, unique local, multicast, or IPv4 in disguise. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** RFC 6761, RFC 6762, RFC 8375 and what resolvers of companies and clouds answer for. */
const INNER_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|private|arpa|onion|test|invalid)\.?$/;

/** Whether an address can belong to a service on the open Internet. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6:
      return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Why nobody answers for certain; `reason` is for programs. */
export const unanswered = (reason: string, said: string): SparkleError =>
  new SparkleError('lightning_unavailable', `the payee's service must answer; ${said}`, { reason });

const forbidden = (said: string): SparkleError => unanswered('forbidden_address', said);

/**
 * The addresses that may be connected to for a URL that a stranger gave. Whoever connects must use these and not ask
 * for the name again: its answer can change between two questions. An allowed origin may be anywhere.
 */
export async function checkedAddresses(of: {
  url: URL;
  allowedOrigins: readonly string[];
  resolve: Resolve;
}): Promise<readonly string[]> {
  const { url, allowedOrigins, resolve } = of;
  if (url.protocol !== 'https:') throw forbidden(`its address must be https; it is ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw forbidden('its address must hold no credentials');
  // Brackets of IPv6. The URL parser has already turned 0x7f.1, 2130706433 and the like into dotted decimals.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isAllowed = allowedOrigins.includes(url.origin);
  if (isIP(host) !== 0) {
    if (isAllowed) return [host];
    throw forbidden('its address must be a name, not a number');
  }
  if (!isAllowed && (!host.includes('.') || INNER_NAMES.test(host)))
    throw forbidden('its name must be one of the open Internet');
  const addresses = await resolved(host, (name) => resolve(name, { isAllowed }));
  if (!isAllowed && !addresses.every(isPublicAddress)) throw forbidden('its name leads into a private network');
  return addresses;
}

async function resolved(
  host: string,
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  try {
    const addresses = await resolve(host);
    if (addresses.length > 0) return addresses;
  } catch {
    // The resolver's own words name the machine's network: what counts is that there is no address.
  }
  throw unanswered('unreachable', 'its name has no address');
}

const DNS_PATIENCE = { timeout: 1_000, tries: 2 };

/**
 * Asks the system's name servers themselves, or those that are given. The system's `getaddrinfo` has two threads in a process:
 * strangers whose names are never answered would keep our own nodes from being found. It also knows names of our own machines.
 */
export async function askNameServers(host: string, servers?: readonly string[]): Promise<readonly string[]> {
  const resolver = new Resolver(DNS_PATIENCE);
  if (servers !== undefined) resolver.setServers(servers);
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** What the operator has named is looked up as everything of his is, everybody else's name in DNS alone. */
export const systemResolve: Resolve = async (host, { isAllowed }) => {
  if (!isAllowed) return askNameServers(host);
  return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
};
