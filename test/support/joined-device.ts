/** A device of its own for whoever speaks MQTT or HTTPS to the hub without an agent: it joins, and its key is read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import type { System } from './system.ts';

export interface JoinedDevice {
  device: string;
  /** PEM */
  key: string;
  certificate: string;
  ca: string;
}

/** @param token good for so many devices */
export async function joinDevice(system: System, device: string, token: string): Promise<JoinedDevice> {
  const data = join(system.folder, device);
  const url = `https://127.0.0.1:${system.hubPorts.device}`;
  const { code, stderr } = await system.run(
    'weir-agent',
    'join',
    url,
    '--token',
    token,
    '--name',
    device,
    '--data',
    data,
  );
  if (code !== 0) throw new Error(`join failed: ${stderr}`);
  const identity = JSON.parse(readFileSync(join(data, 'credentials', 'identity.json'), 'utf8')) as JoinedDevice;
  const { key, certificate, ca } = identity;
  return { device, key, certificate, ca };
}

/** Connects as the device does, and never by itself again. */
export function connectDevice(
  { mqtt }: { mqtt: number },
  { device, key, certificate, ca }: JoinedDevice,
  options: IClientOptions = {},
): Promise<MqttClient> {
  return connectAsync(
    `mqtts://127.0.0.1:${mqtt}`,
    { clientId: device, key, cert: certificate, ca, reconnectPeriod: 0, ...options },
    false,
  );
}
