import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSqliteStore } from '@weir/cloud';
import { System } from '../support/system.ts';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import { enrolOffline, type IdleDevices } from './idle-devices.ts';

const DEVICES = 1_000;
const LIVE_DEPLOYMENTS = 5;
const FLEET = 'fleet';
/** Other work on the machine makes it slow; on a quiet one it is some seconds. */
const MS_MAX = 300_000;

export const deploy: Bench = {
  secondsDefault: 30,
  run,
  help: `
deploy: how long it takes from the command to the device.

  A real hub (\`weir hub\`) in a temporary folder. First, a real gateway that has joined it: \`weir fn deploy\` is started as a process, and
  ends when the gateway says that it runs the version, ${LIVE_DEPLOYMENTS} times, each a new version. Then ${DEVICES} devices in one other process, each with a
  certificate and a connection by MQTT over TLS of its own: they fetch what is signed and the bundle over HTTPS and report, but run
  nothing; \`weir fn deploy --waves 100% --soak 0s\` goes to all of them at full rate. --seconds says nothing here.

  live_ms_p50, _max    from the start of the command to its end, with a real gateway: the command itself takes most of it
  fleet_devices        connected, in the second part
  fleet_s              from the start of the command until the last of them has reported that it runs
  fleet_command_s      until the command has ended: all of them are in the hub's books as running, and the version stands
`,
};

async function run({ say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  let devices: ChildProcess | undefined;
  try {
    const enrolled = await enrolOffline(system.hubData, DEVICES);
    await putInGroup(join(system.hubData, 'store.db'), enrolled);
    const file = system.file('devices.json', JSON.stringify(enrolled));
    system.hubConfig = system.file('hub.yaml', `front: { addressConnectsBurst: ${DEVICES * 2} }\n`);
    await system.startAll();
    const live = await deployLive(system, say);
    const { mqtt, device } = system.hubPorts;
    const program = fileURLToPath(new URL('fleet-devices.ts', import.meta.url));
    devices = spawn(process.execPath, [program, file, JSON.stringify({ mqtt, device })], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await message(devices, ({ connected }) => connected === DEVICES);
    say(`${DEVICES} devices are connected`);
    const from = performance.now();
    const all = message(devices, ({ running }) => running === DEVICES).then(() => seconds(from));
    const path = source(system, '2.0.0');
    await system.weir('fn', 'deploy', path, '--group', FLEET, '--waves', '100%', '--soak', '0s');
    const commandS = seconds(from);
    return {
      live_ms_p50: Math.round(median(live)),
      live_ms_max: Math.round(Math.max(...live)),
      fleet_devices: DEVICES,
      fleet_s: await all,
      fleet_command_s: commandS,
    };
  } finally {
    devices?.kill('SIGKILL');
    await system.stop();
  }
}

async function deployLive(system: System, say: (line: string) => void): Promise<number[]> {
  const tookMs: number[] = [];
  for (let n = 0; n < LIVE_DEPLOYMENTS; n++) {
    const path = source(system, `1.0.${n}`);
    const from = performance.now();
    await system.weir('fn', 'deploy', path, '--group', 'plant');
    tookMs.push(performance.now() - from);
    say(`a gateway runs 1.0.${n} after ${Math.round(tookMs.at(-1)!)} ms`);
  }
  return tookMs;
}

function source(system: System, version: string): string {
  const path = join(system.folder, `mean-${version}.ts`);
  writeFileSync(
    path,
    `import { defineFunction } from '@weir/runtime/author';
export default defineFunction<{ n: number }>({
  name: 'mean', version: '${version}', inputs: [{ metric: 'temperature' }], state: () => ({ n: 0 }),
  reading(r, ctx) { ctx.state.n += 1; ctx.emit({ metric: 'count', value: ctx.state.n }); },
});
`,
  );
  return path;
}

/** In the data folder of a hub that does not run. */
async function putInGroup(file: string, { devices }: IdleDevices): Promise<void> {
  const store = await openSqliteStore({ file });
  const addedAt = Date.now();
  await store.write([{ put: { table: 'group', partition: FLEET, sort: 'record' }, json: { createdAt: addedAt } }]);
  for (const { device } of devices) {
    const key = { table: 'device', partition: device, sort: 'record' };
    const record = (await store.get(key))!.json as object;
    await store.write([
      { put: key, json: { ...record, groups: [FLEET], listed: [FLEET] } },
      { put: { table: 'group', partition: FLEET, sort: `device/${device}` }, json: { addedAt, listed: true } },
    ]);
  }
  await store.close();
}

interface Said {
  connected?: number;
  running?: number;
}

async function message(devices: ChildProcess, isIt: (said: Said) => boolean): Promise<void> {
  const ended = once(devices, 'exit').then(([code]) => `their process ended with ${code}`);
  const late = sleep(MS_MAX, 'they were too slow', { ref: false });
  const heard = new Promise<undefined>((resolve) => {
    devices.on('message', (said: Said) => {
      if (isIt(said)) resolve(undefined);
    });
  });
  const why = await Promise.race([heard, ended, late]);
  if (why !== undefined) throw new Error(`the devices: ${why}`);
}

function seconds(from: number): number {
  return Math.round((performance.now() - from) / 100) / 10;
}
