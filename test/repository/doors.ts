/**
 * The doors: the only places through which Weir reaches the machine, the network, the clock and chance. What is not
 * listed cannot. `ARCHITECTURE.md` explains them; dependency-cruiser and `doors.test.ts` hold everybody to them.
 *
 * Paths are regular expressions from the repository's root. Tests and their fixtures are free.
 */
export interface Door {
  name: string;
  /** Modules, as a regular expression of what dependency-cruiser resolves them to. */
  modules: string;
  /** Who may import them. */
  from: string[];
  why: string;
}

export const DOORS: readonly Door[] = [
  {
    name: 'files',
    modules: '^(node:)?fs(/promises)?$',
    from: [
      '^runtime/src/(bundle|sandbox)/',
      '^edge-agent/src/(identity|status)/',
      '^edge-agent/src/(run|version)\\.ts$',
      '^cloud/src/(config|identity)/',
      '^cloud/src/main\\.ts$',
      '^cloud/cli/',
      '^devices/src/(main|trace-player)\\.ts$',
      '^[^/]+/bin/',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'configuration, keys, bundles and traces are files; everything else is in SQLite',
  },
  {
    name: 'sqlite',
    modules: '^node:sqlite$',
    from: ['^runtime/src/sqlite/', '^edge-agent/src/spool/'],
    why: 'a database blocks its thread, so one module opens it, in a thread of its own',
  },
  {
    name: 'threads',
    modules: '^(node:)?worker_threads$',
    from: ['^runtime/src/sqlite/'],
    why: 'the thread of the database is the only one',
  },
  {
    name: 'processes',
    modules: '^(node:)?child_process$',
    from: [
      '^runtime/src/sandbox/',
      '^cloud/cli/commands/devices-program\\.ts$',
      '^[^/]+/bin/',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'user code runs in a process of its own; launchers start the pinned Node',
  },
  {
    name: 'isolates',
    modules: '^node_modules/isolated-vm/',
    from: ['^runtime/src/sandbox/child\\.ts$'],
    why: 'only the supervised child process holds isolates',
  },
  {
    name: 'broker',
    modules: '^node_modules/aedes/',
    from: ['^edge-agent/src/intake/', '^cloud/src/front/'],
    why: 'MQTT ends in two places: for sensors, and for devices',
  },
  {
    name: 'MQTT client',
    modules: '^node_modules/mqtt/',
    from: ['^edge-agent/src/uplink/', '^devices/src/publisher\\.ts$'],
    why: 'the uplink is the only way from a device to its hub; simulated sensors are sensors',
  },
  {
    name: 'sockets',
    modules: '^(node:)?(net|tls|dgram|http|https|http2)$',
    from: [
      '^edge-agent/src/(deploy|identity|intake|status|uplink)/',
      '^cloud/src/(front|device-api|identity|notify)/',
      '^cloud/src/hub\\.ts$',
      '^examples/quickstart/',
      '^test/',
    ],
    why: 'what listens or connects is listed here, and binds to 127.0.0.1 unless configured otherwise',
  },
  {
    name: 'AWS',
    modules: '^node_modules/@aws-sdk/',
    from: ['^cloud/src/downlink/', '^test/'],
    why: 'cloud code reaches devices through the IoT Data Plane API only',
  },
];

/** Who may read the wall clock, set timers or draw lots; the rest is told the time, so that a simulation can move it. */
export const CLOCK_DOORS: readonly { from: string; why: string }[] = [
  { from: '^devices/src/(main|feed|publisher)\\.ts$', why: 'sensors live in real time' },
  { from: '^edge-agent/src/(run\\.ts|clock/)', why: 'the clock of the agent, handed to all that needs one' },
  { from: '^(edge-agent|cloud)/src/identity/', why: 'keys, passwords and serial numbers are drawn by lot' },
  { from: '^cloud/src/(main\\.ts|clock/)', why: 'the clock of the hub, handed to all that needs one' },
  { from: '^runtime/src/inside/', why: 'puts event time and a seed in the place of clock and chance' },
  { from: '^runtime/src/sandbox/', why: 'deadlines of user code, by which its process is killed' },
  { from: '^cloud/cli/', why: 'a command is at its terminal in real time' },
  { from: '^(examples/quickstart|test)/', why: 'drives real processes' },
  { from: '^[^/]+/bin/', why: 'launchers' },
];
