import {
  getAccepted,
  type JsonObject,
  parseShadowRequest,
  type ShadowDocument,
  ShadowError,
  updateShadow,
} from '@weir/protocols';
import { systemClock } from '../clock/clock.ts';
import { type Downlink, DownlinkError } from './downlink.ts';

export interface MemoryDownlink extends Downlink {
  readonly published: { topic: string; payload: string; qos: 0 | 1 }[];
  /** Every request fails with `unreachable` while it is set. */
  down: boolean;
}

/** A downlink to devices that exist only here: for tests and simulation. */
export function createMemoryDownlink(now: () => number = systemClock.now): MemoryDownlink {
  const shadows = new Map<string, ShadowDocument>();
  const keyOf = (device: string, name: string | undefined) => `${device}/${name ?? '.'}`;
  const downlink: MemoryDownlink = {
    published: [],
    down: false,
    async publish(topic, payload, { qos = 0, retain = false } = {}) {
      verifyUp();
      if (/[#+]/.test(topic)) throw new DownlinkError('refused', 'a topic without wildcards is wanted');
      if (retain && topic.startsWith('$'))
        throw new DownlinkError('refused', 'on a reserved topic nothing is retained');
      downlink.published.push({ topic, payload: new TextDecoder().decode(payload), qos });
    },
    async getShadow(device, name) {
      verifyUp();
      const document = shadows.get(keyOf(device, name));
      return document === undefined ? undefined : getAccepted(document, Math.floor(now() / 1000));
    },
    async updateShadow(device, name, request: JsonObject) {
      verifyUp();
      try {
        const parsed = parseShadowRequest(JSON.stringify(request));
        const before = shadows.get(keyOf(device, name));
        const document = updateShadow(before, parsed, Math.floor(now() / 1000));
        shadows.set(keyOf(device, name), document);
        return document.version;
      } catch (error) {
        if (!(error instanceof ShadowError)) throw error;
        throw new DownlinkError(error.code === 409 ? 'conflict' : 'refused', error.message, { cause: error });
      }
    },
  };
  function verifyUp(): void {
    if (downlink.down) throw new DownlinkError('unreachable', 'the downlink is down');
  }
  return downlink;
}
