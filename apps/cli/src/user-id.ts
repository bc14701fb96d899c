import { idProblem } from '@huizhi/protocol';
import { InvalidArgumentError } from 'commander';

/** Parses the argument of a user id. @throws InvalidArgumentError with the rule that the id breaks */
export function userID(text: string): string {
  const problem = idProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`A user id ${problem}.`);
  return text;
}
