/** Which functions an event is for, and in what form it comes to them. */
import type { AlertTransition, Json } from '@weir/protocols';
import type { DeadInput, FoldEvent, HttpRequest } from './fold.ts';
import type { FunctionFold } from './function-fold.ts';
import { emptyFunctionOutput, type FunctionOutput } from './outputs.ts';
import type { InputPlace } from './step-content.ts';

/** Whether it would do something with it. */
export function takes(fn: FunctionFold, event: FoldEvent): boolean {
  if (fn.quarantined !== undefined) return false;
  const { name } = fn.manifest;
  switch (event.kind) {
    case 'command':
      return fn.handles('command') && (event.command.function ?? name) === name;
    case 'alerts':
      return event.alerts.some((alert) => isFor(fn, alert));
    case 'response':
      return fn.handles('response') && event.response.fold === name;
    case 'presence':
      return fn.handles(event.online ? 'online' : 'offline');
    case 'replay':
      return event.letter.fold === name;
    case 'end':
    case 'standing':
      return false;
  }
}

/** Undefined when it takes nothing of it. */
export async function deliver(
  fn: FunctionFold,
  event: FoldEvent,
  place: InputPlace,
): Promise<FunctionOutput | undefined> {
  if (!takes(fn, event)) return undefined;
  const at = place.receivedAt;
  switch (event.kind) {
    case 'command': {
      const { id, name, payload } = event.command;
      return fn.event('command', { value: { id, name, payload }, at }, place);
    }
    case 'alerts':
      return deliverAlerts(fn, event.alerts, of(event.device, place));
    case 'response': {
      const { fold: _, key, ...response } = event.response;
      return fn.event('response', { keys: [key], value: response as unknown as Json, at }, place);
    }
    case 'presence':
      return fn.event(event.online ? 'online' : 'offline', { at }, of(event.device, place));
    case 'replay':
      return replay(fn, event.letter.input, place);
    case 'end':
    case 'standing':
      return undefined;
  }
}

function of(device: string | undefined, place: InputPlace): InputPlace {
  return device === undefined ? place : { ...place, device };
}

/** A function does not hear of its own alerts, nor of what is only pending. */
function isFor(fn: FunctionFold, { source, state }: AlertTransition): boolean {
  const isOwn = source.kind === 'function' && source.name === fn.manifest.name;
  return fn.handles('alert') && !isOwn && state !== 'pending';
}

async function deliverAlerts(
  fn: FunctionFold,
  alerts: readonly AlertTransition[],
  place: InputPlace,
): Promise<FunctionOutput> {
  const whole = emptyFunctionOutput();
  for (const alert of alerts) {
    if (!isFor(fn, alert)) continue;
    const { sensor, metric, ts, episode, seq } = alert;
    const ofSeries = fn.manifest.key === 'series' && sensor !== undefined && metric !== undefined;
    const output = await fn.event(
      'alert',
      { keys: ofSeries ? [`${sensor}/${metric}`] : undefined, value: alert as unknown as Json, at: ts },
      { ...place, position: `${place.position}.${episode}-${seq}` },
    );
    for (const [name, list] of Object.entries(output ?? {})) whole[name as keyof FunctionOutput].push(...list);
  }
  return whole;
}

async function replay(fn: FunctionFold, input: DeadInput, place: InputPlace): Promise<FunctionOutput | undefined> {
  const at = { ...place, device: input.device };
  if (input.kind === 'readings') return fn.step(input.columns, at);
  const { handler } = input;
  if (handler !== 'request') return fn.event(handler, input, at);
  const request = input.value as unknown as HttpRequest;
  const again = { ...request, id: `${request.fold}:${place.position}:0`, firstId: request.firstId ?? request.id };
  return { ...emptyFunctionOutput(), requests: [again] };
}

/** Whether it takes what is another device's than the host's. */
export function gathers({ manifest }: FunctionFold): boolean {
  return manifest.key === 'function';
}
