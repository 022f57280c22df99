/**
 * The doors: the only places through which Weir reaches the machine, the network, the clock and chance. What is not
 * listed cannot. `ARCHITECTURE.md` explains them; dependency-cruiser and `doors.test.ts` hold everybody to them.
 *
 * Paths are regular expressions from the repository's root. Tests and their fixtures are free.
 */
export interface Door {
  name: string;
  modules: readonly string[];
  /** Who may import them. */
  from: readonly string[];
  why: string;
}

export const DOORS: readonly Door[] = [
  {
    name: 'files',
    modules: ['node:fs', 'node:fs/promises'],
    from: [
      '^runtime/src/bundle/',
      '^runtime/src/sandbox/',
      '^runtime/src/sqlite/',
      '^runtime/src/secrets/',
      '^edge-agent/src/clock/',
      '^edge-agent/src/doctor/',
      '^edge-agent/src/spool/',
      '^edge-agent/src/status/',
      '^edge-agent/src/run.ts$',
      '^edge-agent/src/version.ts$',
      '^cloud/cli/',
      '^devices/src/main.ts$',
      '^devices/src/trace-player.ts$',
      '^[^/]+/bin/',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'configuration, keys, bundles and traces are files; everything else is in SQLite',
  },
  {
    name: 'sqlite',
    modules: ['node:sqlite'],
    from: ['^runtime/src/sqlite/', '^edge-agent/src/spool/'],
    why: 'a database blocks its thread, so one module opens it, in a thread of its own',
  },
  {
    name: 'threads',
    modules: ['node:worker_threads'],
    from: ['^runtime/src/sqlite/'],
    why: 'the thread of the database is the only one',
  },
  {
    name: 'processes',
    modules: ['node:child_process'],
    from: [
      '^runtime/src/sandbox/',
      '^edge-agent/src/clock/',
      '^cloud/cli/commands/devices-program.ts$',
      '^[^/]+/bin/',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'user code runs in a process of its own; who keeps the clock of a device is asked whether it is right; launchers start the pinned Node',
  },
  {
    name: 'isolates',
    modules: ['isolated-vm'],
    from: ['^runtime/src/sandbox/child.ts$'],
    why: 'only the supervised child process holds isolates',
  },
  {
    name: 'broker',
    modules: ['aedes'],
    from: ['^edge-agent/src/intake/', '^cloud/src/front/'],
    why: 'MQTT ends in two places: for sensors, and for devices',
  },
  {
    name: 'MQTT client',
    modules: ['mqtt'],
    from: [
      '^edge-agent/src/uplink/',
      '^devices/src/publisher.ts$',
      '^cloud/cli/commands/function-live.ts$',
      '^cloud/src/notify/carriers/',
    ],
    why: 'the uplink is the only way from a device to its hub; simulated sensors are sensors; who writes a function listens to them; alerts go to brokers of others',
  },
  {
    name: 'sockets',
    modules: ['node:net', 'node:tls', 'node:dgram', 'node:dns', 'node:http', 'node:https', 'node:http2'],
    from: [
      '^edge-agent/src/deploy/',
      '^edge-agent/src/doctor/',
      '^edge-agent/src/identity/',
      '^edge-agent/src/intake/',
      '^edge-agent/src/status/',
      '^edge-agent/src/uplink/',
      '^runtime/src/requests/',
      '^runtime/src/sandbox/',
      '^cloud/cli/trust.ts$',
      '^cloud/src/config/',
      '^cloud/src/front/',
      '^cloud/src/identity/',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'what listens or connects is listed here, and binds to 127.0.0.1 unless configured otherwise',
  },
  {
    name: 'mail',
    modules: ['nodemailer'],
    from: ['^cloud/src/notify/carriers/'],
    why: 'the hub writes mail about alerts, and nothing else does',
  },
  {
    name: 'HTTP server',
    modules: ['fastify'],
    from: ['^cloud/src/device-api/', '^cloud/src/operator-server.ts$'],
    why: 'two servers: for devices, and for operators with the IoT Data Plane',
  },
  {
    name: 'AWS',
    modules: ['@aws-sdk/client-iot-data-plane'],
    from: ['^cloud/src/downlink/', '^test/'],
    why: 'cloud code reaches devices through the IoT Data Plane API only',
  },
];

/** Who may read the wall clock, set timers or draw lots; the rest is told the time, so that a simulation can move it. */
export const CLOCK_DOORS: readonly { from: string; why: string }[] = [
  { from: '^devices/src/main.ts$', why: 'a simulation starts now' },
  { from: '^devices/src/feed.ts$', why: 'sensors live in real time' },
  { from: '^devices/src/publisher.ts$', why: 'sensors live in real time' },
  { from: '^edge-agent/src/run.ts$', why: 'the clock and the dice of the agent, handed to all that needs them' },
  { from: '^edge-agent/src/clock/', why: 'the clock of the agent, handed to all that needs one' },
  { from: '^edge-agent/src/identity/', why: 'keys and passwords are drawn by lot' },
  { from: '^cloud/src/clock/', why: 'the clock of the hub, handed to all that needs one' },
  { from: '^cloud/src/main.ts$', why: 'the dice of the hub, handed to all that needs them; a deadline for its end' },
  { from: '^runtime/src/sqlite/thread-worker.ts$', why: 'syncs no more often than the disk is to bear' },
  { from: '^runtime/src/inside/', why: 'puts event time and a seed in the place of clock and chance' },
  { from: '^runtime/src/sandbox/', why: 'deadlines of user code, by which its process is killed' },
  { from: '^cloud/cli/', why: 'a command is at its terminal in real time' },
  { from: '^examples/quickstart/', why: 'drives real processes' },
  { from: '^test/', why: 'drives real processes' },
];
