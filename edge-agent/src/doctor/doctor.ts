/** `weir-agent doctor`: looks at all that the agent needs of the device, and says what to do about what is amiss. */
import { createSandbox, type IsolationLayer } from '@weir/runtime';
import type { ClockStatus } from '../clock/agent-clock.ts';
import { systemClock } from '../clock/clock.ts';
import { describeClock } from '../clock/describe.ts';
import { timeOfMachine } from '../clock/machine-clocks.ts';
import { askNtp } from '../clock/ntp.ts';
import { isFelt, isPossible } from '../clock/timekeeping.ts';
import type { Config } from '../config/config.ts';
import { type Identity, readIdentity } from '../identity/identity.ts';
import type { TrustedTime } from '../identity/trust.ts';
import { askStatus } from '../status/socket.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { checkAws, checkBroker, checkCertificate, checkHub } from './network.ts';
import { checkSecrets, checkStorage } from './storage.ts';

/** The first that runs our TypeScript as it is. */
const NODE_MAJOR_MIN = 24;
const SANDBOX_START_MS = 10_000;

export async function examine(data: string, config: Config): Promise<Finding[]> {
  const now = systemClock.now();
  const status = await askStatus(data).catch(() => undefined);
  const time =
    status?.clock === undefined ? await timeOfMachine() : timeOfAgent({ clock: status.clock, now: status.now });
  const [identity, damaged] = await identityOf(data);
  return [
    checkNode(process.versions.node),
    ...(await checkStorage(data, config)),
    await checkSecrets(data),
    status?.clock === undefined ? checkClock(now, await askNtp()) : checkAgentClock(status.clock, status.now),
    ...(await checkSandbox()),
    await checkBroker(config, status?.broker),
    ...damaged,
    checkCertificate(identity, status === undefined && time.isWallWrong ? time.earliest : time.now()),
    await checkHub(identity, config, time),
    ...[await checkAws(config, time)].filter((finding) => finding !== undefined),
  ];
}

/** That of the agent, which may know better than the machine's clock. */
function timeOfAgent({ clock, now }: { clock: ClockStatus; now: number }): TrustedTime {
  const since = systemClock.monotonic();
  const current = () => now + systemClock.monotonic() - since;
  return {
    isKnown: clock.certainty === 'synchronised',
    // By which TLS goes here.
    isWallWrong: isFelt(systemClock.now() - now),
    earliest: now,
    now: current,
  };
}

export function checkNode(version: string): Finding {
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return ok('node', version);
  return fail('node', version, `Node ${NODE_MAJOR_MIN} or newer is needed: npm ci installs it`);
}

const SYNCHRONISE = 'let NTP set it, e.g. by timedatectl set-ntp true; otherwise the hub does, once it is reached';

/** @param disciplined whether NTP says that it is right; undefined: nobody does */
export function checkClock(now: number, disciplined: boolean | undefined): Finding {
  const shown = new Date(now).toISOString();
  if (isPossible(now)) {
    return disciplined === false
      ? warn('clock', `${shown}, which NTP does not confirm`, SYNCHRONISE)
      : ok('clock', shown);
  }
  const remedy =
    'set the clock, e.g. by timedatectl set-ntp true: certificates seem invalid, and readings get wrong times';
  return fail('clock', shown, remedy);
}

/** As the agent that runs has it. */
export function checkAgentClock(clock: ClockStatus, now: number): Finding {
  const text = describeClock(clock, now);
  if (clock.certainty === 'synchronised' && !isFelt(clock.wallAheadMs)) return ok('clock', text);
  return warn('clock', text, SYNCHRONISE);
}

async function identityOf(data: string): Promise<[Identity | undefined, Finding[]]> {
  try {
    return [await readIdentity(data), []];
  } catch (error) {
    const remedy = "run doctor as the agent's user, or enrol the device again with weir-agent join --force";
    return [undefined, [fail('identity', (error as Error).message, remedy)]];
  }
}

const REMEDIES: Record<IsolationLayer['name'], string> = {
  environment: 'nothing of it should be there: report this as a fault of Weir',
  network: 'install util-linux, and allow user namespaces or run as root',
  user: 'the sandbox can have a user of its own only when the agent is started as root',
  privileges: 'install util-linux (setpriv)',
  files: 'install util-linux (prlimit)',
  descriptors: 'nothing of it should be there: report this as a fault of Weir',
};

/** Looks at a process as one that runs functions. */
async function checkSandbox(): Promise<Finding[]> {
  let said = '';
  const sandbox = createSandbox({
    log: (_level, message) => {
      said = message;
    },
  });
  let cancel = () => {};
  const tooLong = new Promise<'late'>((resolve) => {
    cancel = systemClock.after(SANDBOX_START_MS, () => resolve('late'));
  });
  try {
    if ((await Promise.race([sandbox.start(), tooLong])) === 'late') {
      return [fail('sandbox', `it does not start: ${said}`, 'no function can run; reinstall with npm ci')];
    }
    const layers = sandbox.isolation();
    const started = ok('sandbox', 'functions can run, in a process of their own');
    if (layers === undefined) return [started, warn('sandbox layers', 'this system does not tell', 'run on Linux')];
    return [
      started,
      ...layers.map(({ name, inForce, detail }) =>
        inForce ? ok(`sandbox ${name}`, detail) : warn(`sandbox ${name}`, detail, REMEDIES[name]),
      ),
    ];
  } finally {
    cancel();
    await sandbox.stop();
  }
}
