/** Every limit of the hub, with the reason for its default. */
import { isIP } from 'node:net';
import { urlPatternSchema } from '@weir/protocols';
import { isNetwork } from '@weir/runtime';
import { z } from 'zod';
import { bytes, duration } from './units.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
const host = z
  .string()
  .refine((text) => isIP(text) !== 0 || HOST_NAME.test(text), 'a host name or an address is wanted');
const port = z.int().min(0).max(65_535);

/** Nothing listens beyond this machine unless someone says so. Port 0: any free one. */
const listener = (defaultPort: number) =>
  z.strictObject({ host: host.default('127.0.0.1'), port: port.default(defaultPort) }).prefault({});

const listenSchema = z
  .strictObject({
    /** For devices: MQTT over TLS. */
    mqtt: listener(8883),
    /** For devices: HTTPS. */
    device: listener(8443),
    /** For operators, with the IoT Data Plane: HTTP on this machine, HTTPS beyond it. */
    api: z
      .strictObject({
        host: host.default('127.0.0.1'),
        port: port.default(8080),
        /** PEM files, read again when they change; without, the hub's own certificate. */
        tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
        /** HTTP beyond this machine, too: keys can be read on the way. For a proxy that ends TLS itself. */
        insecure: z.boolean().optional(),
      })
      .prefault({}),
  })
  .prefault({});

const publicSchema = z
  .strictObject({
    /** Names and addresses under which devices reach the hub, the preferred one first; all go into its certificate. */
    hosts: z.array(host).max(50).default([]),
    /** Where devices send telemetry, if it is not the port that the hub listens on: behind a balancer, say. */
    mqttPort: port.min(1).optional(),
    /** Where devices join, if it is not the port that the hub listens on. */
    devicePort: port.min(1).optional(),
  })
  .prefault({});

const frontSchema = z
  .strictObject({
    /** Each costs about 100 KiB, nearly all of it for TLS. */
    connectionsMax: z.int().min(1).max(1_000_000).default(10_000),
    /** Of one address: a site, or all behind a balancer; the rest of the fleet has as many left. */
    addressConnectionsMax: z.int().min(1).max(1_000_000).default(5_000),
    /** Sockets that have not said yet who they are: each may cost a handshake. */
    pendingMax: z.int().min(1).max(1_000_000).default(2_000),
    /** The same of one address: a site of 500 devices that has its power back. */
    addressPendingMax: z.int().min(1).max(1_000_000).default(600),
    /** Of one address so many may connect at once, as that site does twice … */
    addressConnectsBurst: z.int().min(1).max(1_000_000).default(1_000),
    /** … and then a second: what a core has time for, a tenth of it. */
    addressConnectsPerS: z.int().min(1).max(100_000).default(50),
    /** Of one device, whose line may be lost again and again, at once … */
    deviceConnectsBurst: z.int().min(1).max(100_000).default(20),
    /** … and then a second, as AWS has it. */
    deviceConnectsPerS: z.int().min(1).max(10_000).default(1),
    /** MQTT packets of one connection; what comes faster waits with the device. No agent has as many to send. */
    packetsPerS: z.int().min(10).max(10_000_000).default(2_000),
    /** Bytes of one connection, likewise: a backlog, on a line that nothing else is on. */
    bytesPerS: bytes(16 * KIB, GIB).default(16 * MIB),
    /** TLS handshake, and then the CONNECT packet. */
    connectTimeout: duration(100, 5 * MINUTE).default(10 * SECOND),
    /** One packet before the connection is accepted: a CONNECT without will or password. */
    firstPacketBytesMax: bytes(256, MIB).default(4 * KIB),
    /** One packet afterwards: AWS takes 128 KiB, and a mistake must reach the decoder to be kept aside. */
    packetBytesMax: bytes(4 * KIB, 16 * MIB).default(256 * KIB),
    /** Payload of one connection that waits to become durable; over it the connection is not read. */
    connectionInFlightBytesMax: bytes(64 * KIB, GIB).default(MIB),
    /** The same for all connections together. */
    inFlightBytesMax: bytes(MIB, 16 * GIB).default(64 * MIB),
    /** What one device has not taken yet of what was sent to it; over it the device is cut off, and comes back. */
    outboundBytesMax: bytes(64 * KIB, GIB).default(MIB),
    /** The same for all devices together. */
    outboundTotalBytesMax: bytes(MIB, 16 * GIB).default(64 * MIB),
    /**
     * After a restart of the hub a device that was connected has so long to come back, before functions in the cloud
     * are told that it is offline. Agents try again every 30 s.
     */
    returnWithin: duration(SECOND, DAY).default(2 * MINUTE),
  })
  .prefault({});

const logSchema = z
  .strictObject({
    /** Fixed when the data folder is made. More than one machine's cores, few enough for a loop each. */
    partitions: z.int().min(1).max(1024).default(16),
    /** Batches that workers have not taken yet; over it devices keep what they have. */
    bytesMax: bytes(MIB, 1024 * GIB).default(GIB),
  })
  .prefault({});

const workersSchema = z
  .strictObject({
    /** Devices of one partition kept in memory; of more than these, those that are silent miss their schedules. */
    devicesMax: z.int().min(1).max(1_000_000).default(500),
    /** The process in which functions run is killed over this. */
    sandboxBytesMax: bytes(64 * MIB, 64 * GIB).default(512 * MIB),
  })
  .prefault({});

const requestsSchema = z
  .strictObject({
    /**
     * Where functions may send HTTP requests, e.g. `https://api.example.com/v1/*`. Nowhere unless someone says so; and
     * to public addresses only, but where a pattern names an address or `localhost`.
     */
    allow: z.array(urlPatternSchema).max(256).default([]),
    /** Sent at a time. Each holds a socket and an answer. */
    concurrency: z.int().min(1).max(10_000).default(64),
    /** Of these, to one destination: one that hangs leaves the others alone. */
    concurrencyPerDestination: z.int().min(1).max(10_000).default(8),
    /** Of each function of each device; what comes faster waits. */
    perSecond: z.int().min(1).max(1_000).default(20),
    /** Of each function of each device: not yet answered. Over it a request is answered with an error. */
    waitingMax: z.int().min(1).max(10_000).default(200),
    waitingBytesMax: bytes(KIB, 64 * MIB).default(MIB),
    /** The same of all of them together: they are in memory, too. */
    totalMax: z.int().min(1).max(1_000_000).default(16_000),
    totalBytesMax: bytes(KIB, 16 * GIB).default(64 * MIB),
    /** Of an answer: the function gets it whole. */
    bodyBytesMax: bytes(KIB, 256 * KIB).default(64 * KIB),
    /** A request that could not be answered by then is of little use. */
    giveUp: duration(SECOND, DAY).default(10 * MINUTE),
  })
  .prefault({});

const functionsSchema = z.strictObject({ requests: requestsSchema }).prefault({});

const shadowSchema = z
  .strictObject({
    /** Desired and reported together; AWS takes 8 KB, and 30 KB when asked. */
    bytesMax: bytes(KIB, 30 * KIB).default(8 * KIB),
    depthMax: z.int().min(1).max(20).default(8),
    /** Named shadows of a device. AWS has no such limit; a stolen key must not fill the disk. */
    namedMax: z.int().min(1).max(100_000).default(1_000),
  })
  .prefault({});

const downlinkSchema = z
  .strictObject({
    /**
     * The IoT Data Plane by which devices are reached: that of AWS, where they are connected there. Undefined: the hub's
     * own. Credentials are looked for as AWS's tools do: `AWS_ACCESS_KEY_ID` and its like, a profile, the role of the
     * machine.
     */
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    /** Of the endpoint. */
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/)
      .default('us-east-1'),
  })
  .prefault({});

const ingestSchema = z
  .strictObject({
    /** Devices may publish to `$aws/rules/<rule>/weir/1/…` as well, as they would to AWS with Basic Ingest. */
    rule: z
      .string()
      .regex(/^[a-zA-Z0-9_]{1,128}$/, 'letters, digits and _')
      .default('weir'),
  })
  .prefault({});

const retainedSchema = z
  .strictObject({
    /** Their topics are in memory: some 2 MiB. */
    messagesMax: z.int().min(0).max(1_000_000).default(10_000),
    /** Topics and payloads together; they are in the store for ever. */
    bytesMax: bytes(KIB, 16 * GIB).default(64 * MIB),
  })
  .prefault({});

const joinSchema = z
  .strictObject({
    /** Of one address at once, as when a site is set up … */
    burst: z.int().min(1).max(100_000).default(60),
    /** … and then. Each join costs a signature. */
    perMinute: z.int().min(1).max(100_000).default(120),
    /** The same of all addresses together: whoever has many of them leaves the hub time for those that have joined. */
    totalBurst: z.int().min(1).max(100_000).default(600),
    totalPerMinute: z.int().min(1).max(100_000).default(600),
  })
  .prefault({});

const rate = (burst: number, perMinute: number) =>
  z
    .strictObject({
      burst: z.int().min(1).max(10_000_000).default(burst),
      perMinute: z.int().min(1).max(10_000_000).default(perMinute),
    })
    .prefault({});

const apiSchema = z
  .strictObject({
    /** Of one key: a program that writes to its devices as fast as it can leaves the hub to others, too. */
    perKey: rate(4_000, 120_000),
    /** Of one address, with a key or without: some behind one address work at a time. */
    perAddress: rate(8_000, 240_000),
    /**
     * Of one address that shows no good key: whoever mistypes it a few times does not notice, a program with an old key
     * is slowed down. A key cannot be guessed, whatever the rate; this keeps the log and the processor free.
     */
    failures: rate(20, 10),
    /** Each costs a socket and some KiB; those who watch keep theirs. */
    connectionsMax: z.int().min(10).max(100_000).default(1_000),
    /** From the first byte of a request to its last: a bundle over a slow line takes a while. */
    requestTimeout: duration(SECOND, HOUR).default(MINUTE),
    /** And to the end of its headers: nobody types them. */
    headersTimeout: duration(SECOND, HOUR).default(15 * SECOND),
  })
  .prefault({});

const auditSchema = z
  .strictObject({
    /** A year, and the month that it is compared with. */
    keep: duration(DAY, 3650 * DAY).default(400 * DAY),
    /** About 60 MB; a team of ten that changes something every ten minutes fills it in a year. */
    changesMax: z.int().min(1_000).max(10_000_000).default(100_000),
    /** Of messages to devices, and of denied attempts: each counts many that are alike. */
    othersMax: z.int().min(1_000).max(10_000_000).default(20_000),
  })
  .prefault({});

const historySchema = z
  .strictObject({
    /** How long readings are kept after they came: a year, and the month that it is compared with. */
    keep: duration(DAY, 3650 * DAY).default(400 * DAY),
  })
  .prefault({});

const storeSchema = z
  .strictObject({
    /** Over it the readings that came first go before their time: the disk of a small server has room for it. */
    bytesMax: bytes(64 * MIB, 65_536 * GIB).default(32 * GIB),
  })
  .prefault({});

const renewSchema = z
  .strictObject({
    /** How long after its end a certificate of a device still gets another: a season in a store room, and another. */
    afterExpiry: duration(0, 3650 * DAY).default(365 * DAY),
  })
  .prefault({});

const alertsSchema = z
  .strictObject({
    /** How long an alert that has ended is kept after it was last heard of: a season can be looked back on. */
    keep: duration(HOUR, 3650 * DAY).default(90 * DAY),
  })
  .prefault({});

const connectivitySchema = z
  .strictObject({
    /**
     * A device that is silent or offline for so long is told to people; `off`: none is, but of groups that say otherwise. A
     * restart, an upgrade or a line that is lost for a moment is over by then.
     */
    alertAfter: z.union([z.literal('off'), duration(SECOND, 30 * DAY)]).default(5 * MINUTE),
    /** So many that go away together are one outage and one alert: more than anybody reads one by one at night. */
    outageDevices: z.int().min(2).max(1_000_000).default(5),
    /** Together: keepalives of 30 s end within 45 s, and not all lines of a site at one moment. */
    outageWithin: duration(SECOND, DAY).default(2 * MINUTE),
  })
  .prefault({});

const gapsSchema = z
  .strictObject({
    /**
     * What is missing of a device that has sent for so long since is lost without a word, and not on its way. A backlog of
     * reports on a slow line takes minutes; nobody needs to be woken within an hour.
     */
    unexplainedAfter: duration(SECOND, 365 * DAY).default(HOUR),
  })
  .prefault({});

const trustSchema = z
  .strictObject({
    /**
     * How long what the hub says a device is to run may be taken for new. Held back longer than this, nobody can pass it
     * off as the latest; a hub that is down over a weekend signs anew when it is back.
     */
    statementsFor: duration(MINUTE, 30 * DAY).default(72 * HOUR),
  })
  .prefault({});

const usageSchema = z
  .strictObject({
    /** What functions used, by day: a year, and the month that it is compared with. */
    keep: duration(DAY, 3650 * DAY).default(400 * DAY),
  })
  .prefault({});

const notifySchema = z
  .strictObject({
    /**
     * Networks that channels may reach beside public addresses, e.g. `192.168.1.0/24`. What listens on this machine may be reached
     * as long as the operator API listens on this machine alone. Addresses are looked at when a connection is made.
     */
    allowNetworks: z
      .array(z.string().refine(isNetwork, 'a network such as 192.168.1.0/24 or fd00::/8'))
      .max(100)
      .default([]),
    /** Of one attempt; Standard Webhooks has 15 to 30 s. */
    timeout: duration(SECOND, 2 * MINUTE).default(15 * SECOND),
    /** Over a long weekend; then a message is put aside as a dead letter. */
    giveUp: duration(MINUTE, 30 * DAY).default(3 * DAY),
    /** Of one channel; of more the oldest go, and are counted. Some 10 KB each. */
    deadLettersMax: z.int().min(1).max(100_000).default(1_000),
  })
  .prefault({});

export const configSchema = z.strictObject({
  /** `aws-strict` holds devices to the limits of AWS IoT Core, so that what works here works there. */
  profile: z.enum(['weir', 'aws-strict']).default('weir'),
  listen: listenSchema,
  public: publicSchema,
  front: frontSchema,
  log: logSchema,
  workers: workersSchema,
  functions: functionsSchema,
  shadow: shadowSchema,
  ingest: ingestSchema,
  downlink: downlinkSchema,
  retained: retainedSchema,
  join: joinSchema,
  api: apiSchema,
  audit: auditSchema,
  history: historySchema,
  store: storeSchema,
  trust: trustSchema,
  renew: renewSchema,
  alerts: alertsSchema,
  connectivity: connectivitySchema,
  gaps: gapsSchema,
  usage: usageSchema,
  notify: notifySchema,
});

/** Checked, defaults filled in, in base units. */
export type HubConfig = z.output<typeof configSchema>;
