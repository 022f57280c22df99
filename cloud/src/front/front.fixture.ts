import { columnsOf, encodeBatch } from '@weir/protocols';
import { parser as makeParser, type Packet } from 'mqtt-packet';
import type { ShownCertificate } from '../fleet/fleet.ts';
import type { DeviceFixture } from '../identity/device.fixture.ts';

/** Everything the front tells its fleet. */
export function fakeFleet(devices: DeviceFixture[]) {
  const serials = new Map(devices.map(({ device, serial }) => [device, serial]));
  const presence: [string, boolean][] = [];
  const refused: { device: string; reason: string; bytes: number }[] = [];
  /** When the latest certificate begins that is known of. */
  const marks = new Map<string, number>();
  return {
    presence_: presence,
    refused_: refused,
    revoke: (device: string) => serials.delete(device),
    know(device: string, serial: string, latestCertificateFrom: number) {
      serials.set(device, serial);
      marks.set(device, latestCertificateFrom);
    },
    async device(id: string) {
      const certificateSerial = serials.get(id);
      const latestCertificateFrom = marks.get(id);
      return certificateSerial === undefined
        ? undefined
        : {
            ...{ id, groups: [], tags: {}, certificateSerial, enrolledAt: 0 },
            ...(latestCertificateFrom !== undefined && { latestCertificateFrom }),
          };
    },
    async certificateUsed() {},
    async takeForgotten({ device, serial }: ShownCertificate) {
      serials.set(device, serial);
    },
    async presence(device: string, connected: boolean) {
      presence.push([device, connected]);
    },
    async refused(device: string, reason: string, _detail: string, payload: Uint8Array) {
      refused.push({ device, reason, bytes: payload.length });
    },
  };
}

export function batch(seq: number, count = 2): Buffer {
  const readings = Array.from({ length: count }, (_, at) => ({
    sensor: 'oven1',
    metric: 'temperature',
    // A number that does not pack: payloads have the size of their count.
    value: Math.sin(seq + at),
    ts: 1_700_000_000_000 + at,
  }));
  return Buffer.from(encodeBatch({ kind: 'readings', epoch: 'e1', seq, count, columns: columnsOf(readings) }));
}

export function parserOf(onPacket: (packet: Packet) => void) {
  const parser = makeParser();
  parser.on('packet', onPacket);
  return parser;
}
