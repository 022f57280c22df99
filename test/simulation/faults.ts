/** Lets faults happen, each kind at times of its own, and heals them. */
import type { DiskFaults } from './database.ts';
import type { Device } from './device.ts';
import type { Dice } from './dice.ts';
import { FULL_FOR_MS } from './disasters.ts';
import type { World } from './world.ts';

/** Longer than any durability lets commits wait for a sync. */
const RISK_MS = 1_000;

const COMMAND_EXPIRY_MS = 3_600_000;

export class Faults {
  readonly #world: World;
  readonly #dice: Dice;
  /** Of what is drawn beside what recurs. */
  readonly #own: Dice;
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
    this.#dice = world.dice.fork('faults');
    this.#own = world.dice.fork('disasters');
  }

  start(): void {
    const { faults } = this.#world.options;
    const { receiver, network, hubFaults, sandboxFaults, hub, devices } = this.#world;
    receiver.faults.downShare = faults.receiverDownShare;
    receiver.faults.lostAnswerShare = faults.lostAnswerShare;
    network.faults.latencyMs = faults.latencyMs;
    network.faults.requestLossShare = faults.requestLossShare;
    hubFaults.downlinkShare = faults.downlinkShare;
    sandboxFaults.restartShare = faults.sandboxRestartShare;
    for (const device of devices) this.#startOf(device);
    this.#again(faults.hubCrashMs, () => this.#crash(hub));
    this.#again(faults.restartMs, () => void hub.supervisor.restart());
    this.#startDisk(hub.disk, 'hub');
    this.#startDisasters(devices[0]!);
    for (const { id } of devices) this.#again(this.#world.options.commandsMs, () => this.#command(id), this.#own);
  }

  #startDisasters(device: Device): void {
    const { copyAfterMs, putBackAfterMs, damageAfterMs, fullAfterMs } = this.#world.options.disasters;
    if (copyAfterMs !== undefined) {
      this.#later(copyAfterMs, () => {
        const putBack = device.copyDisk();
        if (putBack !== undefined) this.#later(putBackAfterMs! - copyAfterMs, putBack);
      });
    }
    if (damageAfterMs !== undefined) {
      this.#later(damageAfterMs, () => {
        device.damage();
        // Often it is found at a start; else when it is read.
        const isCanary = this.#world.options.canary !== undefined;
        if (isCanary || this.#own.chance(0.7)) device.supervisor.crash('kill', this.#own.int(0, 5));
      });
    }
    if (fullAfterMs === undefined) return;
    this.#later(fullAfterMs, () => {
      this.#say(`disk of ${device.id} full for an hour`);
      device.disk.isFull = true;
      this.#later(FULL_FOR_MS, () => {
        device.disk.isFull = false;
      });
    });
  }

  /** No more of it, and what was broken works again. */
  heal(): void {
    this.#isOver = true;
    const { receiver, network, hubFaults, sandboxFaults, hub, devices } = this.#world;
    receiver.faults.downShare = receiver.faults.lostAnswerShare = 0;
    network.faults.latencyMs = 20;
    network.faults.requestLossShare = hubFaults.downlinkShare = sandboxFaults.restartShare = 0;
    for (const { disk, supervisor } of [hub, ...devices]) {
      calmDisk(disk);
      supervisor.calm();
    }
    for (const { id } of devices) network.mend(id);
  }

  #startOf(device: Device): void {
    const { network, options } = this.#world;
    const { faults } = options;
    const { id } = device;
    this.#again(faults.deviceCrashMs, () => {
      device.disk.isAtRisk = faults.powerShare > 0;
      this.#later(RISK_MS, () => this.#crash(device));
    });
    this.#again(faults.restartMs, () => void device.supervisor.restart());
    this.#again(faults.cutMs, () => {
      network.cut(id);
      this.#later(this.#dice.exponential(faults.cutForMs), () => network.mend(id));
    });
    this.#again(faults.silenceMs, () => {
      const directions = this.#dice.pick([['toHub'], ['toDevice'], ['toHub', 'toDevice']] as const);
      this.#say(`connections of ${id} fall silent: ${directions.join()}`);
      network.fallSilent(id, directions);
    });
    this.#again(faults.breakMs, () => {
      this.#say(`connections of ${id} break`);
      network.breakConnections(id);
    });
    this.#again(faults.clockSetMs, () => device.clocks.set());
    this.#startDisk(device.disk, id);
  }

  #crash({ supervisor, disk }: Pick<Device, 'supervisor' | 'disk'>): void {
    const kind = this.#dice.chance(this.#world.options.faults.powerShare) ? 'power' : 'kill';
    const how = this.#dice.pick(['now', 'deed', 'deed', 'transaction'] as const);
    if (how === 'transaction') {
      disk.crashInTransaction = kind;
      supervisor.willCrash(kind);
    } else supervisor.crash(kind, how === 'now' ? 0 : this.#dice.int(1, 40));
  }

  #startDisk(disk: DiskFaults, name: string): void {
    const { faults } = this.#world.options;
    const forAWhile = (what: string, begin: () => void, end: () => void) => {
      this.#say(`disk of ${name} ${what}`);
      begin();
      this.#later(this.#dice.exponential(20_000), () => {
        this.#say(`disk of ${name} no longer ${what}`);
        end();
      });
    };
    this.#again(faults.diskFullMs, () =>
      forAWhile(
        'full',
        () => (disk.isFull = true),
        () => (disk.isFull = false),
      ),
    );
    this.#again(faults.diskFailureMs, () =>
      forAWhile(
        'failing',
        () => (disk.ioShare = this.#dice.pick([0.1, 0.5, 1])),
        () => (disk.ioShare = 0),
      ),
    );
    this.#again(faults.diskSlowMs, () =>
      forAWhile(
        'slow',
        () => (disk.slowMs = this.#dice.pick([50, 500, 3_000])),
        () => (disk.slowMs = 0.5),
      ),
    );
  }

  /** An operator's; while the hub is down he has to do without. */
  #command(device: string): void {
    const { hub, commanded } = this.#world;
    if (hub.operators === undefined) return;
    const n = commanded.length + 1;
    commanded.push({ device, n });
    const request = { name: 'measure', payload: { n }, id: `c${n}`, expiryMs: COMMAND_EXPIRY_MS };
    hub.operators.commands.make(device, request).catch((error: Error) => this.#say(`no command: ${error.message}`));
  }

  #again(meanMs: number | undefined, run: () => void, dice = this.#dice): void {
    if (meanMs === undefined) return;
    this.#later(dice.exponential(meanMs), () => {
      run();
      this.#again(meanMs, run, dice);
    });
  }

  #later(ms: number, run: () => void): void {
    this.#world.timeline.after(ms, () => {
      if (!this.#isOver) run();
    });
  }

  #say(what: string): void {
    this.#world.trace.add(this.#world.timeline.now, what);
  }
}

function calmDisk(disk: DiskFaults): void {
  disk.isFull = false;
  disk.ioShare = 0;
  disk.slowMs = 0.5;
  disk.crashInTransaction = undefined;
}
