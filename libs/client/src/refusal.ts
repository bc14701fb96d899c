import { parseObject, ProtocolError } from '@huizhi/protocol/client';
import { SendRefusedError } from './errors.js';

/** What the server would end the connection for, found before it is sent. */
export function refusal(bytes: Uint8Array, frameBytes: number): SendRefusedError | undefined {
  try {
    if (bytes.length > frameBytes) throw new ProtocolError('frameTooLarge', `larger than ${frameBytes} bytes`);
    parseObject(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return new SendRefusedError(error.code, error.error, error.message);
    throw error;
  }
}
