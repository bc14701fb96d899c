import type { ServerFrame } from '@huizhi/protocol/client';
import type { Transport } from './transport.js';

/** A frame on the wire, for tools that show it. */
export interface WireFrame {
  direction: 'sent' | 'received';
  /** JSON; the token of a login is masked. */
  json: string;
}

export type WireObserver = (frame: WireFrame) => void;

/** Wraps a transport so that `observer` is called with every frame. Errors of the observer are ignored. */
export const watched =
  (transport: Transport, observer: WireObserver): Transport =>
  (handlers) => {
    const tell = (frame: WireFrame): void => {
      try {
        observer(frame);
      } catch {
        // An observer must not affect the connection.
      }
    };
    const connection = transport({
      onOpen: () => handlers.onOpen(),
      onFrame: (frame: ServerFrame) => {
        tell({ direction: 'received', json: JSON.stringify(frame) });
        handlers.onFrame(frame);
      },
      onClose: (error, code) => handlers.onClose(error, code),
    });
    return {
      send: (json) => {
        tell({ direction: 'sent', json: masked(json) });
        connection.send(json);
      },
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    };
  };

/** Masks the token of a login. In other frames the word is part of user content. */
function masked(json: string): string {
  if (!json.startsWith('{"messageType":"login"')) return json;
  return JSON.stringify({ ...(JSON.parse(json) as object), token: '***' });
}
