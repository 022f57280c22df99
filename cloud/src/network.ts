/** How the hub meets the network: what listens, and what it sends by itself. */
import type { IotCredentials } from './access/access.ts';
import { createDeviceApi } from './device-api/device-api.ts';
import type { Downlink } from './downlink/downlink.ts';
import { createIotDataPlane } from './downlink/iot-data-plane.ts';
import { createAedesFront } from './front/aedes.ts';
import type { Front, FrontOptions, FrontPorts } from './front/front.ts';
import { createCarriers } from './notify/carriers/carriers.ts';
import { createOperatorServer } from './operator-server.ts';
import type { Shadows } from './shadow/shadows.ts';

export interface HubNetwork {
  createFront(ports: FrontPorts, options: FrontOptions): Front;
  createDownlink(ports: DownlinkPorts): Downlink & { close(): void };
  createDeviceApi: typeof createDeviceApi;
  createOperatorServer: typeof createOperatorServer;
  /** By which notifications reach their receivers. */
  createCarriers: typeof createCarriers;
}

/** The hub's own ways to its devices: by its data plane, or what stands behind that. */
export interface DownlinkPorts {
  /** URL of the data plane; that of the hub is known once it listens. */
  endpoint: () => string;
  /** Absent: those that AWS's tools would find. */
  credentials?: IotCredentials;
  /** PEM; the endpoint shows a certificate of it where it speaks HTTPS. Absent: of one that everybody knows. */
  ca?: string;
  /** Of AWS. */
  region?: string;
  shadows: () => Shadows;
  /** To the devices that subscribed. */
  publish(topic: string, payload: Uint8Array, qos: 0 | 1): Promise<void>;
}

/** MQTT over TLS, HTTPS and HTTP. */
export const socketNetwork: HubNetwork = {
  createFront: createAedesFront,
  createDownlink: createIotDataPlane,
  createDeviceApi,
  createOperatorServer,
  createCarriers,
};
