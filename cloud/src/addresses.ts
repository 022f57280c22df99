/** Under which names and ports the hub is reached. */
import { hostname, networkInterfaces } from 'node:os';
import type { HubConfig } from './config/config.ts';

/** Ports on which the hub listens; 0 until it does. */
export interface HubAddress {
  mqtt: number;
  device: number;
  api: number;
}

/** Names and addresses in the server's certificate. */
export function certificateHosts({ listen, public: open }: HubConfig): string[] {
  const listeners = [listen.mqtt.host, listen.device.host, listen.api.host];
  const own = listeners.flatMap((host) => (isEverywhere(host) ? ownAddresses() : [host]));
  return [...new Set([...open.hosts, 'localhost', '127.0.0.1', '::1', hostname(), ...own])];
}

/** Where devices send telemetry. Without a host it is the one under which they reached the device API. */
export function mqttTarget({ public: open }: HubConfig, { mqtt }: HubAddress): { host?: string; port: number } {
  const [host] = open.hosts;
  return { port: open.mqttPort ?? mqtt, ...(host !== undefined && { host }) };
}

/** Where devices join. */
export function joinUrl({ listen, public: open }: HubConfig, { device }: HubAddress): string {
  const { host } = listen.device;
  const name = open.hosts[0] ?? (isEverywhere(host) ? hostname() : host);
  return `https://${inUrl(name)}:${open.devicePort ?? device}`;
}

/** How programs on this machine reach the operator API and the data plane. */
export function apiUrl(config: HubConfig, { api }: HubAddress): string {
  const { host } = config.listen.api;
  return `${schemeOfApi(config)}://${inUrl(isEverywhere(host) ? '127.0.0.1' : host)}:${api}`;
}

/** How operators on other machines reach it, where it listens for them. */
export function publicApiUrl(config: HubConfig, { api }: HubAddress): string {
  const { host } = config.listen.api;
  if (isLoopback(host)) return apiUrl(config, { mqtt: 0, device: 0, api });
  const name = config.public.hosts[0] ?? (isEverywhere(host) ? hostname() : host);
  return `${schemeOfApi(config)}://${inUrl(name)}:${api}`;
}

/** On this machine nobody listens in; beyond it keys are not shown in clear unless someone says so. */
export function schemeOfApi({ listen: { api } }: HubConfig): 'http' | 'https' {
  if (api.tls !== undefined) return 'https';
  return isLoopback(api.host) || api.insecure === true ? 'http' : 'https';
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Without those that hold for one link only. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address)).map(({ address }) => address);
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
