/** Every limit of the agent, with the reason for its default. */
import { DEVICE_PATTERN, parseDuration, urlPatternSchema } from '@weir/protocols';
import { z } from 'zod';
import { isTopicPattern } from '../intake/topic-map.ts';
import { alertsSchema } from '../notices/config.ts';
import { DROP_POLICIES } from '../outbox/policies.ts';
import { awsSchema, isForAws, KEEPALIVE_FAULT, withinAws } from './aws.ts';
import { bytes, duration } from './units.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const topicPattern = z
  .string()
  .min(1)
  .max(256)
  .refine(isTopicPattern, 'a topic in which {sensor} and {metric} stand for one level each; {sensor} is needed');

/** `#` alone would keep every reading from being one; `$…` is the broker's own. */
const passthroughFilter = z
  .string()
  .min(1)
  .max(256)
  .refine((filter) => !filter.startsWith('$') && filter !== '#', 'a topic filter other than # and $…');

const mqtt = z.strictObject({
  /** Sensors are on this machine unless someone says otherwise. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(1883),
  /** A sample is small; 256 KiB leaves room for a full CBOR batch (128 KiB) and no room for a file. */
  packetBytesMax: bytes(1 * KIB, 16 * MIB).default(256 * KIB),
  /** Before the password was seen: a CONNECT with names and a will fits, a flood does not. */
  connectBytesMax: bytes(256, 64 * KIB).default(4 * KIB),
  /** A socket that says nothing holds a file descriptor. */
  connectTimeout: duration(100, MINUTE).default(10 * SECOND),
  /** A gateway has tens of sensors; each connection costs about 100 KiB with full buffers. */
  connectionsMax: z.int().min(1).max(10_000).default(500),
  /** A subscriber that does not read stops all deliveries until then. */
  drainTimeout: duration(100, MINUTE).default(5 * SECOND),
  /** Retained messages live in memory. */
  retainedMax: z.int().min(0).max(100_000).default(1_000),
  /** Besides `sensor`, whose password is made at the first run. */
  users: z
    .array(z.strictObject({ name: z.string().min(1).max(128), passwordFile: z.string().min(1) }))
    .max(1_000)
    .default([]),
});

const intake = z.strictObject({
  /** Which topics carry readings; the first that fits counts. */
  topics: z.array(topicPattern).min(1).max(64).default(['plant/{sensor}/{metric}', 'plant/{sensor}']),
  /** Topics for local actuators: forwarded to local subscribers, no readings. */
  passthrough: z.array(passthroughFilter).max(64).default(['cmd/#']),
  /** One transaction's worth; larger groups gain nothing and delay the first of them. */
  groupReadingsMax: z.int().min(1).max(5_000).default(1_000),
  /** How long a group may wait for more while an earlier one is committed. */
  groupDelay: duration(0, SECOND).default(2),
  /** Readings taken from sockets and not yet durable; over it sockets are paused. */
  waitingReadingsMax: z.int().min(1).max(1_000_000).default(20_000),
  /** Readings in one CBOR batch of a sensor: what one uplink batch can carry. */
  batchItemsMax: z.int().min(1).max(50_000).default(5_000),
});

const journal = z.strictObject({
  /** Acknowledged and not yet passed by the functions. Over it nothing is acknowledged. 64 MiB: some minutes at full rate. */
  bytesMax: bytes(64 * KIB, 1024 * MIB).default(64 * MIB),
});

/**
 * When a commit is on the disk. With `every-batch` before a sensor is acknowledged: nothing is ever lost. With the others
 * the disk is synced at most so often, which spares flash: a killed agent loses nothing either, and a power cut what came in
 * the last 50 or 500 ms.
 */
const durability = z.enum(['every-batch', '50ms', '500ms']);

const requests = z.strictObject({
  /** Where functions may send HTTP requests, e.g. `https://api.example.com/v1/*`. Nowhere unless someone says so. */
  allow: z.array(urlPatternSchema).max(64).default([]),
  /** Sent at a time. A gateway has a thin line. */
  concurrency: z.int().min(1).max(256).default(8),
  /** Of these, to one destination: one that hangs leaves the others alone. */
  concurrencyPerDestination: z.int().min(1).max(256).default(2),
  /** Of each function; what comes faster waits. It also keeps a function that asks again at once from wearing the card out. */
  perSecond: z.int().min(1).max(1_000).default(20),
  /** Of each function: not yet answered. Over it a request is answered with an error. */
  waitingMax: z.int().min(1).max(10_000).default(200),
  waitingBytesMax: bytes(1 * KIB, 64 * MIB).default(1 * MIB),
  /** The same of all functions together: they are in memory, too. */
  totalMax: z.int().min(1).max(100_000).default(2_000),
  totalBytesMax: bytes(1 * KIB, 256 * MIB).default(8 * MIB),
  /** Of an answer: the function gets it whole. */
  bodyBytesMax: bytes(1 * KIB, 256 * KIB).default(64 * KIB),
  /** A request that could not be answered by then is of little use. */
  giveUp: duration(SECOND, DAY).default(10 * MINUTE),
});

const deadLetters = z.strictObject({
  /** A letter is a step: what a person looks through after a bad night. */
  perFunctionMax: z.int().min(1).max(10_000).default(200),
  /** With the largest steps (2,000 readings, 30 KiB) some seventy. */
  bytesPerFunctionMax: bytes(64 * KIB, 64 * MIB).default(2 * MIB),
  /** Of all functions together: the hub keeps as many of each device. */
  max: z.int().min(1).max(10_000).default(500),
  bytesMax: bytes(64 * KIB, 256 * MIB).default(8 * MIB),
  /** Of each function the hub is told at once; of the rest a minute later, so that one that always throws fills no line. */
  toldPerMinute: z.int().min(1).max(1_000).default(60),
});

const functions = z.strictObject({
  /** Readings whose outcome may wait for a commit: many share one; a commit that fails throws away so many at most. */
  uncommittedReadingsMax: z.int().min(1).max(20_000).default(2_000),
  /** Readings kept in memory for the next steps; over it they are read back from the journal. */
  handoffReadingsMax: z.int().min(1).max(1_000_000).default(20_000),
  /** Log lines of functions passed on for each second; the rest is counted. */
  logLinesPerSecond: z.int().min(1).max(1_000).default(20),
  /** Messages of functions to local actuators not yet carried out; the oldest are dropped and counted. */
  publishesMax: z.int().min(1).max(100_000).default(10_000),
  /** Commands of functions and of the hub that may wait to be run; a function that sends them faster loses some, counted. */
  commandsMax: z.int().min(100).max(100_000).default(1_000),
  requests: requests.prefault({}),
  /** Input that functions could not take, kept to be run again; the oldest goes first and is counted. */
  deadLetters: deadLetters.prefault({}),
});

const storage = z.strictObject({
  /** Deleted when the disk is full, so that deletions, acknowledgements and alerts go on: twice what SQLite's log takes. 0: none. */
  ballast: bytes(0, 1024 * MIB).default(8 * MIB),
  /** Damaged databases kept to look at, … */
  quarantineFilesMax: z.int().min(0).max(100).default(2),
  /** … and their size together: no more than the buffer of one lane. */
  quarantineBytesMax: bytes(0, 1024 * 1024 * MIB).default(256 * MIB),
});

const sandbox = z.strictObject({
  /**
   * Over which functions are spread: a function that must be killed takes those in its own process along for the tenth of
   * a second that a start takes. Each process costs about 50 MiB, so one until that matters.
   */
  processes: z.int().min(1).max(16).default(1),
  /** Of each process, over which it is killed. 512 MiB: room for some hundred functions of ordinary size. */
  rssBytesMax: bytes(128 * MIB, 64 * 1024 * MIB).default(512 * MIB),
});

const readingPolicy = z.enum(DROP_POLICIES);
const orderPolicy = z.enum(['drop-oldest', 'drop-newest']);

const metricPolicy = z.strictObject({
  /** A name; `*` stands for any characters, `?` for one. */
  metric: z.string().min(1).max(256),
  policy: readingPolicy,
  /** Of downsample: instead of that of all. */
  every: duration(SECOND, DAY).optional(),
});

/** The defaults of the lanes live and backfill. */
const readingLane = z.strictObject({
  /** 256 MiB: about a month of 10 readings a second. */
  bytesMax: bytes(64 * KIB, 1024 * 1024 * MIB).default(256 * MIB),
  /** No reading takes less than two bytes: by default it is the bytes that count. */
  rowsMax: z.int().min(1_000).max(10_000_000_000).default(100_000_000),
  /** What is older is of no use; a device may be offline for months. */
  ageMax: duration(MINUTE, 3650 * DAY).default(180 * DAY),
  /** Which readings go when there are too many: whoever looks wants to know how it is now. */
  policy: readingPolicy.default('drop-oldest'),
  /** And of single metrics; the first that fits counts. */
  metrics: z.array(metricPolicy).max(64).default([]),
});

/** Reserved, whatever readings do. Never thinned out: each says something of its own. */
function reservedLane(bytesMin: number, bytesMax: number) {
  return z
    .strictObject({
      bytesMax: bytes(bytesMin, 1024 * MIB).default(bytesMax),
      rowsMax: z.int().min(100).max(1_000_000_000).default(1_000_000),
      ageMax: duration(MINUTE, 3650 * DAY).default(180 * DAY),
      policy: orderPolicy.default('drop-oldest'),
    })
    .transform((lane) => ({ ...lane, metrics: [] as [] }));
}

const outbox = z.strictObject({
  lanes: z
    .strictObject({
      /** Some fifty thousand transitions. */
      alert: reservedLane(64 * KIB, 16 * MIB).prefault({}),
      live: readingLane.prefault({}),
      /** Sixty reports of the largest size, thousands of ordinary ones. */
      report: reservedLane(128 * KIB, 4 * MIB).prefault({}),
      backfill: readingLane.prefault({}),
    })
    .prefault({}),
  /** Over it fresh readings enter the backfill lane, so that the live lane stays fresh. */
  liveBytesMax: bytes(1 * KIB, 1024 * MIB).default(1 * MIB),
  /** How often the hub is told of what was given up, of twenty ranges at most: what is not told grows together. */
  gapsEvery: duration(100, DAY).default(10 * SECOND),
  downsample: z
    .strictObject({
      /** Of each series one reading in so long is kept at first: a minute shows every course of a day. */
      every: duration(SECOND, DAY).default(MINUTE),
      /** It is doubled whenever all was thinned out and there is too much again, up to this; then the oldest go. */
      everyMax: duration(SECOND, 30 * DAY).default(60 * MINUTE),
    })
    .prefault({}),
});

/** A line that is paid for by the byte. Absent: it is not. */
const budget = z.strictObject({
  /** In both directions, as well as it can be known: what TLS carries, and an estimate of the heads of TCP/IP. */
  bytesPerDay: bytes(10 * KIB, 1024 * 1024 * MIB),
  /** Part that readings do not get: it is for reports and alerts; and alerts go when all is spent, too. */
  reserved: z.number().min(0).max(0.9).default(0.2),
  /** In which a day begins, as the provider counts it. */
  timeZone: z.string().refine(isTimeZone, 'a time zone such as UTC or Europe/Vienna').default('UTC'),
  /** Readings are sent together, so often: alone, a reading costs ten times its size. */
  gather: duration(0, DAY).default(30 * SECOND),
  /** In place of the usual one: a ping with its answer costs some 200 bytes. */
  keepalive: duration(5 * SECOND, 20 * MINUTE).default(10 * MINUTE),
  /** What else is done from time to time - the shadow asked for, health and usage told - is done no more often. */
  chatter: duration(SECOND, DAY).default(6 * HOUR),
});

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }) !== undefined;
  } catch {
    return false;
  }
}

const uplink = z
  .strictObject({
    /** Unacknowledged batches; AWS IoT Core allows 100. Three: an alert, a report and readings each have a place. */
    windowBatches: z.int().min(3).max(100).default(16),
    /** Of these, for the backlog: a slow line must not be full of old readings when an alert comes. */
    backfillBatches: z.int().min(1).max(99).default(4),
    /** And for reports: a flood of them must not be in the way of fresh readings. */
    reportBatches: z.int().min(1).max(99).default(2),
    batchItemsMax: z.int().min(1).max(65_536).default(5_000),
    /** Of the first batches of a connection, and on a thin line: a modem of 2 kB/s takes a second for it. */
    batchBytesMin: bytes(256, 64 * KIB).default(2 * KIB),
    /** AWS IoT Core and the hub take 128 KiB; the rest is room for the head. */
    batchBytesMax: bytes(1 * KIB, 120 * KIB).default(100 * KIB),
    /**
     * Readings of the backlog sent each second. As the line and the hub allow unless someone says otherwise: fresh readings
     * go first anyway, and a hub acknowledges no faster than it can.
     */
    backfillPerSecond: z.int().min(1).max(10_000_000).optional(),
    /** How much later than the line allows acknowledgements may come before less is sent at once: an alert waits so long behind readings. */
    ackTarget: duration(10, MINUTE).default(500),
    /**
     * Without an acknowledgement for so long the line is dead, whatever TCP says. It follows what round trips take; the
     * least is more than a hub or its disk stalls for a moment.
     */
    ackTimeoutMin: duration(SECOND, 10 * MINUTE).default(5 * SECOND),
    /** The most lets a report of the largest size through a line of 600 bytes a second. */
    ackTimeoutMax: duration(SECOND, 10 * MINUTE).default(2 * MINUTE),
    /** For a connection to come up, all that is asked of the hub then included. */
    connectTimeout: duration(SECOND, 5 * MINUTE).default(15 * SECOND),
    /** A dead line is found within 1.5 times this. @see MQTT 3.1.1 section 3.1.2.10 */
    keepalive: duration(5 * SECOND, 20 * MINUTE).default(30 * SECOND),
    backoffBase: duration(10, MINUTE).default(500),
    /** A hub that comes back is found within half a minute, and not by all devices at once. */
    backoffCap: duration(100, 10 * MINUTE).default(30 * SECOND),
    budget: budget.optional(),
    /** Telemetry goes to `$aws/rules/<rule>/…`, as AWS charges less for it; a hub takes it too, by its `ingest.rule`. */
    ingestRule: z
      .string()
      .regex(/^[a-zA-Z0-9_]{1,128}$/, 'letters, digits and _')
      .optional(),
    /** AWS IoT Core discards what is over 100; a hub takes what comes. Of the batches and all else that is published. */
    publishesPerSecond: z.int().min(1).max(100_000).optional(),
  })
  .refine((of) => of.batchBytesMin <= of.batchBytesMax, 'batchBytesMin is over batchBytesMax')
  .refine((of) => of.ackTimeoutMin <= of.ackTimeoutMax, 'ackTimeoutMin is over ackTimeoutMax');

const usage = z.strictObject({
  /**
   * How often the hub is told what functions used, where they used anything. Without the hub once a day is told later;
   * what schedules did that changed nothing is on the card after so long.
   */
  report: duration(SECOND, DAY).default(5 * MINUTE),
});

/** What shall take over is tried beside what runs, and goes on being watched until it is proven. */
const trial = z.strictObject({
  /** Readings that came last, which it is given: some minutes of a small site. 0: it is only started. */
  readingsMax: z.int().min(0).max(20_000).default(500),
  /** For all of them: whoever deploys waits for it. */
  spanMax: duration(100, 10 * MINUTE).default(3 * SECOND),
  /**
   * Ends of the agent, without its having been told to, that a version may be followed by while it is on trial; then the
   * last good one takes its place. Once may be anything. Where the machine was started in between it counts half. 0: any number.
   */
  endsMax: z.int().min(0).max(100).default(3),
  /** An agent that has run for so long is not ended by what is on trial: as long as it takes a quiet version to be proven. */
  steadyAfter: duration(SECOND, DAY).default(10 * MINUTE),
});

/** A version that runs beside another one to be compared with it. */
const candidate = z.strictObject({
  /** How long what runs waits for it at most: so much later may an alert be, once; then it is stopped, for it cannot keep up. */
  lagMax: duration(100, MINUTE).default(2 * SECOND),
  /** By which two numbers may differ and be the same all the same, as a share of the larger one: what comes of adding in another order. */
  tolerance: z.number().min(0).max(1).default(1e-9),
});

const deploy = z.strictObject({
  /** A delta may be lost; the whole shadow is asked for again after so long. */
  poll: duration(SECOND, DAY).default(60 * SECOND),
  /** Health is reported when it changed, no more often. */
  report: duration(SECOND, DAY).default(30 * SECOND),
  fetchTimeout: duration(SECOND, 10 * MINUTE).default(60 * SECOND),
  /** Of all bundles: a bundle has 1 MiB at most, and what runs one to go back to. */
  bundlesBytesMax: bytes(1 * MIB, 1024 * MIB).default(64 * MIB),
  /** What a bundle leaves free on the disk: what the log of the database takes before it is emptied. */
  diskFreeMin: bytes(0, 1024 * MIB).default(4 * MIB),
  trial: trial.prefault({}),
  /** What is to run is fetched when the shadow says that it is new; whoever holds the shadow back hides it no longer than this. */
  refresh: duration(SECOND, DAY).default(HOUR),
  candidate: candidate.prefault({}),
});

const clock = z.strictObject({
  /** A clock that claims to be further ahead of the last time that was known is not believed: no device lies in a store for longer. */
  aheadMax: duration(DAY, 3650 * DAY).default(3650 * DAY),
  /** How long a clock that neither NTP nor the hub confirms must stay with what it says after it was set. */
  stepHold: duration(0, DAY).default(MINUTE),
  /** How long a connection waits for the hub's time, while time is not known, before it sends what it has. */
  hubWait: duration(100, MINUTE).default(5 * SECOND),
  /** How often the hub's time is asked for: a quartz is a few seconds off after a day. */
  ask: duration(SECOND, DAY).default(10 * MINUTE),
  /** How often the time is kept on the card of an idle device. After a power cut without a clock it goes on from there. */
  keep: duration(SECOND, DAY).default(15 * MINUTE),
});

/** Off unless it is there: the hub has the sums, and a gateway that nobody scrapes needs no port. */
const metrics = z.strictObject({
  /** What it serves is no secret, and nobody is asked for a name. */
  host: z.string().min(1).default('127.0.0.1'),
  /** Where exporters of OpenTelemetry are looked for, too. 0: any free port. */
  port: z.int().min(0).max(65_535).default(9464),
});

const settings = z.strictObject({
  /** A device that serves no hub: it runs what it has and keeps what it measures. Enrolled devices take no name from here. */
  standalone: z.string().regex(DEVICE_PATTERN, 'letters, digits and : _ - ; at most 128').optional(),
  mqtt: mqtt.prefault({}),
  intake: intake.prefault({}),
  journal: journal.prefault({}),
  durability: durability.default('every-batch'),
  storage: storage.prefault({}),
  functions: functions.prefault({}),
  sandbox: sandbox.prefault({}),
  outbox: outbox.prefault({}),
  uplink: uplink.prefault({}),
  usage: usage.prefault({}),
  deploy: deploy.prefault({}),
  clock: clock.prefault({}),
  metrics: metrics.optional(),
  alerts: alertsSchema.prefault({}),
  aws: awsSchema.optional(),
});

export const configSchema = settings.refine(isForAws, KEEPALIVE_FAULT).transform(withinAws);

/** Durations in milliseconds, sizes in bytes. */
export type Config = z.output<typeof configSchema>;

export function syncEveryMs({ durability }: Config): number | undefined {
  return durability === 'every-batch' ? undefined : parseDuration(durability);
}

export function defaultConfig(): Config {
  return configSchema.parse({});
}

/** On a metered line the agent is quiet by itself. */
export function metered(config: Config): Config {
  const { budget } = config.uplink;
  if (budget === undefined) return config;
  const rarely = (ms: number) => Math.max(ms, budget.chatter);
  const { deploy, usage, uplink, clock } = config;
  return {
    ...config,
    uplink: { ...uplink, keepalive: budget.keepalive },
    deploy: { ...deploy, poll: rarely(deploy.poll), report: rarely(deploy.report) },
    usage: { ...usage, report: rarely(usage.report) },
    clock: { ...clock, ask: rarely(clock.ask) },
  };
}
