/** Devices that take what they are let in to, or fail at it, around the machine; and what must hold of every step. */
import assert from 'node:assert/strict';
import type { DeploymentRecord } from '../fleet.ts';
import { newRollout } from './begin.ts';
import { step } from './machine.ts';
import { type RolloutWords, rolloutOptions } from './options.ts';
import { type DeviceReport, type DeviceView, isOpen, type Rollout, type RolloutEvent } from './rollout.ts';
import { countsOf, isOverThreshold, standingsOf } from './standing.ts';
import { limitOf } from './waves.ts';

export const START = Date.UTC(2026, 10, 28, 9);

export function setting(order: number, version: string): DeploymentRecord {
  const hash = order.toString(16).padStart(64, '0');
  return {
    group: 'ovens',
    name: 'mean',
    kind: 'function',
    version,
    hash,
    bytes: 1,
    where: 'edge',
    config: {},
    setAt: 0,
    order,
  };
}

interface Device {
  connected: boolean;
  since: number;
  admission?: { wave: number; at: number; ranAt?: number };
  report: DeviceReport;
}

/** What the machine knows of a step, before and after. */
export type Seen = (before: Rollout, event: RolloutEvent, after: Rollout, effects: string[]) => void;

export class World {
  now = START;
  rollout: Rollout;
  readonly devices: Device[];
  onStep: Seen = () => {};
  #stood = 0;
  #wentBack = 0;
  #firstOfWave = START;

  constructor(devices: number, words: RolloutWords | undefined, hasStanding = true) {
    this.devices = Array.from({ length: devices }, () => ({ connected: true, since: START, report: { kind: 'none' } }));
    const standing = hasStanding ? setting(1, '1.0.0') : undefined;
    const options = words && rolloutOptions(words);
    this.rollout = newRollout(setting(2, '2.0.0'), standing, undefined, options, this.now);
  }

  views(): DeviceView[] {
    return this.devices.map(({ connected, since, admission, report }, at) => ({
      ...{ device: `gw${at}`, connected, since, isLate: false, overridden: false, report },
      isBack: report.kind === 'none',
      ...(admission !== undefined && { admission }),
    }));
  }

  /** As often as there is anything to do at once. */
  look(): void {
    for (let n = 0; n < 1_000; n++) {
      const before = this.rollout;
      this.handle({ type: 'observed', devices: this.views() });
      if (this.rollout === before) return;
    }
    assert.fail('it comes to no rest');
  }

  handle(event: RolloutEvent): void {
    const before = this.rollout;
    const { rollout, effects, refused } = step(before, event, this.now);
    this.rollout = rollout;
    this.onStep(
      before,
      event,
      rollout,
      effects.map(({ type }) => type),
    );
    assert(refused === undefined || rollout === before);
    for (const effect of effects) {
      if (effect.type === 'stand') this.#stood += 1;
      if (effect.type === 'go-back') this.#wentBack += 1;
      if (effect.type === 'follow') this.#switch(before.wave);
      if (effect.type === 'admit') this.#admit(before, effect.devices, effect.wave);
    }
    this.#verify(before, event);
  }

  #admit(before: Rollout, devices: readonly string[], wave: number): void {
    const isHeld = !['admitting', 'soaking'].includes(before.phase);
    assert(!isHeld, `${'none-while-held'}: ${devices.length} were let in while ${before.phase}`);
    if (before.admitted === before.admittedBefore) this.#firstOfWave = this.now;
    for (const name of devices) {
      const device = this.devices[Number(name.slice(2))]!;
      assert.equal(device.admission, undefined, 'counted');
      device.admission = { wave, at: this.now };
    }
  }

  /** Blue/green: what ran beside has to be taken in the place of what stands. */
  #switch(wave: number): void {
    for (const device of this.devices) if (device.admission?.wave === wave) device.report = { kind: 'none' };
  }

  #verify(before: Rollout, event: RolloutEvent): void {
    const { wave, options, members, admitted, phase, atOnce } = this.rollout;
    const letIn = this.devices.filter(({ admission }) => admission !== undefined).length;
    assert.equal(admitted, letIn, 'counted');
    assert(
      admitted <= limitOf(options.waves, wave, members),
      `${'never-more-than-the-wave'}: ${admitted} in wave ${wave}`,
    );
    assert(wave === before.wave || wave === before.wave + 1, 'waves-rise');
    if (wave > before.wave && before.admitted > before.admittedBefore) {
      assert(this.now - this.#firstOfWave >= options.soakMs, 'soaked');
    }
    if (!isOpen(before)) assert.equal(phase, before.phase, 'ends-once');
    assert(this.#stood <= 1 && this.#wentBack <= 1 && this.#stood + this.#wentBack <= 1, 'one-stands');
    assert.equal(this.#stood === 1, phase === 'done' && !atOnce, 'one-stands');
    if (event.type === 'observed' && !atOnce && isOpen(before) && before.phase !== 'aborting') {
      const counts = countsOf(standingsOf(event.devices, before, this.now));
      if (isOverThreshold(counts, before)) assert.equal(phase, 'aborting', 'failed-ends-it');
    }
  }

  /** Of those that were let in and are connected: they run it, or fail at it. */
  take(at: number, isGood: boolean): void {
    const device = this.devices[at % this.devices.length]!;
    const isConcerned = this.rollout.atOnce || device.admission !== undefined;
    if (!device.connected || !isConcerned || device.report.kind !== 'none') return;
    device.report = isGood ? { kind: 'running', errors: 0 } : { kind: 'failed', reason: 'TypeError' };
    if (isGood && device.admission !== undefined) device.admission = { ranAt: this.now, ...device.admission };
  }

  connect(at: number, connected: boolean): void {
    const device = this.devices[at % this.devices.length]!;
    if (device.connected !== connected) device.since = this.now;
    device.connected = connected;
  }

  /** Everything heals: whoever is let in takes it, or fails at it, or goes back. */
  settle(isGood: boolean): void {
    for (let n = 0; n < 200 && isOpen(this.rollout); n++) {
      for (const at of this.devices.keys()) {
        this.connect(at, true);
        if (this.rollout.phase === 'aborting') this.devices[at]!.report = { kind: 'none' };
        else this.take(at, isGood);
      }
      if (this.rollout.phase === 'paused') this.handle({ type: 'resume' });
      if (this.rollout.options.blueGreen === 'asked') this.handle({ type: 'switch' });
      this.look();
      this.now += 61_000;
    }
  }
}
