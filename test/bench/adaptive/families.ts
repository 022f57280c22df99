/**
 * Families of series as they come from buildings, machines, servers and roads, each with its parameters drawn: levels, noise,
 * hours of work, lengths of cycles, intervals, zones. What can be wrong with them is in `faults.ts`.
 */
import type { FaultName } from './faults.ts';
import { among, between, type Draw, heavy, normal, switching, wandering } from './synthetic.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
export const START = Date.parse('2026-01-05T00:00:00Z');

type Series = (at: number) => number;

export interface Family {
  days: number;
  /** Drawn once a trace. */
  intervalMs: readonly number[];
  /** Share by which it varies; at times nothing comes for hours. */
  irregular?: number;
  faults: readonly FaultName[];
  make(draw: Draw): Series;
}

const chance = (draw: Draw, share: number) => draw() < share;
const FIVE = [5 * MINUTE_MS];

/** A clock on the wall somewhere: hours of day and week at a whole offset from UTC. */
function clock(draw: Draw): { hour: Series; day: Series } {
  const zoneMs = Math.round(between(draw, -10, 12)) * HOUR_MS;
  return {
    hour: (at) => ((((at + zoneMs) % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS,
    day: (at) => new Date(at + zoneMs).getUTCDay(),
  };
}

/** Between 0 and 1: low at night, high by day, with flanks of some hours; never twice at quite the same minute. */
function workday(draw: Draw, jitterH = 0.3): Series & { isWeekend: (at: number) => boolean } {
  const { hour, day } = clock(draw);
  const [from, until, flank] = [between(draw, 5, 9), between(draw, 16, 21), between(draw, 0.2, 2)];
  let [today, late] = [-1, 0];
  const of = (at: number) => {
    const number = Math.floor(at / DAY_MS);
    if (number !== today) late = jitterH * normal(draw);
    today = number;
    const h = hour(at) - late;
    return 1 / (1 + Math.exp((from - h) / (flank / 4))) - 1 / (1 + Math.exp((until - h) / (flank / 4)));
  };
  return Object.assign(of, { isWeekend: (at: number) => day(at) % 6 === 0 });
}

function poisson(draw: Draw, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(draw)));
  let [count, product] = [0, draw()];
  for (const least = Math.exp(-mean); product > least; count++) product *= draw();
  return count;
}

/** A cycle that goes up in some minutes and down in some, each a little different from the last. */
function sawtooth(draw: Draw, upMs: number, downMs: number, vary: number): Series {
  let [from, up, down] = [START, upMs, downMs];
  return (at) => {
    while (at >= from + up + down) {
      from += up + down;
      up = upMs * (1 + vary * (2 * draw() - 1));
      down = downMs * (1 + vary * (2 * draw() - 1));
    }
    const into = at - from;
    return into < up ? into / up : 1 - (into - up) / down;
  };
}

const ALL: readonly FaultName[] = ['spike', 'shift', 'stuck', 'drift', 'noise', 'collapse'];
const SEASONAL: readonly FaultName[] = [...ALL, 'flat', 'phase', 'amplitude'];
const BURSTS: readonly FaultName[] = ['spike', 'shift', 'stuck', 'drift', 'noise'];

export const FAMILIES: Record<string, Family> = {
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
