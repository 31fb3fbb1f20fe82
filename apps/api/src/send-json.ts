/** JSON as a person at a terminal wants it: with a line end. */
import type { Response } from 'express';

export function sendJson(response: Response, value: unknown, type = 'application/json'): void {
  response.type(type).send(`${JSON.stringify(value)}\n`);
}
