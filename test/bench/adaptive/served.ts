/** What people and programs ask of servers and roads. */
import type { Family } from './families.ts';
import type { FaultName } from './faults.ts';
import { chance, clock, poisson, START, sawtooth, workday } from './shapes.ts';
import { among, between, heavy, normal, switching, wandering } from './synthetic.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const FIVE = [5 * MINUTE_MS];
const ALL: readonly FaultName[] = ['spike', 'shift', 'stuck', 'drift', 'noise', 'collapse'];
const SEASONAL: readonly FaultName[] = [...ALL, 'flat', 'phase', 'amplitude'];
const BURSTS: readonly FaultName[] = ['spike', 'shift', 'stuck', 'drift', 'noise'];

export const SERVED: Record<string, Family> = {
  daily_clean: {
    days: 14,
    intervalMs: FIVE,
    faults: ['flat', 'shift', 'collapse', 'spike', 'amplitude', 'phase'],
    make(draw) {
      const on = workday(draw, 0);
      const [low, high, noise] = [between(draw, 10, 40), between(draw, 60, 100), among(draw, [0, 0.5, 2, 5])];
      return (at) => low + (high - low) * on(at) + noise * (draw() - 0.5) * 2;
    },
  },
  cpu_bursts: {
    days: 14,
    intervalMs: FIVE,
    faults: ALL,
    make(draw) {
      const [base, noise, height] = [between(draw, 1, 40), between(draw, 0.1, 3), between(draw, 10, 60)];
      const [everyMs, lengthMs] = [between(draw, 1, 12) * HOUR_MS, between(draw, 5, 40) * MINUTE_MS];
      let next = START + everyMs * draw();
      let strength = 1;
      return (at) => {
        while (at > next + lengthMs) {
          next += everyMs * (1 + 0.2 * normal(draw));
          strength = between(draw, 0.5, 1);
        }
        return Math.min(100, Math.max(0, base + noise * normal(draw) + (at >= next ? height * strength : 0)));
      };
    },
  },
  requests: {
    days: 14,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'flat', 'phase', 'collapse', 'amplitude'],
    make(draw) {
      const on = workday(draw);
      const [least, most, weekend] = [between(draw, 2, 40), between(draw, 60, 400), between(draw, 0.3, 1)];
      return (at) => poisson(draw, least + most * on(at) * (on.isWeekend(at) ? weekend : 1));
    },
  },
  latency: {
    days: 14,
    intervalMs: FIVE,
    faults: BURSTS,
    make(draw) {
      const [base, spread, rare] = [between(draw, 20, 200), between(draw, 0.05, 0.3), between(draw, 0, 0.01)];
      return (at) => base * Math.exp(spread * normal(draw) + (chance(draw, rare) ? between(draw, 1, 2) : 0)) + at * 0;
    },
  },
  network_zero: {
    days: 14,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'noise', 'stuck'],
    make(draw) {
      const on = switching(draw, between(draw, 0.5, 4) * HOUR_MS);
      const share = between(draw, 0.1, 0.9);
      const height = between(draw, 1e5, 1e7);
      return (at) => (on(at) === 1 && chance(draw, share) ? height * Math.exp(0.5 * normal(draw)) : 0);
    },
  },
  memory_saw: {
    days: 21,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'stuck', 'drift'],
    make(draw) {
      const saw = sawtooth(draw, between(draw, 3, 40) * HOUR_MS, 5 * MINUTE_MS, 0.3);
      const [low, high] = [between(draw, 20, 40), between(draw, 60, 90)];
      return (at) => low + (high - low) * saw(at) + 0.5 * normal(draw);
    },
  },
  rides: {
    days: 120,
    intervalMs: [30 * MINUTE_MS],
    faults: ['flat', 'shift', 'collapse', 'phase', 'amplitude'],
    make(draw) {
      const on = workday(draw, 0.1);
      const weekend = workday(draw, 0.2);
      const slow = wandering(draw, 10 * DAY_MS);
      return (at) =>
        (1 + 0.04 * slow(at)) *
        (5_000 + 18_000 * (on.isWeekend(at) ? 0.8 * weekend(at) + 0.1 : on(at)) + 700 * normal(draw));
    },
  },
  mentions: {
    days: 50,
    intervalMs: FIVE,
    faults: ['spike', 'shift', 'collapse', 'stuck'],
    make(draw) {
      const on = workday(draw);
      const [least, most, rare] = [between(draw, 1, 10), between(draw, 5, 60), between(draw, 0.0003, 0.003)];
      let burst = 0;
      return (at) => {
        burst = chance(draw, rare) ? most * Math.exp(normal(draw)) : burst * 0.8;
        return poisson(draw, least + most * (0.3 + on(at)) + burst);
      };
    },
  },
  road_speed: {
    days: 16,
    intervalMs: [5 * MINUTE_MS, 10 * MINUTE_MS],
    irregular: 0.7,
    faults: ['spike', 'shift', 'stuck', 'noise', 'collapse'],
    make(draw) {
      const { hour, day } = clock(draw);
      const [free, jam, noise] = [between(draw, 60, 90), between(draw, 15, 40), between(draw, 2, 6)];
      const rush = between(draw, 7, 9);
      return (at) => {
        const isJam = day(at) % 6 !== 0 && Math.min(Math.abs(hour(at) - rush), Math.abs(hour(at) - rush - 9)) < 0.7;
        return Math.round(Math.max(0, free - (isJam ? jam : 0) * (0.7 + 0.3 * draw()) + noise * normal(draw)));
      };
    },
  },
  road_occupancy: {
    days: 16,
    intervalMs: [5 * MINUTE_MS, 10 * MINUTE_MS],
    irregular: 0.7,
    faults: ['spike', 'shift', 'stuck', 'collapse'],
    make(draw) {
      const on = workday(draw, 0.2);
      const most = between(draw, 8, 20);
      return (at) => Math.abs(1 + most * on(at) * (on.isWeekend(at) ? 0.6 : 1) + (0.5 + 2 * on(at)) * normal(draw));
    },
  },
  visits_hourly: {
    days: 60,
    intervalMs: [HOUR_MS],
    faults: ['spike', 'shift', 'collapse', 'phase', 'flat'],
    make(draw) {
      const on = workday(draw);
      const [level, trend] = [between(draw, 100, 5_000), between(draw, -0.004, 0.006)];
      const weekend = between(draw, 0.4, 1.2);
      return (at) =>
        level *
        (1 + (trend * (at - START)) / DAY_MS) *
        (0.3 + on(at) * (on.isWeekend(at) ? weekend : 1)) *
        (1 + 0.06 * heavy(draw));
    },
  },
  sines_hourly: {
    days: 70,
    intervalMs: [HOUR_MS],
    faults: SEASONAL,
    make(draw) {
      const [trend, noise] = [between(draw, -3, 3), between(draw, 5, 40)];
      const waves = [DAY_MS, WEEK_MS, DAY_MS / 2].map((ms) => ({ ms, by: between(draw, 20, 200), from: draw() }));
      return (at) =>
        500 +
        (trend * (at - START)) / DAY_MS +
        waves.reduce((sum, { ms, by, from }) => sum + by * Math.sin(2 * Math.PI * (at / ms + from)), 0) +
        noise * normal(draw);
    },
  },
};
