/** Under which names and ports the hub is reached. */
import { hostname } from 'node:os';
import type { HubConfig } from './config/config.ts';

/** Ports on which the hub listens; 0 until it does. */
export interface HubAddress {
  mqtt: number;
  device: number;
  api: number;
}

/** Names and addresses in the server's certificate. */
export function certificateHosts({ listen, public: open }: HubConfig): string[] {
  const own = [listen.mqtt.host, listen.device.host].filter((host) => !isEverywhere(host));
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
export function apiUrl({ listen }: HubConfig, { api }: HubAddress): string {
  const { host } = listen.api;
  return `http://${inUrl(isEverywhere(host) ? '127.0.0.1' : host)}:${api}`;
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
