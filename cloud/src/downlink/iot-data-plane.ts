import {
  ConflictException,
  GetThingShadowCommand,
  IoTDataPlaneClient,
  IoTDataPlaneServiceException,
  PublishCommand,
  ResourceNotFoundException,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import type { JsonObject } from '@weir/protocols';
import { type Downlink, DownlinkError } from './downlink.ts';

export interface IotDataPlaneOptions {
  /** Of a hub, `http://127.0.0.1:8080`, or of AWS; asked for at the first request. */
  endpoint: () => string;
  /** A hub takes any; AWS wants its own. */
  region?: string;
  /** Absent: those that AWS's tools would find, in the environment, a profile or the role of the machine. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
  /** PEM of the authority that a hub's certificate is from; without, those that this machine knows. */
  ca?: string;
}

/** Under it a hub shows its own certificate, whichever others it has. */
const HUB_NAME = 'localhost';
const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** The downlink by the AWS IoT Data Plane API. */
export function createIotDataPlane(options: IotDataPlaneOptions): Downlink & { close(): void } {
  const client = new IoTDataPlaneClient({
    endpoint: async () => {
      const { protocol, hostname, port, pathname } = new URL(options.endpoint());
      return { protocol, hostname, path: pathname, ...(port !== '' && { port: Number(port) }) };
    },
    region: options.region ?? 'local',
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      ...(options.ca !== undefined && { httpsAgent: { ca: options.ca, servername: HUB_NAME } }),
    },
  });
  return {
    async publish(topic, payload, { qos = 0, retain = false } = {}) {
      await translated(() => client.send(new PublishCommand({ topic, payload, qos, retain })));
    },
    async getShadow(device, name) {
      try {
        const input = { thingName: device, ...(name !== undefined && { shadowName: name }) };
        const { payload } = await client.send(new GetThingShadowCommand(input));
        return parse(payload);
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return undefined;
        throw translate(error);
      }
    },
    async updateShadow(device, name, request) {
      const payload = new TextEncoder().encode(JSON.stringify(request));
      const input = { thingName: device, payload, ...(name !== undefined && { shadowName: name }) };
      const answer = await translated(() => client.send(new UpdateThingShadowCommand(input)));
      return parse(answer.payload).version as number;
    },
    close: () => client.destroy(),
  };
}

function parse(payload: Uint8Array | undefined): JsonObject {
  return JSON.parse(new TextDecoder().decode(payload));
}

async function translated<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): DownlinkError {
  const { message } = error as Error;
  if (error instanceof ConflictException) return new DownlinkError('conflict', message, { cause: error });
  const status = error instanceof IoTDataPlaneServiceException ? (error.$metadata.httpStatusCode ?? 500) : 500;
  const refused = status >= 400 && status < 500 && status !== 429;
  return new DownlinkError(refused ? 'refused' : 'unreachable', `the downlink: ${message}`, { cause: error });
}
