import type { ServerFrame } from '@huizhi/protocol/client';
import type { Transport } from './transport.js';

/** A frame as it travels, for tools that show the wire. */
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
        // An observer has no influence on the connection.
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

/** Only a login has a token of its own; elsewhere the word is part of what a user wrote. */
function masked(json: string): string {
  if (!json.startsWith('{"messageType":"login"')) return json;
  return JSON.stringify({ ...(JSON.parse(json) as object), token: '***' });
}
