import { applyDecorators, Catch, UseFilters, type RpcExceptionFilter } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { commands, type CommandName, type ControlCommands } from '@huizhi/protocol';
import { throwError, type Observable } from 'rxjs';

type Handler<Name extends CommandName> = (
  request: ControlCommands[Name]['request'],
) => Promise<ControlCommands[Name]['reply']>;

/**
 * Passes an error to the {@link ControlServer} unchanged. Nest's own filter would log each with its stack and replace
 * it.
 */
@Catch()
class PassOn implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** The method answers this command; its type is checked against the declaration in `libs/protocol`. */
export const HandlesCommand =
  <Name extends CommandName>(name: Name) =>
  (target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<Handler<Name>>): void => {
    handling(commands[name])(target, key, descriptor);
  };

/** For tests, which declare their own commands. */
export const handling = (subject: string): MethodDecorator =>
  applyDecorators(MessagePattern<string>(subject), UseFilters(new PassOn()));
