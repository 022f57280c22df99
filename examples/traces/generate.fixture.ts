/** The traces of the examples, made from seeds: what each shows stands in its function. `vitest -u` writes them anew. */
const T0 = Date.UTC(2026, 2, 2, 6);

type Row = [ts: number, ...cells: (string | number | boolean)[]];

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Mean 0, deviation near 1: the sum of twelve uniform numbers is close enough to normal, and the same everywhere. */
function noiseOf(seed: number): () => number {
  const random = randomOf(seed);
  return () => Array.from({ length: 12 }, random).reduce((sum, each) => sum + each, -6);
}

function csv(heading: string, rows: Iterable<Row>): string {
  return `${heading}\n${[...rows].map((row) => row.join(',')).join('\n')}\n`;
}

const LONG = 'ts,sensor,metric,value,unit';
const at = (seconds: number) => T0 + Math.round(seconds * 1000);

export const TRACES: Record<string, () => string> = {
  /** Two ovens, a minute apart; one is silent for a while, one reading comes late. */
  'moving-average.csv': () => {
    const noise = noiseOf(1);
    const rows: Row[] = [];
    for (let minute = 0; minute < 40; minute++) {
      rows.push([at(60 * minute), 'oven1', 'temperature', (70 + noise()).toFixed(1), 'Cel']);
      if (minute < 15 || minute > 25)
        rows.push([at(60 * minute + 7), 'oven2', 'temperature', (64 + noise()).toFixed(1), 'Cel']);
    }
    rows.push([at(60 * 38 + 20), 'oven2', 'temperature', '64.0', 'Cel']);
    return csv(LONG, rows);
  },

  /** Four cold rooms, of which one is left open for a while. */
  'group-mean.csv': () => {
    const noise = noiseOf(41);
    const rows: Row[] = [];
    for (let minute = 0; minute < 60; minute += 2) {
      for (const [n, room] of ['room1', 'room2', 'room3', 'room4'].entries()) {
        const open = room === 'room3' && minute >= 20 && minute < 36 ? 0.6 * (minute - 20) : 0;
        rows.push([at(60 * minute + 5 * n), room, 'temperature', (4 + open + 0.3 * noise()).toFixed(1), 'Cel']);
      }
    }
    return csv(LONG, rows);
  },

  /** Three sensors, one of which pauses for longer than the others, and one that ends. */
  'silence.csv': () => {
    const rows: Row[] = [];
    for (let minute = 0; minute < 30; minute++) {
      rows.push([at(60 * minute), 'boiler', 'pressure', '2.1', 'bar']);
      if (minute < 8 || minute > 17) rows.push([at(60 * minute + 11), 'pump', 'flow', '12.5', 'l/min']);
      if (minute < 20) rows.push([at(60 * minute + 30), 'tank', 'level', '71', '%']);
    }
    return csv(LONG, rows);
  },

  /** Two filters, of which one fills up, is changed, and fills up again. */
  'work-order.csv': () => {
    const noise = noiseOf(31);
    const rows: Row[] = [];
    for (let hour = 0; hour < 72; hour++) {
      const loss = 60 + 9 * (hour < 40 ? hour : hour - 40) + 4 * noise();
      rows.push([at(3600 * hour), 'filter1', 'pressure_loss', loss.toFixed(0), 'Pa']);
      rows.push([at(3600 * hour + 20), 'filter2', 'pressure_loss', (80 + 4 * noise()).toFixed(0), 'Pa']);
    }
    return csv(LONG, rows);
  },

  /** Two meters every 7 s; one is off for minutes, and one reading comes late. */
  'window-mean.csv': () => {
    const noise = noiseOf(21);
    const rows: Row[] = [];
    for (let i = 0; i < 90; i++) {
      rows.push([at(7 * i), 'heater', 'power', (1500 + 200 * noise()).toFixed(1), 'W']);
      if (i < 20 || i > 55) rows.push([at(7 * i + 2), 'fan', 'power', (80 + 5 * noise()).toFixed(1), 'W']);
      if (i === 60) rows.push([at(7 * i - 90), 'fan', 'power', '400.0', 'W']);
    }
    return csv(LONG, rows);
  },

  /** A door that is open for a moment, one that stays open until the lamp flashes, and one that is open at the end. */
  'door-watch.csv': () =>
    csv('ts,sensor,door_open', [
      [at(0), 'coldroom1', false],
      [at(10), 'coldroom1', true],
      [at(22), 'coldroom1', false],
      [at(40), 'coldroom2', true],
      [at(75.5), 'coldroom2', false],
      [at(90), 'coldroom1', true],
    ]),

  /** A room that drifts and settles, a sensor fault, a late reading, and a switch. */
  'dead-band.csv': () => {
    const noise = noiseOf(2);
    const rows: Row[] = [];
    for (let i = 0; i < 120; i++) {
      const drift = 2 * Math.sin(i / 20);
      rows.push([
        at(30 * i),
        'room1',
        'temperature',
        (21 + drift + 0.1 * noise()).toFixed(2),
        'Cel',
        i === 60 ? 'bad' : '',
      ]);
      if (i === 70) rows.push([at(30 * 65 + 3), 'room1', 'temperature', '10.00', 'Cel', '']);
      if (i % 30 === 5) rows.push([at(30 * i + 1), 'fan1', 'state', i < 60 ? 'low' : 'high', '', '']);
    }
    return csv(`${LONG},quality`, rows);
  },

  /** A house with solar panels: feed-in at noon, a link that is down for seven minutes, samples late and twice, two units. */
  'energy-meter.csv': () => {
    const noise = noiseOf(3);
    const rows: Row[] = [];
    for (let i = 0; i < 360; i++) {
      const seconds = 10 * i + 3;
      if (seconds > 1500 && seconds < 1920) continue;
      const watts = 900 - 1500 * Math.sin((Math.PI * i) / 360) + 60 * noise();
      rows.push([at(seconds), 'house', 'power', watts.toFixed(0), 'W']);
      if (i === 100) rows.push([at(seconds), 'house', 'power', watts.toFixed(0), 'W']);
      if (i % 6 === 0) rows.push([at(seconds + 1), 'heatpump', 'power', (2.1 + 0.02 * noise()).toFixed(3), 'kW']);
    }
    // One on its way for 5 s, which is waited for, and one for a minute, which is not.
    rows.splice(60, 0, rows.splice(59, 1)[0]!);
    const [late] = rows.splice(200, 1);
    rows.splice(210, 0, late!);
    return csv(LONG, rows);
  },

  /** A motor at 25 turns a second whose bearing begins to ring at 112 Hz, with a hole of 40 ms in the samples. */
  'vibration-band.csv': () => {
    const noise = noiseOf(4);
    const rows: Row[] = [];
    for (let i = 0; i < 1_600; i++) {
      if (i >= 300 && i < 320) continue;
      const seconds = i / 500;
      const turn = 3 * Math.sin(2 * Math.PI * 25 * seconds);
      const ring = i > 900 ? 3 * Math.sin(2 * Math.PI * 112 * seconds) : 0;
      rows.push([at(seconds), 'motor1', 'acceleration', (9.81 + turn + ring + 0.3 * noise()).toFixed(2), 'm/s2']);
    }
    return csv(LONG, rows);
  },

  /** A pump through half a day, with an hour of silence while it runs, a late report, and a service. */
  'pump-hours.csv': () => {
    const rows: Row[] = [];
    const isRunning = (minute: number) => minute % 60 < 35;
    for (let minute = 0; minute < 420; minute++) {
      if (minute > 245 && minute < 300) continue;
      rows.push([at(60 * minute), 'pump1', 'running', isRunning(minute), '']);
      if (minute === 100) rows.push([at(60 * 90), 'pump1', 'running', true, '']);
      if (minute === 330) rows.push([at(60 * minute + 5), 'pump1', 'serviced', true, '']);
    }
    return csv(LONG, rows);
  },

  /** Four sensors of one cold room: one drifts away and is put right, one is silent for a while, one speaks Fahrenheit. */
  'cross-check.csv': () => {
    const noise = noiseOf(5);
    const rows: Row[] = [];
    for (let i = 0; i < 60; i++) {
      const room = 4 + 0.5 * Math.sin(i / 10);
      const drift = i > 15 && i < 40 ? 0.25 * (i - 15) : 0;
      rows.push([at(20 * i), 'cold-a', 'temperature', (room + 0.1 * noise()).toFixed(2), 'Cel']);
      if (i < 25 || i > 34)
        rows.push([at(20 * i + 2), 'cold-b', 'temperature', (room + 0.1 * noise()).toFixed(2), 'Cel']);
      rows.push([at(20 * i + 4), 'cold-c', 'temperature', (room + drift + 0.1 * noise()).toFixed(2), 'Cel']);
      rows.push([at(20 * i + 6), 'cold-d', 'temperature', ((room * 9) / 5 + 32).toFixed(1), 'degF']);
    }
    return csv(LONG, rows);
  },

  /** A tank that fills and is drained; then its pump does not obey, and in the end its level is not heard of any more. */
  'tank-interlock.csv': () => {
    const rows: Row[] = [];
    for (let second = 0; second <= 240; second += 4) {
      const phase = second % 120;
      const level = phase < 60 ? 60 + 0.6 * phase : 96 - 0.7 * (phase - 60);
      if (second < 200) rows.push([at(second), 'tank1', 'level', level.toFixed(1), '%']);
      const isStopped = phase > 50 && phase < 98;
      rows.push([at(second + 1), 'tank1', 'pump_running', !isStopped || (second > 170 && second < 184), '']);
    }
    return csv(LONG, rows);
  },

  /** A machine hall: vibration every second, one of them late; a temperature that drifts, a valve that closes, a debug output. */
  'thin-line.csv': () => {
    const noise = noiseOf(11);
    const rows: Row[] = [];
    for (let second = 0; second < 900; second++) {
      const isRunning = second < 400 || second > 560;
      if (second === 250) rows.push([at(120.5), 'motor1', 'vibration_rms', '2.50', 'mm/s']);
      if (second < 700) {
        const level = (isRunning ? 2.4 : 0.2) + 0.1 * noise();
        rows.push([at(second), 'motor1', 'vibration_rms', Math.max(0, level).toFixed(2), 'mm/s']);
      }
      if (second % 5 === 0) {
        const warm = 60 + 4 * Math.sin(second / 300) - (isRunning ? 0 : (second - 400) / 40);
        rows.push([at(second + 0.1), 'motor1', 'temperature', (warm + 0.1 * noise()).toFixed(1), 'Cel']);
        const flow = isRunning ? 12 + 0.05 * noise() : 0.02 * noise();
        rows.push([at(second + 0.2), 'valve1', 'flow', Math.max(0, flow).toFixed(2), 'l/min']);
      }
      if (second % 10 === 0) rows.push([at(second + 0.3), 'motor1', 'state', isRunning ? 'run' : 'idle', '']);
      if (second % 2 === 0) rows.push([at(second + 0.4), 'debug-plc', 'cycle_us', Math.round(850 + 20 * noise()), '']);
    }
    return csv(LONG, rows);
  },
};
