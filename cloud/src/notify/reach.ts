/** Where notifications may go: to public addresses, and to what the configuration names beside. */
import { type AddressRule, isPublicAddress, withinNetworks } from '@weir/runtime';
import { isLoopback } from '../addresses.ts';
import type { HubConfig } from '../config/config.ts';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/** Networks of sites, for `--allow-lan`: those of RFC 1918 and RFC 4193. Where clouds keep the credentials of a machine is in none. */
export const LAN_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];

/**
 * Whoever adds a channel chooses an address that the hub then asks. As long as operators are on this machine alone, what listens
 * here is theirs anyway; once they ask from elsewhere, it is not.
 */
export function notifyRule({ listen, notify }: Pick<HubConfig, 'listen' | 'notify'>): AddressRule {
  const networks = [...notify.allowNetworks, ...(isLoopback(listen.api.host) ? LOOPBACK : [])];
  const isAllowed = withinNetworks(networks);
  return {
    allows: (address) => isPublicAddress(address) || isAllowed(address),
    refusal:
      'no public address; name its network in notify.allowNetworks of the hub to allow it, or start the hub with --allow-lan',
  };
}
