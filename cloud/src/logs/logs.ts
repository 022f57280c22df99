/**
 * What functions log, wherever they run.
 *
 *     device --- report `log`, while somebody follows ---\
 *                                                          +--> book, in memory --> whoever looks or follows
 *     functions in the hub -------------------------------/
 */
import { isGatherer, type Report } from '@weir/protocols';
import { type LogLine, UsageError } from '@weir/runtime';
import type { Fleet } from '../fleet/fleet.ts';
import { unknownDevice } from '../fleet/unknown-device.ts';
import type { ReportHandler } from '../workers/reports.ts';
import { type Following, type LeasesPorts, LogLeases } from './leases.ts';
import { LogBook, type LogEntry, type LogFilter } from './log-book.ts';

export type LogEvent =
  | ({ type: 'line' } & LogEntry)
  /** What the hub had is told; these devices are asked for what they have. */
  | { type: 'following'; devices: string[] }
  | ({ type: 'device'; device: string } & Following);

export interface Logs {
  /** What the hub has, in the order in which it came: the last lines of each function. */
  lines(filter: LogFilter): LogEntry[];
  /**
   * What the hub has, and from then on what comes; the devices are asked to tell. One of device and function is given.
   * @returns ends it
   * @throws {UsageError} `device-unknown`, `function-unknown`, `devices-too-many`
   */
  follow(filter: LogFilter, listener: (event: LogEvent) => void): Promise<() => void>;
  /** Lines of functions in the hub. */
  add(device: string, lines: readonly LogLine[]): void;
  readonly reported: ReportHandler<Extract<Report, { type: 'log' }>>;
  stop(): void;
}

export interface LogsPorts extends LeasesPorts {
  fleet: Pick<Fleet, 'device' | 'status'>;
}

/** Each costs a command; nobody reads the lines of more at once. */
const DEVICES_MAX = 50;

export function createLogs(ports: LogsPorts): Logs {
  return new FollowedLogs(ports);
}

class FollowedLogs implements Logs {
  readonly #ports: LogsPorts;
  readonly #book: LogBook;
  readonly #leases: LogLeases;

  constructor(ports: LogsPorts) {
    this.#ports = ports;
    this.#book = new LogBook(ports.clock.now);
    this.#leases = new LogLeases(ports);
  }

  lines(filter: LogFilter): LogEntry[] {
    return this.#book.lines(filter);
  }

  async follow(filter: LogFilter, listener: (event: LogEvent) => void): Promise<() => void> {
    const devices = await this.#devicesOf(filter);
    for (const entry of this.#book.lines(filter)) listener({ type: 'line', ...entry });
    const ends = [this.#book.follow(filter, (entry) => listener({ type: 'line', ...entry }))];
    listener({ type: 'following', devices });
    for (const device of devices) {
      const told = (following: Following) => listener({ type: 'device', device, ...following });
      ends.push(this.#leases.follow(device, filter.function, told));
    }
    return () => {
      for (const end of ends) end();
    };
  }

  add(device: string, lines: readonly LogLine[]): void {
    this.#book.add(device, lines);
  }

  readonly reported: Logs['reported'] = (reports, { device }) => ({
    changes: [],
    committed: () => {
      for (const report of reports) {
        this.#book.told(device, report);
        if (report.lease !== undefined) this.#leases.told(device, report.lease);
      }
    },
  });

  stop(): void {
    this.#leases.stop();
  }

  /** On which something of it runs, or should; of functions in the hub the lines are here. */
  async #devicesOf({ device, function: fn }: LogFilter): Promise<string[]> {
    const { fleet } = this.#ports;
    // Of a function that gathers all lines are here.
    if (device !== undefined && isGatherer(device)) return [];
    if (device !== undefined && (await fleet.device(device)) === undefined) throw unknownDevice(device);
    if (fn === undefined) return device === undefined ? [] : [device];
    const devices = new Set<string>();
    let isKnown = false;
    let after: string | undefined;
    do {
      const page = await fleet.status({
        name: fn,
        ...(device !== undefined && { device }),
        ...(after !== undefined && { after }),
      });
      isKnown ||= page.items.length > 0;
      for (const status of page.items) if (status.where === 'edge') devices.add(status.device);
      after = page.next;
    } while (after !== undefined && devices.size <= DEVICES_MAX);
    if (!isKnown) throw unknownFunction(fn, device);
    if (devices.size <= DEVICES_MAX) return [...devices];
    throw new UsageError(
      'devices-too-many',
      `${fn} runs on more than ${DEVICES_MAX} devices`,
      'follow it on one of them: --device DEVICE',
    );
  }
}

function unknownFunction(fn: string, device: string | undefined): UsageError {
  const where = device === undefined ? 'on no device, nor in the hub' : `neither on ${device} nor in the hub for it`;
  return new UsageError('function-unknown', `${fn} runs ${where}`, 'see what runs where: weir deploy status');
}
