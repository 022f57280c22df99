import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ATOMS, SPELLINGS } from './atoms.ts';
import { convert, kindOf, unitOf } from './units.ts';

describe('from one unit to another', () => {
  test.each<[number, string, string, number]>([
    [0, 'Cel', 'K', 273.15],
    [300, 'K', 'Cel', 26.85],
    [212, 'degF', 'Cel', 100],
    [-40, '°F', '°C', -40],
    [100, '℃', '[degF]', 212],
    [1013.25, 'hPa', 'Pa', 101_325],
    [1, 'bar', 'psi', 14.503773773],
    [2, 'bar', 'kPa', 200],
    [1, 'atm', 'mbar', 1013.25],
    [36, 'km/h', 'm/s', 10],
    [10, 'm/s', 'kph', 36],
    [4.5, 'mm/s', 'm/s', 0.0045],
    [1, 'mi', 'km', 1.609344],
    [1500, 'g', 'kg', 1.5],
    [1, 'kWh', 'J', 3_600_000],
    [1, 'kW.h', 'MJ', 3.6],
    [50, '%', '1', 0.5],
    [40, '%RH', '%', 40],
    [400, 'ppm', '%', 0.04],
    [60, 'l/min', 'l/s', 1],
    [3.6, 'm3/h', 'L/s', 1],
    [25, 'µg/m3', 'mg/m³', 0.025],
    [1, 'mg/l', 'g/m3', 1],
    [3000, 'rpm', 'Hz', 50],
    [90, 'min', 'h', 1.5],
    [250, 'mA', 'A', 0.25],
    [2, 'kOhm', 'Ω', 2000],
    [1, 'KiB', 'B', 1024],
    [1, 'Mbit/s', 'kB/s', 125],
    [180, 'deg', 'rad', Number(Math.PI.toPrecision(12))],
    [30, 'dBm', 'dBW', 0],
    [9.80665, 'm/s2', '[g]', 1],
    [10, 'uS/cm', 'mS/m', 1],
    // A change by a degree is one by a kelvin.
    [5, 'Cel/min', 'K/min', 5],
    [9, 'degF/h', 'Cel/h', 5],
  ])('%f %s is %s: %f', (value, from, to, expected) => expect(convert(value, from, to)).toBeCloseTo(expected, 8));

  test('a reading at the level is at it in whatever unit it was sent', () => {
    expect(convert(353.15, 'K', 'Cel')).toBe(80);
    expect(convert(176, 'degF', 'Cel')).toBe(80);
    expect(convert(0.3, 'kPa', 'Pa')).toBe(300);
  });
});

test.each([
  ['Cel', 'Pa'],
  ['m', 's'],
  ['W', 'VA'],
  ['W', 'var'],
  // Coulombs, and farads: not what somebody may have meant.
  ['C', 'Cel'],
  ['F', 'degF'],
  ['widgets', 'boxes'],
  ['Cel', 'toString'],
  ['', 'Cel'],
  ['m/', 'm'],
])('%s is nothing that could be in %s', (from, to) => expect(convert(1, from, to)).toBeUndefined());

test('a unit that nobody knows is itself', () => expect(convert(7, 'widgets', 'widgets')).toBe(7));

test.each([
  ['Cel', 'temperature'],
  ['psi', 'pressure'],
  ['kWh', 'energy'],
  ['%RH', 'a ratio'],
  ['NTU', 'NTU'],
  ['widgets', 'widgets'],
])('%s is of %s', (unit, kind) => expect(kindOf(unit)).toBe(kind));

/** Of SenML, primary and secondary, but for what is no unit of a reading. @see RFC 8428 section 12.1, RFC 8798 */
const SENML =
  'm kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg NTU ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h ppb ppt VAh mg/l ug/l g/l';
test.each(SENML.split(' '))('%s of SenML is known', (unit) => expect(unitOf(unit)).toBeDefined());

test('every spelling leads to a unit', () => {
  for (const spelling of Object.keys(SPELLINGS)) expect(unitOf(spelling), spelling).toBeDefined();
});

test('there and back is the same', () => {
  const symbols = Object.keys(ATOMS);
  const pairs = symbols.flatMap((a) => symbols.filter((b) => unitOf(a)!.kind === unitOf(b)!.kind).map((b) => [a, b]));
  fc.assert(
    fc.property(fc.constantFrom(...pairs), fc.double({ min: 1, max: 1e6, noNaN: true }), ([a, b], value) => {
      const back = convert(convert(value, a!, b!)!, b!, a!)!;
      expect(Math.abs(back - value)).toBeLessThan(1e-6 * (value + 1000));
    }),
  );
});
