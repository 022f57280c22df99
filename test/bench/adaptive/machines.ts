/** What machines and buildings are measured by. */
import type { Family } from './families.ts';
import type { FaultName } from './faults.ts';
import { chance, clock, poisson, START, sawtooth, workday } from './shapes.ts';
import { among, between, heavy, normal, switching, wandering } from './synthetic.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const FIVE = [5 * MINUTE_MS];
const ALL: readonly FaultName[] = ['spike', 'shift', 'stuck', 'drift', 'noise', 'collapse'];

export const MACHINES: Record<string, Family> = {
  machine_temperature: {
    days: 60,
    intervalMs: FIVE,
    faults: [...ALL, 'slow_drift'],
    make(draw) {
      const [slow, quick] = [wandering(draw, between(draw, 1, 5) * DAY_MS), wandering(draw, HOUR_MS)];
      const [level, by] = [between(draw, 40, 120), between(draw, 2, 6)];
      return (at) => level + by * slow(at) + 0.25 * by * quick(at) + 0.3 * normal(draw);
    },
  },
  weather: {
    days: 90,
    intervalMs: [HOUR_MS, 15 * MINUTE_MS],
    faults: ['spike', 'shift', 'stuck', 'drift', 'noise', 'slow_drift'],
    make(draw) {
      const slow = wandering(draw, between(draw, 2, 6) * DAY_MS);
      const [level, day, year, by] = [
        between(draw, 0, 25),
        between(draw, 1, 6),
        between(draw, -0.1, 0.1),
        between(draw, 1, 4),
      ];
      const phase = draw();
      return (at) =>
        level +
        day * Math.sin(2 * Math.PI * (at / DAY_MS + phase)) +
        (year * (at - START)) / DAY_MS +
        by * slow(at) +
        0.2 * normal(draw);
    },
  },
  fridge: {
    days: 28,
    intervalMs: [MINUTE_MS, 5 * MINUTE_MS],
    faults: [...ALL, 'slow_drift'],
    make(draw) {
      const saw = sawtooth(draw, between(draw, 15, 60) * MINUTE_MS, between(draw, 8, 30) * MINUTE_MS, 0.2);
      const level = between(draw, 2, 6);
      let [until, warm] = [0, 0];
      return (at) => {
        // Somebody takes something out.
        if (at > until && chance(draw, 0.002)) [until, warm] = [at + 30 * MINUTE_MS, between(draw, 1, 3)];
        return level + 2 * saw(at) + (at < until ? warm : 0) + 0.1 * normal(draw);
      };
    },
  },
  compressor: {
    days: 28,
    intervalMs: [MINUTE_MS, 5 * MINUTE_MS],
    faults: ['spike', 'shift', 'stuck', 'noise', 'drift', 'collapse'],
    make(draw) {
      const on = switching(draw, between(draw, 0.3, 4) * HOUR_MS);
      const [low, high, noise] = [between(draw, 1, 20), between(draw, 40, 100), between(draw, 0.3, 2)];
      return (at) => (on(at) === 1 ? high + 2 * noise * normal(draw) : low + noise * normal(draw));
    },
  },
  duty_by_day: {
    days: 28,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'noise', 'collapse'],
    make(draw) {
      const day = workday(draw);
      const [quick, slow] = [switching(draw, 0.5 * HOUR_MS), switching(draw, 0.3 * HOUR_MS)];
      const high = between(draw, 300, 900);
      return (at) => {
        const [a, b] = [quick(at), slow(at)];
        return 5 + (day(at) > 0.5 ? a : a * b) * high + 5 * normal(draw);
      };
    },
  },
  tank: {
    days: 28,
    intervalMs: [5 * MINUTE_MS, 15 * MINUTE_MS],
    faults: ['spike', 'shift', 'stuck', 'drift', 'collapse', 'noise'],
    make(draw) {
      const saw = sawtooth(draw, between(draw, 0.2, 2) * HOUR_MS, between(draw, 6, 50) * HOUR_MS, 0.3);
      const [low, high] = [between(draw, 10, 30), between(draw, 70, 95)];
      return (at) => low + (high - low) * saw(at) + 0.2 * normal(draw);
    },
  },
  vibration: {
    days: 28,
    intervalMs: [MINUTE_MS, 10 * MINUTE_MS],
    faults: [...ALL, 'slow_drift'],
    make(draw) {
      const speed = switching(draw, between(draw, 4, 20) * HOUR_MS);
      const [low, high, spread] = [between(draw, 0.5, 2), between(draw, 3, 8), between(draw, 0.05, 0.15)];
      return (at) => (speed(at) === 1 ? high : low) * Math.exp(spread * normal(draw));
    },
  },
  building_energy: {
    days: 42,
    intervalMs: [15 * MINUTE_MS, HOUR_MS],
    faults: ['spike', 'shift', 'stuck', 'flat', 'phase', 'collapse', 'drift'],
    make(draw) {
      const on = workday(draw);
      const slow = wandering(draw, 2 * DAY_MS);
      const [base, day, weekend] = [between(draw, 10, 50), between(draw, 50, 300), between(draw, 0, 0.4)];
      return (at) =>
        (base + day * on(at) * (on.isWeekend(at) ? weekend : 1)) * (1 + 0.05 * slow(at) + 0.04 * normal(draw));
    },
  },
  household: {
    days: 42,
    intervalMs: [5 * MINUTE_MS, 15 * MINUTE_MS],
    faults: ['shift', 'stuck', 'collapse', 'drift'],
    make(draw) {
      const { hour } = clock(draw);
      const fridge = switching(draw, 0.4 * HOUR_MS);
      let [until, power] = [0, 0];
      return (at) => {
        const isEvening = hour(at) > 6 && hour(at) < 23;
        if (at > until && chance(draw, isEvening ? 0.03 : 0.003)) {
          [until, power] = [at + between(draw, 5, 60) * MINUTE_MS, between(draw, 300, 3_000)];
        }
        return 80 + 90 * fridge(at) + (at < until ? power : 0) + (isEvening ? 100 : 0) + 5 * normal(draw);
      };
    },
  },
  solar: {
    days: 42,
    intervalMs: [5 * MINUTE_MS, 15 * MINUTE_MS],
    faults: ['shift', 'phase', 'stuck', 'collapse', 'spike'],
    make(draw) {
      const { hour } = clock(draw);
      const [slow, quick] = [wandering(draw, 12 * HOUR_MS), wandering(draw, 0.5 * HOUR_MS)];
      const most = between(draw, 3, 50);
      return (at) => {
        const sun = Math.max(0, Math.sin((Math.PI * (hour(at) - 6)) / 12));
        return most * sun * Math.min(1, Math.max(0.1, 0.7 + 0.3 * slow(at) + 0.2 * quick(at)));
      };
    },
  },
  water_flow: {
    days: 35,
    intervalMs: [5 * MINUTE_MS, 15 * MINUTE_MS],
    faults: ['shift', 'stuck', 'spike', 'noise'],
    make(draw) {
      const on = workday(draw);
      const most = between(draw, 5, 40);
      return (at) => (chance(draw, 0.05 + 0.6 * on(at)) ? most * draw() : 0);
    },
  },
  room_co2: {
    days: 35,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'drift', 'slow_drift', 'collapse'],
    make(draw) {
      const on = workday(draw, 0.5);
      const most = between(draw, 300, 900);
      let value = 420;
      return (at) => {
        const isIn = on(at) > 0.5 && !on.isWeekend(at) && draw() > 0.1;
        value += ((isIn ? 420 + most : 420) - value) * 0.05;
        return Math.round(value + 5 * normal(draw));
      };
    },
  },
  battery: {
    days: 42,
    intervalMs: [15 * MINUTE_MS, 30 * MINUTE_MS],
    faults: ['spike', 'shift', 'stuck', 'drift', 'slow_drift', 'flat', 'collapse'],
    make(draw) {
      const { hour } = clock(draw);
      const slow = wandering(draw, DAY_MS);
      const fall = between(draw, 0, 0.004);
      return (at) => {
        const sun = Math.max(0, Math.sin((Math.PI * (hour(at) - 7)) / 12)) * (1 + 0.3 * slow(at));
        return (
          Math.round(
            (12.4 + 0.9 * Math.min(1, Math.max(0, sun)) - (fall * (at - START)) / DAY_MS + 0.02 * normal(draw)) * 100,
          ) / 100
        );
      };
    },
  },
  status: {
    days: 21,
    intervalMs: [MINUTE_MS, 15 * MINUTE_MS],
    faults: ['spike', 'shift', 'collapse'],
    make(draw) {
      const value = between(draw, 1, 100);
      const rare = among(draw, [0, 0.001]);
      return () => Math.round(value) + (chance(draw, rare) ? 1 : 0);
    },
  },
  pressure: {
    days: 35,
    intervalMs: [30_000 * 2, 5 * MINUTE_MS],
    faults: [...ALL, 'slow_drift'],
    make(draw) {
      const noise = between(draw, 0.01, 0.1);
      const tail = among(draw, [normal, heavy]);
      return () => Math.round((6 + noise * tail(draw)) * 1_000) / 1_000;
    },
  },
  shop_floor: {
    days: 56,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'noise', 'collapse', 'slow_drift'],
    make(draw) {
      const on = workday(draw, 0.2);
      const shifts = among(draw, [5, 6]);
      const { day } = clock(draw);
      const [idle, busy, noise] = [between(draw, 5, 20), between(draw, 40, 90), between(draw, 1, 4)];
      return (at) => ((day(at) + 6) % 7 < shifts ? idle + (busy - idle) * on(at) : idle) + noise * normal(draw);
    },
  },
  batches: {
    days: 42,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'noise'],
    make(draw) {
      const run = switching(draw, between(draw, 20, 60) * HOUR_MS);
      const [cold, hot] = [between(draw, 15, 30), between(draw, 120, 250)];
      let value = cold;
      return (at) => {
        value += ((run(at) === 1 ? hot : cold) - value) * 0.05;
        return value + normal(draw);
      };
    },
  },
  queue: {
    days: 21,
    intervalMs: [MINUTE_MS, 5 * MINUTE_MS],
    faults: ['spike', 'shift', 'drift', 'stuck'],
    make(draw) {
      const [load, rare] = [between(draw, 0.1, 3), between(draw, 0.001, 0.01)];
      let extra = 0;
      return () => {
        extra = chance(draw, rare) ? between(draw, 10, 40) : Math.max(0, extra * 0.7 - 0.5);
        return poisson(draw, load) + Math.round(extra);
      };
    },
  },
};
