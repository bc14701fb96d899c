import { idProblem } from '@huizhi/protocol';
import { InvalidArgumentError } from 'commander';

/**
 * An argument that is the id of a user. @throws InvalidArgumentError with the rule that the server would refuse it by
 */
export function userID(text: string): string {
  const problem = idProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`A user id ${problem}.`);
  return text;
}
