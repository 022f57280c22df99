/** What a TLS client says it wants to reach: a name, but never an address. @see RFC 6066 section 3 */
export function serverName(host: string): { servername?: string } {
  return /^[\d.]+$/.test(host) || host.includes(':') ? {} : { servername: host };
}
