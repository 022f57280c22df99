import { z } from 'zod';
import { readingList } from '../../dead-letters/dead-letter.ts';
import type { AskedLetter } from '../../dead-letters/dead-letters.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

/** A command to a device names that many. */
const IDS_MAX = 100;

export function deadLetterRoutes(app: Routes, { deadLetters }: OperatorApiOptions): void {
  const querystring = schemas.pageQuery.extend({
    function: schemas.name.optional(),
    device: schemas.deviceOrGatherer.optional(),
  });
  app.get(
    '/dead-letters',
    {
      schema: {
        summary: 'Input that functions could not take, newest first',
        querystring,
        response: { 200: schemas.pageOf(schemas.deadLetter) },
      },
    },
    async ({ query }) => {
      const { items, next } = await deadLetters.list({ ...given(query), ...page(query) });
      return { items: items.map(summaryOf), ...(next !== undefined && { next }) };
    },
  );

  app.get(
    '/dead-letters/:id',
    {
      schema: {
        summary: 'One dead letter, with its input as far as the hub has it',
        params: z.object({ id: schemas.deadLetterId }),
        response: { 200: schemas.deadLetterDetail },
      },
    },
    async ({ params: { id } }) => detailOf(await deadLetters.get(id)),
  );

  const body = z.strictObject({ ids: z.array(schemas.deadLetterId).min(1).max(IDS_MAX) });
  const response = { 200: schemas.pageOf(schemas.deadLetter) };
  const replay = 'Run dead letters again; one that its function then takes is gone, with its effects, exactly once';
  app.post('/dead-letters/replay', { schema: { summary: replay, body, response } }, async ({ body: { ids } }) => ({
    items: (await deadLetters.ask('replay', ids)).map(summaryOf),
  }));
  const remove = 'Remove dead letters, without running them';
  app.post('/dead-letters/remove', { schema: { summary: remove, body, response } }, async ({ body: { ids } }) => ({
    items: (await deadLetters.ask('remove', ids)).map(summaryOf),
  }));
}

function summaryOf({ letter, ask }: AskedLetter): z.infer<typeof schemas.deadLetter> {
  const { id, device, where, version, hash, at, replays, fault, input, answer } = letter;
  const { stack: _stack, ...error } = fault;
  return {
    ...{ id, device, where, function: letter.function, version, hash, at, replays, error },
    ...(input.kind === 'readings' ? { readings: input.count } : { handler: input.handler }),
    ...(ask !== undefined && { asked: { what: ask.what, at: ask.at, expiresAt: ask.expiresAt } }),
    ...(answer !== undefined && { answer }),
  };
}

function detailOf(asked: AskedLetter): z.infer<typeof schemas.deadLetterDetail> {
  const { input, fault } = asked.letter;
  const detail = { ...summaryOf(asked), stack: fault.stack };
  if (input.kind === 'event') return { ...detail, ...(input.value !== undefined && { value: input.value }) };
  return { ...detail, input: readingList(asked.letter) };
}
