import { parseObject, ProtocolError } from '@huizhi/protocol/client';
import { SendRefusedError } from './errors.js';

/** Checks a frame before it is sent: the error if the server would refuse its size or content. */
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
